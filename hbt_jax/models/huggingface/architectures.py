"""Converts names and layouts of Hugging Face's encoders to ours and back.

Those of BERT and XLM-RoBERTa stand here, those with rotary positions in rotary_layouts.py.
"""

import collections
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig, padded_vocabulary
from hbt_jax.models.huggingface import rotary_layouts
from hbt_jax.models.huggingface.json_files import Fields, is_size
from hbt_jax.models.huggingface.library import transformers
from hbt_jax.models.huggingface.tensors import TensorView, linear, norm, share, token_table, whole

XLM_ROBERTA, BERT = _TABLES = ("xlm-roberta", "bert")  # with a table of positions
FAMILIES = (*_TABLES, *rotary_layouts.FAMILIES)

_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "max_position_embeddings",
)  # fmt: skip
_MAY_BE_ABSENT = ("type_vocab_size", "layer_norm_eps", "hidden_act", "pad_token_id")  # transformers has defaults
_LARGEST = 2**31 - 1  # of a size
_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
_ACTIVATION_NAMES = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "relu": "relu"}
# Keys that change what a model computes, with the values that mean the only setting supported here.
_FIXED = {  # None stands for null, if transformers treats that alike
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
    "auto_map": (None,),
}
_WITH_OWN_CODE = {"position_embedding_type", "auto_map"}  # keys that rotary families use differently

_PREFIXES = ("", "bert.", "roberta.")  # of models with a head on top
_FIRST = "embeddings.word_embeddings.weight"
_HEADS = ("cls", "lm_head", "pooler")  # masked-word prediction, and BERT's layer on its first token
_ROTARY_PREFIXES = ("", "model.", "bert.", "nomic_bert.", "new.", "gte.")
_ROTARY_FIRST = {True: "embeddings.tok_embeddings.weight", False: _FIRST}  # pre-norm or not
_ROTARY_HEADS = (*_HEADS, "head", "decoder", "classifier")
_ANGLES = "inv_freq"  # computed, and stored by some
_BUFFER = "embeddings.position_ids"
_OLD_ENDS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # of BERT's first checkpoints


def encoder_config(values: dict[str, Any], where: str) -> EncoderConfig:
    """The architecture that a transformers config.json describes, without dropout.

    Args:
      values: the file's content.
      where: the file's name, for messages.

    Raises:
      InputError: a family or a setting that is not supported, or a value that is missing or impossible.
    """
    fields = Fields(values, where)
    families = f"{' or '.join(_TABLES)}, or {', '.join(rotary_layouts.FAMILIES)}, the families that are supported"
    family = fields.value("model_type", lambda name: name in FAMILIES, families)
    if family in rotary_layouts.FAMILIES:
        fields.check_fixed({key: only for key, only in _FIXED.items() if key not in _WITH_OWN_CODE})
        return rotary_layouts.encoder_config(values, where, _common)
    fields.check_fixed(_FIXED)
    fields = Fields(_defaults_taken(values) | values, where)
    common = _common(fields)
    width = common["width"]
    narrow = f"hidden_size, {width}: tables narrower than the layers are not supported"
    fields.value("embedding_size", lambda size: size == width, narrow, absent=width, null=width)
    offset = common["pad_id"] + 1 if family == XLM_ROBERTA else 0
    if common["max_positions"] <= offset:
        raise InputError(
            f"{where}: max_position_embeddings is {common['max_positions']}; expected more than {offset}, the"
            " rows before the first position (pad_token_id + 1)"
        )
    activation = fields.value(
        "hidden_act", lambda name: name in tuple(_ACTIVATIONS), f"one of {', '.join(_ACTIVATIONS)}"
    )
    positions = {"max_positions": common["max_positions"] - offset, "position_offset": offset}
    return EncoderConfig(**common | positions, activation=_ACTIVATIONS[activation])


