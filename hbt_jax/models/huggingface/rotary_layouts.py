"""Names and configurations of encoders with rotary positions: ModernBERT (and mmBERT), nomic-bert and GTE.

    modernbert     answerdotai/ModernBERT-base, jhu-clsp/mmBERT-base, as transformers writes it
    nomic_bert     nomic-ai/nomic-embed-text-v1.5, with the keys of its own code (n_embd, ...) or of transformers
    new            Alibaba-NLP/gte-multilingual-base, by its own code
    gte            the same tensors with transformers' keys

nomic-bert's and GTE's own code (auto_map) is never run: what their configuration says is computed here, and settings
that are not supported, such as mixtures of experts, are refused.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.huggingface.json_files import Fields, is_positive, is_size, is_switch
from hbt_jax.models.huggingface.tensors import TensorView, linear, norm, share, token_table, whole
from hbt_jax.models.rotary import FIRST, LAST, RotaryConfig

MODERNBERT, NOMIC, GTE, NEW = FAMILIES = ("modernbert", "nomic_bert", "gte", "new")
DEFAULTS = {  # of keys that a config.json may leave out: those of transformers and of the models' own code
    MODERNBERT: {
        "hidden_activation": "gelu", "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False, "mlp_bias": False,
        "local_attention": 128,
    },
    NOMIC: {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0},
    GTE: {"type_vocab_size": 1, "layer_norm_eps": 1e-12, "pad_token_id": 1, "hidden_act": "gelu"},
    NEW: {"type_vocab_size": 1, "layer_norm_eps": 1e-12, "pad_token_id": 0, "hidden_act": "gelu"},
}  # fmt: skip
_NAMES_OF_NOMIC = {  # transformers' key -> those of nomic's own code, the first that is there counts
    "hidden_size": ("n_embd",), "num_hidden_layers": ("n_layer",), "num_attention_heads": ("n_head",),
    "intermediate_size": ("n_inner",), "layer_norm_eps": ("layer_norm_epsilon",),
    "hidden_act": ("activation_function",), "rope_theta": ("rotary_emb_base",),
    "max_position_embeddings": ("max_trained_positions", "n_positions"),
}  # fmt: skip
_ACTIVATIONS = {
    "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu", "silu": "silu",
    "swiglu": "silu", "geglu": "gelu",
}  # fmt: skip
_ACTIVATION_NAMES = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu", "silu": "silu"}
_NOT_SCALED = (None, {}, {"rope_type": "default"}, {"type": "default"})
_FIXED = {
    NOMIC: {
        "prenorm": (False,), "use_rms_norm": (False, None), "causal": (False,), "parallel_block": (False,),
        "qkv_proj_bias": (False,), "mlp_fc1_bias": (False,), "mlp_fc2_bias": (False,), "rotary_emb_fraction": (1.0, 1),
        "rotary_emb_interleaved": (False,), "rotary_emb_scale_base": (None,), "rotary_scaling_factor": (None,),
        "num_experts": (0, None), "moe_every_n_layers": (0, None), "rope_scaling": _NOT_SCALED,
    },
    GTE: {},
    NEW: {
        "position_embedding_type": ("rope",), "layer_norm_type": ("layer_norm",), "logn_attention_scale": (False,),
    },
    MODERNBERT: {"rope_scaling": _NOT_SCALED},
}  # fmt: skip
_FIXED_OF_ALL = {"partial_rotary_factor": (None, 1.0, 1)}
_GTE_BIASES = ("query_key_value", "attention_output", "contract")
_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_NUMBER = "a number above 0"


def encoder_config(values: dict[str, Any], where: str, sizes: Callable[[Fields], dict[str, Any]]) -> EncoderConfig:
    """The architecture of a config.json whose model_type is one of FAMILIES; raises InputError as in architectures.py.

    Args:
      values: the file's content.
      where: the file's name, for messages.
      sizes: what BERT's families state too: vocab_size to max_positions, token_types, norm_epsilon and pad_id.
    """
    family = values["model_type"]
    Fields(values, where).check_fixed(_FIXED[family] | _FIXED_OF_ALL)
    fields = Fields(DEFAULTS[family] | _common_keys(values), where, _own_names(values))
    common = sizes(fields)
    head = common["width"] // common["heads"]
    if head % 2:
        raise InputError(f"{where}: a head has {head} numbers; expected an even number, for rotary positions")
    rotary = {MODERNBERT: _of_modernbert, NOMIC: _of_nomic, GTE: _of_gte, NEW: _of_gte}[family]
    key = "hidden_activation" if family == MODERNBERT else "hidden_act"
    activation = fields.value(key, lambda name: name in tuple(_ACTIVATIONS), f"one of {', '.join(_ACTIVATIONS)}")
    return EncoderConfig(**common, activation=_ACTIVATIONS[activation], rotary=rotary(fields, common["layers"], head))


def defaults_taken(values: dict[str, Any]) -> dict[str, Any]:
    """What is taken for the keys that a config.json leaves out."""
    given = _common_keys(values)
    return {key: default for key, default in DEFAULTS[values["model_type"]].items() if key not in given}


def _common_keys(values: dict[str, Any]) -> dict[str, Any]:
    """The content by transformers' keys."""
    if values["model_type"] == MODERNBERT:
        named = {"layer_norm_eps": values.get("norm_eps", DEFAULTS[MODERNBERT]["norm_eps"]), "type_vocab_size": 0}
        return values | named
    return values | {key: values[other] for key, other in _own_names(values).items()}


