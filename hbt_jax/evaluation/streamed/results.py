"""Result and files of a benchmark whose candidates were streamed.

results.json                 the layout of results/result.py; no rank distance, as only the first candidates of a
                             ranking are known; one of the settings monolingual and cross-lingual, by `own_pool`
per_query.jsonl.gz           the layout of results/per_query.py, with the same exceptions
qrels.trec                   every judgement with its grade; ids are "LANGUAGE:ID"
runs/multilingual.trec       pool = passages of all languages; ids are "LANGUAGE:ID"
runs/monolingual-LANG.trec   pool = passages of LANG, with ids as published: for use with the published qrels
runs/monolingual-LANG.qrels  the judgements of LANG, with ids as published; the names of both files begin with
                             cross_lingual- if queries are in another language
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from hbt_jax.evaluation.benchmarks.judged_alike import RELEVANT_DEFINITION
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark, own_id
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.measures.robustness import robustness_definition
from hbt_jax.evaluation.results.averages import averages_of, mean_of
from hbt_jax.evaluation.results.definitions import TIE_RULE
from hbt_jax.evaluation.results.parts import top_languages
from hbt_jax.evaluation.results.result import Described, Result, ResultPart
from hbt_jax.evaluation.results.trec import TAG
from hbt_jax.evaluation.search.running_top import RunningTop
from hbt_jax.evaluation.statistics.intervals import INTERVALS_DEFINITION, column_intervals
from hbt_jax.evaluation.streamed import metrics
from hbt_jax.evaluation.streamed.check import ShardContent
from hbt_jax.evaluation.streamed.metrics import NDCG, UNJUDGED
from hbt_jax.files import atomic_file

_TOP = 10

_DEFINITIONS = metrics.DEFINITIONS | {
    "averages": (
        "mean over query languages of the mean over their queries; a query without a relevant candidate has the value"
        " 0, as in trec_eval"
    ),
    "relevant": RELEVANT_DEFINITION,
    "ties": TIE_RULE,
}
_AVERAGES_ACROSS = (
    "cross_lingual: mean over candidate languages of the mean over the queries judged in it; multilingual: mean over"
    " queries; a query without a relevant candidate has the value 0, as in trec_eval"
)
_UNJUDGED_DEFINITION = "share of the first 10 candidates that have no judgement; mean over all queries"


@dataclasses.dataclass(frozen=True)
class RankedPools:
    """The first candidates of every query in both pools, with their grades.

    Attributes:
      tops: name of a pool -> candidates; `own_pool` with published ids, Q rows; "multilingual" with joint ones, I rows.
      grades: name of a pool -> int32 [Q or I, K], see metrics.grade_array.
      values: name of a pool -> metric -> float64, [Q] or [I].
    """

    tops: Mapping[str, RunningTop]
    grades: Mapping[str, np.ndarray]
    values: Mapping[str, Mapping[str, np.ndarray]]


def rank(benchmark: StreamedBenchmark, own: RunningTop, everything: RunningTop) -> RankedPools:
    """Looks up the grades of the first candidates of every query, and computes the metrics."""
    first_I = np.unique(benchmark.asked_Q, return_index=True)[1]  # rows of one query rank all passages alike
    tops = {benchmark.own_pool: own, "multilingual": everything.rows(first_I)}
    known = {benchmark.own_pool: benchmark.grades, "multilingual": benchmark.joint_grades}
    grades = {pool: metrics.grade_array(tops[pool].id_QK.tolist(), known[pool]) for pool in tops}
    return RankedPools(tops, grades, {pool: metrics.query_values(grades[pool], known[pool]) for pool in tops})


def result_of(
    benchmark: StreamedBenchmark, inventory: Mapping[str, ShardContent], ranked: RankedPools, described: Described
) -> Result:
    """The result of a benchmark.

    Args:
      benchmark: queries and judgements.
      inventory: name of a shard -> what it holds.
      ranked: the first candidates of its queries.
      described: the system that ranked them; its parts come last.
    """
    columns = list(_columns(benchmark, ranked))
    passages = {
        code: sum(inventory[shard.name].passages for shard in benchmark.shards if shard.language == code)
        for code in benchmark.languages
    }
    result = Result(
        benchmark=benchmark.name,
        model=described.model,
        settings={"similarity": "inner product", **benchmark.settings, **described.settings},
        counts={
            "queries": benchmark.asked.count_by_language(),
            "candidates": passages,
            **_judgements(benchmark),
            "empty_passages": sum(inventory[shard.name].empty for shard in benchmark.shards),
            "shards": len(benchmark.shards),
            **benchmark.counts,
            **described.counts,
        },
        notes=(*benchmark.notes, *_remarks(benchmark)),
        averages=averages_of(*_by_language(benchmark, columns), NDCG),
        definitions=_DEFINITIONS
        | ({"averages": _AVERAGES_ACROSS} if benchmark.asked_in else {})
        | {"robustness": robustness_definition(NDCG)},
    )
    return result.with_parts(
        ResultPart("unjudged_in_top_10", {pool: _unjudged(ranked, pool) for pool in ranked.tops}, _UNJUDGED_DEFINITION),
        ResultPart("intervals", column_intervals(benchmark.asked, columns), INTERVALS_DEFINITION),
        top_languages(*_top_languages(benchmark, ranked, passages)),
        *described.parts,
    )


def _columns(benchmark: StreamedBenchmark, ranked: RankedPools) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yields setting, metric and values by query of `asked` and pool: float64 [I, P], NaN where it is not judged."""
    asked, codes = len(benchmark.asked), benchmark.languages
    pool_Q = [codes.index(code) if benchmark.asked_in else 0 for code in benchmark.queries.languages]
    for metric, value_Q in ranked.values[benchmark.own_pool].items():
        value_IP = np.full((asked, len(codes) if benchmark.asked_in else 1), np.nan)
        value_IP[benchmark.asked_Q, pool_Q] = value_Q
        yield benchmark.own_pool, metric, value_IP
    for metric, value_I in ranked.values["multilingual"].items():
        yield "multilingual", metric, value_I[:, None]