def _common(fields: Fields) -> dict[str, Any]:
    """What all families state: sizes, token types, epsilon and padding."""
    sizes = {key: _size(fields, key) for key in _SIZES}
    width, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    if width % heads:
        raise InputError(f"{fields.where}: hidden_size {width} is not divisible by num_attention_heads {heads}")
    family = fields.values["model_type"]
    untyped = family in rotary_layouts.FAMILIES and type(fields.values["type_vocab_size"]) is int
    return {
        "vocab_size": sizes["vocab_size"],
        "width": width,
        "layers": sizes["num_hidden_layers"],
        "heads": heads,
        "feed_forward": sizes["intermediate_size"],
        "max_positions": sizes["max_position_embeddings"],
        "token_types": 0 if untyped and not fields.values["type_vocab_size"] else _size(fields, "type_vocab_size"),
        "norm_epsilon": _epsilon(fields),
        "pad_id": _pad_id(fields, family),
    }


def defaults_taken(values: dict[str, Any]) -> list[str]:
    """The keys that affect what a model computes and that its config.json leaves to transformers' defaults, and those.

    Args:
      values: the content of a config.json that `encoder_config` reads.

    Returns:
      words such as "layer_norm_eps (1e-12)".
    """
    return [f"{key} ({default})" for key, default in _defaults_taken(values).items()]


def _defaults_taken(values: dict[str, Any]) -> dict[str, Any]:
    """What transformers' configuration of the family has for the keys that a config.json leaves out."""
    if values["model_type"] in rotary_layouts.FAMILIES:
        return rotary_layouts.defaults_taken(values)
    absent = [key for key in _MAY_BE_ABSENT if key not in values]
    return {key: _defaults(values["model_type"])[key] for key in absent}


@functools.cache
def _defaults(family: str) -> dict[str, Any]:
    with transformers() as library:
        return library.AutoConfig.for_model(family).to_dict()


def _size(fields: Fields, key: str) -> int:
    expected = f"a whole number above 0, at most {_LARGEST}"
    return fields.value(key, lambda size: is_size(size) and size <= _LARGEST, expected)


def _pad_id(fields: Fields, family: str) -> int:
    vocabulary = fields.values["vocab_size"]
    null = {"null": 0} if family == BERT else {}  # BERT's numbers do not depend on it
    return fields.value(
        "pad_token_id", lambda id_: type(id_) is int and 0 <= id_ < vocabulary,
        f"a token id, from 0 to {vocabulary - 1}", **null,
    )  # fmt: skip


def _epsilon(fields: Fields) -> float:
    return float(
        fields.value(
            "layer_norm_eps", lambda found: type(found) in (int, float) and 0 < found < 1, "a small number above 0"
        )
    )


def config_json(encoder: EncoderConfig) -> dict[str, Any]:
    """The config.json with which transformers computes what `encoder` computes, except its dense layer.

    An encoder without token types gets one type, whose row `from_flat` writes as zeros.
    """
    if encoder.rotary:
        return rotary_layouts.config_json(encoder)
    offset = encoder.position_offset
    if offset and encoder.pad_id != offset - 1:
        raise ValueError(f"transformers cannot have position offset {offset} with padding id {encoder.pad_id}")
    return {
        "architectures": ["XLMRobertaModel" if offset else "BertModel"],
        "model_type": XLM_ROBERTA if offset else BERT,
        "vocab_size": encoder.vocab_size,
        "hidden_size": encoder.width,
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "intermediate_size": encoder.feed_forward,
        "max_position_embeddings": encoder.max_positions + offset,
        "type_vocab_size": encoder.token_types or 1,
        "layer_norm_eps": encoder.norm_epsilon,
        "hidden_act": _ACTIVATION_NAMES[encoder.activation],
        "hidden_dropout_prob": encoder.dropout,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        "pad_token_id": encoder.pad_id,
        "position_embedding_type": "absolute",
        "dtype": "float32",
    }


