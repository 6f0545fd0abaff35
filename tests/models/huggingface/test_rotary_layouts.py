"""ModernBERT, nomic-bert and GTE: the numbers of transformers, the files of their own code, and back."""

import dataclasses
import json

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import Encoder
from hbt_jax.models.huggingface import architectures
from hbt_jax.models.huggingface.pretrained import read, read_parameters
from hbt_jax.models.rotary import LAST, RotaryConfig
from tests.models.test_parity import LAYOUTS, check, checkpoint, computed_by_torch
from tests.models.test_rotary import KINDS

NO_TOKENS = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"))
MODERNBERT = {  # the keys of answerdotai/ModernBERT-base, with mmBERT's sizes
    "model_type": "modernbert", "vocab_size": 256000, "hidden_size": 768, "num_hidden_layers": 22,
    "num_attention_heads": 12, "intermediate_size": 1152, "max_position_embeddings": 8192, "pad_token_id": 0,
    "position_embedding_type": "sans_pos", "hidden_activation": "gelu", "norm_eps": 1e-05, "norm_bias": False,
    "attention_bias": False, "mlp_bias": False, "local_attention": 128, "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0, "local_rope_theta": 160000.0, "layer_norm_eps": 1e-05,
}  # fmt: skip
NOMIC = {
    "model_type": "nomic_bert", "auto_map": {"AutoModel": "own--modeling.NomicBertModel"}, "n_embd": 768, "n_head": 12,
    "n_inner": 3072, "n_layer": 12, "n_positions": 8192, "max_trained_positions": 2048, "vocab_size": 30528,
    "type_vocab_size": 2, "activation_function": "swiglu", "layer_norm_epsilon": 1e-12, "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None, "prenorm": False,
    "rotary_scaling_factor": None, "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
    "use_rms_norm": False, "causal": False, "parallel_block": False,
}  # fmt: skip
NEW = {
    "model_type": "new", "auto_map": {"AutoModel": "own--modeling.NewModel"}, "vocab_size": 250048,
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    "max_position_embeddings": 8192, "type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm", "position_embedding_type": "rope", "rope_theta": 20000,
    "rope_scaling": {"factor": 8.0, "type": "ntk"}, "logn_attention_scale": False, "pack_qkv": True, "pad_token_id": 1,
}  # fmt: skip


def encoder_of(values):
    return architectures.encoder_config(values, "config.json")


@pytest.mark.peer
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ModernBertModel", {"local_attention": 6, **NO_TOKENS}),
        (
            "ModernBertForMaskedLM",
            {"num_hidden_layers": 4, "attention_bias": True, "mlp_bias": True, "norm_bias": True, "local_attention": 5}
            | NO_TOKENS,
        ),
        ("NomicBertModel", {}),
        ("GteModel", {"type_vocab_size": 0}),
        ("GteModel", {"rope_parameters": {"rope_type": "linear", "factor": 1.5, "rope_theta": 2e4}}),
    ],
)
def test_checkpoints_of_transformers(tmp_path, kind, settings):
    folder = checkpoint(tmp_path / "in", kind, max_position_embeddings=31, pad_token_id=0, **settings)
    source = read(str(folder))
    expected = computed_by_torch(folder, [1, 9, 31, 3, 14])
    for layout in LAYOUTS:
        check(source, expected, layout)
    check_round_trip(source, tmp_path / "out", expected)


def check_round_trip(source, folder, expected):
    """Written by our names, it is read back as the same bits, and transformers computes the same from it."""
    folder.mkdir()
    flat, _ = read_parameters(source)
    save_file(architectures.from_flat(source.encoder, flat), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(architectures.config_json(source.encoder)))
    (folder / "tokenizer.json").write_bytes((source.folder / "tokenizer.json").read_bytes())
    again = read(str(folder))
    assert again.encoder == source.encoder and not read_parameters(again)[1]
    assert all(np.array_equal(value, flat[path]) for path, value in read_parameters(again)[0].items())
    theirs = computed_by_torch(folder, expected["lengths"].tolist())
    np.testing.assert_allclose(theirs["hidden"], expected["hidden"], rtol=0, atol=1e-5)


