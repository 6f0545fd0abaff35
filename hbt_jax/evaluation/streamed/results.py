"""Result and files of a benchmark whose candidates were streamed.

results.json                 the layout of results/result.py; no cross-lingual setting and no rank distance, as only the
                             first candidates of a ranking are known
per_query.jsonl.gz           likewise
qrels.trec                   every judgement with its grade; ids are "LANGUAGE:ID"
runs/multilingual.trec       pool = passages of all languages; ids likewise
runs/monolingual-LANG.trec   pool = passages of LANG, with ids as published: for use with the published qrels
runs/monolingual-LANG.qrels  the judgements of LANG, likewise
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from hbt_jax.evaluation.benchmarks.judged_alike import RELEVANT_DEFINITION
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark, joint_id, own_id
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.measures.robustness import robustness_definition
from hbt_jax.evaluation.results.averages import averages_of
from hbt_jax.evaluation.results.definitions import TIE_RULE
from hbt_jax.evaluation.results.parts import top_languages
from hbt_jax.evaluation.results.result import Described, Part, Result
from hbt_jax.evaluation.results.trec import TAG
from hbt_jax.evaluation.search.running_top import RunningTop
from hbt_jax.evaluation.statistics.intervals import INTERVALS_DEFINITION, column_intervals
from hbt_jax.evaluation.streamed import metrics
from hbt_jax.evaluation.streamed.check import ShardContent
from hbt_jax.evaluation.streamed.metrics import NDCG, UNJUDGED
from hbt_jax.files import atomic_file

_POOLS = ("monolingual", "multilingual")
_TOP = 10

_DEFINITIONS = metrics.DEFINITIONS | {
    "averages": (
        "mean over query languages of the mean over their queries; a query without a relevant candidate has the value"
        " 0, as in trec_eval"
    ),
    "relevant": RELEVANT_DEFINITION,
    "ties": TIE_RULE,
}
_UNJUDGED_DEFINITION = "share of the first 10 candidates that have no judgement; mean over all queries"


@dataclasses.dataclass(frozen=True)
class Ranked:
    """The first candidates of every query in both pools, with their grades.

    Attributes:
      tops: name of a pool -> candidates; "monolingual" with published ids, "multilingual" with joint ones.
      grades: name of a pool -> int32 [Q, K], see metrics.grade_array.
      values: name of a pool -> metric -> float64 [Q].
    """

    tops: Mapping[str, RunningTop]
    grades: Mapping[str, np.ndarray]
    values: Mapping[str, Mapping[str, np.ndarray]]


def rank(benchmark: StreamedBenchmark, own: RunningTop, everything: RunningTop) -> Ranked:
    """Looks up the grades of the first candidates of every query, and computes the metrics."""
    tops = dict(zip(_POOLS, (own, everything), strict=True))
    joint = [
        {joint_id(code, id_): grade for id_, grade in one.items()}
        for code, one in zip(benchmark.queries.languages, benchmark.grades, strict=True)
    ]
    known = dict(zip(_POOLS, (benchmark.grades, joint), strict=True))
    grades = {pool: metrics.grade_array(tops[pool].id_QK.tolist(), known[pool]) for pool in _POOLS}
    return Ranked(tops, grades, {pool: metrics.query_values(grades[pool], known[pool]) for pool in _POOLS})


def result_of(
    benchmark: StreamedBenchmark, inventory: Mapping[str, ShardContent], ranked: Ranked, described: Described
) -> Result:
    """The result of a benchmark.

    Args:
      benchmark: queries and judgements.
      inventory: name of a shard -> what it holds.
      ranked: the first candidates of its queries.
      described: the system that ranked them; its parts come last.
    """
    code_Q = np.asarray(benchmark.queries.languages)
    by_language = {
        code: {
            setting: {metric: float(column[code_Q == code].mean()) for metric, column in block.items()}
            for setting, block in ((setting, ranked.values.get(setting, {})) for setting in SETTINGS)
        }
        for code in benchmark.languages
    }
    passages = {
        code: sum(inventory[shard.name].passages for shard in benchmark.shards if shard.language == code)
        for code in benchmark.languages
    }
    result = Result(
        benchmark=benchmark.name,
        model=described.model,
        settings={"similarity": "inner product", **benchmark.settings, **described.settings},
        counts={
            "queries": benchmark.queries.count_by_language(),
            "candidates": passages,
            **_judgements(benchmark),
            "empty_passages": sum(inventory[shard.name].empty for shard in benchmark.shards),
            "shards": len(benchmark.shards),
            **benchmark.counts,
            **described.counts,
        },
        notes=(*benchmark.notes, *_remarks(benchmark)),
        averages=averages_of(by_language, {}, NDCG),
        definitions=_DEFINITIONS | {"robustness": robustness_definition(NDCG)},
    )
    columns = (
        (pool, metric, column[:, None]) for pool, block in ranked.values.items() for metric, column in block.items()
    )
    return result.with_parts(
        Part("unjudged_in_top_10", {pool: _unjudged(ranked, pool) for pool in _POOLS}, _UNJUDGED_DEFINITION),
        Part("intervals", column_intervals(benchmark.queries, columns), INTERVALS_DEFINITION),
        top_languages(benchmark.languages, *_top_languages(benchmark, ranked, passages)),
        *described.parts,
    )


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
        remarks.append("one language: the multilingual pool is the monolingual one")
    return remarks


def _unjudged(ranked: Ranked, pool: str) -> float:
    there_QK = ranked.tops[pool].id_QK[:, :_TOP] != b""
    unjudged_QK = (ranked.grades[pool][:, :_TOP] == UNJUDGED) & there_QK
    return float((unjudged_QK.sum(axis=1) / there_QK.sum(axis=1)).mean())


def _top_languages(
    benchmark: StreamedBenchmark, ranked: Ranked, passages: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(top, pool), float64 [J, J], as from top_languages.TopLanguages.shares."""
    codes = benchmark.languages
    first = ranked.tops["multilingual"].id_QK[:, :_TOP].tolist()
    code_QK = np.array([[id_.partition(b":")[0].decode() for id_ in row] for row in first])
    found_QJ = np.stack([(code_QK == code).sum(axis=1) for code in codes], axis=1)
    share_QJ = found_QJ / found_QJ.sum(axis=1, keepdims=True)
    code_Q = np.asarray(benchmark.queries.languages)
    top_JJ = np.stack([share_QJ[code_Q == code].mean(axis=0) for code in codes])
    pool_J = np.array([passages[code] for code in codes]) / sum(passages.values())
    return top_JJ, np.tile(pool_J, (len(codes), 1))