def _tensors(encoder: EncoderConfig) -> Iterator[TensorView]:
    """All tensors of a model, in the order of transformers."""
    if encoder.rotary:
        yield from rotary_layouts.tensors(encoder)
        return
    yield from token_table("embeddings.word_embeddings.weight", encoder.vocab_size)
    yield TensorView("embeddings.position_embeddings.weight", ("position_table", "embedding"), whole)
    if encoder.token_types:
        yield TensorView("embeddings.token_type_embeddings.weight", ("type_table", "embedding"), whole)
    yield from norm("embeddings.LayerNorm", ("embedding_norm",))
    for number in range(encoder.layers):
        here, there = ("layers", number), f"encoder.layer.{number}"
        for third, name in enumerate(("query", "key", "value")):
            view = functools.partial(share, third, 3)
            yield TensorView(f"{there}.attention.self.{name}.weight", (*here, "query_key_value", "kernel"), view)
            yield TensorView(f"{there}.attention.self.{name}.bias", (*here, "query_key_value", "bias"), view)
        yield from linear(f"{there}.attention.output.dense", (*here, "attention_output"))
        yield from norm(f"{there}.attention.output.LayerNorm", (*here, "attention_norm"))
        yield from linear(f"{there}.intermediate.dense", (*here, "expand"))
        yield from linear(f"{there}.output.dense", (*here, "contract"))
        yield from norm(f"{there}.output.LayerNorm", (*here, "output_norm"))


def parameter_shapes(encoder: EncoderConfig) -> dict[tuple, tuple[int, ...]]:
    """The shape of each of our parameters by path, without the dense layer's."""
    width, wide = encoder.width, encoder.feed_forward
    shapes = {("token_table", "embedding"): (padded_vocabulary(encoder.vocab_size), width)}
    if not encoder.rotary:
        shapes["position_table", "embedding"] = (encoder.max_positions + encoder.position_offset, width)
    if encoder.token_types:
        shapes["type_table", "embedding"] = (encoder.token_types, width)
    norms = [("embedding_norm",)]
    for number in range(encoder.layers):
        here = ("layers", number)
        for name, inputs, outputs in (
            ("query_key_value", width, 3 * width),
            ("attention_output", width, width),
            ("expand", width, encoder.expanded),
            ("contract", wide, width),
        ):
            shapes[*here, name, "kernel"] = (inputs, outputs)
            if encoder.has_bias(name):
                shapes[*here, name, "bias"] = (outputs,)
        norms += [(*here, "attention_norm")] * (number > 0 or not encoder.pre_norm) + [(*here, "output_norm")]
    norms += [("final_norm",)] * encoder.pre_norm
    for place in norms:
        shapes[*place, "scale"] = (width,)
        if encoder.norm_bias:
            shapes[*place, "bias"] = (width,)
    return shapes


