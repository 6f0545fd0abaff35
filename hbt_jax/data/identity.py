"""Which items of a store are one text, which passages answer which queries, and their groups: the basis of the masks.

Items of a side that share a text in some language, directly or transitively, count as one: they form a class, named
after the first of its rows.  The passages of a class answer the queries of a class if any pair of their rows says so.

    queries/identity.arrow    same int32, answers large_list<int32>, groups large_list<int32>
    passages/identity.arrow   same int32, asked large_list<int32>, groups large_list<int32>

`same` is the class of each row.  The first row of a class has its lists; the lists of its other rows are empty:

    answers   classes of passages that answer the query, ascending
    asked     classes of queries that the passage answers, ascending
    groups    translation groups, ascending, if they add something to the pairs: those with at least two classes of
              queries and two of passages

The fact that a passage answers a query is listed with whichever of the two has fewer partners, so that no list gets
long: many queries may have the answer "yes", and "What is it?" may have many answers.  A query's only answer is not
listed: it is the passage of the query's own pairs.

hbt_jax/data/store_writer.py writes these tables; opening a store maps them and checks that their numbers are rows.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np

from hbt_jax.spans import find_sorted, spread

_LOW = np.uint64(32)  # bits of the lower half of a key
_CHUNK = 1 << 20  # pairs processed at a time


@dataclasses.dataclass(frozen=True)
class Lists:
    """A list of numbers for each row: row r has `values[offsets[r]:offsets[r + 1]]`."""

    values: np.ndarray  # int32
    offsets: np.ndarray  # int64 [rows + 1]

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lists of some rows, one after the other, and the place in `rows` of each value's row.

        >>> Lists(np.array([7, 8, 9]), np.array([0, 1, 1, 3])).of(np.array([2, 0]))
        (array([8, 9, 7]), array([0, 0, 1]))
        """
        if not len(self.values):
            return self.values, np.zeros(0, np.int64)
        starts = self.offsets[rows]
        counts = self.offsets[rows + 1] - starts
        return self.values[spread(starts, counts)], np.repeat(np.arange(len(rows)), counts)


@dataclasses.dataclass(frozen=True)
class Identity:
    """The tables of the module's docstring, of one store.

    Attributes:
      query_Q, passage_N: int32, class of each query row and of each passage row.
      answers, asked: by row of queries, and of passages.
      query_groups, passage_groups: by row of each side.
    """

    query_Q: np.ndarray
    passage_N: np.ndarray
    answers: Lists
    asked: Lists
    query_groups: Lists
    passage_groups: Lists

    def answering(self, query_n: np.ndarray, own_n: np.ndarray, passage_n: np.ndarray) -> np.ndarray:
        """bool [n]: whether passage rows must not be negatives of query rows.

        Args:
          query_n, own_n, passage_n: rows of queries, of a passage that answers each, and of the passages in question.
        """
        query_n, own_n, passage_n = self.query_Q[query_n], self.passage_N[own_n], self.passage_N[passage_n]
        found_n = (own_n == passage_n) | (find_sorted(self._answers, _keys(query_n, passage_n)) >= 0)
        if len(self.query_groups.values):
            asked, answered = (
                _keys(owner, group)
                for group, owner in (self.query_groups.of(query_n), self.passage_groups.of(passage_n))
            )
            found_n[(np.intersect1d(asked, answered) >> _LOW).astype(np.int64)] = True
        return found_n

    @functools.cached_property
    def _answers(self) -> np.ndarray:
        """Keys of (class of queries, class of passages that answers it), ascending; kept after the first use."""
        keys = np.concatenate([_keys_of(self.answers), _swapped(_keys_of(self.asked))])
        keys.sort()
        return keys

    def of_rows(self, query_Q: np.ndarray, passage_N: np.ndarray) -> "Identity":
        """The identity of a store with some of the rows, renumbered in order.

        Classes and answers stay, even if the row or pair that established them is left out.

        Args:
          query_Q, passage_N: bool, which rows are kept.
        """
        first_Q, first_N = _first_kept(self.query_Q, query_Q), _first_kept(self.passage_N, passage_N)
        queries, passages = first_Q[_high(self._answers)], first_N[_low(self._answers)]
        keys = np.sort(_keys(queries, passages)[(queries >= 0) & (passages >= 0)])
        query_rows, passage_rows = int(query_Q.sum()), int(passage_N.sum())
        return Identity(
            first_Q[self.query_Q[query_Q]],
            first_N[self.passage_N[passage_N]],
            *_by_fewer_partners(keys, query_rows, passage_rows),
            _kept_lists(self.query_groups, first_Q, query_rows),
            _kept_lists(self.passage_groups, first_N, passage_rows),
        )


@dataclasses.dataclass(frozen=True)
class Classes:
    """How many items of a side share a text: `shared` items form `classes` classes, the largest of `largest` items."""

    shared: int
    classes: int
    largest: int

    @classmethod
    def of(cls, same: np.ndarray) -> "Classes":
        """Counts the classes of a side, from the class of each row (int [rows])."""
        rows = np.flatnonzero(same != np.arange(len(same)))
        if not len(rows):
            return cls(0, 0, min(1, len(same)))
        _, counts = np.unique(same[rows], return_counts=True)  # not counting the first row of each
        return cls(len(rows) + len(counts), len(counts), 1 + int(counts.max()))


