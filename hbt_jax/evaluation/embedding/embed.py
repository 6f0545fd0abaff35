"""Texts to embeddings: tokenised and packed on the host, encoded under jit on the mesh."""

import collections
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from tqdm import tqdm

from hbt_jax import mesh as meshes
from hbt_jax.data.packing import PackedRows, TextFormat, text_format
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.batching import RowBlock, blocks, segments
from hbt_jax.evaluation.embedding.quantization import as_compared
from hbt_jax.models.model import Model, embed_slots, why_not_finite
from hbt_jax.spans import spread

_TEXTS_A_PART = 65_536  # planned together: enough to fill rows and blocks, few enough to hold their tokens in memory
_TEXTS_TOKENISED = 4_096  # at a time; each is truncated before the next ones are tokenised
_TOKENS_A_TEXT = 64  # in the rows of a block
_BLOCKS_AHEAD = 2  # queued on the device while the host packs the next one
# The most tokens in the rows of a device's share.  On a CPU, blocks that do not fit in the cache take up to 1.4 times
# as long; none is faster than one of this size.
_MOST_TOKENS = {"cpu": 2_048}

Tokenised = Callable[[slice, np.ndarray, np.ndarray], None]


@functools.lru_cache(maxsize=4)  # several evaluators of one model share what is compiled
def encoding(graph: nnx.GraphDef, pooling: str, normalized: bool, mesh: Mesh) -> Callable[[nnx.State, dict], jax.Array]:
    """The jitted function (parameters, batch) -> float32 [P, rows of a share * S, D]."""

    @functools.partial(jax.jit, out_shardings=meshes.batch_sharding(mesh))
    def encode(parameters, batch: dict):
        count = segments(batch["tokens"].shape[2])
        return embed_slots(graph, parameters, batch, segments=count, pooling=pooling, normalized=normalized)

    return encode