def _own_names(values: dict[str, Any]) -> dict[str, str]:
    """transformers' key -> the key under which the file has its value, where they differ."""
    if values["model_type"] == MODERNBERT:
        return {"layer_norm_eps": "norm_eps"}
    if values["model_type"] != NOMIC:
        return {}
    return {
        key: next(other for other in others if other in values)
        for key, others in _NAMES_OF_NOMIC.items()
        if key not in values and any(other in values for other in others)
    }


def _of_modernbert(fields: Fields, layers: int, head: int) -> RotaryConfig:
    every = fields.value("global_attn_every_n_layers", is_size, "a whole number above 0", absent=3)
    types = fields.value(
        "layer_types",
        lambda found: type(found) is list and len(found) == layers and all(one in (_GLOBAL, _LOCAL) for one in found),
        f"{layers} of {_GLOBAL} and {_LOCAL}",
        absent=[_LOCAL if number % every else _GLOBAL for number in range(layers)],
        null=[_LOCAL if number % every else _GLOBAL for number in range(layers)],
    )
    attention, feed_forward, norms = (
        fields.value(key, is_switch, "true or false") for key in ("attention_bias", "mlp_bias", "norm_bias")
    )
    window = fields.value("local_attention", is_size, "a whole number above 0") // 2
    theta = fields.value("global_rope_theta", is_positive, _NUMBER, absent=160_000.0)
    theta_of = {_GLOBAL: theta, _LOCAL: fields.value("local_rope_theta", is_positive, _NUMBER, absent=1e4, null=theta)}
    given = _object_of(fields, "rope_parameters")
    for kind in theta_of:
        theta_of[kind], stretch = _rope(_object_of(given, kind), Fields({"rope_theta": theta_of[kind]}, fields.where))
        if stretch != 1.0:
            raise InputError(f"{fields.where}: rope_parameters of {kind} scale positions, which is not supported")
    local = tuple(number for number, kind in enumerate(types) if kind == _LOCAL)
    return RotaryConfig(
        theta=theta_of[_GLOBAL],
        local_layers=local,
        local_theta=theta_of[_LOCAL] if local else 0.0,
        window=window if local else 0,
        pre_norm=True,
        biases=("query_key_value", "attention_output") * attention + ("expand", "contract") * feed_forward,
        norm_bias=norms,
        activated=FIRST,
    )