def _by_language(benchmark: StreamedBenchmark, columns: Sequence[tuple[str, str, np.ndarray]]) -> tuple[dict, dict]:
    """(by query language, by pair), as averages_of takes them."""
    code_I, by_pair = np.asarray(benchmark.asked.languages), {}
    if benchmark.asked_in:
        by_pair = {
            (benchmark.asked_in, code): {
                metric: float(np.nanmean(value_IP[:, pool]))
                for setting, metric, value_IP in columns
                if setting == "cross_lingual"
            }
            for pool, code in enumerate(benchmark.languages)
        }
    by_language = {
        code: {
            setting: {
                metric: float(value_IP[code_I == code].mean())
                for named, metric, value_IP in columns
                if named == setting != "cross_lingual"
            }
            for setting in SETTINGS
        }
        for code in sorted({*benchmark.asked.languages})
    }
    if benchmark.asked_in:
        by_language[benchmark.asked_in]["cross_lingual"] = mean_of(list(by_pair.values()))
    return by_language, by_pair


def _judgements(benchmark: StreamedBenchmark) -> dict[str, dict[str, int]]:
    """By language: judgements, relevant judgements, and queries without a relevant judgement."""
    counts = {
        name: dict.fromkeys(benchmark.languages, 0) for name in ("judged", "relevant", "queries_without_relevant")
    }
    for code, grades in zip(benchmark.queries.languages, benchmark.grades, strict=True):
        relevant = sum(grade > 0 for grade in grades.values())
        for name, number in zip(counts, (len(grades), relevant, int(relevant == 0)), strict=True):
            counts[name][code] += number
    return counts


def _remarks(benchmark: StreamedBenchmark) -> list[str]:
    """What is special about these languages and judgements."""
    remarks = []
    without = sum(not any(grade > 0 for grade in grades.values()) for grades in benchmark.grades)
    if without:
        remarks.append(f"{without:,} queries have no relevant passage; they count with the value 0, as in trec_eval")
    if len(benchmark.languages) == 1:
        own = benchmark.own_pool.replace("_", "-")
        remarks.append(f"one language: the multilingual pool is the {own} one")
    return remarks


