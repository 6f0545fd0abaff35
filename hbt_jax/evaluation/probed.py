"""Evaluates a model on a benchmark in memory, and probes its layers with the benchmark's queries."""

import dataclasses

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embedding.layer_probe import parallel_texts, probe_layers
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.in_memory import Embedded, InMemoryEvaluator
from hbt_jax.evaluation.results.definitions import LAYER_PROBE_DEFINITION
from hbt_jax.evaluation.results.result import ResultPart


class ProbedEvaluator(InMemoryEvaluator):
    """An `InMemoryEvaluator` whose result has a layer probe.

    Args:
      benchmark: the queries and candidates.
      items: how many items to probe at most.
    """

    def __init__(self, benchmark: Benchmark, items: int):
        super().__init__(benchmark)
        self._items = items

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; raises InputError if no two languages share items."""
        super().prepare(context)
        self._parallel = parallel_texts(self.benchmark, self._items)

    def embed(self, evaluated: EvaluatedModel) -> Embedded:
        """Embeds both sides, and probes the layers."""
        embedded = super().embed(evaluated)
        probe = probe_layers(
            self._parallel,
            evaluated.model,
            self.context.mesh,
            texts_per_device=self.context.config.eval_batch,
            poll=self.context.poll_together,
            shown=self.context.processes.index == 0,
        )
        part = ResultPart("layer_probe", probe, LAYER_PROBE_DEFINITION)
        return dataclasses.replace(embedded, described=embedded.described.plus(parts=(part,)))