def _of_nomic(fields: Fields, layers: int, head: int) -> RotaryConfig:
    theta, stretch = _rope(_object_of(fields, "rope_parameters"), fields)
    return RotaryConfig(theta=theta, stretch=stretch)


def _of_gte(fields: Fields, layers: int, head: int) -> RotaryConfig:
    theta, stretch = _rope(_object_of(fields, "rope_parameters"), fields)
    scaling = fields.value(
        "rope_scaling",
        lambda found: isinstance(found, dict) and found.get("type") == "ntk" and found.get("mixed_b") is None,
        'null or {"type": "ntk", "factor": F}, the scaling of GTE',
        absent=None,
        null=None,
    )
    if scaling is not None:
        factor = Fields(scaling, f"{fields.where}: rope_scaling").value("factor", is_positive, _NUMBER)
        theta, stretch = theta * factor, stretch * factor ** (2 / head)
    return RotaryConfig(theta=theta, stretch=stretch, biases=_GTE_BIASES, activated=LAST)


def _object_of(fields: Fields, key: str) -> Fields:
    """The keys of an inner object, which may be absent or null, as in transformers."""
    found = fields.value(key, lambda found: isinstance(found, dict), "an object", absent={}, null={})
    return Fields(found, f"{fields.where}: {key}")


def _rope(fields: Fields, outer: Fields) -> tuple[float, float]:
    """(theta, stretch) of transformers' rope_parameters; the theta that they leave out is that of `outer`."""
    fields.check_fixed(_FIXED_OF_ALL)
    key = "type" if "type" in fields and "rope_type" not in fields else "rope_type"  # its older name
    kind = fields.value(key, lambda name: name in ("default", "linear"), "default or linear", absent="default")
    theta = (fields if "rope_theta" in fields else outer).value("rope_theta", is_positive, _NUMBER)
    return float(theta), float(fields.value("factor", is_positive, _NUMBER)) if kind == "linear" else 1.0


def family(encoder: EncoderConfig) -> str:
    """The family whose layout holds an encoder with rotary positions."""
    if encoder.pre_norm:
        return MODERNBERT
    return GTE if encoder.rotary.activated == LAST else NOMIC


def config_json(encoder: EncoderConfig) -> dict[str, Any]:
    """The config.json with which transformers computes what `encoder` computes, except its dense layer."""
    rotary, kind = encoder.rotary, family(encoder)
    common = {
        "model_type": kind,
        "vocab_size": encoder.vocab_size,
        "hidden_size": encoder.width,
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "intermediate_size": encoder.feed_forward,
        "max_position_embeddings": encoder.max_positions,
        "pad_token_id": encoder.pad_id,
        "initializer_range": 0.02,
        "dtype": "float32",
    }
    activation = _ACTIVATION_NAMES[encoder.activation]
    if kind == MODERNBERT:
        types = [_LOCAL if number in rotary.local_layers else _GLOBAL for number in range(encoder.layers)]
        theta_of = {_GLOBAL: rotary.theta, _LOCAL: rotary.local_theta or rotary.theta}
        return common | {
            "architectures": ["ModernBertModel"],
            "hidden_activation": activation,
            "norm_eps": encoder.norm_epsilon,
            "norm_bias": rotary.norm_bias,
            "attention_bias": "query_key_value" in rotary.biases,
            "mlp_bias": "expand" in rotary.biases,
            "embedding_dropout": encoder.dropout,
            "mlp_dropout": 0.0,
            "attention_dropout": 0.0,
            "local_attention": 2 * rotary.window or DEFAULTS[MODERNBERT]["local_attention"],
            "layer_types": types,
            "rope_parameters": {
                name: {"rope_type": "default", "rope_theta": theta} for name, theta in theta_of.items()
            },
            **dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")),
        }
    scaled = {"rope_type": "linear", "factor": rotary.stretch} if rotary.stretch != 1.0 else {"rope_type": "default"}
    return common | {
        "architectures": ["GteModel" if kind == GTE else "NomicBertModel"],
        "hidden_act": activation,
        "layer_norm_eps": encoder.norm_epsilon,
        "type_vocab_size": encoder.token_types,
        "hidden_dropout_prob": encoder.dropout,
        "attention_probs_dropout_prob": 0.0,
        "rope_parameters": {**scaled, "rope_theta": rotary.theta},
    }


