"""The result of a benchmark whose candidates were all ranked, from the metrics of its queries."""

import types
from collections.abc import Mapping

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.measures.metrics import SETTINGS, QueryMetrics
from hbt_jax.evaluation.measures.robustness import robustness_definition
from hbt_jax.evaluation.results.averages import averages_of, language_averages, language_rows, pair_averages
from hbt_jax.evaluation.results.definitions import ACCURACY_DEFINITION, OF_RANKS
from hbt_jax.evaluation.results.result import Described, Result, ResultPart


def result_of(
    benchmark: Benchmark,
    values: QueryMetrics,
    described: Described,
    chosen: Mapping[str, str] = types.MappingProxyType({}),
) -> Result:
    """The result without its further parts, except the accuracy of bitext.

    Args:
      benchmark: what was ranked.
      values: the metrics of its queries.
      described: the system that ranked it; its parts are not used.
      chosen: definition of each measure that is in `values` on request.
    """
    by_pair = pair_averages(values)
    counted = _counted(values)
    made_from = {"data_release": benchmark.release} if benchmark.release else {}
    measured = {"measures": list(chosen)} if chosen else {}
    result = Result(
        benchmark=benchmark.name,
        model=described.model,
        settings={"similarity": "inner product", **described.settings, **made_from, **measured},
        counts={
            "queries": benchmark.queries.count_by_language(),
            "candidates": benchmark.candidates.count_by_language(),
            "counted_queries": counted,
            "queries_without_monolingual": _without_monolingual(benchmark, counted),
            **benchmark.counts,
            **described.counts,
        },
        notes=benchmark.notes,
        averages=averages_of(language_averages(values, by_pair), by_pair, "map"),
        definitions={**OF_RANKS, **chosen, "robustness": robustness_definition()},
    )
    if benchmark.is_bitext:
        return result.with_parts(ResultPart("accuracy@1", _accuracy(by_pair), ACCURACY_DEFINITION))
    return result


def _counted(values: QueryMetrics) -> dict[str, dict[str, int]]:
    """Queries that count: by language, and by pair for the cross-lingual setting."""
    counted = {setting: {} for setting in SETTINGS}
    for number, code, rows in language_rows(values):
        per_pool = np.isfinite(values.by_pool["map"][rows]).sum(axis=0).tolist()
        counted["monolingual"][code] = per_pool[number]
        counted["multilingual"][code] = int(np.isfinite(values.multilingual["map"][rows]).sum())
        others = {
            f"{code}-{other}": n for other, n in zip(values.languages, per_pool, strict=True) if other != code and n
        }
        counted["cross_lingual"] |= others
    return counted


def _without_monolingual(benchmark: Benchmark, counted: dict) -> dict[str, int]:
    """How many queries of each language do not count in the monolingual setting; languages without one are left out."""
    missing = {
        code: queries - counted["monolingual"][code] for code, queries in benchmark.queries.count_by_language().items()
    }
    return {code: number for code, number in missing.items() if number}


def _accuracy(by_pair: Mapping[tuple[str, str], Mapping[str, float]]) -> dict:
    """Accuracy of bitext retrieval: of each pair of languages both ways and their mean, and the mean over pairs."""
    both = {}
    for code, other in by_pair:
        if code < other and (other, code) in by_pair:
            there, back = (by_pair[pair]["recall@1"] for pair in ((code, other), (other, code)))
            both[f"{code}-{other}"] = {f"{code}-{other}": there, f"{other}-{code}": back, "mean": (there + back) / 2}
    worst = min(both, key=lambda pair: (both[pair]["mean"], pair))
    return {
        "mean": float(np.mean([block["mean"] for block in both.values()])),
        "worst_pair": worst,
        "worst": both[worst]["mean"],
        "by_pair": both,
    }
