"""Finds texts that have the same letters, or long runs of letters in common; one side is held in memory.

A text is *exact* if it has exactly the letters of an indexed text (comparable.py defines letters).  It is *near* an
indexed text by one of three rules, here with `shingle` 40 and `near` 0.8:

    long     common runs of 40 letters or more cover 80% of the shorter text: a sentence copied into a paragraph is
             found, whatever the rest of the paragraph
    short    both texts have fewer than 240 letters, and common runs of 13 or more cover 80% of the longer one: one
             changed word can leave a question of 50 letters without a run of 40, and a sentence of 140 with only one
    torn     the text has unknown marks, and common runs of 13 or more cover 80% of its remaining letters: a mark can
             hide any number of letters

A text of fewer than 13 letters can only be exact.  `unsure` tells which texts with unknown marks could be copies that
no rule finds.

Every run of exactly 40 (or 13) letters, a shingle, is looked up by a 64-bit hash.  With 10^11 shingles in a store and
10^7 in a benchmark, the chance that any two different ones are taken for the same is about 1 in 20.  Most texts are
rejected early, because a bit table, which gives false positives but no false negatives, shows that too few of their
runs of 13 are in any indexed text.

We do not use a library because this code is exact and takes a few array operations per letter.  MinHash (datasketch,
rensa) estimates how similar two whole texts are: it misses the sentence in the paragraph and, by chance, some similar
texts, and it is called from Python once per text, while a store has tens of millions of texts.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data_prep.overlap.comparable import Letters
from data_prep.store.rows import gather
from hbt_jax.spans import find_sorted, offsets_of, spread

_BASE = 0x9E3779B97F4A7C15  # odd: 2^64 over the golden ratio
_INVERSE = pow(_BASE, -1, 2**64)
_BITS = 16  # of the bit table per shingle, at least
_AT_A_TIME = 1 << 20  # letters hashed at a time
_MOST_PAIRS = 1 << 22  # (shingle, indexed text) pairs in memory at a time
_OF_SHORTER, _OF_LONGER, _OF_OWN = "shorter", "longer", "own"


@dataclasses.dataclass(frozen=True)
class Rule:
    """When two texts are near: common runs of `shingle` letters or more cover the share `near` of one of them.

    Attributes:
      shingle: letters of a shingle.
      near: share of the text's letters, above 0 and up to 1.
      of: which text they must cover: the `shorter` one, the `longer` one, or `own`, the one that is not indexed.
      under: both texts must have fewer letters than this; None: no limit.
    """

    shingle: int
    near: float
    of: str = _OF_SHORTER
    under: int | None = None

    def takes(self, lengths: np.ndarray) -> np.ndarray:
        """Which texts the rule applies to, by length."""
        return (lengths >= self.shingle) & (lengths < (self.under or np.inf))

    def share(self, covered: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """`covered` letters as a share of the text that the rule measures."""
        whole = {_OF_SHORTER: np.minimum(own, other), _OF_LONGER: np.maximum(own, other), _OF_OWN: own}[self.of]
        return np.minimum(covered / whole, 1.0)


@dataclasses.dataclass(frozen=True)
class Rules:
    """The three rules of the module's docstring."""

    long: Rule
    short: Rule
    torn: Rule


