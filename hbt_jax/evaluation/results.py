"""results.json and per_query.jsonl.gz: what an evaluation says, in one layout for every benchmark.

Macro averages (arXiv 2408.10536): monolingual and multilingual values are means over query languages of the mean over
the queries of a language; cross-lingual values are means over ordered pairs (query language, candidate language) of the
mean over the queries of the pair.  A language or pair without a query that counts is left out, never taken as zero.
"""

import gzip
import json
import math
from collections.abc import Iterator

import numpy as np

from hbt_jax import languages
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.bias import RANK_DISTANCE_DEFINITION
from hbt_jax.evaluation.layer_probe import LAYER_PROBE_DEFINITION
from hbt_jax.evaluation.metrics import (
    AP_DEFINITION,
    METRICS,
    RANK_DISTANCE,
    RECALL_DEFINITION,
    SETTINGS,
    QueryMetrics,
)
from hbt_jax.evaluation.ranking import TIE_RULE
from hbt_jax.files import atomic_file

DEFINITIONS = {
    "map": AP_DEFINITION,
    "recall": RECALL_DEFINITION,
    "rank_distance": RANK_DISTANCE_DEFINITION,
    "averages": (
        "monolingual, multilingual: mean over query languages of the mean over their queries; cross_lingual: mean over"
        " ordered pairs (query language, candidate language); a query without a relevant candidate in a pool does not"
        " count there"
    ),
    "robustness": (
        "of a setting's map by query language: worst language, mean of the worst quarter (rounded up), population"
        " standard deviation, means of XM3600's five under-resourced languages and of the others, gap = others -"
        " under_resourced"
    ),
    "ties": TIE_RULE,
}


def summarise(benchmark: Benchmark, values: QueryMetrics, *, model: str, settings: dict, counts: dict) -> dict:
    """Assembles the content of results.json (the layout is a contract: other tools read it).

    Args:
      benchmark: what was ranked.
      values: the metrics of its queries.
      model: names the model.
      settings: how texts were prepared and embedded: prefixes, lengths, checkpoint, similarity, ...
      counts: further counts, such as {"truncated_texts": 0}.
    """
    by_pair = _by_pair(values)
    by_language = _by_query_language(values, by_pair)
    scripts = sorted({languages.language(code).script for code in by_language})
    return {
        "benchmark": benchmark.name,
        "model": model,
        "settings": {"similarity": "inner product", **settings, "definitions": DEFINITIONS},
        "counts": {
            "queries": benchmark.queries.count_by_language(),
            "candidates": benchmark.candidates.count_by_language(),
            "counted_queries": _counted(values),
            **counts,
        },
        "metrics": {
            setting: _mean_of(
                list(by_pair.values())
                if setting == "cross_lingual"
                else [blocks[setting] for blocks in by_language.values()]
            )
            for setting in SETTINGS
        },
        "by_query_language": by_language,
        "by_pair": {f"{code}-{other}": block for (code, other), block in by_pair.items()},
        "by_script": {
            script: {
                setting: _mean_of(
                    [
                        blocks[setting]
                        for code, blocks in by_language.items()
                        if languages.language(code).script == script
                    ]
                )
                for setting in SETTINGS
            }
            for script in scripts
        },
        "robustness": {setting: _robustness(setting, by_language) for setting in SETTINGS},
    }


def with_layer_probe(summary: dict, probe: dict) -> dict:
    """The content of results.json with what the layer probe found, and what its numbers mean."""
    definitions = summary["settings"]["definitions"] | {"layer_probe": LAYER_PROBE_DEFINITION}
    settings = summary["settings"] | {"definitions": definitions}
    return {**summary, "settings": settings, "layer_probe": probe}


