"""Sums the scores of the queries of two systems by item, which is all that their comparison needs.

Files are read one by one, so memory does not grow with the number of runs.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.results.read import AGAIN, COMPARED, Outcome, Scores, read_scores
from hbt_jax.evaluation.results.result import PER_QUERY, RESULTS
from hbt_jax.evaluation.statistics.significance import Cells

_TOLERANCE = 1e-6  # between results.json and the means of the rounded values by query


@dataclasses.dataclass(frozen=True)
class Collected:
    """What two systems scored on one benchmark.

    Attributes:
      queries, items: their numbers.
      languages: codes of the query languages.
      cells: name in COMPARED -> its sums; names without a value are left out.
      absent: name -> why it is not in `cells`.
    """

    queries: int
    items: int
    languages: tuple[str, ...]
    cells: dict[str, Cells]
    absent: dict[str, str]


def collect(a: Sequence[Outcome], b: Sequence[Outcome], metric: str, poll: Callable[[], None]) -> Collected:
    """Sums the scores of the runs of two systems, run by run.

    Args:
      a, b: the outcomes of one benchmark in the runs of the two systems.
      metric: for the three settings.
      poll: called before each file; raises to stop.

    Raises:
      InputError: a file is wrong, the runs do not have the same queries, or results.json has other means.
    """
    layout = None
    sums: dict[str, list[np.ndarray]] = {name: [] for name in COMPARED}  # one entry for each system
    means: dict[str, list[np.ndarray]] = {name: [] for name in COMPARED}
    for outcomes in (a, b):
        total, runs = {}, {name: [] for name in COMPARED}
        for outcome in outcomes:
            poll()
            scores = read_scores(outcome, metric)
            if layout is None:
                layout = _Layout(outcome, scores)
            for name, sums_IK in layout.sums(outcome, scores).items():
                total[name] = total.get(name, 0.0) + sums_IK
                runs[name].append(sums_IK.sum(axis=0) / layout.places[name].count_IK.sum(axis=0))
                _check_mean(outcome, name, metric, runs[name][-1], layout.places[name])
        for name in total:
            sums[name].append(total[name] / len(outcomes))
            means[name].append(np.stack(runs[name]))
    cells = {
        name: Cells(places.languages, places.size_K, places.count_IK, sums[name][0] - sums[name][1], *means[name])
        for name, places in layout.places.items()
    }
    absent = {name: _why_absent(a[0], name, metric) for name in COMPARED if name not in cells}
    return Collected(len(layout.ids), layout.items, layout.languages, cells, absent)


def _why_absent(outcome: Outcome, name: str, metric: str) -> str:
    wanted = RANK_DISTANCE if name == RANK_DISTANCE else metric
    if outcome.expected(name, metric) is None:
        return f"{RESULTS} has no {wanted} there" if outcome.block(name) else "no query counts there"
    return f"{PER_QUERY} does not hold {wanted} there"


def _check_mean(outcome: Outcome, name: str, metric: str, mean_K: np.ndarray, places: "_Places") -> None:
    expected, found = outcome.expected(name, metric), float(np.average(mean_K, weights=places.size_K))
    if expected is None or not math.isclose(found, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise InputError(
            f"{outcome.folder}: {PER_QUERY} gives {found:.6f} as the {name} average but {RESULTS} says {expected}: they"
            f" come from different evaluations; {AGAIN}"
        )


@dataclasses.dataclass(frozen=True)
class _Places:
    """How the values of one setting are summed into cells; languages, size_K and count_IK as in Cells.

    Attributes:
      present_QP: whether each query counts in each pool.
      share_JPK: the weight in each cell of a value of a query language in a pool.
    """

    languages: tuple[str, ...]
    size_K: np.ndarray
    count_IK: np.ndarray
    present_QP: np.ndarray
    share_JPK: np.ndarray


class _Sums:
    """Which queries of which items count in which pools of one evaluation, and sums of their values by item."""

    def __init__(self, items: Sequence[str], languages: Sequence[str], values: dict[str, np.ndarray]):
        known, self._item_Q = np.unique(items, return_inverse=True)
        codes, self._language_Q = np.unique(languages, return_inverse=True)
        self.items, self.languages = len(known), tuple(codes.tolist())
        present = {name: np.isfinite(value_QP) for name, value_QP in values.items()}
        self.places = {name: self._places(present_QP) for name, present_QP in present.items() if present_QP.any()}

    def _places(self, present_QP: np.ndarray) -> _Places:
        """Pools share a cell if the same queries of a language count in them, item by item: their means are summed."""
        languages, sizes, counts, share = [], [], [], []
        for number, code in enumerate(self.languages):
            count_IP = self._by_item(present_QP, number)
            kept = np.flatnonzero(count_IP.any(axis=0))
            count_IK, cell, size_K = np.unique(count_IP[:, kept], axis=1, return_inverse=True, return_counts=True)
            share_PK = np.zeros((present_QP.shape[1], size_K.size))
            share_PK[kept, cell] = 1.0 / size_K[cell]
            languages += [code] * size_K.size
            for column, one in ((sizes, size_K), (counts, count_IK), (share, share_PK)):
                column.append(one)
        ends = np.cumsum([size_K.size for size_K in sizes])
        share_JPK = np.zeros((len(sizes), present_QP.shape[1], ends[-1]))
        for number, (share_PK, end) in enumerate(zip(share, ends.tolist(), strict=True)):
            share_JPK[number, :, end - share_PK.shape[1] : end] = share_PK
        size_K, count_IK = np.concatenate(sizes).astype(np.float64), np.concatenate(counts, axis=1)
        return _Places(tuple(languages), size_K, count_IK, present_QP, share_JPK)

    def _by_item(self, value_QP: np.ndarray, language: int) -> np.ndarray:
        """Sums of a query language's values, by item and pool."""
        rows = np.flatnonzero(self._language_Q == language)
        sums_IP = np.zeros((self.items, value_QP.shape[1]))
        np.add.at(sums_IP, self._item_Q[rows], value_QP[rows])
        return sums_IP

    def of(self, name: str, value_QP: np.ndarray) -> np.ndarray:
        """float64 [I, K]: sums of values that are present in the same pools as those of `name`."""
        filled_QP = np.nan_to_num(value_QP)
        return sum(self._by_item(filled_QP, j) @ share_PK for j, share_PK in enumerate(self.places[name].share_JPK))


