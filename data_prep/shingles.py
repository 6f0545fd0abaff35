"""Finds texts of token ids that are the same, or that have long runs of tokens in common; one side is held in memory.

A text is *exact* when it has the very tokens of an indexed text.  It is *near* an indexed text by either of two rules,
here with `shingle` 13 and `near` 0.8:

    long     runs of 13 tokens or more that stand in both cover 80% of the shorter of the two: a sentence copied into a
             paragraph is found, and the rest of the paragraph does not matter
    short    both have fewer than 78 tokens, and runs of 4 or more that stand in both cover 80% of the longer: one
             changed word may leave a question of 14 tokens without a run of 13, and a sentence of 40 with one

A text of fewer than 4 tokens can only be exact.

Every run of exactly 13 (or 4) tokens, a shingle, is looked up by a 64-bit hash: with 10^10 shingles of a store and 10^7
of a benchmark, the chance that two different ones are taken for the same anywhere is about 1 in 200.

This is own code because the answer is exact and takes a few array operations a token.  MinHash (datasketch, rensa)
estimates how alike two whole texts are: it misses the sentence in the paragraph and, by chance, some texts that are
alike enough, and it is fed from Python text by text, of which a store has tens of millions.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data_prep.store_rows import gather

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: 2^64 over the golden ratio
_FILTER_BITS = 24  # shingles are looked up by their first 24 bits before they are searched for
_MOST_PAIRS = 1 << 22  # (shingle, indexed text) pairs in memory at a time


@dataclasses.dataclass(frozen=True)
class Rule:
    """When two texts are near: runs of `shingle` tokens or more that both have cover `near` of one of the two.

    Attributes:
      shingle: tokens of a shingle.
      near: share of the text's tokens, above 0 and up to 1.
      under: both texts must have fewer tokens than this; None: any number.
    """

    shingle: int
    near: float
    under: int | None = None

    def takes(self, lengths: np.ndarray) -> np.ndarray:
        """Which texts of these lengths the rule can find."""
        return (lengths >= self.shingle) & (lengths < (self.under or np.inf))

    def share(self, covered: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The share that `covered` tokens are of the shorter text, or of the longer one of short texts."""
        return np.minimum(covered / (np.minimum if self.under is None else np.maximum)(own, other), 1.0)


def rules(shingle: int, near: float) -> tuple[Rule, Rule]:
    """The long and the short rule for shingles of `shingle` tokens."""
    return Rule(shingle, near), Rule(max(2, shingle // 3), near, under=6 * shingle)


@dataclasses.dataclass(frozen=True)
class Found:
    """What `Index.find` finds among n texts.

    Attributes:
      exact: int64 [n], the number of the indexed text that is the same, or -1.
      row, text, share: one entry for each near pair: which of the n, which indexed text, and the share covered.
    """

    exact: np.ndarray
    row: np.ndarray
    text: np.ndarray
    share: np.ndarray


class Index:
    """Different texts to be found in others.

    Attributes:
      of: int64 [N], the number (below U) of each text given, the same for the same texts; -1 for an empty one.
      lengths: int64 [U], tokens.
    """

    def __init__(self, tokens: np.ndarray, offsets: np.ndarray, near: tuple[Rule, ...], vocab_size: int):
        """Indexes N texts by the rules `near`; token ids are below `vocab_size`."""
        self._mixed_V = np.random.default_rng(0).integers(0, 2**64, vocab_size, np.uint64)
        hashes = _text_hashes(self._mixed_V[tokens], offsets)
        there = np.flatnonzero(np.diff(offsets))
        self._hashes, first, number = np.unique(hashes[there], return_index=True, return_inverse=True)
        self.of = np.full(len(offsets) - 1, -1)
        self.of[there] = number
        values, ends = gather(tokens, offsets, there[first])
        self.lengths = np.diff(ends)
        self._near = [_Shingles(self._mixed_V[values], ends, rule) for rule in near]

    def find(self, tokens: np.ndarray, offsets: np.ndarray) -> Found:
        """Compares n texts with all that are indexed."""
        mixed = self._mixed_V[tokens]
        exact = _lookup(self._hashes, _text_hashes(mixed, offsets))
        exact[np.diff(offsets) == 0] = -1
        parts = [part for shingles in self._near for part in shingles.find(mixed, offsets, self.lengths)]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0, int)] * 3
        return Found(exact, *columns)


