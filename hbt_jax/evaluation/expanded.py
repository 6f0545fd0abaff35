"""Evaluates a model with query expansions beside the evaluation without: OUT/X without, OUT/expanded/X with."""

import dataclasses
from pathlib import Path

from hbt_jax.config.values import CONCAT
from hbt_jax.evaluation.embedding.query_expansion import Expansions, embed_expanded
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.in_memory import Embedded, InMemoryEvaluator
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import ByEmbedding
from hbt_jax.evaluation.results.read import Outcome
from hbt_jax.evaluation.results.result import Result, ResultPart
from hbt_jax.evaluation.statistics.expansion_effect import EFFECT, EFFECT_DEFINITION, with_and_without

EXPANDED = "expanded"


class ExpandedEvaluator:
    """An `Evaluator` of queries without and with their expansions.

    Args:
      plain: evaluates the queries without them.
      expansions: of some of the benchmark's queries.
    """

    def __init__(self, plain: InMemoryEvaluator, expansions: Expansions):
        self.benchmark, self._plain, self._expansions = plain.benchmark, plain, expansions

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`."""
        self._plain.prepare(context)

    def run(self, evaluated: EvaluatedModel) -> Result | None:
        """The result without expansions, in which `expanded` is the one with them; the model must have an `out`."""
        plain = self._plain.embed(evaluated)
        expanded = self._expand(plain)
        without, found = self._plain.rank(plain), self._plain.rank(expanded)
        processes = self._plain.context.processes
        return on_first_process(processes, lambda: self._compared(without, found, plain.out))

    def _expand(self, plain: Embedded) -> Embedded:
        """Embeds the expanded queries; the candidates stay as they are, and the token statistics are left out."""
        embedder, combination = plain.embedder, self._plain.context.config.expansion_combination
        cut_before, ranking, queries = embedder.truncated, plain.ranking, self.benchmark.queries
        expanded_QD = embed_expanded(embedder, queries.texts, ranking.query_QD, self._expansions, combination)
        settings: dict[str, object] = {"expansion_combination": combination}
        if combination == CONCAT:
            settings["expanded_query_length"] = embedder.model.text.longest
        counts = {
            "expanded_queries": len(self._expansions),
            "queries_without_expansion": len(queries) - len(self._expansions),
            "expansion_texts": sum(map(len, self._expansions.values())),
            "truncated_expansions": embedder.truncated - cut_before,
        }
        note = (
            f"query expansions ({combination}): {counts['expanded_queries']:,} queries with"
            f" {counts['expansion_texts']:,} texts, {counts['queries_without_expansion']:,} without any, ranked as they"
            f" are; {counts['truncated_expansions']:,} texts cut"
        )
        noted = dataclasses.replace(self.benchmark, notes=(*self.benchmark.notes, note))
        described = dataclasses.replace(plain.described.plus(settings, counts), parts=())
        return Embedded(
            embedder, ByEmbedding(noted, expanded_QD, ranking.candidate_ND), described, plain.out / EXPANDED
        )

    def _compared(self, without: Result, expanded: Result, out: Path) -> Result:
        """The result without expansions; its `expanded` now has the effect of the expansions and is written again."""
        folders = [out / self.benchmark.name, out / EXPANDED / self.benchmark.name]
        outcomes = (Outcome(folder, one.json()) for folder, one in zip(folders, (without, expanded), strict=True))
        effect = with_and_without(self.benchmark, self._expansions, *outcomes)
        expanded = expanded.with_parts(ResultPart(EFFECT, effect, EFFECT_DEFINITION))
        expanded.write(folders[1])
        return dataclasses.replace(without, expanded=expanded)