def rules(shingle: int, near: float) -> Rules:
    """The rules for runs of `shingle` letters, and of a third of that in short and torn texts."""
    part = max(2, shingle // 3)
    return Rules(Rule(shingle, near), Rule(part, near, _OF_LONGER, under=6 * shingle), Rule(part, near, _OF_OWN))


@dataclasses.dataclass(frozen=True)
class Matches:
    """What `Index.find` finds among n texts.

    Attributes:
      exact: int64 [n], the number of the indexed text that is the same, or -1.
      row, text, share: one entry for each near pair: which of the n, which indexed text, and the share covered.
    """

    exact: np.ndarray
    row: np.ndarray
    text: np.ndarray
    share: np.ndarray


def unsure(letters: Letters, rule: Rule) -> np.ndarray:
    """bool [N]: texts with unknown marks that could be copies although the rule `torn` does not find them.

    They have fewer letters than two shingles, or too few of their letters are in runs as long as a shingle.
    """
    holes, rows, lengths = letters.holes, letters.hole_rows, letters.lengths
    torn = np.zeros(len(lengths), bool)
    if not len(holes):
        return torn
    new = np.diff(rows, prepend=-1) > 0
    last = np.append(new[1:], True)
    before = holes - np.where(new, letters.offsets[rows], np.roll(holes, 1))
    runs = np.concatenate([before, letters.offsets[rows[last] + 1] - holes[last]])
    seen = np.bincount(
        np.concatenate([rows, rows[last]]), np.where(runs >= rule.shingle, runs, 0), minlength=len(lengths)
    )
    torn[rows] = True
    return torn & ((lengths < 2 * rule.shingle) | (seen < rule.near * lengths))


class Index:
    """Distinct texts to be found in others.

    Attributes:
      of: int64 [N], the number (below U) of each text given, equal for equal texts; -1 for an empty one.
      lengths: int64 [U], letters.
    """

    def __init__(self, values: np.ndarray, offsets: np.ndarray, near: Rules):
        """Indexes N texts by the rules `near`; `values` and `offsets` as those of `Letters`."""
        self._rules = near
        parts = [_Sums(values[start:end]).texts(own) for start, end, own in _blocks(offsets)]
        hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        there = np.flatnonzero(np.diff(offsets))
        self._hashes, first, number = np.unique(hashes[there], return_index=True, return_inverse=True)
        self.of = np.full(len(offsets) - 1, -1)
        self.of[there] = number
        values, ends = gather(values, offsets, there[first])
        self.lengths = np.diff(ends)
        self._long, self._short = (_Shingles(values, ends, rule.shingle) for rule in (near.long, near.short))
        self._may_have = _Bits(self._short.hashes)

    def find(self, letters: Letters) -> Matches:
        """Compares n texts with all indexed ones; best called with about a hundred thousand letters."""
        sums, lengths, offsets = _Sums(letters.values), letters.lengths, letters.offsets
        exact = find_sorted(self._hashes, sums.texts(offsets))
        exact[lengths == 0] = -1
        near, torn = self._rules, np.zeros(len(lengths), bool)
        torn[letters.hole_rows] = True
        places = self._may_stand(sums, offsets)
        covered = _covered_in(places, offsets, near.short.shingle)
        searches = (
            (self._long, near.long, self._with_run(places, offsets) & near.long.takes(lengths)),
            (self._short, near.short, (covered >= near.short.near * lengths) & near.short.takes(lengths)),
            (self._short, near.torn, (covered >= near.torn.near * lengths) & near.torn.takes(lengths) & torn),
        )
        parts = [
            part
            for shingles, rule, chosen in searches
            for part in shingles.find(letters.values, offsets, np.flatnonzero(chosen), rule, self.lengths)
        ]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0, int)] * 3
        return Matches(exact, *columns)

    def _may_stand(self, sums: "_Sums", offsets: np.ndarray) -> np.ndarray:
        """int64, ascending: where shingles of the short rule begin that may be in an indexed text."""
        shingle = self._rules.short.shingle
        maybe = self._may_have(sums.runs(shingle))
        over = (offsets[1:, None] - np.arange(1, shingle)).ravel()  # shingles that run into the next text
        maybe[over[(over >= 0) & (over < len(maybe))]] = False
        return np.flatnonzero(maybe)

    def _with_run(self, places: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """bool [n]: texts with as many of these places in a row as a shingle of the long rule needs."""
        wanted = self._rules.long.shingle - self._rules.short.shingle + 1
        chosen = np.zeros(len(offsets) - 1, bool)
        if len(places) >= wanted:
            starts = places[: len(places) - wanted + 1]
            starts = starts[places[wanted - 1 :] - starts == wanted - 1]
            chosen[np.searchsorted(offsets, starts, side="right") - 1] = True
        return chosen


class _Bits:
    """A set of hashes with about one false positive in 16, and no false negatives."""

    def __init__(self, hashes: np.ndarray):
        bits = int(np.clip(np.ceil(np.log2(max(len(hashes), 1) * _BITS)), 16, 34))
        self._shift = np.uint64(64 - bits)
        self._bytes = np.zeros(1 << (bits - 3), np.uint8)
        place = hashes >> self._shift
        for bit in range(8):
            self._bytes[place[(place & np.uint64(7)) == bit] >> np.uint64(3)] |= np.uint8(1 << bit)

    def __call__(self, hashes: np.ndarray) -> np.ndarray:
        """bool: which hashes it may hold."""
        place = hashes >> self._shift
        bit = (place & np.uint64(7)).astype(np.uint8)
        place >>= np.uint64(3)
        return (self._bytes[place.view(np.int64)] >> bit & np.uint8(1)).view(bool)


class _Shingles:
    """The shingles of all indexed texts: hash -> numbers of the texts with it.

    Attributes:
      hashes: uint64, ascending, each once.
    """

    def __init__(self, values: np.ndarray, offsets: np.ndarray, shingle: int):
        self._shingle = shingle
        parts, done = [], 0
        for start, end, own in _blocks(offsets):
            _, row, hashes = _shingles(values[start:end], own, shingle)
            parts.append(((row + done).astype(np.int32), hashes))
            done += len(own) - 1
        row, hashes = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else _NOTHING
        del parts
        order = np.argsort(hashes, kind="stable")  # the rows of a hash ascend
        row, hashes = row[order], hashes[order]
        new = np.ones(len(row), bool)  # list a shingle that a text has twice only once
        new[1:] = (hashes[1:] != hashes[:-1]) | (row[1:] != row[:-1])
        self._texts, hashes = row[new], hashes[new]
        self._starts = np.append(np.flatnonzero(np.diff(hashes, prepend=hashes[:1] + np.uint64(1))), len(hashes))
        self.hashes = hashes[self._starts[:-1]]

    def find(
        self, values: np.ndarray, offsets: np.ndarray, chosen: np.ndarray, rule: Rule, indexed_lengths: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yields (row, indexed text, share) of the near pairs of the texts `chosen`."""
        if not len(chosen):
            return
        values, ends = gather(values, offsets, chosen)
        place, row, hashes = _shingles(values, ends, self._shingle)
        key = find_sorted(self.hashes, hashes)
        place, row, key = place[key >= 0], row[key >= 0], key[key >= 0]
        lengths = np.diff(ends)
        if rule.of != _OF_SHORTER:  # too little in common with all texts together, so with each
            enough = _covered_in(place, ends, self._shingle) >= rule.near * lengths
            place, row, key = place[enough[row]], row[enough[row]], key[enough[row]]
        for first, last in self._slices(row, key):
            found = self._near(place[first:last], row[first:last], key[first:last], rule, lengths, indexed_lengths)
            yield chosen[found[0]], *found[1:]

    def _slices(self, row: np.ndarray, key: np.ndarray) -> Iterator[tuple[int, int]]:
        """Splits the shingles found, between rows, into parts that make a bounded number of pairs."""
        if not len(row):
            return
        starts = np.append(np.flatnonzero(np.diff(row, prepend=-1)), len(row))
        ends = offsets_of(self._starts[key + 1] - self._starts[key])[starts]
        first = 0
        while first < len(starts) - 1:
            last = int(np.searchsorted(ends, ends[first] + _MOST_PAIRS, side="right")) - 1
            last = max(last, first + 1)
            yield int(starts[first]), int(starts[last])
            first = last

    def _near(
        self,
        place: np.ndarray,
        row: np.ndarray,
        key: np.ndarray,
        rule: Rule,
        lengths: np.ndarray,
        indexed_lengths: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        numbers, ends = gather(self._texts, self._starts, key)
        counts = np.diff(ends)
        pair = np.repeat(row, counts) * len(indexed_lengths) + numbers
        place = np.repeat(place, counts)
        taken = rule.takes(indexed_lengths)[numbers]
        pair, place = pair[taken], place[taken]
        order = np.argsort(pair, kind="stable")  # keeps the shingles of a pair in order
        pairs, covered = _covered(pair[order], place[order], self._shingle)
        rows, texts = np.divmod(pairs, len(indexed_lengths))
        share = rule.share(covered, lengths[rows], indexed_lengths[texts])
        near = share >= rule.near
        return rows[near], texts[near], share[near]


_NOTHING = np.zeros(0, np.int32), np.zeros(0, np.uint64)


def _covered(group: np.ndarray, place: np.ndarray, shingle: int) -> tuple[np.ndarray, np.ndarray]:
    """How many letters shingles cover: (groups, letters covered); `group` is sorted, `place` is sorted within groups.

    >>> _covered(np.array([3, 3, 3, 7]), np.array([0, 1, 10, 40]), 4)
    (array([3, 7]), array([9, 4]))
    """
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    if not len(starts):
        return group, place
    step = np.minimum(np.diff(place, append=0), shingle)
    step[np.append(starts[1:], len(group)) - 1] = shingle  # the last one of a group counts in full
    return group[starts], np.add.reduceat(step, starts)


def _covered_in(places: np.ndarray, offsets: np.ndarray, shingle: int) -> np.ndarray:
    """int64 [n]: how many letters of each text are covered by the shingles that begin at `places` (ascending).

    >>> _covered_in(np.array([0, 1, 10, 40]), np.array([0, 30, 35, 60]), 4)
    array([9, 0, 4])
    """
    steps = offsets_of(np.minimum(np.diff(places), shingle))
    first, end = np.split(np.searchsorted(places, np.concatenate([offsets[:-1], offsets[1:]])), 2)
    covered = np.zeros(len(offsets) - 1, np.int64)
    there = np.flatnonzero(end > first)
    covered[there] = steps[end[there] - 1] - steps[first[there]] + shingle
    return covered


def _blocks(offsets: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Splits a list of texts into parts of bounded size: (first letter, end, offsets from 0)."""
    first = 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, offsets[first] + _AT_A_TIME, side="right")) - 1
        last = max(last, first + 1)
        yield int(offsets[first]), int(offsets[last]), offsets[first : last + 1] - offsets[first]
        first = last


