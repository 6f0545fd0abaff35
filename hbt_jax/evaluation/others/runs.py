"""Evaluates a TREC run that any system has written: `--run=FILE.trec`.

The run ranks the pool of all candidates.  Within a pool of one language the listed candidates of that language keep
their order, so a run that is cut off after few candidates says little about the other settings.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.measures.metrics import NOT_FOUND
from hbt_jax.evaluation.others.run_file import TrecRun, read_run
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import evaluate
from hbt_jax.evaluation.ranking.layout import PoolLayout
from hbt_jax.evaluation.ranking.rank import RankedQueries, rank_score_blocks
from hbt_jax.evaluation.results.result import Described, Result


@dataclasses.dataclass(frozen=True)
class ByRun:
    """Ranks as a run does; relevant candidates that it does not list have ranks from NOT_FOUND on.

    Attributes:
      benchmark: the queries and candidates.
      run: on it.
    """

    benchmark: Benchmark
    run: TrecRun

    def blocks(self, layout: PoolLayout) -> Iterator[RankedQueries]:
        """See `ranked.Ranking`."""
        relevant_QG, excluded_QX = self.benchmark.relevant_QG, self.benchmark.excluded_QX
        for block in rank_score_blocks(self._scores, relevant_QG, layout, excluded_QX=excluded_QX):
            relevant_qG = relevant_QG[block.start : block.stop]
            score_qG = np.take_along_axis(block.score_qM, layout.slot_N[relevant_qG], axis=1)
            missed_qG = (relevant_qG != NO_CANDIDATE) & (score_qG == -np.inf)
            listed_q = np.diff(self.run.start_Q[block.start : block.stop + 1])
            ranks = (block.rank_qG, block.own_rank_qG)
            last = len(self.benchmark.candidates)
            rank_qG, own_rank_qG = (_with_missed(rank_qG, missed_qG, listed_q, last) for rank_qG in ranks)
            yield dataclasses.replace(block, rank_qG=rank_qG, own_rank_qG=own_rank_qG)

    def measures(self) -> dict[str, np.ndarray]:
        """None."""
        return {}

    def not_listed(self) -> tuple[int, int]:
        """How many queries the run does not have, and how many relevant candidates it does not list."""
        listed = 0
        for query, relevant in enumerate(self.benchmark.relevant_QG):
            lines = slice(self.run.start_Q[query], self.run.start_Q[query + 1])
            listed += int(np.isin(relevant, self.run.candidate_E[lines]).sum())
        relevant = int((self.benchmark.relevant_QG != NO_CANDIDATE).sum())
        return int((np.diff(self.run.start_Q) == 0).sum()), relevant - listed

    def _scores(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        score_qN = self.run.scores(start, stop, len(self.benchmark.candidates))
        return score_qN, score_qN


def _with_missed(rank_qG: np.ndarray, missed_qG: np.ndarray, listed_q: np.ndarray, last: int) -> np.ndarray:
    """The ranks, with ranks from NOT_FOUND on for missed candidates, so that rank distances are the largest possible.

    So they are last, except that if all relevant candidates of a query are missed, the first follows the listed ones.

    >>> _with_missed(np.array([[2, 7], [8, 9]]), np.array([[False, True], [True, True]]), np.array([5, 5]), 9) % 2**30
    array([[2, 9],
           [6, 9]])
    """
    placed_qG = np.where(missed_qG, NOT_FOUND + last, rank_qG)
    nothing_q = (rank_qG.astype(bool) == missed_qG).all(axis=1) & missed_qG.any(axis=1)
    placed_qG[nothing_q, missed_qG.argmax(axis=1)[nothing_q]] = NOT_FOUND + 1 + listed_q[nothing_q]
    return placed_qG


class RunEvaluator:
    """An `Evaluator` of a run; the first process reads, ranks and writes.

    Args:
      benchmark: what the run is on.
      path: of the run.
    """

    def __init__(self, benchmark: Benchmark, path: str):
        self._benchmark, self._path = benchmark, path

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; reads the run."""
        self._context = context
        self._run = on_first_process(context.processes, lambda: read_run(self._path, self._benchmark))

    def run(self, evaluated: EvaluatedModel | None = None) -> Result | None:
        """See `Evaluator`; there is no model."""
        return on_first_process(self._context.processes, self._evaluate)

    def _evaluate(self) -> Result:
        ranking, context = ByRun(self._benchmark, self._run), self._context
        queries, relevant = ranking.not_listed()
        note = f"ranked by the run {self._path}"
        if relevant:
            note += (
                f": {queries:,} queries are not in it, and it does not list {relevant:,} of"
                f" {int((self._benchmark.relevant_QG != NO_CANDIDATE).sum()):,} relevant candidates: they count as"
                " never found, and their rank distances as the largest possible"
            )
        notes = [note]
        if self._run.unanswered:
            notes.append(f"{self._run.unanswered:,} queries of the run have no relevant candidate and are left out")
        noted = dataclasses.replace(self._benchmark, notes=(*self._benchmark.notes, *notes))
        settings = {**noted.settings, "similarity": "scores of a TREC run", "run": self._path}
        counts = {"queries_not_in_run": queries, "relevant_not_in_run": relevant}
        described = Described(self._path, settings, counts)
        return evaluate(ByRun(noted, self._run), described, context.files(context.out), context.poll)
