"""Models known by name, rows of texts of equal length, and what does not fit."""

import dataclasses

import jax
import numpy as np
import pytest

from hbt_jax.compile_check import stand_in
from hbt_jax.config.compile_check import CompileCheckConfig
from hbt_jax.config.learning import ModelConfig, PlanConfig, TextConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import EncoderConfig, parameter_count

STAND_IN = CompileCheckConfig(stand_in=True)


def config(model="FacebookAI/xlm-roberta-base", batch=1024, **text) -> TrainConfig:
    return TrainConfig(plan=PlanConfig(global_batch=batch), model=ModelConfig(model=model), text=TextConfig(**text))


@pytest.mark.parametrize(
    ("name", "millions"),
    [("xlm-roberta-base", 277.5), ("xlm-roberta-large", 558.8), ("labse", 470.9), ("multilingual-e5-small", 117.5)],
)
def test_architectures_have_the_published_number_of_parameters(name, millions):
    assert parameter_count(stand_in.ARCHITECTURES[name]) / 1e6 == pytest.approx(millions, abs=0.6)


def test_rows_hold_all_texts_and_no_more():
    """128 pairs of 32 + 128 tokens in rows of 128: a row for each passage, and four queries in a row."""
    case = stand_in.stand_in_case(config(), STAND_IN, devices=8)
    assert (case.rows, case.passages, case.step.pooling) == (160, 1, "mean")
    shorter = CompileCheckConfig(stand_in=True, stand_in_query_tokens=16, stand_in_passage_tokens=64)
    assert stand_in.stand_in_case(config(), shorter, devices=8).rows == 80


def test_flags_change_the_architecture():
    check = CompileCheckConfig(
        stand_in=True, stand_in_vocabulary=8000, stand_in_width=96, stand_in_layers=2, stand_in_heads=3,
        stand_in_feed_forward=64,
    )  # fmt: skip
    encoder = stand_in.stand_in_case(config("sentence-transformers/LaBSE/"), check, 8).step.encoder
    expected = EncoderConfig(8000, 96, 2, 3, 64, token_types=2, norm_epsilon=1e-12, dropout=0.1, dense=768)
    assert encoder == expected


def test_a_batch_has_the_shapes_of_the_pipeline():
    mesh = make_mesh(4, 2, jax.devices()[:8])
    plan = PlanConfig(global_batch=64, negatives=2)
    case = stand_in.stand_in_case(dataclasses.replace(config("tiny"), plan=plan), STAND_IN, 8)
    batch = {name: leaf.shape for name, leaf in case.batch(mesh).items()}
    assert batch["tokens"] == batch["segments"] == batch["positions"] == (8, case.rows, 128)
    assert (batch["query_slots"], batch["passage_slots"]) == ((8, 8), (8, 24))
    assert (batch["masked"], batch["truncated"]) == ((8, 8, 6), (8,))
    assert case.batch(mesh)["tokens"].sharding.shard_shape(batch["tokens"])[0] == 1


@pytest.mark.parametrize(
    ("train", "check", "message"),
    [
        (config("unheard/of"), {}, "--stand_in: --model=unheard/of is not known by name: expected one of tiny, small"),
        (config(batch=100), {}, "--global_batch=100 does not split evenly over 16 devices: expected a multiple"),
        (config(batch=8), {}, "--global_batch=8 does not split evenly over 16 devices: expected .* such as 16$"),
        (config(), {"stand_in_width": 100}, "--stand_in_width=100 does not split over 12 heads: change --stand"),
        (config(), {"stand_in_passage_tokens": 200}, "a text of 200 tokens does not fit a row of 128: raise --row"),
        (config(passage_length=600), {}, "texts of 600 tokens, but FacebookAI/xlm-roberta-base has 512 positions"),
    ],
)  # fmt: skip
def test_messages(train, check, message):
    with pytest.raises(InputError, match=message):
        stand_in.stand_in_case(train, dataclasses.replace(STAND_IN, **check), devices=16)


def test_without_a_stand_in_stores_are_needed():
    with pytest.raises(InputError, match="--stores is needed, because its first batch gives the number of rows; or"):
        stand_in.real_case(config("tiny"), CompileCheckConfig(), make_mesh(0, 1, jax.devices()))


def test_the_real_case_has_the_rows_of_the_first_batch(monkeypatch):
    mesh = make_mesh(0, 1, jax.devices())
    first = {"tokens": np.zeros((8, 18, 128)), "query_slots": np.zeros((8, 4)), "passage_slots": np.zeros((8, 12))}
    from hbt_jax.training import batches, initial_model, workdir

    train = dataclasses.replace(config("tiny", batch=32), plan=PlanConfig(stores=("s",), global_batch=32))
    opened = type("Opened", (), {"config": train, "tokenizer": None})
    monkeypatch.setattr(batches, "HostBatches", lambda *given: lambda start, stop: iter([first]))
    monkeypatch.setattr(initial_model, "open_initial_model", lambda given: opened)
    monkeypatch.setattr(workdir, "step_config_of", lambda given: "the update")
    case = stand_in.real_case(train, CompileCheckConfig(eval_batch=64), mesh)
    assert case == stand_in.Case("the update", 32, 3, 18, train.text, 64)
