"""results.json and per_query.jsonl.gz: what an evaluation says, in one layout for every benchmark.

Macro averages (arXiv 2408.10536): monolingual and multilingual values are means over query languages of the mean over
the queries of a language; cross-lingual values are means over ordered pairs (query language, candidate language) of the
mean over the queries of the pair.  A language or pair without a query that counts is left out, never taken as zero.
"""

import gzip
import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from hbt_jax import languages
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.judged_alike import RELEVANT_DEFINITION
from hbt_jax.evaluation.measures.bias import (
    RANK_DISTANCE_DEFINITION,
    SIMILARITY_GAP_DEFINITION,
    STRONG_ALIGNMENT_DEFINITION,
)
from hbt_jax.evaluation.measures.metrics import (
    AP_DEFINITION,
    MRR_DEFINITION,
    NDCG_DEFINITION,
    RANK_DISTANCE,
    RECALL_DEFINITION,
    SETTINGS,
    SIMILARITY_GAP,
    STRONG_ALIGNMENT,
    QueryMetrics,
)
from hbt_jax.evaluation.measures.robustness import ROBUSTNESS_DEFINITION, robustness
from hbt_jax.evaluation.results.definitions import LAYER_PROBE_DEFINITION, TIE_RULE, TOKENS_DEFINITION, TOP_DEFINITION
from hbt_jax.files import atomic_file, utf8

RESULTS, PER_QUERY = "results.json", "per_query.jsonl.gz"

DEFINITIONS = {
    "map": AP_DEFINITION,
    "recall": RECALL_DEFINITION,
    "mrr": MRR_DEFINITION,
    "ndcg@10": NDCG_DEFINITION,
    RANK_DISTANCE: RANK_DISTANCE_DEFINITION,
    STRONG_ALIGNMENT: STRONG_ALIGNMENT_DEFINITION,
    SIMILARITY_GAP: SIMILARITY_GAP_DEFINITION,
    "averages": (
        "monolingual, multilingual: mean over query languages of the mean over their queries; cross_lingual: mean over"
        " ordered pairs (query language, candidate language); a query without a relevant candidate in a pool does not"
        " count there, and a text that is a query and a candidate is never a candidate of its own"
    ),
    "relevant": RELEVANT_DEFINITION,
    "robustness": ROBUSTNESS_DEFINITION,
    "ties": TIE_RULE,
}
ACCURACY_DEFINITION = (
    "bitext: share of sentences of one language whose translation is the best-scored sentence of the other language;"
    " recall@1 of the cross-lingual setting, by the score itself (no margin)"
)


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
    script_blocks = by_script(by_language)
    counted = _counted(values)
    made_from = {"data_release": benchmark.release} if benchmark.release else {}
    summary = {
        "benchmark": benchmark.name,
        "model": model,
        "settings": {"similarity": "inner product", **settings, **made_from, "definitions": DEFINITIONS},
        "counts": {
            "queries": benchmark.queries.count_by_language(),
            "candidates": benchmark.candidates.count_by_language(),
            "counted_queries": counted,
            "queries_without_monolingual": _without_monolingual(benchmark, counted),
            **benchmark.counts,
            **counts,
        },
        "notes": list(benchmark.notes),
        "metrics": {
            setting: mean_of(
                list(by_pair.values())
                if setting == "cross_lingual"
                else [blocks[setting] for blocks in by_language.values()]
            )
            for setting in SETTINGS
        },
        "by_query_language": by_language,
        "by_pair": {f"{code}-{other}": block for (code, other), block in by_pair.items()},
        "by_script": script_blocks,
        "robustness": {setting: robustness(setting, by_language, script_blocks) for setting in SETTINGS},
    }
    if benchmark.is_bitext:
        return with_part(summary, "accuracy@1", _accuracy(by_pair), ACCURACY_DEFINITION)
    return summary


def with_layer_probe(summary: dict, probe: dict) -> dict:
    """The content of results.json with what the layer probe found."""
    return with_part(summary, "layer_probe", probe, LAYER_PROBE_DEFINITION)


def with_tokens(summary: dict, tokens: dict) -> dict:
    """The content of results.json with how each language's texts were cut into tokens, see token_counts.py."""
    return with_part(summary, "tokens", tokens, TOKENS_DEFINITION)