def tensor_shapes(encoder: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each of transformers' tensors by name, without prefix."""
    shapes = parameter_shapes(encoder)
    nothing = np.zeros((), np.float32)  # broadcast to every shape, so that no array is made
    return {
        tensor.name: tensor.view(np.broadcast_to(nothing, shapes[tensor.path])).shape for tensor in _tensors(encoder)
    }


def views(encoder: EncoderConfig, flat: Mapping[tuple, np.ndarray]) -> dict[str, np.ndarray]:
    """transformers' tensors by name, each a view of our parameters, through which they can be changed."""
    return {tensor.name: tensor.view(flat[tensor.path]) for tensor in _tensors(encoder)}


def tensors_of(encoder: EncoderConfig, path: tuple) -> list[TensorView]:
    """transformers' tensors that one of our parameters holds."""
    return [tensor for tensor in _tensors(encoder) if tensor.path == path]


def own_name(name: str, known: Collection[str]) -> str | None:
    """The known name of a tensor that may have the prefix of a model with a head; None if there is none."""
    plain = [name.removeprefix(prefix) for prefix in (*_PREFIXES, *_ROTARY_PREFIXES)]
    return next((one for one in plain if one in known), None)


def encoder_names(
    names: Iterable[str], where: str, encoder: EncoderConfig | None = None
) -> tuple[dict[str, str], list[str]]:
    """The encoder's tensors, without those of heads, which embeddings do not need.

    Args:
      names: all tensors of a checkpoint.
      where: its file, for messages.
      encoder: the architecture; None for one of BERT's families.

    Returns:
      (own, left_out): name without prefix -> the checkpoint's name, of each tensor; and what was left out, in words
      such as "lm_head (5 tensors)".

    Raises:
      InputError: there is no token table, or several; or a tensor occurs under both its older and its newer name.
    """
    names = list(names)
    rotary = encoder is not None and encoder.rotary
    first, known, heads = _FIRST, _PREFIXES, _HEADS
    if rotary:
        first, known, heads = _ROTARY_FIRST[rotary.pre_norm], _ROTARY_PREFIXES, _ROTARY_HEADS
    prefixes = [prefix for prefix in known if prefix + first in names]
    if len(prefixes) != 1:
        found = ", ".join(prefix + first for prefix in prefixes) or ", ".join(sorted(names)[:3]) or "no tensor at all"
        kinds = "encoders with rotary positions" if rotary else "BERT and XLM-RoBERTa"
        raise InputError(
            f"{where}: found {found}; expected exactly one token table, {first} with or without"
            f" {' or '.join(known[1:])} before it, as {kinds} have it"
        )
    own, left_out = {}, collections.Counter()
    for name in names:
        plain = name.removeprefix(prefixes[0])
        head = "position_ids" if plain == _BUFFER else plain.split(".")[0]
        head = _ANGLES if rotary and plain.endswith(_ANGLES) else head
        if head in (*heads, "position_ids", _ANGLES):
            left_out[head] += 1
        else:
            for old, new in _OLD_ENDS.items():
                plain = plain.removesuffix(old) + new if plain.endswith(old) else plain
            if plain in own:
                raise InputError(
                    f"{where}: found {own[plain]} and {name}, two names of one tensor; take one of them out"
                )
            own[plain] = name
    return own, [f"{head} ({count} tensor{'s' * (count > 1)})" for head, count in sorted(left_out.items())]


def to_flat(encoder: EncoderConfig, fill: Callable[[str, np.ndarray], None]) -> dict[tuple, np.ndarray]:
    """Our parameters from transformers' tensors.

    Args:
      encoder: the architecture.
      fill: called with a tensor's name (without prefix) and a float32 view into a parameter, into which it writes the
        tensor; so no tensor is held in memory twice.

    Returns:
      float32 parameters by path; the token table's padding rows are zeros.
    """
    flat = {path: np.zeros(shape, np.float32) for path, shape in parameter_shapes(encoder).items()}
    for tensor in _tensors(encoder):
        fill(tensor.name, tensor.view(flat[tensor.path]))
    return flat


def from_flat(encoder: EncoderConfig, flat: dict[tuple, np.ndarray]) -> dict[str, np.ndarray]:
    """transformers' tensors from our parameters, without those of a dense layer and without the padding rows.

    Raises:
      ValueError: a parameter is missing, unexpected or of another shape.
    """
    shapes = {path: np.shape(value) for path, value in flat.items() if path[0] != "dense"}
    wrong = set(shapes.items()) ^ set(parameter_shapes(encoder).items())
    if wrong:
        raise ValueError(f"parameters that do not fit the encoder: {sorted(map(str, wrong))}")
    tensors = {
        tensor.name: np.ascontiguousarray(tensor.view(np.asarray(flat[tensor.path], np.float32)))
        for tensor in _tensors(encoder)
    }
    if not encoder.token_types and not encoder.rotary:  # transformers always has one
        tensors["embeddings.token_type_embeddings.weight"] = np.zeros((1, encoder.width), np.float32)
    return tensors
