"""Do two systems differ?  Intervals and tests of macro averages over queries that come in groups.

The copies of one question in eleven languages are not eleven independent questions, so what is drawn is the item, with
all its queries; and a system that was trained several times is more than its average, so its runs are drawn too.

Interval: a bootstrap of items and runs, which are crossed, every run being evaluated on every item. A draw takes items
with replacement and recomputes the macro averages for the mean of the runs; separately, it takes runs with replacement
from each system that has several, over all items. The two deviations add up, and so do their variances, as in two-way
clustering (Cameron, Gelbach, Miller 2011, Journal of Business & Economic Statistics 29(2); runs as a source of
variance: Bouthillier et al. 2021, arXiv 2103.03098). What varies by item and run at once is in both, which errs on the
safe side; drawing runs within drawn items would count it a third time (Owen 2007, "The pigeonhole bootstrap", Annals
of Applied Statistics 1(2)). A draw takes n - 1 of n items or runs, which makes the variance unbiased (Rao and Wu 1988,
JASA 83(401)): drawing three of three runs would lose a third of it. The percentiles of the draws are stretched about
the difference by t / z (Hesterberg 2015, The American Statistician 69(4)), where t has Satterthwaite's degrees of
freedom over the variances of items and runs, since two or three runs say little about how much runs vary. A system
with one run is treated as fixed: the interval then says nothing about how another training of it would do.

p: a randomisation test (Smucker, Allan, Carterette 2007, CIKM): if the systems do not differ on the items, then either
might have produced either side of an item, so an item's differences, of all its queries together, change sign by coin
flips.  p = (1 + draws at least as far from zero) / (1 + draws) (Phipson and Smyth 2010); where there are no more ways
to choose the signs than draws asked for, each is taken once and p is exact.  It takes the runs as they are and is about
these models.  p_runs, where a system has several runs, is about the systems: Student's t of the difference
with the standard error of the bootstrap and Satterthwaite's degrees of freedom.

Within a family of comparisons (languages; scripts) p values are also given after Holm's correction (Holm 1979; over
data sets and languages: Dror et al. 2017, TACL 5).

Student's t and the normal distribution are scipy's.  Its bootstrap and permutation_test are not used: they draw n of n,
but this interval needs n - 1 of n; they resample the data again for each statistic, but here all rows of a table share
one product of weights and sums by item; and they cannot resample two factors (items and runs).  Where they do apply
(one language, one query per item, one run per system), the tests compare ours with them.  scipy has no Holm correction.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import special  # not scipy.stats, which takes a second to import and calls these

from hbt_jax.draws import Stream, below, coins, stream

_SIGNS, _ITEMS, _A_RUNS, _B_RUNS = range(4)  # uses of random numbers, each with its own stream
_BLOCK_ELEMENTS = 2**21  # in a block of weights: 16 MiB
_ROUNDING = 1e-12  # of a sum, relative to the sum of the absolute values of its terms


@dataclasses.dataclass(frozen=True)
class Cells:
    """What two systems scored in one setting, as sums by item.

    A cell is a query language; in the cross-lingual setting, a query language with the candidate languages whose pools
    the same queries count in.

    Attributes:
      languages: the query language of each of the K cells.
      size_K: how many candidate languages each cell stands for; 1 for a query language alone.
      count_IK: float64, queries of each item in each cell; no cell is empty.
      gap_IK: float64, sums over these queries of a's score minus b's, each the mean over its runs and, if the cell
        stands for several, over the candidate languages.
      a_XK, b_XK: float64, means of the scores over all queries of a cell, by run.
    """

    languages: tuple[str, ...]
    size_K: np.ndarray
    count_IK: np.ndarray
    gap_IK: np.ndarray
    a_XK: np.ndarray
    b_XK: np.ndarray


@dataclasses.dataclass(frozen=True)
class ComparedRow:
    """What is compared: the mean over some languages of their means, or the mean over all cells.

    Attributes:
      family: rows of one family are corrected together.
      name: the row's name within its family.
      languages: the languages; empty: the mean over all cells, each counting once for every pair it stands for.
      less: languages whose mean is subtracted; empty: none.
    """

    family: str
    name: str
    languages: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Difference:
    """One compared row.

    Attributes:
      row: what was compared.
      items: how many items have a query in it.
      a_runs, b_runs: its value in each run.
      difference: mean of a's runs minus mean of b's.
      interval: lower and upper end; None if there are too few items to draw from.
      p, p_holm: of the randomisation test over items.
      p_runs, p_runs_holm: of the test over items and runs; None if both systems have one run.
    """

    row: ComparedRow
    items: int
    a_runs: tuple[float, ...]
    b_runs: tuple[float, ...]
    difference: float
    interval: tuple[float, float] | None
    p: float
    p_holm: float
    p_runs: float | None
    p_runs_holm: float | None


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p values: rejecting those of at most alpha keeps the family-wise error at most alpha.

    The smallest of m is multiplied by m, the next by m - 1, and so on; each is at least as large as the one before.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return adjusted


def compare_rows(
    cells: Cells,
    rows: Sequence[ComparedRow],
    *,
    samples: int,
    seed: int,
    confidence: float,
    poll: Callable[[], None] = lambda: None,
) -> list[Difference]:
    """Compares two systems in every row.

    Args:
      cells: their scores.
      rows: what to compare; each language of a row has a cell.
      samples: number of draws, of the bootstrap and of the randomisation test.
      seed: of the draws; the same seed gives the same result with any release of numpy.
      confidence: of the intervals.
      poll: called between blocks of draws; raises to stop.
    """
    table = _Table(cells, rows)
    sign_bits, item_bits, a_bits, b_bits = (stream(seed, purpose) for purpose in (_SIGNS, _ITEMS, _A_RUNS, _B_RUNS))
    contribution_IY, influence_IY = _linear(cells, table)
    p = _randomisation(contribution_IY, samples, sign_bits, poll)
    a_XY, b_XY = (table(runs_XK, np.ones(runs_XK.shape, bool)) for runs_XK in (cells.a_XK, cells.b_XK))
    draws_WY = np.concatenate(list(_over_items(cells, table, samples, item_bits, poll)))
    draws_WY += _over_runs(a_XY, samples, a_bits) - _over_runs(b_XY, samples, b_bits)
    several = max(len(a_XY), len(b_XY)) > 1
    found = []
    for y, row in enumerate(rows):
        items = int(table.in_row_IY[:, y].sum())
        difference = float(a_XY[:, y].mean() - b_XY[:, y].mean())
        interval, p_runs = None, 1.0
        column = draws_WY[np.isfinite(draws_WY[:, y]), y]
        if items > 1 and column.size:
            freedom = _freedom(influence_IY[:, y], items, a_XY[:, y], b_XY[:, y])
            interval = _interval(column, difference, freedom, confidence)
            p_runs = _student(difference, float(column.std()), freedom)
        runs = tuple(a_XY[:, y].tolist()), tuple(b_XY[:, y].tolist())
        found.append(
            Difference(row, items, *runs, difference, interval, float(p[y]), 1.0, p_runs if several else None, None)
        )
    return _corrected(found)


def _corrected(found: list[Difference]) -> list[Difference]:
    """The differences with Holm's correction within each family."""
    corrected = list(found)
    for family in {one.row.family for one in found}:
        places = [place for place, one in enumerate(found) if one.row.family == family]
        for name in ("p", "p_runs"):
            values = [getattr(found[place], name) for place in places]
            if None not in values:
                for place, value in zip(places, holm(values).tolist(), strict=True):
                    corrected[place] = dataclasses.replace(corrected[place], **{f"{name}_holm": value})
    return corrected