class Embedder:
    """Embeds texts with one model on one mesh; every process with devices in it must be given the same texts.

    A text's vector does not depend on the other texts, except for the rounding of sums.  Texts with the same tokens are
    embedded once, so within a call their vectors are bitwise equal and their scores tie.

    Args:
      model: the model.
      mesh: each of its devices takes a share of the texts.
      texts_per_device: texts of 64 tokens that a device gets at a time; of longer texts it gets fewer, of shorter ones
        more.  A CPU gets at most 32.
      poll: called between blocks of texts; raises to stop.
      shown: whether to show a progress bar, on a terminal.

    Attributes:
      truncated: how many texts have been truncated so far.
    """

    def __init__(self, model: Model, mesh: Mesh, *, texts_per_device: int, poll: Callable[[], None], shown: bool):
        self.model, self.mesh, self._poll, self._shown = model, mesh, poll, shown
        self._share_tokens = share_tokens(mesh, texts_per_device)
        self._shares = meshes.host_shares(mesh, jax.process_index())
        self._shapes: set[tuple[int, ...]] = set()
        self.truncated = 0

        self._encode = encoding(model.graph, model.pooling, model.normalize, mesh)

    @property
    def shapes(self) -> int:
        """How many shapes of blocks have been compiled so far, at most 15."""
        return len(self._shapes)

    def __call__(
        self,
        texts: Sequence[str],
        side: str,
        done: Callable[[int], None] | None = None,
        tokenised: Tokenised | None = None,
        longest: int | None = None,
    ) -> np.ndarray:
        """The vectors of `texts`, in their order.

        Args:
          texts: the texts; besides their vectors, memory grows by about 150 bytes per text.
          side: "query" or "passage": whose prefix and maximum length apply.
          done: called with the number of texts embedded since the last call, for the caller's progress bar.
          tokenised: called with consecutive slices of the texts, and their tokens and offsets from Tokenizer.encode,
            before truncation.
          longest: maximum length in tokens, at most that of the longer side; None: that of `side`.

        Returns:
          float32 [len(texts), D], of unit length if the model normalises.

        Raises:
          InputError: prefix and special tokens leave no room for a text.
        """
        form = text_format(self.model.text, self.model.tokenizer, side, self.model.said)
        if longest is not None:
            form = dataclasses.replace(form, longest=longest)
        vectors_ND = np.empty((len(texts), self.model.encoder.embedding_width), np.float32)
        first: dict[bytes, int] = {}  # digest of tokens -> the first text with these tokens
        hidden = None if self._shown else True  # None: shown on a terminal only
        with tqdm(total=len(texts), desc=f"embedding {side} texts", unit=" texts", disable=hidden, leave=False) as bar:
            for start in range(0, len(texts), _TEXTS_A_PART):
                which = range(start, min(start + _TEXTS_A_PART, len(texts)))
                tokens = self._tokenised(texts, which, form, tokenised)
                self._once(tokens, form, vectors_ND, which, first, done or bar.update)
        return as_compared(vectors_ND, self.model.quantization, self.model.normalize)

    def of_tokens(self, values: np.ndarray, offsets: np.ndarray, side: str) -> np.ndarray:
        """The vectors of texts whose tokens are known, as of a store; see `__call__`.

        Args:
          values, offsets: as Tokenizer.encode returns them, of a tokenizer that joins the prefix of `side`.
          side: "query" or "passage".
        """
        form = text_format(self.model.text, self.model.tokenizer, side, self.model.said)
        kept = np.minimum(np.diff(offsets), form.room)
        self.truncated += int((np.diff(offsets) > form.room).sum())
        tokens = _Tokens(values[spread(offsets[:-1], kept)], kept)
        vectors_ND = np.empty((len(kept), self.model.encoder.embedding_width), np.float32)
        self._once(tokens, form, vectors_ND, range(len(kept)), {}, lambda _: None)
        return as_compared(vectors_ND, self.model.quantization, self.model.normalize)

    def _once(
        self, tokens: "_Tokens", form: TextFormat, vectors_ND: np.ndarray, which: range, first: dict, done
    ) -> None:
        """Writes the vectors of the texts `which`; copies those whose tokens have come before, as `first` knows."""
        source = np.array([first.setdefault(digest, which[n]) for n, digest in enumerate(tokens.digests())], np.int64)
        own, again = (np.flatnonzero(is_own) for is_own in (source == which, source != which))
        self._part(tokens.only(own), form, vectors_ND, which.start + own, done)
        vectors_ND[which.start + again] = vectors_ND[source[again]]
        done(len(again))

    def _part(
        self, tokens: "_Tokens", form: TextFormat, vectors_ND: np.ndarray, rows: np.ndarray, done: Callable[[int], None]
    ) -> None:
        """Writes the vectors of some texts into these rows, and calls `done` with their number."""
        given: collections.deque = collections.deque()

        def take() -> None:
            block, vectors_PSD = given.popleft()
            vectors_ND[rows[block.texts]] = self._on_host(vectors_PSD)[block.slots]
            done(len(block.texts))

        for block in blocks(tokens.counts + form.around, self.model.text.longest, self.mesh.size, self._share_tokens):
            self._poll()
            given.append((block, self._encoded(block, tokens, form)))
            if len(given) > _BLOCKS_AHEAD:
                take()
        while given:
            take()

    def _tokenised(
        self, texts: Sequence[str], which: range, form: TextFormat, tokenised: Tokenised | None
    ) -> "_Tokens":
        """The truncated tokens of the texts in the range `which`."""
        values, counts = [], []
        for start in which[::_TEXTS_TOKENISED]:
            self._poll()
            some = slice(start, min(start + _TEXTS_TOKENISED, which.stop))
            found, offsets = self.model.tokenizer.encode(form.own_texts(texts[some]))
            if tokenised is not None:  # of the texts without their prefix
                tokenised(some, *(self.model.tokenizer.encode(texts[some]) if form.before else (found, offsets)))
            kept = np.minimum(np.diff(offsets), form.room)
            self.truncated += int((np.diff(offsets) > form.room).sum())
            values.append(found[spread(offsets[:-1], kept)])
            counts.append(kept)
        return _Tokens(np.concatenate(values), np.concatenate(counts))

    def _encoded(self, block: RowBlock, tokens: "_Tokens", form: TextFormat) -> jax.Array:
        """Starts to encode one block; float32 [P, rows of a share * S, D] on the mesh."""
        values, counts = tokens.of(block.texts)
        lengths_1N = (counts + form.around)[None]
        packed = PackedRows(block.placement, lengths_1N, block.rows, block.row_length, self.model.tokenizer.pad_id)
        packed.put(form, block.placement, np.arange(len(counts)), counts, values)
        shape = (self.mesh.size, block.rows // self.mesh.size, block.row_length)
        self._shapes.add(shape)
        own = {name: array.reshape(shape)[self._shares] for name, array in packed.arrays().items()}
        return self._encode(self.model.parameters, meshes.put_batch(own, self.mesh))

    def _on_host(self, vectors_PSD: jax.Array) -> np.ndarray:
        """float32 [slots of all shares, D]."""
        if not vectors_PSD.is_fully_addressable:
            vectors_PSD = multihost_utils.process_allgather(vectors_PSD, tiled=True)
        vectors = np.asarray(vectors_PSD)
        return vectors.reshape(-1, vectors.shape[-1])


def check_finite(vectors_ND: np.ndarray, model: Model, place: Callable[[int], str]) -> None:
    """Raises InputError, with the cause, if a vector is not finite.

    Args:
      vectors_ND: the vectors of texts.
      model: the model that made them.
      place: says where the text with a given number is, for the message.
    """
    broken = np.flatnonzero(~np.isfinite(vectors_ND).all(axis=1))
    if broken.size:
        raise InputError(f"{place(broken[0])}: the vector of this text is not finite: {why_not_finite(model)}")


def share_tokens(mesh: Mesh, texts_per_device: int) -> int:
    """Tokens in the rows of a device's share of a whole block, see `Embedder`."""
    tokens = texts_per_device * _TOKENS_A_TEXT
    return min(tokens, _MOST_TOKENS.get(mesh.devices.flat[0].platform, tokens))


@dataclasses.dataclass(frozen=True)
class _Tokens:
    """The truncated tokens of texts, without prefix and special tokens.

    Attributes:
      values: int32 [sum of counts].
      counts: int64 [N].
    """

    values: np.ndarray
    counts: np.ndarray

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """int64 [N]: where each text begins in `values`."""
        return np.cumsum(self.counts) - self.counts

    def digests(self) -> Iterator[bytes]:
        """Yields 16 bytes for each text; equal tokens give equal bytes."""
        for start, count in zip(self.starts.tolist(), self.counts.tolist(), strict=True):
            yield hashlib.blake2b(self.values[start : start + count].data, digest_size=16).digest()

    def only(self, texts: np.ndarray) -> "_Tokens":
        """The tokens of some of the texts."""
        return _Tokens(*self.of(texts))

    def of(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and counts of some of the texts, in the order given."""
        counts = self.counts[texts]
        return self.values[spread(self.starts[texts], counts)], counts
