"""transformers' configurations and tensor names to ours and back: the same bits, and a refusal of all else."""

import dataclasses

import numpy as np
import pytest
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.huggingface import architectures

XLM_R = {
    "model_type": "xlm-roberta", "vocab_size": 250002, "hidden_size": 768, "num_hidden_layers": 12,
    "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 514, "type_vocab_size": 1,
    "layer_norm_eps": 1e-05, "hidden_act": "gelu", "pad_token_id": 1, "position_embedding_type": "absolute",
    "hidden_dropout_prob": 0.1, "bos_token_id": 0, "is_decoder": False, "dtype": "float32",
}  # fmt: skip
BERT = XLM_R | {
    "model_type": "bert", "vocab_size": 119547, "max_position_embeddings": 512, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "pad_token_id": 0,
}  # fmt: skip
TINY = EncoderConfig(
    131, width=8, layers=2, heads=2, feed_forward=12, max_positions=9, position_offset=2, token_types=1, pad_id=1
)


def test_configurations_of_both_families():
    assert architectures.encoder_config(XLM_R, "config.json") == EncoderConfig(
        250002, width=768, layers=12, heads=12, feed_forward=3072, max_positions=512, position_offset=2, token_types=1,
        norm_epsilon=1e-5, activation="gelu", dropout=0.0, pad_id=1,
    )  # fmt: skip
    assert architectures.encoder_config(BERT, "config.json") == EncoderConfig(
        119547, width=768, layers=12, heads=12, feed_forward=3072, max_positions=512, position_offset=0, token_types=2,
        norm_epsilon=1e-12, activation="gelu", dropout=0.0, pad_id=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ours"), [("gelu_new", "gelu_tanh"), ("gelu_pytorch_tanh", "gelu_tanh"), ("relu",) * 2]
)
def test_activations(name, ours):
    assert architectures.encoder_config(BERT | {"hidden_act": name}, "config.json").activation == ours


