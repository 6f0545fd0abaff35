"""Evaluates embeddings, and their fusion with BM25 where that is asked for: OUT/X, OUT/rrf/X, OUT/minmax/X."""

import dataclasses
from pathlib import Path

from hbt_jax.evaluation.evaluator import EvaluationContext
from hbt_jax.evaluation.ranked import ByEmbedding, ByScore, evaluate
from hbt_jax.evaluation.ranking import bm25
from hbt_jax.evaluation.ranking.fusion import RRF_CONSTANT, fused_scores
from hbt_jax.evaluation.ranking.layout import make_layout
from hbt_jax.evaluation.results.result import Described, Result


def evaluate_with_fusions(ranking: ByEmbedding, described: Described, context: EvaluationContext, out: Path) -> Result:
    """The result of the embeddings, in which `fused` has those of the fusions; arguments as for `ranked.evaluate`."""
    result, config = evaluate(ranking, described, context.files(out), context.poll), context.config
    if not config.fusion:
        return result
    benchmark = ranking.benchmark
    lexical = bm25.PoolScores(benchmark)
    layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)

    def dense(start: int, stop: int):
        return ranking.query_QD[start:stop] @ ranking.candidate_ND.T

    found = {}
    for how in config.fusion:
        weight = {"rrf": {"rrf_constant": RRF_CONSTANT}, "minmax": {"fusion_weight": config.fusion_weight}}[how]
        settings = {"similarity": f"{how} of BM25 and embeddings", "k1": bm25.K1, "b": bm25.B, **weight}
        named = dataclasses.replace(described.plus(settings), model=f"{described.model}, {how} with BM25")
        scores = fused_scores(how, dense, lexical, layout, config.fusion_weight, benchmark.excluded_QX)
        found[how] = evaluate(ByScore(benchmark, scores), named, context.files(out / how), context.poll)
    return dataclasses.replace(result, fused=found)
