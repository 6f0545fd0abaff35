"""Evaluates BM25 on a benchmark in memory, as a baseline for models: OUT/bm25/X beside the model's OUT/X."""

import importlib.metadata

from hbt_jax import languages
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext, ResultFiles
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import ByScore, evaluate
from hbt_jax.evaluation.ranking import bm25
from hbt_jax.evaluation.results.result import Described, Result


class LexicalEvaluator:
    """An `Evaluator` that needs no model; the first process ranks and writes.

    Args:
      benchmark: the queries and candidates.
    """

    def __init__(self, benchmark: Benchmark):
        self._benchmark = benchmark

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; raises InputError if the library is not installed."""
        bm25.check_installed()
        self._context = context

    def run(self, evaluated: EvaluatedModel | None = None) -> Result | None:
        """See `Evaluator`; the model is not used, and the files go to OUT/bm25."""
        context = self._context
        written = context.files(context.out / bm25.BM25)
        return on_first_process(context.processes, lambda: evaluate_bm25(self._benchmark, written, context.poll))


def evaluate_bm25(benchmark: Benchmark, written: ResultFiles, poll=lambda: None) -> Result:
    """Ranks by BM25, measures and writes one benchmark; arguments as for `ranked.evaluate`."""
    scores = bm25.PoolScores(benchmark)
    settings = {
        "similarity": f"BM25, Lucene's variant, by bm25s {importlib.metadata.version('bm25s')}",
        "k1": bm25.K1,
        "b": bm25.B,
        "terms": bm25.TERMS,
        "statistics": bm25.STATISTICS,
        **benchmark.settings,
        **languages.under_resourced(),
    }
    described = Described(bm25.NAME, settings, {"queries_without_match": scores.queries_without_match})
    return evaluate(ByScore(benchmark, scores), described, written, poll)