class _Shingles:
    """The shingles of the indexed texts that a rule takes: hash -> numbers of the texts that have it."""

    def __init__(self, mixed: np.ndarray, offsets: np.ndarray, rule: Rule):
        self._rule = rule
        _, row, hashes = _shingles(mixed, offsets, rule)
        order = np.lexsort((row, hashes))
        row, hashes = row[order], hashes[order]
        new = np.ones(len(row), bool)  # a shingle that a text has twice is listed once
        new[1:] = (hashes[1:] != hashes[:-1]) | (row[1:] != row[:-1])
        self._hashes, counts = np.unique(hashes[new], return_counts=True)
        self._texts = row[new]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._filter = np.zeros(1 << _FILTER_BITS, bool)
        self._filter[_top(self._hashes)] = True

    def find(
        self, mixed: np.ndarray, offsets: np.ndarray, indexed_lengths: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yields (row, indexed text, share) of the near pairs."""
        place, row, hashes = _shingles(mixed, offsets, self._rule)
        maybe = self._filter[_top(hashes)]
        place, row, hashes = place[maybe], row[maybe], hashes[maybe]
        key = _lookup(self._hashes, hashes)
        place, row, key = place[key >= 0], row[key >= 0], key[key >= 0]
        lengths = np.diff(offsets)
        if self._rule.under is not None and len(row):  # too little in common with all texts together, so with any
            rows, covered = _covered(row, place, self._rule.shingle)
            enough = np.zeros(len(lengths), bool)
            enough[rows] = covered >= self._rule.near * lengths[rows]
            place, row, key = place[enough[row]], row[enough[row]], key[enough[row]]
        for first, last in self._slices(row, key):
            yield self._near(place[first:last], row[first:last], key[first:last], lengths, indexed_lengths)

    def _slices(self, row: np.ndarray, key: np.ndarray) -> Iterator[tuple[int, int]]:
        """Cuts the shingles found, between rows, so that each part makes a bounded number of pairs."""
        if not len(row):
            return
        starts = np.append(np.flatnonzero(np.diff(row, prepend=-1)), len(row))
        ends = np.concatenate([[0], np.cumsum(self._starts[key + 1] - self._starts[key])])[starts]
        first = 0
        while first < len(starts) - 1:
            last = int(np.searchsorted(ends, ends[first] + _MOST_PAIRS, side="right")) - 1
            last = max(last, first + 1)
            yield int(starts[first]), int(starts[last])
            first = last

    def _near(
        self, place: np.ndarray, row: np.ndarray, key: np.ndarray, lengths: np.ndarray, indexed_lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        numbers, ends = gather(self._texts, self._starts, key)
        counts = np.diff(ends)
        pair = np.repeat(row, counts) * len(indexed_lengths) + numbers
        order = np.argsort(pair, kind="stable")  # shingles of a pair stay in their order
        pairs, covered = _covered(pair[order], np.repeat(place, counts)[order], self._rule.shingle)
        rows, texts = np.divmod(pairs, len(indexed_lengths))
        share = self._rule.share(covered, lengths[rows], indexed_lengths[texts])
        near = share >= self._rule.near
        return rows[near], texts[near], share[near]


def _covered(group: np.ndarray, place: np.ndarray, shingle: int) -> tuple[np.ndarray, np.ndarray]:
    """How many tokens shingles cover: (groups, tokens covered); `group` is sorted, and `place` ascends within a group.

    >>> _covered(np.array([3, 3, 3, 7]), np.array([0, 1, 10, 40]), 4)
    (array([3, 7]), array([9, 4]))
    """
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    if not len(starts):
        return group, place
    step = np.minimum(np.diff(place, append=0), shingle)
    step[np.append(starts[1:], len(group)) - 1] = shingle  # the last of a group is whole
    return group[starts], np.add.reduceat(step, starts)


def _shingles(mixed: np.ndarray, offsets: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The shingles of the texts that a rule takes: place of the first token among those texts', text, hash."""
    chosen = np.flatnonzero(rule.takes(np.diff(offsets)))
    values, ends = gather(mixed, offsets, chosen)
    counts = np.diff(ends) - rule.shingle + 1
    before = np.concatenate([[0], np.cumsum(counts)])
    place = np.repeat(ends[:-1] - before[:-1], counts) + np.arange(before[-1])
    return place, np.repeat(chosen, counts), _shingle_hashes(values, rule.shingle)[place]


def _shingle_hashes(mixed: np.ndarray, shingle: int) -> np.ndarray:
    """uint64 [T - shingle + 1]: the hash of each run of `shingle` tokens, joined from runs of 1, 2, 4 ... tokens."""
    count = max(len(mixed) - shingle + 1, 0)
    total, done = np.zeros(count, np.uint64), 0
    part, width, power = mixed, 1, _BASE  # hashes of runs of `width` tokens; power = base^width
    while count:
        if shingle & width:
            total += part[done : done + count] * _power(done)
            done += width
        if done == shingle:
            break
        part = part[:-width] + part[width:] * power
        width, power = 2 * width, _power(2 * width)
    return total


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(int(_BASE), exponent, 2**64))


def _text_hashes(mixed: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """uint64 [N]: the hash of each text, 0 of an empty one."""
    lengths = np.diff(offsets)
    powers = np.cumprod(np.full(max(lengths.max(initial=0), 1), _BASE))
    place = np.arange(offsets[-1] - offsets[0]) - np.repeat(offsets[:-1] - offsets[0], lengths)
    hashes = np.zeros(len(lengths), np.uint64)
    there = np.flatnonzero(lengths)
    if len(there):
        hashes[there] = np.add.reduceat(mixed * powers[place], offsets[there])
    return hashes


def _top(hashes: np.ndarray) -> np.ndarray:
    return hashes >> np.uint64(64 - _FILTER_BITS)


def _lookup(sorted_hashes: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """int64: where each hash stands in `sorted_hashes`, -1 where it does not."""
    if not len(sorted_hashes):
        return np.full(len(hashes), -1)
    place = np.minimum(np.searchsorted(sorted_hashes, hashes), len(sorted_hashes) - 1)
    return np.where(sorted_hashes[place] == hashes, place, -1)