def sum_one(items: Sequence[str], languages: Sequence[str], value_QP: np.ndarray) -> Cells | None:
    """One system's values in one setting, compared with a system that scores 0; None if there is no value.

    Args:
      items, languages: of the Q queries.
      value_QP: float64, in each pool; NaN if the query does not count.
    """
    sums = _Sums(items, languages, {"": value_QP})
    if not sums.places:
        return None
    places, sums_IK = sums.places[""], sums.of("", value_QP)
    mean_XK = (sums_IK.sum(axis=0) / places.count_IK.sum(axis=0))[None]
    return Cells(places.languages, places.size_K, places.count_IK, sums_IK, mean_XK, np.zeros_like(mean_XK))


class _Layout:
    """Which queries of which items count in which pools, from the first run; all other runs must agree."""

    def __init__(self, outcome: Outcome, scores: Scores):
        self._first, self.ids, self._items, self._languages = outcome, scores.ids, scores.items, scores.languages
        self._sums = _Sums(scores.items, scores.languages, scores.values)
        self.items, self.languages, self.places = self._sums.items, self._sums.languages, self._sums.places

    def sums(self, outcome: Outcome, scores: Scores) -> dict[str, np.ndarray]:
        """The sums of one run: name in COMPARED -> float64 [I, K].

        Raises:
          InputError: its queries, or the pools they count in, are not those of the first run.
        """
        order_Q = self._order(outcome, scores)
        sums = {}
        for name, value_QP in scores.values.items():
            value_QP = value_QP[order_Q]
            self._check_present(outcome, name, np.isfinite(value_QP))
            if name in self.places:
                sums[name] = self._sums.of(name, value_QP)
        return sums

    def _order(self, outcome: Outcome, scores: Scores) -> np.ndarray:
        """The row in `scores` of each query."""
        row = {query: number for number, query in enumerate(scores.ids)}
        unknown = [query for query in self.ids if query not in row]
        if unknown:
            raise InputError(
                f"{outcome.folder} has other queries than {self._first.folder}: it lacks {len(unknown):,} of"
                f" {len(self.ids):,}, such as {unknown[0]!r}: expected evaluations of the same files"
            )
        order_Q = np.array([row[query] for query in self.ids])
        for what, mine, others in (
            ("item", self._items, scores.items),
            ("language", self._languages, scores.languages),
        ):
            for query, here, place in zip(self.ids, mine, order_Q.tolist(), strict=True):
                if others[place] != here:
                    raise InputError(
                        f"query {query!r} has {what} {here!r} in {self._first.folder} but {others[place]!r} in"
                        f" {outcome.folder}: expected evaluations of the same files"
                    )
        return order_Q

    def _check_present(self, outcome: Outcome, name: str, present_QP: np.ndarray) -> None:
        mine_QP = self.places[name].present_QP if name in self.places else np.zeros_like(present_QP)
        differing = np.flatnonzero((mine_QP != present_QP).any(axis=1))
        if differing.size:
            raise InputError(
                f"query {self.ids[differing[0]]!r} does not count in the same {name.replace('_', '-')} pools of"
                f" {self._first.folder} and {outcome.folder}: their candidates or judgements differ"
            )
