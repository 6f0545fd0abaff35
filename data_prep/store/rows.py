"""Reads the texts of an open store, a few million tokens at a time, so that memory does not grow with the store."""

import dataclasses
import os
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from hbt_jax.config.option import Part, option
from hbt_jax.config.training import RunConfig
from hbt_jax.data.permutation import sampled
from hbt_jax.data.store import Store, TokenRows, open_store, store_tokenizer
from hbt_jax.data.store_cache import local_store
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.spans import offsets_of, spread

_MOST_TOKENS, _MOST_ROWS = 1 << 21, 1 << 18  # read at a time


@dataclasses.dataclass(frozen=True)
class Rows:
    """Texts of some rows, of one side and language.

    Attributes:
      rows: int64 [n], their row numbers, ascending.
      tokens: int32; text i is `tokens[offsets[i]:offsets[i + 1]]`.
      offsets: int64 [n + 1], from 0.
    """

    rows: np.ndarray
    tokens: np.ndarray
    offsets: np.ndarray


@dataclasses.dataclass(frozen=True)
class OpenOptions(Part):
    """Where a store's tokenizer and its local copy are."""

    title: ClassVar[str] = "Store"

    tokenizer: str = option("", "the store's tokenizer; empty: the one that the store's manifest names")
    store_cache: str = option("", RunConfig.__dataclass_fields__["store_cache"].metadata["help"])


def open_with_tokenizer(
    path: str | os.PathLike, tokenizer_path: str = "", cache_dir: str = ""
) -> tuple[Store, Tokenizer]:
    """Opens a store and the tokenizer that made its tokens.

    Args:
      path: the store's folder, or gs://BUCKET/FOLDER.
      tokenizer_path: the tokenizer; empty: the one that the store's manifest names.
      cache_dir: folder into which stores in a bucket are copied.

    Raises:
      InputError: no store, no tokenizer, or another tokenizer than the store's.
    """
    folder = local_store(path, cache_dir)
    tokenizer = load_tokenizer(tokenizer_path or store_tokenizer(folder))
    return open_store(folder, tokenizer.fingerprint), tokenizer


def gather(tokens: np.ndarray, offsets: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The texts `chosen` (int64 [n]) of `tokens` and `offsets`, concatenated: (tokens, int64 offsets [n + 1]).

    >>> gather(np.array([5, 6, 7, 8]), np.array([0, 1, 3, 4]), np.array([2, 1]))
    (array([8, 6, 7]), array([0, 1, 3]))
    """
    lengths = offsets[chosen + 1] - offsets[chosen]
    return tokens[spread(offsets[chosen], lengths)], offsets_of(lengths)


def read_rows(texts: TokenRows, most_tokens: int = 0) -> Iterator[Rows]:
    """Yields all texts in the order of their rows, `most_tokens` at a time (0: a few million)."""
    offsets, first, rows = texts.offsets, 0, len(texts.offsets) - 1
    while first < rows:
        last = int(np.searchsorted(offsets, offsets[first] + (most_tokens or _MOST_TOKENS), side="right")) - 1
        last = min(max(last, first + 1), first + _MOST_ROWS, rows)
        ends = offsets[first : last + 1] - offsets[first]
        there = np.flatnonzero(ends[1:] > ends[:-1])
        if len(there):
            kept = np.concatenate([[0], ends[1:][there]])
            yield Rows(first + there, texts.values[offsets[first] : offsets[last]], kept)
        first = last


def sample_rows(texts: TokenRows, most: int, keys: np.ndarray) -> Iterator[Rows]:
    """Yields `most` texts drawn without replacement, or all if there are fewer, in the order of their rows.

    Args:
      keys: uint64 [1], from hbt_jax/data/permutation.py; other keys draw other texts.
    """
    there = np.flatnonzero(texts.offsets[1:] > texts.offsets[:-1])
    there = there[sampled(len(there), most, keys)]
    lengths = texts.offsets[there + 1] - texts.offsets[there]
    batch = np.cumsum(lengths) // _MOST_TOKENS + np.arange(len(there)) // _MOST_ROWS
    for rows in np.split(there, np.flatnonzero(np.diff(batch)) + 1):
        if len(rows):
            yield Rows(rows, *gather(texts.values, texts.offsets, rows))
