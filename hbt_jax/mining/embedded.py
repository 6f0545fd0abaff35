"""The vectors of a store's texts, embedded part by part into files that are mapped when they are searched.

WORK/SIDE-LANGUAGE.f32 holds float32 rows, one for each item that has a text in the language, in the order of the items.
An interrupted file is continued after its last whole part, so it is bitwise identical to one written without a break.
"""

from pathlib import Path

import numpy as np

from hbt_jax.data.packing import text_format
from hbt_jax.data.store import TokenRows
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.files import disk_errors
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import offsets_of, spread

_TEXTS_A_PART = 16_384
_BYTES = 4  # of a float32


def embedded(embedder: Embedder, texts: TokenRows, side: str, tokenizer: Tokenizer, path: Path) -> Vectors:
    """The vectors of a store's texts, from the file if it has them.

    Args:
      embedder: the model.
      texts: of one side and language of the store.
      side: "query" or "passage", whose prefix and maximum length apply.
      tokenizer: the store's.
      path: the file.

    Raises:
      InputError: a vector is not finite, or the disk is full.
    """
    width = embedder.model.encoder.embedding_width
    rows = np.flatnonzero(np.diff(texts.offsets)).astype(np.int32)
    whole = (path.stat().st_size if path.exists() else 0) // (_BYTES * width)
    done = whole if whole == len(rows) else whole // _TEXTS_A_PART * _TEXTS_A_PART
    with disk_errors(path.parent, "--out", "what is embedded is kept"), path.open("ab") as file:
        file.truncate(done * width * _BYTES)
        for first in range(done, len(rows), _TEXTS_A_PART):
            part = rows[first : first + _TEXTS_A_PART]
            vectors_ND = _vectors(embedder, *tokens_of(texts, part), side, tokenizer)
            check_finite(vectors_ND, embedder.model, lambda number, part=part: f"{side} {part[number]} of the store")
            file.write(np.ascontiguousarray(vectors_ND).data)
            file.flush()
    if not len(rows):
        return Vectors(rows, np.zeros((0, width), np.float32))
    return Vectors(rows, np.memmap(path, np.float32, mode="r", shape=(len(rows), width)))


def tokens_of(texts: TokenRows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of some rows, one after the other, and where each begins: (int32, int64 [n + 1])."""
    starts = texts.offsets[rows]
    counts = texts.offsets[rows + 1] - starts
    return texts.values[spread(starts, counts)], offsets_of(counts)


def _vectors(embedder: Embedder, tokens: np.ndarray, offsets: np.ndarray, side: str, tokenizer: Tokenizer):
    model = embedder.model
    is_same = tokenizer.fingerprint == model.tokenizer.fingerprint
    if is_same and not text_format(model.text, model.tokenizer, side, model.said).before:
        return embedder.of_tokens(tokens, offsets, side)
    return embedder(tokenizer.decode(tokens, offsets), side)