class _Table:
    """Values of the rows from the values of the cells: means over cells, then over languages."""

    def __init__(self, cells: Cells, rows: Sequence[ComparedRow]):
        codes = sorted(set(cells.languages))
        number = {code: u for u, code in enumerate(codes)}
        everything = len(codes)
        self._unit_KU = np.zeros((len(cells.languages), len(codes) + 1))
        for cell, code in enumerate(cells.languages):
            self._unit_KU[cell, [number[code], everything]] = cells.size_K[cell]
        self._plus_UY, self._minus_UY = np.zeros((2, len(codes) + 1, len(rows)))
        for y, row in enumerate(rows):
            self._plus_UY[[number[code] for code in row.languages] or everything, y] = 1.0
            self._minus_UY[[number[code] for code in row.less], y] = 1.0
        self._is_contrast_Y = self._minus_UY.any(axis=0)
        in_row_KY = self._unit_KU @ (self._plus_UY + self._minus_UY) > 0
        self.in_row_IY = (cells.count_IK > 0).astype(np.float64) @ in_row_KY > 0

    def __call__(self, value_WK: np.ndarray, present_WK: np.ndarray) -> np.ndarray:
        """float64 [W, Y]; missing values are left out of the means, and a mean over nothing is NaN."""
        unit_WU = _mean(value_WK, present_WK, self._unit_KU)
        present_WU = np.isfinite(unit_WU)
        plus_WY = _mean(unit_WU, present_WU, self._plus_UY)
        return plus_WY - np.where(self._is_contrast_Y, _mean(unit_WU, present_WU, self._minus_UY), 0.0)

    def weights(self) -> np.ndarray:
        """float64 [K, Y]: the weight of each cell in each row if all are present."""
        cells = len(self._unit_KU)
        return self(np.eye(cells), np.ones((cells, cells), bool))


def _mean(value_WK: np.ndarray, present_WK: np.ndarray, weight_KY: np.ndarray) -> np.ndarray:
    """Weighted means [W, Y] over what is present; NaN if nothing is."""
    total_WY = present_WK.astype(np.float64) @ weight_KY
    with np.errstate(invalid="ignore"):
        return (np.where(present_WK, value_WK, 0.0) @ weight_KY) / np.where(total_WY > 0, total_WY, np.nan)


