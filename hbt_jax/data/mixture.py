"""The training stores side by side: their sizes, and which pairs can serve which kind of batch in which language.

A pair can serve a monolingual batch in l if query and passage both exist in l, an x-x batch if they share any language,
and an x-y or joint batch if they exist in two different languages.  In a fully parallel store every pair can serve
everything, which takes one scan to find out and no memory; for any other store one bit per pair is kept (`Subset`).

A fraction of the pairs of each store can be trained on: the first places of a seeded permutation, so that a smaller
fraction is part of a larger one.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence

import numpy as np

from hbt_jax.config.values import JOINT
from hbt_jax.data.permutation import key, permute
from hbt_jax.data.store import Store, open_store
from hbt_jax.data.store_cache import local_store
from hbt_jax.errors import InputError

KINDS = ("x-x-mono", "x-x", "x-y", JOINT)
MONO, SAME, CROSS, _ = KINDS
_SUBSET = 0x5355  # purpose of the permutation that picks a fraction; streams of a plan are numbered from 0
_SCAN = 1 << 17  # pairs looked at in one go: their masks stay in the cache of a core
_WORD = 64  # numbers whose bits lie in one word


class Subset:
    """A subset of 0 .. n-1 with one bit per number: `subset[k]` is its k-th member, from 0, without a list of members.

    A list of the 40 million pairs that can serve one language takes 160 MB, for each language; bits with a count at
    every word take 10 MB (rank and select: Jacobson 1989, "Space-efficient static trees and graphs", section 2.2).

    >>> Subset([packed(np.array([True, False, True, True]))])[np.array([2, 0])].tolist()
    [3, 0]
    """

    def __init__(self, chunks: Sequence[np.ndarray]):
        """Joins consecutive chunks from `packed`; the size of each but the last is a multiple of 8."""
        joined = np.concatenate([np.zeros(0, np.uint8), *chunks])
        self._words = np.zeros(-(-len(joined) * 8 // _WORD), np.uint64)
        self._words.view(np.uint8)[: len(joined)] = joined
        ends = np.cumsum(np.bitwise_count(self._words), dtype=np.int64)
        self._before = np.concatenate([[0], ends])  # members before each word, and all of them

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        """int64 [n], the members at these places (int [n], each from 0 to len - 1)."""
        word = np.searchsorted(self._before, places, side="right") - 1
        within = places - self._before[word]
        bits_BW = np.unpackbits(self._words[word].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        bit = (np.cumsum(bits_BW, axis=1, dtype=np.int8) <= within[:, None]).sum(1)
        return word * _WORD + bit

    def tolist(self) -> list[int]:
        """All members."""
        return np.flatnonzero(np.unpackbits(self._words.view(np.uint8), bitorder="little")).tolist()


def packed(belongs: np.ndarray) -> np.ndarray:
    """uint8, whose i-th bit (lowest bit of each byte first) says whether the i-th number belongs (bool [n])."""
    return np.packbits(belongs, bitorder="little")


@dataclasses.dataclass(frozen=True)
class Eligible:
    """The pairs of one store that can serve a kind of batch (and, for x-x-mono, a language).

    Attributes:
      store: index of the store in the mixture.
      kind: one of KINDS.
      language: index of the language in the store; -1 for the other kinds.
      pairs: how many pairs.
      rows: which pairs, in ascending order; None: every pair of the store.  Instances that take the whole of a
        store's fraction share one object.
    """

    store: int
    kind: str
    language: int
    pairs: int
    rows: Subset | None = dataclasses.field(repr=False)


class Mixture:
    """Stores that are trained on together.

    Attributes:
      stores: the stores, in the order given.
      sizes: int64 [stores], pairs of each that are trained on.
    """

    def __init__(self, stores: Sequence[Store], fraction: float = 1.0, seed: int = 0):
        """Takes at least one pair of each store.

        Args:
          stores: at least one.
          fraction: share of each store's pairs, above 0 and at most 1.
          seed: decides which pairs; fractions of one seed are part of each other.

        Raises:
          InputError: there is no store.
        """
        if not stores:
            raise InputError("--stores is empty: expected at least one folder written by data_prep/build_store.py")
        self.stores = tuple(stores)
        whole = np.array([len(store.pairs) for store in stores], np.int64)
        self.sizes = whole if fraction == 1 else np.maximum(np.rint(whole * fraction).astype(np.int64), whole > 0)
        self._keys = [key(seed, _SUBSET, store) for store in range(len(stores))]

    @functools.cache  # noqa: B019 - a mixture lives as long as the run
    def eligible(self, store: int, kind: str, language: int) -> Eligible:
        """The pairs of a store that can serve a kind of batch; computed once, then cached.

        Args:
          store: index of the store.
          kind: one of KINDS.
          language: for x-x-mono, the index of the language in the store; -1 for the other kinds.
        """
        pairs, fraction = int(self.sizes[store]), self._fraction(store)
        if (kind not in (CROSS, JOINT) or len(self.stores[store].languages) > 1) and self.parallel(store):
            return Eligible(store, kind, language, pairs, fraction)
        rows = self._scanned(store, kind)[language]
        return Eligible(store, kind, language, len(rows), fraction if len(rows) == pairs else rows)

    @functools.cache  # noqa: B019
    def _fraction(self, store: int) -> Subset | None:
        """The pairs of a store that are trained on; None: all."""
        pairs = len(self.stores[store].pairs)
        if self.sizes[store] == pairs:
            return None
        return Subset([packed(self._is_taken(store, first, last)) for first, last in _ranges(pairs)])

    def _is_taken(self, store: int, first: int, last: int) -> np.ndarray:
        """bool [last - first], whether each pair from first to last - 1 is trained on."""
        pairs = len(self.stores[store].pairs)
        if self.sizes[store] == pairs:
            return np.ones(last - first, bool)
        return permute(np.arange(first, last), pairs, self._keys[store]) < self.sizes[store]

    @functools.cache  # noqa: B019
    def _scanned(self, store: int, kind: str) -> dict[int, Subset]:
        """Language, -1 for the other kinds, -> the pairs that can serve the kind: one pass over the pair table."""
        pairs = len(self.stores[store].pairs)
        found = {language: [] for language in (range(len(self.stores[store].languages)) if kind == MONO else [-1])}
        for first, last in _ranges(pairs):
            masks, taken = self.available(store, slice(first, last)), self._is_taken(store, first, last)
            for language, chunks in found.items():
                chunks.append(packed(_serves(*masks, kind, language) & taken))
        return {language: Subset(chunks) for language, chunks in found.items()}

    @functools.cache  # noqa: B019
    def parallel(self, store: int) -> bool:
        """Whether every query and every passage of a store exists in all its languages."""
        opened = self.stores[store]
        everything = np.uint64(2 ** len(opened.languages) - 1)
        return all(bool((side.available == everything).all()) for side in (opened.queries, opened.passages))

    def available(self, store: int, pairs: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """uint64 masks of the languages of each pair's query, and of its passage."""
        table, opened = self.stores[store].pairs, self.stores[store]
        return opened.queries.available[table.query_A[pairs]], opened.passages.available[table.passage_A[pairs]]

    def mono_languages(self, store: int) -> list[int]:
        """Languages of a store in which at least one pair can serve a monolingual batch, as indices."""
        languages = range(len(self.stores[store].languages))
        return [language for language in languages if self.eligible(store, MONO, language).pairs]

    def serves(self, store: int, kind: str) -> bool:
        """Whether a store has a pair for a kind of batch."""
        return bool(self.mono_languages(store)) if kind == MONO else self.eligible(store, kind, -1).pairs > 0


