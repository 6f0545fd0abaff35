"""Which parameters are trained: all, all except the parts named by --freeze, or only low-rank adapters."""

from collections.abc import Callable

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig, padded_vocabulary
from hbt_jax.models.lora import LoraConfig, layer_numbers

EMBEDDINGS = ("token_table", "position_table", "type_table", "embedding_norm")  # modules of the encoder
_PARTS = {
    "embeddings": EMBEDDINGS,
    "tokens": ("token_table",),
    "dense": ("dense",),
}
_LAYERS = "layers:"


def frozen_parts(expressions: tuple[str, ...], encoder: EncoderConfig, lora: LoraConfig | None) -> tuple[str, ...]:
    """The names of frozen parts that --freeze stands for: modules of the encoder, and layers as "layers.3".

    Args:
      expressions: embeddings, tokens, dense, layers:3 or layers:0-5 each.
      encoder: the architecture.
      lora: adapters; with them the encoder is not trained anyway.

    Raises:
      InputError: an expression names nothing that the encoder has, or nothing is left to train.
    """
    flag = f"--freeze={','.join(expressions)}"
    if expressions and lora:
        raise InputError(
            f"{flag} is not supported by --lora_rank={lora.rank}, which trains only the adapters: leave one out"
        )
    parts: set[str] = set()
    for expression in expressions:
        if expression.startswith(_LAYERS):
            numbers = layer_numbers(expression.removeprefix(_LAYERS), encoder.layers, flag)
            parts |= {f"layers.{number}" for number in numbers}
        elif expression in _PARTS and (expression != "dense" or encoder.dense):
            parts |= set(_PARTS[expression])
        else:
            raise InputError(
                f"{flag}: {expression!r} matches nothing in this encoder; expected some of"
                f" {', '.join(name for name in _PARTS if name != 'dense' or encoder.dense)}, layers:N, layers:N-M"
                f" (it has layers 0 to {encoder.layers - 1})"
            )
    if expressions and not any(_trains(path, parts) for path in _parameter_paths(encoder)):
        raise InputError(f"{flag} leaves nothing to train: leave a part out")
    return tuple(sorted(parts))


def _parameter_paths(encoder: EncoderConfig) -> list[tuple]:
    """One path for each part that can be frozen."""
    optional = {"dense": encoder.dense, "final_norm": encoder.pre_norm}
    modules = [*_PARTS["embeddings"], *(name for name, there in optional.items() if there)]
    return [(module,) for module in modules] + [("layers", number) for number in range(encoder.layers)]


def _trains(path: tuple, parts) -> bool:
    name = f"layers.{path[1]}" if path[0] == "layers" else path[0]
    return name not in parts


def trainable(frozen: tuple[str, ...], lora: LoraConfig | None) -> Callable[[tuple, object], bool]:
    """An nnx filter: (path, leaf) -> whether the parameter is trained."""
    if lora:
        return lambda path, leaf: "adapters" in path
    return lambda path, leaf: _trains(path, frozen)


def count_line(shapes: dict[tuple, tuple[int, ...]], encoder: EncoderConfig, trains: Callable) -> str:
    """How many parameters are trained, in words; the padding rows of the token table are not counted.

    Args:
      shapes: shape of each parameter by path.
      encoder: the architecture.
      trains: the filter that `trainable` made.
    """
    padding = (padded_vocabulary(encoder.vocab_size) - encoder.vocab_size) * encoder.width
    sizes = {path: int(np.prod(shape)) for path, shape in shapes.items()}
    sizes["token_table", "embedding"] -= padding
    count = sum(size for path, size in sizes.items() if trains(path, None))
    return f"training: {count:,} of {sum(sizes.values()):,} parameters ({count / sum(sizes.values()):.2%})"