def _linear(cells: Cells, table: _Table) -> tuple[np.ndarray, np.ndarray]:
    """What each item contributes to the difference of each row [I, Y], and its influence (the infinitesimal jackknife).

    The two differ because drawing an item more often also changes the number of queries that a mean is over.
    """
    total_K = cells.count_IK.sum(axis=0)
    weight_KY = table.weights() / total_K[:, None]
    centred_IK = cells.gap_IK - cells.count_IK * (cells.gap_IK.sum(axis=0) / total_K)
    return cells.gap_IK @ weight_KY, centred_IK @ weight_KY


def _blocks(samples: int, width: int) -> Iterator[int]:
    """Splits `samples` draws into blocks that are small enough for arrays of `width` columns."""
    most = max(1, min(samples, _BLOCK_ELEMENTS // width))
    for start in range(0, samples, most):
        yield min(most, samples - start)


def _randomisation(contribution_IY: np.ndarray, samples: int, bits: Stream, poll) -> np.ndarray:
    """Two-sided p of each row: the signs of the items' contributions are drawn at random."""
    observed_Y = np.abs(contribution_IY.sum(axis=0)) - _ROUNDING * np.abs(contribution_IY).sum(axis=0)
    extreme_Y = np.zeros(contribution_IY.shape[1], np.int64)
    exact = 2 ** len(contribution_IY) <= samples
    for sign_WI in _signs(contribution_IY.shape, None if exact else samples, bits):
        poll()
        extreme_Y += (np.abs(sign_WI @ contribution_IY) >= observed_Y).sum(axis=0)
    return extreme_Y / 2 ** len(contribution_IY) if exact else (1 + extreme_Y) / (1 + samples)


def _signs(shape: tuple[int, int], samples: int | None, bits: Stream) -> Iterator[np.ndarray]:
    """Yields blocks of signs [W, I] for contributions [I, Y]: all that there are, or `samples` random draws."""
    items, start = shape[0], 0
    for draws in _blocks(2**items if samples is None else samples, max(shape)):
        if samples is None:
            bit_WI = np.arange(start, start + draws)[:, None] >> np.arange(items) & 1
        else:
            bit_WI = coins(bits, (draws, items))
        start += draws
        yield 2.0 * bit_WI - 1.0


def _over_items(cells: Cells, table: _Table, samples: int, bits: Stream, poll) -> Iterator[np.ndarray]:
    """Yields differences [W, Y] of the mean of the runs, in blocks of draws of items."""
    items, width = cells.count_IK.shape
    sums_IK = np.concatenate([cells.count_IK, cells.gap_IK], axis=1)
    for draws in _blocks(samples, max(sums_IK.shape)):
        poll()
        drawn_WK = _times_taken(bits, draws, items) @ sums_IK
        count_WK, gap_WK = drawn_WK[:, :width], drawn_WK[:, width:]
        yield table(gap_WK / np.maximum(count_WK, 1.0), count_WK > 0)


def _over_runs(runs_XY: np.ndarray, samples: int, bits: Stream) -> np.ndarray:
    """Deviations [W, Y] of the means of drawn runs from the mean of the runs; 0 for a single run."""
    runs = len(runs_XY)
    if runs == 1:
        return np.zeros((1, runs_XY.shape[1]))
    return _times_taken(bits, samples, runs) / (runs - 1) @ (runs_XY - runs_XY.mean(axis=0))


def _times_taken(bits: Stream, draws: int, size: int) -> np.ndarray:
    """float64 [W, size]: how often each is taken in a draw of size - 1; if there is one, it is always taken."""
    if size == 1:
        return np.ones((draws, 1))
    taken = below(bits.random_raw(draws * (size - 1)), size).reshape(draws, -1) + size * np.arange(draws)[:, None]
    return np.bincount(taken.ravel(), minlength=draws * size).reshape(draws, size).astype(np.float64)


def _freedom(influence_I: np.ndarray, items: int, a_X: np.ndarray, b_X: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom of the sum of the variances over items and over runs."""
    parts = [(float(influence_I @ influence_I) * items / (items - 1), items - 1)]
    parts += [(float(runs.var(ddof=1)) / runs.size, runs.size - 1) for runs in (a_X, b_X) if runs.size > 1]
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(items - 1)
    return total**2 / sum(variance**2 / freedom for variance, freedom in parts)


def _interval(draws: np.ndarray, difference: float, freedom: float, confidence: float) -> tuple[float, float]:
    """Percentiles of the draws, stretched about the difference by t / z."""
    tail = (1.0 - confidence) / 2
    stretch = special.stdtrit(freedom, 1.0 - tail) / special.ndtri(1.0 - tail)
    low, high = np.quantile(draws, (tail, 1.0 - tail)).tolist()
    return float(difference + (low - difference) * stretch), float(difference + (high - difference) * stretch)


def _student(difference: float, error: float, freedom: float) -> float:
    """Two-sided p of Student's t; without any spread, 1 for no difference and 0 otherwise."""
    if error == 0:
        return float(difference == 0)
    return float(2 * special.stdtr(freedom, -abs(difference) / error))