def _rows(values: QueryMetrics) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yields number, code and query indexes of each language that has queries."""
    for number, code in enumerate(values.languages):
        rows = np.flatnonzero(values.language_Q == number)
        if rows.size:
            yield number, code, rows


def _mean(numbers: np.ndarray) -> float | None:
    """Mean of the numbers that are not NaN; None when there is none."""
    finite = numbers[np.isfinite(numbers)]
    return float(finite.mean()) if finite.size else None


def _present(block: dict[str, float | None]) -> dict[str, float]:
    return {metric: value for metric, value in block.items() if value is not None}


def _by_pair(values: QueryMetrics) -> dict[tuple[str, str], dict[str, float]]:
    """(query language, candidate language) -> metrics, for each ordered pair of different languages with a query."""
    pairs = {}
    for number, code, rows in _rows(values):
        for other_number, other in enumerate(values.languages):
            block = _present({m: _mean(values.by_pool[m][rows, other_number]) for m in METRICS})
            if other_number != number and block:
                pairs[code, other] = block
    return pairs


def _by_query_language(values: QueryMetrics, by_pair: dict) -> dict[str, dict[str, dict[str, float]]]:
    """Query language -> setting -> metrics; the cross-lingual ones are means over the candidate languages."""
    by_language = {}
    for number, code, rows in _rows(values):
        by_language[code] = {
            "monolingual": _present({m: _mean(values.by_pool[m][rows, number]) for m in METRICS}),
            "cross_lingual": _mean_of([block for (asked, _), block in by_pair.items() if asked == code]),
            "multilingual": _present({m: _mean(column[rows]) for m, column in values.multilingual.items()}),
        }
    return by_language


def _mean_of(blocks: list[dict[str, float]]) -> dict[str, float]:
    """Means, metric by metric, over the blocks that have the metric; metrics that none has are left out."""
    names = [metric for metric in (*METRICS, RANK_DISTANCE) if any(metric in block for block in blocks)]
    return {metric: float(np.mean([block[metric] for block in blocks if metric in block])) for metric in names}


def _counted(values: QueryMetrics) -> dict[str, dict[str, int]]:
    """Queries that count: by language, and by pair for the cross-lingual setting."""
    counted = {setting: {} for setting in SETTINGS}
    for number, code, rows in _rows(values):
        per_pool = np.isfinite(values.by_pool["map"][rows]).sum(axis=0).tolist()
        counted["monolingual"][code] = per_pool[number]
        counted["multilingual"][code] = int(np.isfinite(values.multilingual["map"][rows]).sum())
        others = {
            f"{code}-{other}": n for other, n in zip(values.languages, per_pool, strict=True) if other != code and n
        }
        counted["cross_lingual"] |= others
    return counted


def _robustness(setting: str, by_language: dict) -> dict:
    """How evenly a setting's map is spread over query languages; {} when no language has one."""
    score = {code: blocks[setting]["map"] for code, blocks in by_language.items() if "map" in blocks[setting]}
    if not score:
        return {}
    ascending = sorted(score, key=lambda code: (score[code], code))
    quarter = ascending[: math.ceil(len(ascending) / 4)]
    weak = [value for code, value in score.items() if languages.language(code).under_resourced]
    others = [value for code, value in score.items() if not languages.language(code).under_resourced]
    under_resourced, rest = (float(np.mean(group)) if group else None for group in (weak, others))
    return {
        "metric": "map",
        "mean": float(np.mean(list(score.values()))),
        "worst_language": ascending[0],
        "worst": score[ascending[0]],
        "worst_quarter": float(np.mean([score[code] for code in quarter])),
        "worst_quarter_languages": quarter,
        "standard_deviation": float(np.std(list(score.values()))),
        "under_resourced": under_resourced,
        "others": rest,
        "gap": rest - under_resourced if weak and others else None,
    }


def write_json(path: str, content: dict) -> None:
    """Writes JSON, whole or not at all; a NaN is an error, not a value."""
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_per_query(path: str, benchmark: Benchmark, values: QueryMetrics) -> None:
    """Writes one JSON line per query, gzipped, for paired tests of two models.

    {"id", "item", "language", "monolingual": {metric: value}, "cross_lingual": {candidate language: map},
     "multilingual": {metric: value}}; pools in which the query does not count are left out.
    """
    with atomic_file(path) as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
        for query, number in enumerate(values.language_Q.tolist()):
            pools = {code: float(values.by_pool["map"][query, j]) for j, code in enumerate(values.languages)}
            own = {metric: float(values.by_pool[metric][query, number]) for metric in METRICS}
            everything = {metric: float(column[query]) for metric, column in values.multilingual.items()}
            code = values.languages[number]
            line = {
                "id": benchmark.queries.ids[query],
                "item": benchmark.queries.items[query],
                "language": code,
                "monolingual": _rounded(own),
                "cross_lingual": _rounded({other: value for other, value in pools.items() if other != code}),
                "multilingual": _rounded(everything),
            }
            file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    """The numbers that are not NaN, to eight decimals, which keeps the file small and the tests exact enough."""
    return {name: round(value, 8) for name, value in numbers.items() if math.isfinite(value)}
