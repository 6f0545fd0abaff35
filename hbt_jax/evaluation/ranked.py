"""Ranks, measures and writes one benchmark whose candidates are all in memory."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from hbt_jax import files
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.evaluator import ResultFiles
from hbt_jax.evaluation.measures import bias, metrics
from hbt_jax.evaluation.measures.chosen import ChosenMeasures, definitions
from hbt_jax.evaluation.measures.fairness import FAIRNESS_DEFINITION, RankCorrelation, fairness
from hbt_jax.evaluation.measures.rank_distances import RANK_DISTANCES_DEFINITION, rank_distances
from hbt_jax.evaluation.measures.top_languages import TopLanguages
from hbt_jax.evaluation.measures.worst_queries import WORST_QUERIES_DEFINITION, WorstQueries
from hbt_jax.evaluation.ranking.layout import PoolLayout, make_layout
from hbt_jax.evaluation.ranking.rank import RankedQueries, ScoreSource, rank_blocks, rank_score_blocks
from hbt_jax.evaluation.results import trec
from hbt_jax.evaluation.results.of_ranks import result_of
from hbt_jax.evaluation.results.parts import top_languages
from hbt_jax.evaluation.results.per_query import query_blocks, write_per_query
from hbt_jax.evaluation.results.result import QRELS, RESULTS, RUNS, Described, Result, ResultPart
from hbt_jax.evaluation.statistics.intervals import INTERVALS_DEFINITION, intervals


class Ranking(Protocol):
    """A way to rank the candidates of a benchmark."""

    benchmark: Benchmark

    def blocks(self, layout: PoolLayout) -> Iterator[RankedQueries]:
        """Yields the ranks of all queries in their order, with the candidates laid out so."""

    def measures(self) -> dict[str, np.ndarray]:
        """More numbers of each query for the pool of all candidates: float64 [Q] by name."""


@dataclasses.dataclass(frozen=True)
class ByEmbedding:
    """Ranks by the inner product of embeddings.

    Attributes:
      benchmark: the queries and candidates.
      query_QD, candidate_ND: float32 embeddings in the benchmark's order.
    """

    benchmark: Benchmark
    query_QD: np.ndarray
    candidate_ND: np.ndarray

    def blocks(self, layout: PoolLayout) -> Iterator[RankedQueries]:
        """See `Ranking`; raises InputError if an embedding is not finite."""
        relevant_QG, excluded_QX = self.benchmark.relevant_QG, self.benchmark.excluded_QX
        return rank_blocks(self.query_QD, self.candidate_ND, relevant_QG, layout, excluded_QX=excluded_QX)

    def measures(self) -> dict[str, np.ndarray]:
        """The similarity gap."""
        benchmark, codes = self.benchmark, self.benchmark.languages
        language_Q, language_N = (
            metrics.language_numbers(side.languages, codes) for side in (benchmark.queries, benchmark.candidates)
        )
        relevant_QG, excluded_QX = benchmark.relevant_QG, benchmark.excluded_QX
        gap_Q = bias.similarity_gap(self.query_QD, self.candidate_ND, relevant_QG, excluded_QX, language_Q, language_N)
        return {metrics.SIMILARITY_GAP: gap_Q}


@dataclasses.dataclass(frozen=True)
class ByScore:
    """Ranks by scores that may be on another scale in each pool, so there is no similarity gap.

    Attributes:
      benchmark: the queries and candidates.
      scores: see `rank_score_blocks`.
    """

    benchmark: Benchmark
    scores: ScoreSource

    def blocks(self, layout: PoolLayout) -> Iterator[RankedQueries]:
        """See `Ranking`."""
        relevant_QG, excluded_QX = self.benchmark.relevant_QG, self.benchmark.excluded_QX
        return rank_score_blocks(self.scores, relevant_QG, layout, excluded_QX=excluded_QX)

    def measures(self) -> dict[str, np.ndarray]:
        """None."""
        return {}


def measure(ranking: Ranking, described: Described, poll: Callable[[], None] = lambda: None) -> Result:
    """The metrics alone: nothing is written, and intervals, worst queries and the like are left out."""
    benchmark = ranking.benchmark
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    return result_of(benchmark, _measured(ranking, layout, (), poll)[0], described).with_parts(*described.parts)


def evaluate(
    ranking: Ranking, described: Described, written: ResultFiles, poll: Callable[[], None] = lambda: None
) -> Result:
    """Ranks, measures and writes one benchmark.

    Writes OUT/NAME/qrels.trec, runs/*.trec, per_query.jsonl.gz and, last of all, results.json; one that an earlier
    evaluation left is removed first, so a results.json always belongs to the files beside it.

    Args:
      ranking: ranks the candidates of the benchmark.
      described: what the results say of the system.
      written: where the files go.
      poll: called between blocks of queries; raises to stop.

    Raises:
      InputError: an embedding is not finite.
    """
    benchmark, folder = ranking.benchmark, written.out / ranking.benchmark.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).unlink(missing_ok=True)
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
    top, worst = TopLanguages(benchmark, layout), WorstQueries(benchmark, layout)
    correlation = RankCorrelation(benchmark, layout)
    chosen = ChosenMeasures(benchmark, layout, written.measures) if written.measures else None
    with (
        files.atomic_folder(str(folder / RUNS)) as runs,
        trec.RunWriter(runs, benchmark, layout, written.run_depth, written.run_settings) as writer,
    ):
        values, rank_QG = _measured(
            ranking,
            layout,
            (top.add, worst.add, correlation.add, writer.write, *([chosen.add] if chosen else [])),
            poll,
        )
    if chosen:
        values.by_pool.update(chosen.by_pool)
        values.multilingual.update(chosen.multilingual)
    described = described.plus({"run_depth": written.run_depth, "run_settings": list(written.run_settings)})
    distances = rank_distances(values.multilingual[metrics.RANK_DISTANCE], values.language_Q, values.languages)
    result = result_of(benchmark, values, described, definitions(written.measures)).with_parts(
        top_languages(benchmark.languages, *top.shares()),
        ResultPart("intervals", intervals(benchmark, values, poll), INTERVALS_DEFINITION),
        ResultPart("rank_distances", distances, RANK_DISTANCES_DEFINITION),
        ResultPart("fairness", fairness(benchmark, rank_QG, values, correlation), FAIRNESS_DEFINITION),
        ResultPart("worst_queries", worst.found(), WORST_QUERIES_DEFINITION),
        *described.parts,
    )
    trec.write_qrels(str(folder / QRELS), benchmark)
    write_per_query(folder, benchmark.queries, query_blocks(values))
    result.write(folder)
    return result


def _measured(
    ranking: Ranking,
    layout: PoolLayout,
    collectors: Sequence[Callable[[RankedQueries], None]],
    poll: Callable[[], None],
) -> tuple[metrics.QueryMetrics, np.ndarray]:
    """The metrics of every query, and int32 [Q, G], the ranks of its relevant candidates among all candidates.

    Each collector is told of every block of ranked queries.
    """
    benchmark = ranking.benchmark
    rank_QG = np.zeros(benchmark.relevant_QG.shape, np.int32)
    own_rank_QG = np.zeros_like(rank_QG)
    for block in ranking.blocks(layout):
        poll()
        rank_QG[block.start : block.stop] = block.rank_qG
        own_rank_QG[block.start : block.stop] = block.own_rank_qG
        for collect in collectors:
            collect(block)
    values = metrics.query_metrics(
        rank_QG,
        own_rank_QG,
        benchmark.relevant_QG,
        benchmark.queries.languages,
        benchmark.candidates.languages,
        benchmark.languages,
    )
    values.multilingual.update(ranking.measures())
    return values, rank_QG
