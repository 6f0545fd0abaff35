"""A model ready to embed: encoder, pooling, tokenizer and the way its texts are prepared."""

import dataclasses

from flax import nnx

from hbt_jax.config import SHORTEST, TextConfig
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.pooling import normalize, pool
from hbt_jax.models.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Model:
    """A model ready to embed.

    Attributes:
      graph, parameters: the encoder.
      encoder: its architecture.
      pooling: "mean" or "cls".
      normalize: whether embeddings are scaled to unit length.
      text: prefixes and lengths it was trained with.
      tokenizer: its tokenizer.
      name: what results call it.
      step: updates applied.
      notes: what a user should know of how it was read, one line each.
    """

    graph: nnx.GraphDef
    parameters: nnx.State
    encoder: EncoderConfig
    pooling: str
    normalize: bool
    text: TextConfig
    tokenizer: Tokenizer
    name: str
    step: int
    notes: tuple[str, ...] = ()

    @property
    def similarity(self) -> str:
        """What the inner product of two embeddings is, as results call it."""
        return "cosine" if self.normalize else "dot product"


def with_text(model: Model, query_prefix: str, passage_prefix: str, max_length: int) -> Model:
    """The model with other prefixes or lengths.

    Args:
      model: the model as trained.
      query_prefix, passage_prefix: the word "model" keeps what it was trained with.
      max_length: tokens of the longest text on either side; 0 keeps what it was trained with.

    Raises:
      InputError: the length is beyond the position table, or too short for a text.
    """
    changes = {
        name: value
        for name, value in (("query_prefix", query_prefix), ("passage_prefix", passage_prefix))
        if value != "model"
    }
    if max_length:
        if max_length < SHORTEST:
            raise InputError(f"--max_length={max_length}: expected at least {SHORTEST} tokens, or 0")
        if max_length > model.encoder.max_positions:
            raise InputError(
                f"--max_length={max_length}: expected at most {model.encoder.max_positions}, this model's positions"
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
    normalized: bool = True,
    dropout_key=None,
    constrain=lambda x: x,
):
    """Embeddings of the texts in packed rows.

    Args:
      graph, parameters: the encoder.
      batch: `tokens`, `segments`, `positions`, int32 [P, R, L].
      segments: S.
      pooling: "mean" or "cls".
      normalized: whether embeddings are scaled to unit length.
      dropout_key: None for no dropout.
      constrain: puts a sharding on arrays whose first axis is split like a batch; identity on one device.

    Returns:
      float32 [P, R * S, D]: the embedding of slot row * S + segment - 1; meaningless in empty slots.
    """
    shares, rows, length = batch["tokens"].shape
    flat = [batch[name].reshape(shares * rows, length) for name in ("tokens", "segments", "positions")]
    encoder = nnx.merge(graph, parameters)
    pooled_RSD = pool(encoder(*flat, dropout_key, constrain), flat[1], flat[2], segments=segments, mode=pooling)
    vectors_RSD = encoder.project(pooled_RSD)
    if normalized:
        vectors_RSD = normalize(vectors_RSD)
    return vectors_RSD.reshape(shares, rows * segments, vectors_RSD.shape[-1])