def identity_of(
    pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], query_Q: np.ndarray, passage_N: np.ndarray
) -> Identity:
    """The identity of a store from its pairs, which are sorted in memory.

    That takes two 64-bit numbers per pair, and three more per distinct pair of a query with several answers.

    Args:
      pairs: parts of (query rows, passage rows, groups), int64; memory-mapped arrays are read in chunks.
      query_Q, passage_N: int32, class of each row.
    """
    answers = _by_fewer_partners(_unique(_pair_keys(pairs, 0, 1, query_Q, passage_N)), len(query_Q), len(passage_N))
    groups_of_queries = _unique(_pair_keys(pairs, 2, 0, None, query_Q))
    large = _several_in(groups_of_queries)
    if not len(large):  # as for the source mmarco, where each group is a query
        groups_of_queries = groups_of_passages = np.zeros(0, np.uint64)
    else:
        groups_of_passages = _unique(_pair_keys(pairs, 2, 1, None, passage_N))
        large = np.intersect1d(large, _several_in(groups_of_passages), assume_unique=True)
    by_side = (
        _lists(_swapped(keys[find_sorted(large, keys >> _LOW) >= 0]), len(same))
        for keys, same in ((groups_of_queries, query_Q), (groups_of_passages, passage_N))
    )
    return Identity(query_Q, passage_N, *answers, *by_side)


def _keys(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """uint64 keys of pairs of numbers below 2**31; they sort like the pairs."""
    return high.astype(np.uint64) << _LOW | low.astype(np.uint64)


def _high(keys: np.ndarray) -> np.ndarray:
    return (keys >> _LOW).astype(np.int64)


def _low(keys: np.ndarray) -> np.ndarray:
    return keys.astype(np.uint32).astype(np.int64)


def _keys_of(lists: Lists) -> np.ndarray:
    """Keys of (row, value), ascending."""
    counts = np.diff(lists.offsets)
    return _keys(np.repeat(np.arange(len(counts)), counts), lists.values)


def _swapped(keys: np.ndarray) -> np.ndarray:
    """Keys of the swapped pairs, ascending."""
    swapped = keys << _LOW
    swapped |= keys >> _LOW
    swapped.sort()
    return swapped


def _pair_keys(pairs: Sequence[tuple], high: int, low: int, high_of: np.ndarray | None, low_of: np.ndarray):
    """Keys of two columns of the pairs, with rows replaced by their classes."""
    keys, done = np.empty(sum(len(columns[0]) for columns in pairs), np.uint64), 0
    for columns in pairs:
        for part in _parts(len(columns[0])):
            first, second = columns[high][part], low_of[columns[low][part]]
            keys[done : done + len(first)] = _keys(first if high_of is None else high_of[first], second)
            done += len(first)
    return keys


def _parts(count: int) -> Iterable[slice]:
    return (slice(first, min(first + _CHUNK, count)) for first in range(0, count, _CHUNK))


def _unique(keys: np.ndarray) -> np.ndarray:
    """The distinct keys, ascending; sorts the given array in place."""
    keys.sort()
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _lists(keys: np.ndarray, rows: int) -> Lists:
    """The lists that ascending (row, value) keys describe."""
    offsets = np.searchsorted(keys, np.arange(rows + 1, dtype=np.uint64) << _LOW)
    return Lists(keys.astype(np.uint32).view(np.int32), offsets.astype(np.int64))


def _by_fewer_partners(keys: np.ndarray, queries: int, passages: int) -> tuple[Lists, Lists]:
    """(answers, asked) from ascending (query, passage) keys: each is listed at the one with fewer partners.

    Query 0 has the answers 0, 1 and 2, query 1 only 2, query 2 has 2 and 3:

    >>> answers, asked = _by_fewer_partners(_keys(np.array([0, 0, 0, 1, 2, 2]), np.array([0, 1, 2, 2, 2, 3])), 3, 4)
    >>> answers.values.tolist(), answers.offsets.tolist(), asked.values.tolist(), asked.offsets.tolist()
    ([2, 2], [0, 1, 1, 2], [0, 0, 2], [0, 1, 2, 2, 3])
    """
    of_query, of_passage = np.zeros(queries, np.int64), np.zeros(passages, np.int64)
    for part in _parts(len(keys)):
        of_query += np.bincount(_high(keys[part]), minlength=queries)
        of_passage += np.bincount(_low(keys[part]), minlength=passages)
    at_query, at_passage = np.zeros((2, len(keys)), bool)
    for part in _parts(len(keys)):
        partners, others = of_query[_high(keys[part])], of_passage[_low(keys[part])]
        at_query[part] = (partners > 1) & (partners <= others)
        at_passage[part] = (partners > 1) & (partners > others)
    return _lists(keys[at_query], queries), _lists(_swapped(keys[at_passage]), passages)


def _several_in(keys: np.ndarray) -> np.ndarray:
    """uint64, ascending: the upper halves that several keys share."""
    high = keys >> _LOW
    return np.unique(high[1:][high[1:] == high[:-1]])


def _first_kept(same: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """int32 [rows]: at the first row of each class, the new row of its first kept row, -1 if none is kept."""
    rows = np.flatnonzero(kept)[::-1]
    first = np.full(len(same), -1, np.int32)
    first[same[rows]] = np.arange(len(rows) - 1, -1, -1)  # the last value written, for the first row, stays
    return first


def _kept_lists(lists: Lists, first: np.ndarray, rows: int) -> Lists:
    owner = first[np.repeat(np.arange(len(first)), np.diff(lists.offsets))]
    return _lists(np.sort(_keys(owner, lists.values)[owner >= 0]), rows)
