"""Confidence intervals of macro averages: of one system, and of its difference to another.

The statistics are those of significance.py; a single system is compared with one that always scores 0.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.measures.metrics import METRICS, RANK_DISTANCE, SIMILARITY_GAP, QueryMetrics
from hbt_jax.evaluation.results.read import Outcome, check_alike
from hbt_jax.evaluation.results.result import PER_QUERY
from hbt_jax.evaluation.statistics.item_sums import collect, sum_one
from hbt_jax.evaluation.statistics.significance import Cells, ComparedRow, compare_rows

CONFIDENCE, SAMPLES, SEED = 0.95, 10_000, 0  # the defaults of launch/compare.py, so that it finds the same differences

INTERVALS_DEFINITION = (
    f"{CONFIDENCE:.0%} bootstrap intervals of the macro averages in metrics, [low, high]: {SAMPLES:,} draws of items"
    " with replacement, each with all its queries in all languages, seed 0, cut to the metric's range; they tell how"
    " far other items could move the average, not how another training of the model would do; absent where all"
    " queries are about one item"
)


def intervals(benchmark: Benchmark, values: QueryMetrics, poll: Callable[[], None] = lambda: None) -> dict:
    """The intervals of one system's macro averages.

    Args:
      benchmark: what was ranked; the queries of an item are drawn together.
      values: the metrics of its queries.
      poll: called between blocks of draws; raises to stop.

    Returns:
      See `column_intervals`.
    """
    return column_intervals(benchmark.queries, _columns(values), poll)


def column_intervals(
    queries: BenchmarkTexts, columns: Iterable[tuple[str, str, np.ndarray]], poll: Callable[[], None] = lambda: None
) -> dict:
    """The intervals of macro averages of columns of values.

    Args:
      queries: Q queries.
      columns: setting, metric and float64 [Q, P], values by query and pool; NaN if a query does not count.
      poll: called between blocks of draws; raises to stop.

    Returns:
      {"confidence", "samples", "items", "metrics": {setting: {metric: [low, high]}}}; settings and metrics without a
      value, or with a single item, are left out.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for setting, metric, value_QP in columns:
        poll()
        cells = sum_one(queries.items, queries.languages, value_QP)
        ends = _ends(cells, poll) if cells else None
        if ends:
            limits = _range(metric, value_QP)
            found.setdefault(setting, {})[metric] = np.clip(ends["interval"], *limits).tolist()
    return {"confidence": CONFIDENCE, "samples": SAMPLES, "items": len(set(queries.items)), "metrics": found}


def _range(metric: str, value_QP: np.ndarray) -> tuple[float, float]:
    """The range of a metric's values; with few items, a stretched interval would go beyond it."""
    if metric == SIMILARITY_GAP or np.nanmin(value_QP) < 0.0:
        return -np.inf, np.inf
    return 0.0, np.inf if metric == RANK_DISTANCE or np.nanmax(value_QP) > 1.0 else 1.0


def _columns(values: QueryMetrics) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yields setting, metric and values by query and pool [Q, P], as results.json averages them."""
    row_Q, own_Q = np.arange(len(values.language_Q)), values.language_Q
    for metric, value_QJ in values.by_pool.items():
        yield "monolingual", metric, value_QJ[row_Q, own_Q][:, None]
        others_QJ = value_QJ.copy()
        others_QJ[row_Q, own_Q] = np.nan
        yield "cross_lingual", metric, others_QJ
    for metric, value_Q in values.multilingual.items():
        yield "multilingual", metric, value_Q[:, None]


def _ends(cells: Cells, poll: Callable[[], None]) -> dict | None:
    """The difference of the macro averages and its interval; None if there are too few items to draw from."""
    options = {"samples": SAMPLES, "seed": SEED, "confidence": CONFIDENCE}
    (found,) = compare_rows(cells, [ComparedRow("overall", "all")], **options, poll=poll)
    return None if found.interval is None else {"difference": found.difference, "interval": found.interval}


def _compared(a: Outcome, b: Outcome) -> list[str]:
    common = [metric for metric in _measured(a) if metric in _measured(b)]
    return [metric for metric in METRICS if metric in common] or common


def _measured(outcome: Outcome) -> dict[str, None]:
    """The metrics of any setting."""
    return dict.fromkeys(metric for block in outcome.summary["metrics"].values() for metric in block)


def differences(a: Outcome, b: Outcome, poll: Callable[[], None] = lambda: None) -> dict[str, dict[str, dict]]:
    """How a's macro averages differ from b's, if both have values by query.

    Args:
      a, b: evaluations of one benchmark.
      poll: called before each file and between blocks of draws; raises to stop.

    Returns:
      Setting -> metric -> {"difference", "low", "high"}, for the rank distance and those of metrics.METRICS that both
      have, or if there are none, for all metrics that both have; {} if a file of values by query is missing.

    Raises:
      InputError: the two are not of the same benchmark and definitions, or a file is damaged.
    """
    if not all((Path(one.folder) / PER_QUERY).is_file() for one in (a, b)):
        return {}
    check_alike(a, b)
    found: dict[str, dict[str, dict]] = {}
    for metric in _compared(a, b):
        for name, cells in collect([a], [b], metric, poll).cells.items():
            setting, shown = ("multilingual", name) if name == RANK_DISTANCE else (name, metric)
            if shown not in found.get(setting, {}):
                ends = _ends(cells, poll)
                if ends:
                    low, high = ends["interval"]
                    one = {"difference": ends["difference"], "low": low, "high": high}
                    found.setdefault(setting, {})[shown] = one
    return found
