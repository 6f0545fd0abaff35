"""A model ready to embed: encoder, pooling, tokenizer and the way its texts are prepared."""

import dataclasses
import functools
from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from hbt_jax.config.learning import TextConfig
from hbt_jax.config.values import MIN_MAX_LENGTH, WHOLE
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
      notes: what a user should know about how it was read, one line each.
      said: where query_prefix, passage_prefix, query_length and passage_length come from, in words such as
        "prompts.query in FILE"; without those that a flag of the same name gave.
      removed_directions: directions of language that are projected out of its embeddings.
      truncate_dim: first numbers of its embeddings that are kept; 0: all.
      quantization: "none", or "int8" or "binary": its vectors are as compared in these, see
        hbt_jax/evaluation/embedding/quantization.py.
      assumed: names of those of pooling, normalize, query_prefix, passage_prefix and max_length that have their
        default, because neither a file nor a flag states them.
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
    said: Mapping[str, str] = dataclasses.field(default_factory=dict)
    removed_directions: int = 0
    truncate_dim: int = 0
    quantization: str = WHOLE
    assumed: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The notes, and a line on what is assumed, if anything is."""
        length = {"max_length": f"texts of at most {self.text.longest} tokens, all its positions"}
        return [*self.notes, *assumption(self.name, self.assumed, self.pooling, self.normalize, self.text, length)]

    @property
    def similarity(self) -> str:
        """What the inner product of two embeddings is, as results call it."""
        return "cosine" if self.normalize else "dot product"


def assumption(
    name: str, assumed: Collection[str], pooling: str, normalize: bool, text: TextConfig, further: Mapping[str, str]
) -> list[str]:
    """One line on the defaults that a model takes because no file and no flag states them; none if all are stated.

    Args:
      name: the model's.
      assumed: names of what is not stated, see Model.
      pooling, normalize, text: the values.
      further: words for the other names.
    """
    words = {
        "pooling": f"{pooling} pooling",
        "normalize": "embeddings of unit length" if normalize else "embeddings as they are",
        "query_prefix": f"{text.query_prefix!r} before queries",
        "passage_prefix": f"{text.passage_prefix!r} before passages",
        **further,
    }
    taken = [word for option, word in words.items() if option in assumed]
    if not taken:
        return []
    why = "has no modules.json, in which sentence-transformers states how a model is used"
    if {*assumed} <= {"max_length"}:
        why = "does not state the longest text (max_seq_length, model_max_length)"
    flags = " or ".join(f"--{option}" for option in words if option in assumed)
    return [f"note: {name} {why}; assumed: {', '.join(taken)}; to change this, give {flags}"]


def not_finite_parameter(parameters: nnx.State) -> str:
    """The first parameter that is not finite, as "layers.1.expand.bias"; "" if all are."""
    flat = [(path, leaf.get_value()) for path, leaf in nnx.to_flat_state(parameters)]
    finite = jax.device_get(_all_finite([value for _, value in flat]))
    return next((".".join(map(str, path)) for (path, _), whole in zip(flat, finite, strict=True) if not whole), "")


@jax.jit
def _all_finite(arrays: list[jax.Array]) -> list[jax.Array]:
    return [jnp.isfinite(array).all() for array in arrays]


def why_not_finite(model: Model) -> str:
    """Why a model's vectors are not finite, in words, after looking at its parameters."""
    broken = not_finite_parameter(model.parameters)
    if broken:
        return f"parameter {broken} of {model.name} is not finite: take another checkpoint"
    return f"all parameters of {model.name} are finite, so numbers overflow between its layers"