@pytest.mark.peer
@pytest.mark.parametrize(("family", "kind"), [(XLM_R, "XLMRobertaConfig"), (BERT, "BertConfig")])
def test_keys_left_out_have_the_defaults_of_transformers(family, kind):
    import transformers

    written = getattr(transformers, kind)().to_dict()
    sizes = {key: family[key] for key in architectures._SIZES}
    given = architectures.encoder_config({"model_type": family["model_type"], **sizes}, "config.json")
    assert given == architectures.encoder_config(written | sizes, "config.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'; expected xlm-roberta or bert"),
        ({"model_type": None}, "model_type is null; expected xlm-roberta or bert"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key', .*'absolute'"),
        ({"is_decoder": True}, "is_decoder is True, which is not supported; expected False"),
        ({"add_cross_attention": True}, "add_cross_attention is True"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder is True"),
        ({"pruned_heads": {"0": [1]}}, r"pruned_heads is \{'0': \[1\]\}"),
        ({"quantization_config": {"bits": 4}}, r"quantization_config is \{'bits': 4\}, .* expected no such key"),
        ({"auto_map": {"AutoModel": "model.Own"}}, "auto_map is .* expected no such key"),
        ({"model_type": ["bert"]}, r"model_type is \['bert'\]; expected xlm-roberta or bert"),
        ({"hidden_act": {"name": "gelu"}}, r"hidden_act is \{'name': 'gelu'\}; expected one of gelu, gelu_new"),
        ({"vocab_size": 10**20}, "vocab_size is 10{20}; expected a whole number above 0, at most 2147483647"),
        ({"pad_token_id": 250002}, "pad_token_id is 250002; expected a token id, from 0 to 250001"),
        ({"hidden_act": "silu"}, "hidden_act is 'silu'; expected one of gelu, gelu_new, gelu_pytorch_tanh, relu"),
        ({"num_attention_heads": 7}, "hidden_size 768 is not divisible by num_attention_heads 7"),
        ({"embedding_size": 128}, "embedding_size is 128; expected hidden_size, 768"),
        ({"hidden_size": None}, "hidden_size is null; expected a whole number above 0"),
        ({"vocab_size": "many"}, "vocab_size is 'many'; expected a whole number above 0"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0; expected a whole number above 0"),
        ({"type_vocab_size": 0}, "type_vocab_size is 0; expected a whole number above 0"),
        ({"layer_norm_eps": "1e-5"}, "layer_norm_eps is '1e-5'; expected a small number above 0"),
        ({"pad_token_id": -1}, "pad_token_id is -1; expected a token id, from 0"),
        ({"pad_token_id": None}, "pad_token_id is null; expected a token id, from 0"),
        ({"max_position_embeddings": 2}, "max_position_embeddings is 2; expected more than 2, .*pad_token_id"),
    ],
)  # fmt: skip
def test_what_is_not_computed_is_refused(change, message):
    with pytest.raises(InputError, match=f"^folder/config.json: {message}"):
        architectures.encoder_config(XLM_R | change, "folder/config.json")


@pytest.mark.parametrize("key", architectures._SIZES)
def test_a_missing_size_is_named(key):
    values = {name: value for name, value in BERT.items() if name != key}
    with pytest.raises(InputError, match=f"config.json: {key} is missing; expected a whole number above 0"):
        architectures.encoder_config(values, "config.json")


def test_bert_does_without_a_padding_token():
    assert architectures.encoder_config(BERT | {"pad_token_id": None}, "config.json").pad_id == 0


def test_configurations_come_back():
    for values in (XLM_R, BERT, BERT | {"hidden_act": "gelu_new"}, XLM_R | {"pad_token_id": 4}):
        encoder = architectures.encoder_config(values, "config.json")
        assert architectures.encoder_config(architectures.config_json(encoder), "config.json") == encoder
    untyped = dataclasses.replace(TINY, position_offset=0, token_types=0)
    assert architectures.config_json(untyped)["type_vocab_size"] == 1
    with pytest.raises(ValueError, match="position offset 2 with padding id 0"):
        architectures.config_json(dataclasses.replace(TINY, pad_id=0))


def test_paths_and_shapes_are_those_of_the_encoder():
    for config in (TINY, dataclasses.replace(TINY, token_types=0)):
        state = nnx.to_flat_state(nnx.state(nnx.eval_shape(lambda c=config: Encoder(c, rngs=nnx.Rngs(0))), nnx.Param))
        assert architectures.parameter_shapes(config) == {path: leaf.shape for path, leaf in state}


def random_tensors(config: EncoderConfig) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = architectures.tensor_shapes(config)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def flat_of(config: EncoderConfig, tensors: dict[str, np.ndarray]) -> dict[tuple, np.ndarray]:
    return architectures.to_flat(config, lambda name, target: np.copyto(target, tensors[name]))


def test_tensors_come_back_bit_for_bit():
    tensors = random_tensors(TINY)
    flat = flat_of(TINY, tensors)
    assert {path: value.shape for path, value in flat.items()} == architectures.parameter_shapes(TINY)
    assert all(value.dtype == np.float32 and value.flags.c_contiguous for value in flat.values())
    again = architectures.from_flat(TINY, flat)
    assert list(again) == list(tensors)
    for name, tensor in tensors.items():
        assert again[name].flags.c_contiguous and np.array_equal(again[name], tensor), name


def test_where_tensors_lie():
    tensors = random_tensors(TINY)
    flat = flat_of(TINY, tensors)
    table = flat["token_table", "embedding"]
    np.testing.assert_array_equal(table[:131], tensors["embeddings.word_embeddings.weight"])
    assert table.shape == (256, 8) and not table[131:].any()
    fused = flat["layers", 1, "query_key_value", "kernel"]
    for number, name in enumerate(("query", "key", "value")):
        part = slice(8 * number, 8 * number + 8)
        np.testing.assert_array_equal(fused[:, part], tensors[f"encoder.layer.1.attention.self.{name}.weight"].T)
        bias = flat["layers", 1, "query_key_value", "bias"][part]
        np.testing.assert_array_equal(bias, tensors[f"encoder.layer.1.attention.self.{name}.bias"])
    np.testing.assert_array_equal(
        flat["layers", 0, "contract", "kernel"], tensors["encoder.layer.0.output.dense.weight"].T
    )


def test_an_encoder_without_token_types_gets_a_row_of_zeros():
    config = dataclasses.replace(TINY, token_types=0)
    tensors = architectures.from_flat(config, flat_of(config, random_tensors(config)))
    np.testing.assert_array_equal(tensors["embeddings.token_type_embeddings.weight"], np.zeros((1, 8), np.float32))


def test_only_the_encoders_own_parameters_have_names():
    flat = flat_of(TINY, random_tensors(TINY))
    dense = {("dense", "kernel"): np.zeros((8, 4)), ("dense", "bias"): np.zeros(4)}
    assert list(architectures.from_flat(TINY, flat | dense)) == list(architectures.tensor_shapes(TINY))
    for wrong in (flat | {("layers", 0, "adapters"): np.zeros(1)}, flat | {("token_table", "embedding"): np.zeros(3)}):
        with pytest.raises(ValueError, match="parameters that do not fit the encoder"):
            architectures.from_flat(TINY, wrong)


@pytest.mark.parametrize("prefix", ["", "bert.", "roberta."])
def test_prefixes_and_heads_are_taken_off(prefix):
    own = ["embeddings.word_embeddings.weight", "embeddings.LayerNorm.gamma", "embeddings.LayerNorm.beta", "x.weight"]
    heads = ["cls.predictions.bias", "lm_head.bias", "lm_head.dense.weight", f"{prefix}pooler.dense.weight"]
    names = [*(prefix + name for name in own), *heads, f"{prefix}embeddings.position_ids", "classifier.weight"]
    found, left_out = architectures.encoder_names(names, "file")
    assert found == {
        "embeddings.word_embeddings.weight": prefix + own[0],
        "embeddings.LayerNorm.weight": prefix + own[1],
        "embeddings.LayerNorm.bias": prefix + own[2],
        "x.weight": prefix + own[3],
        "classifier.weight": "classifier.weight",
    }
    assert left_out == ["cls (1 tensor)", "lm_head (2 tensors)", "pooler (1 tensor)", "position_ids (1 tensor)"]


def test_two_names_of_one_tensor_are_refused():
    names = ["embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"]
    for given in (names, [names[0], *reversed(names[1:])]):
        with pytest.raises(
            InputError, match=f"^file: found {given[1]} and {given[2]}, two names of one tensor; take one of them out"
        ):
            architectures.encoder_names(given, "file")


def test_none_or_two_token_tables_are_refused():
    table = "embeddings.word_embeddings.weight"
    with pytest.raises(
        InputError, match="^file: found a.b, c.d; expected exactly one token table, embeddings.word_emb"
    ):
        architectures.encoder_names(["c.d", "a.b"], "file")
    with pytest.raises(InputError, match="^file: found no tensor at all; expected exactly one token table"):
        architectures.encoder_names([], "file")
    with pytest.raises(InputError, match=f"^file: found {table}, bert.{table}; expected exactly one token table"):
        architectures.encoder_names([f"bert.{table}", table], "file")
