"""Copies a store with other negatives."""

from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax.data.manifest import SIDES
from hbt_jax.data.store import Store, TokenRows
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import spread

_ROWS = 1 << 16  # copied at a time
PAIRS = 1 << 18

Negatives = Callable[[slice], tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]


def write_with_negatives(
    writer: StoreWriter, store: Store, tokenizer: Tokenizer, negatives: Negatives, record: dict
) -> dict:
    """Writes the store's texts and pairs as they are, with the given negatives.

    Args:
      writer: of the copy.
      store: the store.
      tokenizer: that made its tokens.
      negatives: a slice of pairs -> (passage rows, how many each pair has, teacher scores as append_pairs takes them).
      record: what the manifest says of how they were found, under source.mined.

    Returns:
      The copy's manifest.
    """
    for side in SIDES:
        for language, texts in getattr(store, side).tokens.items():
            for rows, tokens, offsets in _parts(texts):
                writer.append(side, language, rows, tokens, offsets)
    table = store.pairs
    for first in range(0, len(table), PAIRS):
        pairs = slice(first, min(first + PAIRS, len(table)))
        rows, counts, scores = negatives(pairs)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        writer.append_pairs(table.query_A[pairs], table.passage_A[pairs], table.group_A[pairs], rows, offsets, **scores)
    description = {
        "name": store.name,
        "split": store.split,
        "source": {**store.manifest.get("source", {}), "mined": record},
        "tokenizer": writer.keep_tokenizer(tokenizer),
        "languages": list(store.languages),
        "dropped": store.manifest.get("dropped", {}),
        **{name: store.manifest[name] for name in ("folding",) if name in store.manifest},
    }
    return writer.finish({side: getattr(store, side).rows for side in SIDES}, description, identity=store.identity)


def _parts(texts: TokenRows) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (rows that have a text, their tokens, where each begins and the last ends)."""
    for first in range(0, len(texts.offsets) - 1, _ROWS):
        ends = texts.offsets[first : first + _ROWS + 1]
        rows = np.flatnonzero(np.diff(ends))
        if len(rows):
            offsets = np.append(ends[rows], ends[-1]) - ends[0]
            yield first + rows, texts.values[ends[0] : ends[-1]], offsets


def own_negatives(store: Store, pairs: slice) -> tuple[np.ndarray, np.ndarray]:
    """(passage rows, how many each pair has) of the negatives that a store has already."""
    ends = store.pairs.negative_offsets[pairs.start : pairs.stop + 1]
    return store.pairs.negative_rows[spread(ends[:-1], np.diff(ends))], np.diff(ends)
