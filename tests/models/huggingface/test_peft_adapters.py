"""Adapters in PEFT's layout: what peft made is read as peft computes it, and what is written peft reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from hbt_jax.errors import InputError
from hbt_jax.models import lora
from hbt_jax.models.encoder import Encoder
from hbt_jax.models.huggingface import architectures, peft_adapters
from hbt_jax.models.huggingface.pretrained import read, read_parameters
from hbt_jax.models.lora import TARGETS, LoraConfig
from tests.models.huggingface.test_rotary_layouts import KINDS, NO_TOKENS
from tests.models.test_parity import GOLDEN, check, checkpoint, computed_by_torch

QUERY = "encoder.layer.0.attention.self.query"


def adapter(folder: Path, base: Path, modules: dict[str, tuple[int, int]], rank: int = 2, **changes) -> Path:
    """A folder with random adapters of modules, {name: (inputs, outputs)}."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(3)
    tensors = {}
    for name, (inputs, outputs) in modules.items():
        for half, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
            tensors[f"base_model.model.{name}.lora_{half}.weight"] = generator.normal(size=shape).astype(np.float32)
    save_file(tensors, folder / peft_adapters.WEIGHTS)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 3, "base_model_name_or_path": str(base), "bias": "none"}
    (folder / peft_adapters.CONFIG).write_text(json.dumps(config | changes))
    return folder


@pytest.fixture
def bert(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "bert", tmp_path / "bert"))


@pytest.mark.parametrize("place", ["of its own", "beside the model"])
def test_an_adapter_is_added_to_its_product_alone(bert, tmp_path, place):
    before, _ = read_parameters(read(str(bert)))
    width = read(str(bert)).encoder.width
    folder = adapter(tmp_path / "adapter" if place == "of its own" else bert, bert, {QUERY: (width, width)})
    source = read(str(folder))
    assert source.name == str(folder) and source.encoder == read(str(bert)).encoder
    after, _ = read_parameters(source)
    given = load_file(folder / peft_adapters.WEIGHTS)
    a, b = (given[f"base_model.model.{QUERY}.lora_{half}.weight"].astype(np.float64) for half in "AB")
    path = ("layers", 0, "query_key_value", "kernel")
    expected = before[path].copy()
    expected[:, :width] += 1.5 * (b @ a).T
    np.testing.assert_allclose(after.pop(path), expected, rtol=1e-6)
    assert all(np.array_equal(value, before[name]) for name, value in after.items())


def test_patterns_and_the_root_of_the_rank(bert, tmp_path):
    width = read(str(bert)).encoder.width
    folder = adapter(
        tmp_path / "a", bert, {QUERY: (width, width)}, rank=4, alpha_pattern={"self.query": 8}, use_rslora=True
    )
    found = peft_adapters.read(folder)
    assert (found.scale(QUERY, 4), found.scale("encoder.layer.0.output.dense", 4)) == (4.0, 1.5)


def test_other_adapters_are_other_weights(bert, tmp_path):
    width = read(str(bert)).encoder.width
    first, second = (
        read(str(adapter(tmp_path / name, bert, {QUERY: (width, width)}, lora_alpha=alpha)))
        for name, alpha in (("a", 1), ("b", 2))
    )
    assert len({first.fingerprint, second.fingerprint, read(str(bert)).fingerprint}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3', which is not supported; expected 'LORA'"),
        ({"use_dora": True}, "use_dora is True"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"modules_to_save": ["pooler"]}, r"modules_to_save is \['pooler'\]"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'; expected one of"),
        ({"r": 0}, "r is 0; expected a whole number above 0"),
        ({"lora_alpha": "2"}, "lora_alpha is '2'; expected a number above 0"),
        ({"alpha_pattern": {"[": 8}}, "alpha_pattern is .*expected an object of patterns and numbers above 0"),
        ({"lora_alpha": 10**400}, "lora_alpha is 1000.*; expected a number above 0"),
        ({"alpha_pattern": {"query": -1}}, "alpha_pattern is .*expected an object of patterns and numbers above 0"),
        (
            {"base_model_name_or_path": "no/such/base"},
            "base_model_name_or_path=no/such/base: no such folder, and not a",
        ),
        ({"base_model_name_or_path": "no such id"}, "base_model_name_or_path=no such id: no such folder, and not a"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path is not stated: write the folder or hub id"),
    ],
)
def test_what_is_not_computed_is_refused(bert, tmp_path, changes, message):
    width = read(str(bert)).encoder.width
    folder = adapter(tmp_path / "a", bert, {QUERY: (width, width)}, **changes)
    with pytest.raises(InputError, match=f"a/adapter_config.json: {message}"):
        read(str(folder))