def with_top_languages(summary: dict, codes: Sequence[str], top_JJ: np.ndarray, pool_JJ: np.ndarray) -> dict:
    """The content of results.json with the languages of the first 10 candidates.

    Args:
      summary: content of results.json.
      codes: the J languages.
      top_JJ, pool_JJ: float64, of top_languages.TopLanguages.shares.
    """
    asked = np.flatnonzero(np.isfinite(top_JJ).all(axis=1)).tolist()
    top_J, pool_J = top_JJ[asked].mean(axis=0), pool_JJ[asked].mean(axis=0)
    content = {
        "by_candidate_language": {
            code: {"share": float(top), "pool_share": float(pool)}
            for code, top, pool in zip(codes, top_J, pool_J, strict=True)
        },
        "own_language": {
            "share": float(top_JJ[asked, asked].mean()),
            "pool_share": float(pool_JJ[asked, asked].mean()),
        },
        "by_query_language": {codes[row]: dict(zip(codes, top_JJ[row].tolist(), strict=True)) for row in asked},
    }
    return with_part(summary, "top_10_languages", content, TOP_DEFINITION)


def with_part(summary: dict, name: str, content: dict, definition: str) -> dict:
    """The content of results.json with one more part, and what its numbers mean."""
    definitions = summary["settings"]["definitions"] | {name: definition}
    return {**summary, "settings": summary["settings"] | {"definitions": definitions}, name: content}


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
            block = _present({m: _mean(values.by_pool[m][rows, other_number]) for m in values.by_pool})
            if other_number != number and block:
                pairs[code, other] = block
    return pairs


def _by_query_language(values: QueryMetrics, by_pair: dict) -> dict[str, dict[str, dict[str, float]]]:
    """Query language -> setting -> metrics; the cross-lingual ones are means over the candidate languages."""
    by_language = {}
    for number, code, rows in _rows(values):
        by_language[code] = {
            "monolingual": _present({m: _mean(values.by_pool[m][rows, number]) for m in values.by_pool}),
            "cross_lingual": mean_of([block for (asked, _), block in by_pair.items() if asked == code]),
            "multilingual": _present({m: _mean(column[rows]) for m, column in values.multilingual.items()}),
        }
    return by_language


def by_script(by_language: dict) -> dict[str, dict[str, dict[str, float]]]:
    """Script -> setting -> metrics: means over the query languages of the script."""
    members: dict[str, list[dict]] = {}
    for code, blocks in by_language.items():
        members.setdefault(languages.language(code).script, []).append(blocks)
    return {
        script: {setting: mean_of([blocks[setting] for blocks in members[script]]) for setting in SETTINGS}
        for script in sorted(members)
    }


def mean_of(blocks: list[dict[str, float]]) -> dict[str, float]:
    """Means, metric by metric, over the blocks that have the metric; metrics that none has are left out."""
    names = dict.fromkeys(metric for block in blocks for metric in block)
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


def _without_monolingual(benchmark: Benchmark, counted: dict) -> dict[str, int]:
    """How many queries of each language do not count in the monolingual setting; languages without one are left out."""
    missing = {
        code: queries - counted["monolingual"][code] for code, queries in benchmark.queries.count_by_language().items()
    }
    return {code: number for code, number in missing.items() if number}


def _accuracy(by_pair: dict[tuple[str, str], dict[str, float]]) -> dict:
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


def write_json(path: str, content: dict) -> None:
    """Writes JSON, whole or not at all; a NaN is an error, not a value."""
    with atomic_file(path) as file:
        file.write(utf8(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"))


def write_per_query(path: str, benchmark: Benchmark, values: QueryMetrics) -> None:
    """Writes one JSON line per query, gzipped, for paired tests of two models.

    {"id", "item", "language", "monolingual": {metric: value}, "cross_lingual": {candidate language: map},
     "multilingual": {metric: value}}; pools in which the query does not count are left out.
    """
    with atomic_file(path) as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
        for query, number in enumerate(values.language_Q.tolist()):
            pools = {code: float(values.by_pool["map"][query, j]) for j, code in enumerate(values.languages)}
            own = {metric: float(column[query, number]) for metric, column in values.by_pool.items()}
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
            file.write(utf8(json.dumps(line, ensure_ascii=False) + "\n"))


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    """The numbers that are not NaN, to eight decimals, which keeps the file small and the tests exact enough."""
    return {name: round(value, 8) for name, value in numbers.items() if math.isfinite(value)}