def _ranges(pairs: int) -> list[tuple[int, int]]:
    """Ends of the runs of pairs that are looked at in one go."""
    return [(first, min(first + _SCAN, pairs)) for first in range(0, pairs, _SCAN)]


def _serves(query: np.ndarray, passage: np.ndarray, kind: str, language: int) -> np.ndarray:
    """Whether pairs with these language masks (uint64) can serve a kind of batch; bool."""
    both = query & passage
    if kind == MONO:
        return (both >> np.uint64(language) & np.uint64(1)).astype(bool)
    if kind == SAME:
        return both != 0
    # Two different languages exist unless a side is empty or both sides have the same one language.
    return (query != 0) & (passage != 0) & (np.bitwise_count(query | passage) > 1)


def open_mixture(
    paths: Sequence[str | os.PathLike],
    tokenizer_fingerprint: str | None = None,
    cache_dir: str = "",
    fraction: float = 1.0,
    seed: int = 0,
) -> Mixture:
    """Opens stores side by side, those at places with a scheme from their copies in `cache_dir`; see `Mixture`.

    Raises:
      InputError: as `open_store` and `local_store` do, or `paths` is empty.
    """
    return Mixture([open_store(local_store(path, cache_dir), tokenizer_fingerprint) for path in paths], fraction, seed)
