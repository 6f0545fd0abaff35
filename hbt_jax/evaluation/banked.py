"""Evaluates a model whose scores are corrected by a bank of texts in the query's language (ranking/query_bank.py)."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.in_memory import Embedded, InMemoryEvaluator
from hbt_jax.evaluation.ranked import ByEmbedding
from hbt_jax.evaluation.ranking.query_bank import normalised
from hbt_jax.evaluation.results.result import Result


class BankedEvaluator:
    """An `Evaluator` with query-bank normalisation.

    Args:
      plain: embeds and ranks.
      texts: language -> the texts of the bank, embedded as queries.
    """

    def __init__(self, plain: InMemoryEvaluator, texts: Mapping[str, Sequence[str]]):
        self.benchmark, self._plain, self._texts = plain.benchmark, plain, texts

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`."""
        self._plain.prepare(context)

    def run(self, evaluated: EvaluatedModel) -> Result | None:
        """See `Evaluator`."""
        return self._plain.rank(self._corrected(self._plain.embed(evaluated)))

    def _corrected(self, embedded: Embedded) -> Embedded:
        """The embeddings with the correction in them, and what the results say of it."""
        context, queries, ranking = self._plain.context, self.benchmark.queries, embedded.ranking
        config, asked = context.config, set(queries.languages)
        texts = {code: own for code, own in self._texts.items() if code in asked}
        together = [text for own in texts.values() for text in own]
        ends = np.cumsum([len(own) for own in texts.values()])[:-1]
        truncated = embedded.embedder.truncated
        banks = dict(zip(texts, np.split(embedded.embedder(together, "query"), ends), strict=True)) if texts else {}
        without = sum(code not in texts for code in queries.languages)
        counts = {
            "query_bank_texts": len(together),
            "truncated_bank_texts": embedded.embedder.truncated - truncated,
            "queries_without_bank": without,
        }
        note = (
            f"query bank: {len(together):,} texts in {len(texts)} of {len(asked)} query languages; {without:,} queries"
            " in the other languages are ranked without correction"
        )
        noted = dataclasses.replace(self.benchmark, notes=(*self.benchmark.notes, note))
        vectors = (ranking.query_QD, ranking.candidate_ND)
        if banks:
            settings = (config.query_bank, config.query_bank_weight)
            vectors = normalised(*vectors, queries.languages, banks, *settings, context.poll)
        described = embedded.described.plus(
            {"query_bank": config.query_bank, "query_bank_weight": config.query_bank_weight}, counts
        )
        return dataclasses.replace(embedded, ranking=ByEmbedding(noted, *vectors), described=described)