def with_text(model: Model, query_prefix: str, passage_prefix: str, max_length: int) -> Model:
    """The model with other prefixes or lengths.

    Args:
      model: the model as trained.
      query_prefix, passage_prefix: "model" keeps those it was trained with.
      max_length: tokens of the longest text on either side; 0 keeps those it was trained with.

    Raises:
      InputError: the length exceeds the position table, or is too short for any text.
    """
    changes = {
        name: value
        for name, value in (("query_prefix", query_prefix), ("passage_prefix", passage_prefix))
        if value != "model"
    }
    if max_length:
        if max_length < MIN_MAX_LENGTH:
            raise InputError(f"--max_length={max_length}: expected at least {MIN_MAX_LENGTH} tokens, or 0")
        if max_length > model.encoder.max_positions:
            raise InputError(
                f"--max_length={max_length}: expected at most {model.encoder.max_positions}, this model's positions"
            )
        changes |= {"query_length": max_length, "passage_length": max_length, "row_length": 0, "row_segments": 0}
    given = {*changes, *(["max_length"] if max_length else [])}
    said = {name: words for name, words in model.said.items() if name not in given}
    if max_length:
        said |= dict.fromkeys(("query_length", "passage_length"), "--max_length")
    return dataclasses.replace(
        model,
        text=dataclasses.replace(model.text, **changes),
        said=said,
        assumed=tuple(name for name in model.assumed if name not in given),
    )


def embed_slots(
    graph: nnx.GraphDef,
    parameters,
    batch: dict,
    *,
    segments: int,
    pooling: str,
    normalized: bool = True,
    dropout_key=None,
    chunk: int = 0,
    constrain=lambda x: x,
    apart=None,
):
    """Embeddings of the texts in packed rows.

    Args:
      graph, parameters: the encoder.
      batch: `tokens`, `segments`, `positions`, int32 [P, R, L].
      segments: S.
      pooling: "mean" or "cls".
      normalized: whether embeddings are scaled to unit length.
      dropout_key: None for no dropout.
      chunk: rows of each share encoded at a time; 0: all.  The backward pass encodes a chunk again, so memory holds the
        activations of one chunk beside all embeddings (GradCache, Gao et al. 2021, arXiv 2101.06983).
      constrain: puts a sharding on arrays whose first axis is split like a batch; identity on one device.
      apart: turns a function (constrain, parameters, *arrays) -> array into one of (parameters, *arrays), in which
        parts of the mesh work by themselves, so that gradients of chunks are summed over devices once; None where the
        data axis has one device.

    Returns:
      float32 [P, R * S, D]: the embedding of slot row * S + segment - 1; meaningless in empty slots.
    """
    shares, rows, _ = batch["tokens"].shape

    def encode(constrain, parameters, *arrays):
        """[P, r * S, D] of `arrays`, [P, r, L] or (keys) [P, r]."""
        flat = [array.reshape(-1, *array.shape[2:]) for array in arrays]
        encoder = nnx.merge(graph, parameters)
        hidden_RLD = encoder(*flat[:3], flat[3] if dropout_key is not None else None, constrain)
        vectors_RSD = encoder.project(pool(hidden_RLD, flat[1], flat[2], segments=segments, mode=pooling))
        if normalized:
            vectors_RSD = normalize(vectors_RSD)
        return vectors_RSD.reshape(len(arrays[0]), -1, vectors_RSD.shape[-1])

    def encode_chunks(constrain, parameters, *arrays):
        chunks = [_chunks(array, chunk) for array in arrays]
        again = jax.checkpoint(functools.partial(encode, constrain), policy=jax.checkpoint_policies.nothing_saveable)
        _, vectors = jax.lax.scan(lambda _, given: (None, again(parameters, *given)), None, chunks)
        return jnp.moveaxis(vectors, 0, 1).reshape(len(arrays[0]), -1, vectors.shape[-1])[:, : rows * segments]

    arrays = [batch[name] for name in ("tokens", "segments", "positions")]
    if dropout_key is not None:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(dropout_key, jnp.arange(shares * rows, dtype=jnp.int32))
        arrays.append(keys.reshape(shares, rows))
    if not chunk or chunk >= rows:
        return encode(constrain, parameters, *arrays)
    in_chunks = apart(encode_chunks) if apart else functools.partial(encode_chunks, constrain)
    return in_chunks(parameters, *arrays)


def _chunks(array, chunk: int):
    """[P, R, ...] as [R / chunk, P, chunk, ...]; the last one is padded with the first rows, which nobody reads."""
    rows = array.shape[1]
    lacking = -rows % chunk
    filled = jnp.concatenate([array, array[:, :lacking]], axis=1) if lacking else array
    return jnp.moveaxis(filled.reshape(len(array), -1, chunk, *array.shape[2:]), 1, 0)