def query_blocks(ranked: Ranked) -> Iterator[dict[str, dict[str, float]]]:
    """Yields what each query scored: setting -> metric -> value."""
    for number in range(len(ranked.tops["monolingual"].score_QK)):
        yield {
            pool: {metric: column[number] for metric, column in values.items()}
            for pool, values in ranked.values.items()
        }


def write_qrels(path: str, benchmark: StreamedBenchmark) -> None:
    """Writes every judgement, with ids that are unique across languages."""
    queries = benchmark.queries
    with atomic_file(path) as file:
        for id_, code, grades in zip(queries.ids, queries.languages, benchmark.grades, strict=True):
            lines = (f"{id_} 0 {joint_id(code, passage)} {grade}\n" for passage, grade in grades.items())
            file.writelines(map(str.encode, lines))


def write_runs(
    folder: str, benchmark: StreamedBenchmark, ranked: Ranked, depth: int, poll: Callable[[], None] = lambda: None
) -> None:
    """Writes the runs of both pools, `depth` candidates per query, and the qrels of each language.

    `folder` is one that gets its name when the runs are complete (files.atomic_folder).
    """
    queries = benchmark.queries
    for code in benchmark.languages:
        poll()
        own = [number for number, language in enumerate(queries.languages) if language == code]
        names = [own_id(queries.ids[number]) for number in own]
        _write_run(folder, f"monolingual-{code}", names, own, ranked.tops["monolingual"], depth)
        with open(os.path.join(folder, f"monolingual-{code}.qrels"), "w", encoding="utf-8") as file:
            for name, number in zip(names, own, strict=True):
                grades = benchmark.grades[number].items()
                file.writelines(f"{name} 0 {passage} {grade}\n" for passage, grade in grades)
    _write_run(folder, "multilingual", queries.ids, range(len(queries)), ranked.tops["multilingual"], depth)


def _write_run(folder: str, run: str, names: Sequence[str], rows: Sequence[int], top: RunningTop, depth: int) -> None:
    with open(os.path.join(folder, f"{run}.trec"), "w", encoding="utf-8") as file:
        for name, row in zip(names, rows, strict=True):
            ids, scores = top.id_QK[row, :depth].tolist(), top.score_QK[row, :depth].tolist()
            file.writelines(
                f"{name} Q0 {id_.decode()} {place} {score:.9g} {TAG}\n"
                for place, (id_, score) in enumerate(zip(ids, scores, strict=True), start=1)
                if id_
            )
