"""Which configurations a grid holds, what they are called and what each is compared with."""

import pytest

from hbt_jax.config.training import TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.study import grid

TOLD = TrainConfig().options() | {"stores": ("s",)}


def labels(text: str, **told) -> list[str]:
    return [variant.label for variant in grid.variants(grid.parse_grid(text), TOLD | told)]


def test_values_have_the_types_of_their_options():
    text = "learning_rate=1e-4,0.0001,1e-3;steps=5; symmetric=true,false ;stores=a,a+b;freeze=,embeddings; normalize=no"
    assert grid.parse_grid(text) == {
        "learning_rate": (1e-4, 1e-3),
        "steps": (5,),
        "symmetric": (True, False),
        "stores": (("a",), ("a", "b")),
        "freeze": ((), ("embeddings",)),
        "normalize": (False,),
    }


def test_a_configuration_whose_options_make_no_difference_is_there_once():
    found = labels("batching=x-x-mono,x-x,x-y,hybrid; mono_probability=0.25,0.5")
    assert found == ["x-x-mono", "x-x", "x-y", "hybrid, mono_probability=0.25", "hybrid, mono_probability=0.5"]
    assert labels("lora_rank=0,8; lora_alpha=8,16") == [
        "lora_rank=0", "lora_rank=8, lora_alpha=8.0", "lora_rank=8, lora_alpha=16.0",
    ]  # fmt: skip
    assert labels("size_exponent=0.5,1") == ["run"]
    assert len(labels("size_exponent=0.5,1", stores=("a", "b"))) == 2


def test_hybrid_that_always_draws_one_kind_is_that_kind():
    found = labels("batching=hybrid,x-y; mono_probability=0,0.5,1; learning_rate=1e-3")
    assert found == [
        "x-y, learning_rate=0.001", "hybrid, mono_probability=0.5, learning_rate=0.001",
        "x-x-mono, learning_rate=0.001",
    ]  # fmt: skip


def test_names_are_fit_for_folders():
    (variant,) = grid.variants({"batching": ("hybrid",), "stores": (("a/b", "gs://c"),)}, TOLD)
    assert variant.name == "hybrid-stores=a_b+gs___c"
    with pytest.raises(InputError, match="would have one folder"):
        grid.variants({"stores": (("a/b",), ("a_b",))}, TOLD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batching", "--grid: 'batching': expected NAME=VALUE"),
        ("momentum=1", "--grid: unknown option momentum"),
        ("seed=1,2", "--grid: seed cannot vary within a grid: use --seeds"),
        ("workdir=a,b", "--grid: workdir cannot vary"),
        ("steps=1.5", "--grid: steps=1.5: expected a whole number"),
        ("learning_rate=fast", "--grid: learning_rate=fast: expected a number"),
        ("symmetric=perhaps", "--grid: symmetric=perhaps: expected true or false"),
        ("steps=1;steps=2", "--grid: steps is given twice"),
    ],
)
def test_what_is_no_grid_is_refused(text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        grid.parse_grid(text)


def test_an_unknown_batch_kind_is_refused():
    with pytest.raises(InputError, match="--batching=x-z: expected a comma-separated list of hybrid, x-x-mono"):
        labels("batching=x-z")


def compared(text: str, baseline: str) -> dict[str, str]:
    axes = grid.parse_grid(text)
    found = grid.variants(axes, TOLD)
    chosen = grid.parse_baseline(baseline)
    return {one.label: grid.reference(one, chosen, found, list(axes), TOLD).label for one in found}


def test_each_is_compared_with_the_one_that_differs_only_in_the_baselines_options():
    assert compared(
        "batching=x-x-mono,hybrid; mono_probability=0.25; learning_rate=1e-3,1e-2", "batching=x-x-mono"
    ) == {
        "x-x-mono, learning_rate=0.001": "x-x-mono, learning_rate=0.001",
        "x-x-mono, learning_rate=0.01": "x-x-mono, learning_rate=0.01",
        "hybrid, mono_probability=0.25, learning_rate=0.001": "x-x-mono, learning_rate=0.001",
        "hybrid, mono_probability=0.25, learning_rate=0.01": "x-x-mono, learning_rate=0.01",
    }
    both = compared("batching=x-y,hybrid; mono_probability=0.25,0.5", "batching=hybrid; mono_probability=0.5")
    assert set(both.values()) == {"hybrid, mono_probability=0.5"}


def test_a_baseline_that_the_grid_does_not_have_is_refused():
    with pytest.raises(InputError, match="'x-y' would be compared with 'hybrid, mono_probability=0.5', which is not"):
        compared("batching=x-y,hybrid; mono_probability=0.25,0.75", "batching=hybrid")
    with pytest.raises(InputError, match="--baseline: steps does not vary"):
        compared("batching=x-y,hybrid", "steps=5")
    with pytest.raises(InputError, match="--baseline=batching=x-y,hybrid: expected `untrained` or one value"):
        grid.parse_baseline("batching=x-y,hybrid")
    assert grid.parse_baseline("untrained") == grid.UNTRAINED