def test_published_configurations():
    modern = encoder_of(MODERNBERT)
    local = tuple(number for number in range(22) if number % 3)
    assert modern.rotary == RotaryConfig(
        160000.0, local_layers=local, local_theta=160000.0, window=64, pre_norm=True, norm_bias=False
    )
    assert (modern.max_positions, modern.token_types, modern.norm_epsilon, modern.activation) == (8192, 0, 1e-5, "gelu")
    nomic = encoder_of(NOMIC)
    assert nomic.rotary == RotaryConfig(1000.0) and (nomic.max_positions, nomic.activation) == (2048, "silu")
    assert encoder_of(NOMIC | {"max_position_embeddings": 4096}).max_positions == 4096
    gte = encoder_of(NEW)
    biases = ("query_key_value", "attention_output", "contract")
    assert gte.rotary == RotaryConfig(160000.0, 8 ** (2 / 64), biases=biases, activated=LAST)
    for same in (None, {}, {"rope_type": "default"}, {"type": "default"}):
        assert encoder_of(MODERNBERT | {"rope_scaling": same}) == encoder_of(MODERNBERT)
    assert encoder_of(NEW | {"rope_scaling": None}).rotary == RotaryConfig(20000.0, biases=biases, activated=LAST)
    for nothing in (None, {}, {"full_attention": None, "sliding_attention": {}}):  # as absent, in transformers too
        assert encoder_of(MODERNBERT | {"rope_parameters": nothing, "layer_types": None}) == modern
    assert encoder_of(NOMIC | {"rope_parameters": {"type": "linear", "factor": 2}}).rotary == RotaryConfig(1000.0, 2.0)
    unstated = {key: value for key, value in MODERNBERT.items() if key not in ("norm_eps", "norm_bias")}
    assert encoder_of(unstated) == modern
    assert architectures.defaults_taken(unstated) == ["norm_eps (1e-05)", "norm_bias (False)"]


def test_the_ntk_scaling_of_gte_is_that_of_its_own_code():
    """There: base = theta * factor, inv_freq = base ** (-2 i / d) / factor ** (2 / d), once positions are beyond."""
    rotary, half = encoder_of(NEW).rotary, np.arange(32)
    own = (20000.0 * 8.0) ** (-2 * half / 64) / 8.0 ** (2 / 64)
    np.testing.assert_allclose(rotary.theta ** (-half / 32) / rotary.stretch, own, rtol=1e-12)


@pytest.mark.parametrize("values", [MODERNBERT, NOMIC, NEW, NEW | {"type_vocab_size": 0}])
def test_configurations_come_back(values):
    encoder = encoder_of(values)
    assert encoder_of(json.loads(json.dumps(architectures.config_json(encoder)))) == encoder