def test_weights_that_do_not_fit_are_refused(bert, tmp_path):
    width = read(str(bert)).encoder.width

    def refused(message, **given):
        with pytest.raises(InputError, match=message):
            read_parameters(read(str(adapter(tmp_path / "a", bert, **given))))

    refused("base_model.model.gone.lora_A.weight .* is no adapter of a product of", modules={"gone": (3, 3)})
    refused(r"adapter of .*query.weight has matrices of shapes .*; expected A \(rank", modules={QUERY: (3, width)})
    adapter(tmp_path / "a", bert, {QUERY: (width, width)})
    given = load_file(tmp_path / "a" / peft_adapters.WEIGHTS)
    half = {name: tensor for name, tensor in given.items() if "lora_A" in name}
    save_file(half, tmp_path / "a" / peft_adapters.WEIGHTS)
    with pytest.raises(InputError, match="has matrices of shapes {'A': .*}; expected A .* and B"):
        read_parameters(read(str(tmp_path / "a")))
    (tmp_path / "a" / peft_adapters.WEIGHTS).unlink()
    with pytest.raises(InputError, match="adapter_config.json: no adapter_model.safetensors beside it"):
        read(str(tmp_path / "a"))
    adapter(tmp_path / "b", tmp_path / "a", {QUERY: (width, width)})
    adapter(tmp_path / "a", bert, {QUERY: (width, width)})
    with pytest.raises(InputError, match="its base, .*a, is an adapter itself: merge that one first"):
        read(str(tmp_path / "b"))


SETTINGS = {"BertModel": {}, "ModernBertModel": {"local_attention": 6, **NO_TOKENS}}


@pytest.mark.peer
@pytest.mark.parametrize("kind", SETTINGS)
def test_what_peft_made_is_read_as_peft_computes_it(tmp_path, kind):
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    import transformers

    base = checkpoint(tmp_path / "base", kind, max_position_embeddings=31, pad_token_id=0, **SETTINGS[kind])
    targets = ["query", "key", "value", "dense"] if kind == "BertModel" else ["Wqkv", "Wo", "Wi"]
    config = peft.LoraConfig(
        r=2, lora_alpha=5, target_modules=targets, exclude_modules=".*pooler.*", alpha_pattern={targets[0]: 3},
        rank_pattern={targets[0]: 4},
    )  # fmt: skip
    model = peft.get_peft_model(transformers.AutoModel.from_pretrained(base), config)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path / "adapter")
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    expected = computed_by_torch(tmp_path / "merged", [1, 9, 31, 3])
    check(read(str(tmp_path / "adapter")), expected, "packed")


@pytest.mark.peer
@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("targets", [TARGETS, ("query", "value")])
def test_what_is_written_peft_reads(tmp_path, kind, targets):
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    import transformers

    base = checkpoint(tmp_path / "base", kind, max_position_embeddings=31, pad_token_id=0, **SETTINGS[kind])
    source = read(str(base))
    adapters = LoraConfig(2, 3.0, (1,), targets)
    flat = with_adapters(source, adapters)
    (tmp_path / "adapter").mkdir()
    peft_adapters.write(tmp_path / "adapter", str(base), source.encoder, adapters, flat)
    merged, _ = read_parameters(read(str(tmp_path / "adapter")))
    expected = lora.merged(flat, adapters)
    assert merged.keys() == expected.keys()
    for path, value in expected.items():
        np.testing.assert_allclose(merged[path], value, rtol=0, atol=1e-6, err_msg=str(path))
    model = peft.PeftModel.from_pretrained(transformers.AutoModel.from_pretrained(base), tmp_path / "adapter")
    tokens = torch.tensor(np.random.default_rng(0).integers(4, 61, (2, 9)))
    with torch.no_grad():
        hidden = model.eval()(tokens).last_hidden_state.numpy().reshape(18, -1)
    given = {"tokens": tokens.numpy(), "lengths": np.array([9, 9]), "hidden": hidden}
    check(read(str(tmp_path / "adapter")), given, "padded")


def with_adapters(source, adapters: LoraConfig) -> dict:
    """The pretrained parameters and random adapters by path."""
    flat, _ = read_parameters(source)
    shapes = nnx.eval_shape(lambda: Encoder(source.encoder, lora=adapters, rngs=nnx.Rngs(0)))
    generator = np.random.default_rng(5)
    for path, leaf in nnx.to_flat_state(nnx.state(shapes, nnx.Param)):
        if "adapters" in path:
            flat[path] = generator.normal(scale=0.3, size=leaf.shape).astype(np.float32)
    return flat


def test_layouts_whose_modules_have_other_names_are_not_written(tmp_path):
    with pytest.raises(InputError, match="layout nomic_bert cannot be written for PEFT"):
        peft_adapters.write(tmp_path, "base", KINDS["nomic"], LoraConfig(2, 2.0, (0,), ("query",)), {})
    assert not architectures.tensors_of(KINDS["nomic"], ("layers", 9, "expand", "kernel"))
