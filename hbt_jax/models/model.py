"""A model ready to embed: encoder, pooling, tokenizer and the way its texts are prepared."""

import dataclasses

from flax import nnx

from hbt_jax.config import TextConfig
from hbt_jax.errors import InputError
from hbt_jax.models.pooling import normalize, pool
from hbt_jax.models.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Model:
    """A model ready to embed.

    Attributes:
      graph, parameters: the encoder.
      pooling: "mean" or "cls".
      text: prefixes and lengths it was trained with.
      tokenizer: its tokenizer.
      name: what results call it.
      step: updates applied.
      max_positions: tokens of the longest text that the encoder has positions for.
    """

    graph: nnx.GraphDef
    parameters: nnx.State
    pooling: str
    text: TextConfig
    tokenizer: Tokenizer
    name: str
    step: int
    max_positions: int


def with_text(model: Model, query_prefix: str, passage_prefix: str, max_length: int) -> Model:
    """The model with other prefixes or lengths.

    Args:
      model: the model as trained.
      query_prefix, passage_prefix: the word "model" keeps what it was trained with.
      max_length: tokens of the longest text on either side; 0 keeps what it was trained with.

    Raises:
      InputError: the length is beyond the position table.
    """
    changes = {
        name: value
        for name, value in (("query_prefix", query_prefix), ("passage_prefix", passage_prefix))
        if value != "model"
    }
    if max_length:
        if max_length > model.max_positions:
            raise InputError(
                f"--max_length={max_length}: expected at most {model.max_positions}, this model's positions"
            )
        changes |= {"query_length": max_length, "passage_length": max_length, "row_length": 0, "row_segments": 0}
    return dataclasses.replace(model, text=dataclasses.replace(model.text, **changes))


def embed_slots(
    graph: nnx.GraphDef,
    parameters,
    batch: dict,
    *,
    segments: int,
    pooling: str,
    dropout_key=None,
    constrain=lambda x: x,
):
    """Unit vectors of the texts in packed rows.

    Args:
      graph, parameters: the encoder.
      batch: `tokens`, `segments`, `positions`, int32 [P, R, L].
      segments: S.
      pooling: "mean" or "cls".
      dropout_key: None for no dropout.
      constrain: puts a sharding on arrays whose first axis is split like a batch; identity on one device.

    Returns:
      float32 [P, R * S, D]: the vector of slot row * S + segment - 1; zeros in empty slots.
    """
    shares, rows, length = batch["tokens"].shape
    flat = [batch[name].reshape(shares * rows, length) for name in ("tokens", "segments", "positions")]
    hidden_RLD = nnx.merge(graph, parameters)(*flat, dropout_key, constrain)
    pooled_RSD = pool(hidden_RLD, flat[1], flat[2], segments=segments, mode=pooling)
    return normalize(pooled_RSD).reshape(shares, rows * segments, pooled_RSD.shape[-1])
