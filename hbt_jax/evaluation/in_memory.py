"""Evaluates a model on a benchmark whose candidates fit in memory: embed both sides, rank, write."""

import dataclasses
from pathlib import Path

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.token_counts import counts_for
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.fused import evaluate_with_fusions
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import ByEmbedding, measure
from hbt_jax.evaluation.results.parts import tokens
from hbt_jax.evaluation.results.result import Described, Result


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A benchmark as one model has embedded it.

    Attributes:
      embedder: of the model.
      ranking: the embeddings of both sides.
      described: what the results say of the model.
      out: folder for the files of the result; None: none are written.
    """

    embedder: Embedder
    ranking: ByEmbedding
    described: Described
    out: Path | None


class InMemoryEvaluator:
    """An `Evaluator` of a benchmark in memory; every process embeds, the first one ranks and writes.

    Args:
      benchmark: the queries and candidates.
    """

    def __init__(self, benchmark: Benchmark):
        self.benchmark = benchmark

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; the benchmark has been read."""
        self.context = context

    def run(self, evaluated: EvaluatedModel) -> Result | None:
        """See `Evaluator`."""
        return self.rank(self.embed(evaluated))

    def embed(self, evaluated: EvaluatedModel) -> Embedded:
        """Embeds both sides, on every process."""
        context, benchmark = self.context, self.benchmark
        embedder = Embedder(
            evaluated.model,
            context.mesh,
            texts_per_device=context.config.eval_batch,
            poll=context.poll_together,
            shown=context.processes.index == 0 and evaluated.out is not None,
        )
        query_QD, query_rates = _vectors(embedder, benchmark, "query")
        candidate_ND, candidate_rates = _vectors(embedder, benchmark, "passage")
        described = evaluated.described(context.config.compute_dtype).plus(
            benchmark.settings, {"truncated_texts": embedder.truncated}, (tokens(query_rates, candidate_rates),)
        )
        return Embedded(embedder, ByEmbedding(benchmark, query_QD, candidate_ND), described, evaluated.out)

    def rank(self, embedded: Embedded) -> Result | None:
        """Ranks and writes on the first process; the others wait for it and get None."""
        return on_first_process(self.context.processes, lambda: self._rank(embedded))

    def _rank(self, embedded: Embedded) -> Result:
        if embedded.out is None:
            return measure(embedded.ranking, embedded.described, self.context.poll)
        return evaluate_with_fusions(embedded.ranking, embedded.described, self.context, embedded.out)


def _vectors(embedder: Embedder, benchmark: Benchmark, name: str) -> tuple[np.ndarray, dict]:
    """The vectors of one side, and how the texts of each language fared with the tokenizer."""
    side = benchmark.queries if name == "query" else benchmark.candidates
    counts = counts_for(embedder.model, name)
    vectors = embedder(side.texts, name, tokenised=counts.watch(side.languages, side.texts))
    check_finite(vectors, embedder.model, lambda number: f"{benchmark.name}, {name} {side.ids[number]!r}")
    return vectors, counts.rates()