@pytest.mark.parametrize("kind", KINDS)
def test_paths_and_shapes_are_those_of_the_encoder_and_tensors_come_back(kind):
    config = KINDS[kind] if kind != "gte" else encoder_of(NEW | {
        "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24, "vocab_size": 61,
    })  # fmt: skip
    state = nnx.to_flat_state(nnx.state(nnx.eval_shape(lambda: Encoder(config, rngs=nnx.Rngs(0))), nnx.Param))
    assert architectures.parameter_shapes(config) == {path: leaf.shape for path, leaf in state}
    generator = np.random.default_rng(0)
    given = {
        name: generator.normal(size=shape).astype(np.float32)
        for name, shape in architectures.tensor_shapes(config).items()
    }
    flat = architectures.to_flat(config, lambda name, target: np.copyto(target, given[name]))
    again = architectures.from_flat(config, flat)
    assert list(again) == list(given) and all(np.array_equal(again[name], given[name]) for name in given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (MODERNBERT | {"hidden_activation": "tanh"}, "hidden_activation is 'tanh'; expected one of gelu"),
        (MODERNBERT | {"layer_types": ["full_attention"]}, r"layer_types is \['full_attention'\]; expected 22 of"),
        (MODERNBERT | {"local_attention": 0}, "local_attention is 0; expected a whole number above 0"),
        (MODERNBERT | {"norm_bias": 1}, "norm_bias is 1; expected true or false"),
        (MODERNBERT | {"global_rope_theta": 0}, "global_rope_theta is 0; expected a number above 0"),
        (MODERNBERT | {"num_attention_heads": 256}, "a head has 3 numbers; expected an even number"),
        (MODERNBERT | {"quantization_config": {"bits": 4}}, "quantization_config is .* expected no such key"),
        (
            MODERNBERT | {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}},
            "full_attention: rope_type is 'yarn'; expected default or linear",
        ),
        (
            MODERNBERT | {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2}}},
            "rope_parameters of full_attention scale positions, which is not supported",
        ),
        (MODERNBERT | {"layer_types": [["full_attention"]] * 22}, r"layer_types is .*; expected 22 of"),
        (MODERNBERT | {"layer_types": "full_attention"}, "layer_types is 'full_attention'; expected 22 of"),
        (MODERNBERT | {"norm_eps": None}, "norm_eps is null; expected a small number above 0"),
        (MODERNBERT | {"global_rope_theta": 10**400}, "global_rope_theta is 1000.*; expected a number above 0"),
        (MODERNBERT | {"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling is .*, which is not supported"),
        (MODERNBERT | {"rope_parameters": []}, r"rope_parameters is \[\]; expected an object"),
        *(
            (MODERNBERT | {"rope_parameters": {kind: wrong}}, f"rope_parameters: {kind} is .*; expected an object")
            for kind in ("full_attention", "sliding_attention")
            for wrong in ("x", "", [], 0, False)
        ),
        (
            MODERNBERT | {"rope_parameters": {"sliding_attention": {"rope_theta": None}}},
            "rope_parameters: sliding_attention: rope_theta is null; expected a number above 0",
        ),
        (NOMIC | {"n_embd": "768"}, "n_embd is '768'; expected a whole number above 0"),
        (NOMIC | {"rotary_emb_base": None}, "rotary_emb_base is null; expected a number above 0"),
        (NOMIC | {"rope_parameters": {"type": "yarn"}}, "rope_parameters: type is 'yarn'; expected default or linear"),
        (NOMIC | {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor is 0.5, which is not"),
        (NOMIC | {"rope_scaling": {"type": "linear", "factor": 2}}, "rope_scaling is .*, which is not supported"),
        (NOMIC | {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5, which is not supported; expected"),
        (NEW | {"rope_scaling": "ntk"}, "rope_scaling is 'ntk'; expected null or .*ntk"),
        (NEW | {"rope_scaling": {"type": "ntk", "factor": 10**400}}, "rope_scaling: factor is 1000.*; expected a numb"),
        (NEW | {"rope_theta": None}, "rope_theta is null; expected a number above 0"),
        (NOMIC | {"prenorm": True}, "prenorm is True, which is not supported; expected False"),
        (NOMIC | {"num_experts": 8}, "num_experts is 8, which is not supported; expected 0"),
        (NOMIC | {"rotary_emb_fraction": 0.5}, "rotary_emb_fraction is 0.5"),
        (NOMIC | {"rotary_scaling_factor": 2}, "rotary_scaling_factor is 2"),
        ({key: NOMIC[key] for key in NOMIC if key != "rotary_emb_base"}, "rope_theta is missing; expected a number"),
        ({key: NOMIC[key] for key in NOMIC if key != "n_inner"}, "intermediate_size is missing; expected a whole"),
        (NEW | {"rope_scaling": {"type": "dynamic"}}, "rope_scaling is .*; expected null or .*ntk"),
        (NEW | {"position_embedding_type": "absolute"}, "position_embedding_type is 'absolute', .* expected 'rope'"),
        (NEW | {"layer_norm_type": "rms_norm"}, "layer_norm_type is 'rms_norm'"),
        (NEW | {"type_vocab_size": -1}, "type_vocab_size is -1; expected a whole number above 0"),
        (NEW | {"is_decoder": True}, "is_decoder is True, which is not supported"),
    ],
)  # fmt: skip
def test_what_is_not_computed_is_refused(values, message):
    with pytest.raises(InputError, match=f"^config.json.*: {message}|^config.json: {message}"):
        encoder_of(values)


def test_prefixes_heads_and_stored_angles_are_taken_off():
    config = dataclasses.replace(KINDS["modernbert"], layers=1)
    own = list(architectures.tensor_shapes(config))
    heads = ["head.dense.weight", "decoder.bias", "classifier.weight"]
    names = [*(f"model.{name}" for name in own), *heads, "model.rotary_emb.inv_freq"]
    found, left_out = architectures.encoder_names(names, "file", config)
    assert found == {name: f"model.{name}" for name in own}
    assert left_out == [
        "classifier (1 tensor)", "decoder (1 tensor)", "head (1 tensor)", "inv_freq (1 tensor)",
    ]  # fmt: skip
    with pytest.raises(InputError, match="expected exactly one token table, embeddings.tok_embeddings.weight with or"):
        architectures.encoder_names(["a.b"], "file", config)