def tensors(encoder: EncoderConfig) -> Iterator[TensorView]:
    """All tensors of a model, in the order of the files."""
    return {MODERNBERT: _modernbert, NOMIC: _nomic, GTE: _gte}[family(encoder)](encoder)


def _modernbert(encoder: EncoderConfig) -> Iterator[TensorView]:
    bias = encoder.norm_bias
    yield from token_table("embeddings.tok_embeddings.weight", encoder.vocab_size)
    yield from norm("embeddings.norm", ("embedding_norm",), bias)
    for number in range(encoder.layers):
        here, there = ("layers", number), f"layers.{number}"
        if number:
            yield from norm(f"{there}.attn_norm", (*here, "attention_norm"), bias)
        for name, product in (("attn.Wqkv", "query_key_value"), ("attn.Wo", "attention_output")):
            yield from linear(f"{there}.{name}", (*here, product), encoder.has_bias(product))
        yield from norm(f"{there}.mlp_norm", (*here, "output_norm"), bias)
        for name, product in (("mlp.Wi", "expand"), ("mlp.Wo", "contract")):
            yield from linear(f"{there}.{name}", (*here, product), encoder.has_bias(product))
    yield from norm("final_norm", ("final_norm",), bias)


def _embeddings(encoder: EncoderConfig, norm_name: str) -> Iterator[TensorView]:
    yield from token_table("embeddings.word_embeddings.weight", encoder.vocab_size)
    if encoder.token_types:
        yield TensorView("embeddings.token_type_embeddings.weight", ("type_table", "embedding"), whole)
    yield from norm(norm_name, ("embedding_norm",))


def _nomic(encoder: EncoderConfig) -> Iterator[TensorView]:
    yield from _embeddings(encoder, "emb_ln")
    for number in range(encoder.layers):
        here, there = ("layers", number), f"encoder.layers.{number}"
        yield from linear(f"{there}.attn.Wqkv", (*here, "query_key_value"), bias=False)
        yield from linear(f"{there}.attn.out_proj", (*here, "attention_output"), bias=False)
        yield from norm(f"{there}.norm1", (*here, "attention_norm"))
        for half, name in enumerate(("fc12", "fc11")):  # the activation is of fc12
            path = (*here, "expand", "kernel")
            yield TensorView(f"{there}.mlp.{name}.weight", path, lambda kernel, half=half: share(half, 2, kernel))
        yield from linear(f"{there}.mlp.fc2", (*here, "contract"), bias=False)
        yield from norm(f"{there}.norm2", (*here, "output_norm"))


def _gte(encoder: EncoderConfig) -> Iterator[TensorView]:
    yield from _embeddings(encoder, "embeddings.LayerNorm")
    for number in range(encoder.layers):
        here, there = ("layers", number), f"encoder.layer.{number}"
        yield from linear(f"{there}.attention.qkv_proj", (*here, "query_key_value"))
        yield from linear(f"{there}.attention.o_proj", (*here, "attention_output"))
        yield from norm(f"{there}.attn_ln", (*here, "attention_norm"))
        yield from linear(f"{there}.mlp.up_gate_proj", (*here, "expand"), bias=False)
        yield from linear(f"{there}.mlp.down_proj", (*here, "contract"))
        yield from norm(f"{there}.mlp_ln", (*here, "output_norm"))
