"""Which of the ranked items become the negatives of a pair: a range of ranks, a margin to the positive, top or random.

A negative that scores almost as high as the positive often answers the query too (NV-Retriever, arXiv 2407.15831): it
may score at most

    limit = p - max(absolute margin, relative margin * |p|)

where p is the score of the pair's passage in the language of the negative's text, or of its best translation if it has
none in that language.  An item that is above the limit for any language of the query is no negative of the pair.
"""

import dataclasses

import numpy as np

TOP, RANDOM = "top", "random"


@dataclasses.dataclass(frozen=True)
class NegativeRule:
    """What a negative must be.

    Attributes:
      first, last: ranks, from 1, among the items that do not answer the query.
      absolute, relative: margins to the positive's score.
      most: negatives of a pair.
      take: "top" or "random".
      seed: of the random ones.
    """

    first: int
    last: int
    absolute: float
    relative: float
    most: int
    take: str
    seed: int

    def limit(self, positive: np.ndarray) -> np.ndarray:
        """The highest score of a negative, from that of the positive."""
        return positive - np.maximum(self.absolute, self.relative * np.abs(positive))


@dataclasses.dataclass(frozen=True)
class Entries:
    """Items that may become negatives, X in all; an item occurs once for each language of the query that finds it.

    Attributes:
      pair_X: int64, ascending, the place of the pair.
      class_X: int64, the item's class.
      row_X, language_X: int64, its passage row, and the language of its best text.
      rank_X: int64.
      score_X: float32.
      positive_X: float32, what the score is compared with.
    """

    pair_X: np.ndarray
    class_X: np.ndarray
    row_X: np.ndarray
    language_X: np.ndarray
    rank_X: np.ndarray
    score_X: np.ndarray
    positive_X: np.ndarray


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The negatives of the pairs, Y in all, by pair, the best first or as drawn; and how many items were left out.

    Attributes:
      pair_Y, row_Y, language_Y: int64; score_Y: float32.
      above: how many items of a pair were above the limit.
      outside: how many others were before the first rank.
      spare: how many others were not needed.
    """

    pair_Y: np.ndarray
    row_Y: np.ndarray
    language_Y: np.ndarray
    score_Y: np.ndarray
    above: int
    outside: int
    spare: int


def choose(entries: Entries, rule: NegativeRule, number: np.ndarray) -> Chosen:
    """The negatives of each pair.

    Args:
      entries: the items.
      rule: what they must be.
      number: int64, number of each pair in the store, which random draws depend on.
    """
    order = np.lexsort((entries.row_X, -entries.score_X, entries.class_X, entries.pair_X))
    pair, item = entries.pair_X[order], entries.class_X[order]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(pair) != 0) | (np.diff(item) != 0)])[: len(order)])
    if not len(starts):
        none = np.zeros(0, np.int64)
        return Chosen(none, none, none, np.zeros(0, np.float32), 0, 0, 0)
    is_above = entries.score_X > rule.limit(entries.positive_X)
    above = np.logical_or.reduceat(is_above[order], starts)
    rank = np.minimum.reduceat(entries.rank_X[order], starts)
    best = order[starts]
    outside = ~above & (rank < rule.first)
    may = np.flatnonzero(~above & ~outside)
    best = best[may]
    pair, score, row = entries.pair_X[best], entries.score_X[best], entries.row_X[best]
    by = -score if rule.take == TOP else _drawn(rule.seed, number[pair], row)
    order = np.lexsort((row, by, pair))
    place = np.arange(len(order)) - np.searchsorted(pair[order], pair[order])
    best, left = best[order[place < rule.most]], int((place >= rule.most).sum())
    columns = (entries.pair_X[best], entries.row_X[best], entries.language_X[best], entries.score_X[best])
    return Chosen(*columns, int(above.sum()), int(outside.sum()), left)


def _drawn(seed: int, number: np.ndarray, row: np.ndarray) -> np.ndarray:
    """uint64: a random key for each item of each pair, whatever it is chosen among."""
    start = _mixed(np.array([seed], np.uint64))
    return _mixed(_mixed(start + number.astype(np.uint64)) + row.astype(np.uint64))


def _mixed(values: np.ndarray) -> np.ndarray:
    """The next output of SplitMix64 (Steele, Lea and Flood 2014) from each state, uint64."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ values >> np.uint64(shift)) * np.uint64(factor)
    return values ^ values >> np.uint64(31)