def _unjudged(ranked: RankedPools, pool: str) -> float:
    there_QK = ranked.tops[pool].id_QK[:, :_TOP] != b""
    unjudged_QK = (ranked.grades[pool][:, :_TOP] == UNJUDGED) & there_QK
    return float((unjudged_QK.sum(axis=1) / there_QK.sum(axis=1)).mean())


def _top_languages(
    benchmark: StreamedBenchmark, ranked: RankedPools, passages: Mapping[str, int]
) -> tuple[Sequence[str], np.ndarray, np.ndarray]:
    """(codes, top, pool): codes of the J languages, and float64 [J, J], as from top_languages.TopLanguages.shares."""
    codes, code_I = sorted({*benchmark.languages, *benchmark.asked.languages}), np.asarray(benchmark.asked.languages)
    first = ranked.tops["multilingual"].id_QK[:, :_TOP].tolist()
    code_IK = np.array([[id_.partition(b":")[0].decode() for id_ in row] for row in first])
    found_IJ = np.stack([(code_IK == code).sum(axis=1) for code in codes], axis=1)
    share_IJ = found_IJ / found_IJ.sum(axis=1, keepdims=True)
    none_J = np.full(len(codes), np.nan)  # of a language without a query
    top_JJ = np.stack([share_IJ[code_I == code].mean(axis=0) if code in code_I else none_J for code in codes])
    pool_J = np.array([passages.get(code, 0) for code in codes]) / sum(passages.values())
    return codes, top_JJ, np.tile(pool_J, (len(codes), 1))


def query_blocks(benchmark: StreamedBenchmark, ranked: RankedPools) -> Iterator[dict[str, dict[str, float]]]:
    """Yields what each query of `asked` scored: setting -> metric -> value; cross-lingual: language -> nDCG@10."""
    columns = list(_columns(benchmark, ranked))
    for number in range(len(benchmark.asked)):
        blocks: dict[str, dict[str, float]] = {}
        for setting, metric, value_IP in columns:
            if setting != "cross_lingual":
                blocks.setdefault(setting, {})[metric] = value_IP[number, 0]
            elif metric == NDCG:
                blocks[setting] = dict(zip(benchmark.languages, value_IP[number].tolist(), strict=True))
        yield blocks


def write_qrels(path: str, benchmark: StreamedBenchmark) -> None:
    """Writes every judgement, with ids that are unique across languages."""
    with atomic_file(path) as file:
        for id_, grades in zip(benchmark.asked.ids, benchmark.joint_grades, strict=True):
            file.writelines(f"{id_} 0 {passage} {grade}\n".encode() for passage, grade in grades.items())


def write_runs(
    folder: str, benchmark: StreamedBenchmark, ranked: RankedPools, depth: int, poll: Callable[[], None] = lambda: None
) -> None:
    """Writes the runs of both pools, `depth` candidates per query, and the qrels of each language.

    `folder` is a temporary one, which is renamed into place when the runs are complete (files.atomic_folder).
    """
    queries, pool = benchmark.queries, benchmark.own_pool
    for code in benchmark.languages:
        poll()
        own = [number for number, language in enumerate(queries.languages) if language == code]
        names = [own_id(queries.ids[number]) for number in own]
        _write_run(folder, f"{pool}-{code}", names, own, ranked.tops[pool], depth)
        with open(os.path.join(folder, f"{pool}-{code}.qrels"), "w", encoding="utf-8") as file:
            for name, number in zip(names, own, strict=True):
                grades = benchmark.grades[number].items()
                file.writelines(f"{name} 0 {passage} {grade}\n" for passage, grade in grades)
    asked = benchmark.asked
    _write_run(folder, "multilingual", asked.ids, range(len(asked)), ranked.tops["multilingual"], depth)


def _write_run(folder: str, run: str, names: Sequence[str], rows: Sequence[int], top: RunningTop, depth: int) -> None:
    with open(os.path.join(folder, f"{run}.trec"), "w", encoding="utf-8") as file:
        for name, row in zip(names, rows, strict=True):
            ids, scores = top.id_QK[row, :depth].tolist(), top.score_QK[row, :depth].tolist()
            file.writelines(
                f"{name} Q0 {id_.decode()} {place} {score:.9g} {TAG}\n"
                for place, (id_, score) in enumerate(zip(ids, scores, strict=True), start=1)
                if id_
            )