def _shingles(values: np.ndarray, offsets: np.ndarray, shingle: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The shingles of texts: (place of the first letter, text, hash)."""
    counts = np.maximum(np.diff(offsets) - shingle + 1, 0)
    row = np.repeat(np.arange(len(counts)), counts)
    place = spread(offsets[:-1], counts)
    return place, row, _Sums(values).runs(shingle)[place]


class _Sums:
    """Rolling hashes of runs of values: differences of a running sum in which place p has the weight `_BASE`**p.

    A run's hash is its part of the sum divided by the weight of its first place, so it does not depend on its place.
    """

    def __init__(self, values: np.ndarray):
        self._powers, self._inverses = _powers(len(values) + 1)
        self._sums = np.zeros(len(values) + 1, np.uint64)
        np.cumsum(values * self._powers[: len(values)], out=self._sums[1:])

    def runs(self, length: int) -> np.ndarray:
        """uint64 [T - length + 1]: the hash of each run of `length` values."""
        count = max(len(self._sums) - length, 0)
        return (self._sums[length:] - self._sums[:count]) * self._inverses[:count]

    def texts(self, offsets: np.ndarray) -> np.ndarray:
        """uint64 [N]: the hash of each text, 0 of an empty one."""
        return (self._sums[offsets[1:]] - self._sums[offsets[:-1]]) * self._inverses[offsets[:-1]]


_known_powers = [np.zeros(0, np.uint64)] * 2


def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """uint64: at least `count` powers of `_BASE`, and of its inverse, from the power 0."""
    if len(_known_powers[0]) < count:
        for number, base in enumerate((_BASE, _INVERSE)):
            factors = np.full(2 * count, base, np.uint64)
            factors[0] = 1
            _known_powers[number] = np.cumprod(factors)
    return _known_powers[0][:count], _known_powers[1][:count]
