"""Language bias at the top: the languages of the first ten candidates, compared with those of the pool."""

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import language_numbers
from hbt_jax.evaluation.ranking.layout import PoolLayout, top_slots
from hbt_jax.evaluation.ranking.rank import RankedQueries

_TOP = 10


class TopLanguages:
    """Collects the languages of the first candidates of each query, in the pool of all.

    Args:
      benchmark: queries and candidates.
      layout: of its candidates.
    """

    def __init__(self, benchmark: Benchmark, layout: PoolLayout):
        codes, excluded_QX = benchmark.languages, benchmark.excluded_QX
        self._layout = layout
        self._language_Q = language_numbers(benchmark.queries.languages, codes)
        self._language_N = language_numbers(benchmark.candidates.languages, codes)
        self._excluded_QX = np.empty((len(self._language_Q), 0), np.int32) if excluded_QX is None else excluded_QX
        self._size_J = np.bincount(self._language_N, minlength=len(codes))
        self._top_JJ, self._pool_JJ = np.zeros((2, len(codes), len(codes)))  # sums of shares over queries

    def add(self, block: RankedQueries) -> None:
        """Adds the queries of one block."""
        languages = len(self._size_J)
        code_q = self._language_Q[block.start : block.stop]
        excluded_qX = self._excluded_QX[block.start : block.stop]
        hidden_qX = np.where(excluded_qX == NO_CANDIDATE, -1, self._language_N[excluded_qX])
        for score_M, code, hidden_X in zip(block.score_qM, code_q, hidden_qX, strict=True):
            first = self._layout.candidate_M[top_slots(score_M, self._layout.tie_M, _TOP)]
            self._top_JJ[code] += np.bincount(self._language_N[first], minlength=languages) / max(1, len(first))
            searched_J = self._size_J - np.bincount(hidden_X[hidden_X >= 0], minlength=languages)
            self._pool_JJ[code] += searched_J / searched_J.sum()

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """(top, pool), float64 [J, J]: by query language and candidate language; NaN if a language has no query."""
        queries_J1 = np.bincount(self._language_Q, minlength=len(self._size_J))[:, None]
        return tuple(
            np.where(queries_J1 > 0, sums_JJ / np.maximum(queries_J1, 1), np.nan)
            for sums_JJ in (self._top_JJ, self._pool_JJ)
        )
