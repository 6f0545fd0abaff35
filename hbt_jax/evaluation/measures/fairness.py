"""Measures of language fairness that others have published, in the pool of all candidates.

PEER    Probability of Equal Expected Rank (Yang et al. 2024, arXiv 2405.00978; PyPI: peer_measure)
MRC     Mean Rank Correlation (Yang, Jiang, Baldwin 2024, arXiv 2509.06195)
Max@R   the rank at which the last relevant candidate is found (arXiv 2604.05684)
"""

from collections.abc import Iterable, Mapping

import numpy as np
from scipy import special

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import NOT_FOUND, QueryMetrics, language_numbers
from hbt_jax.evaluation.ranking.layout import PoolLayout
from hbt_jax.evaluation.ranking.rank import RankedQueries

_MOST_SCORES = 2**26  # held for MRC: 256 MiB
_MOST_ITEMS = 100
FAIRNESS_DEFINITION = (
    "in the pool of all candidates, means over query languages of means over their queries. peer (arXiv 2405.00978,"
    " cutoff: the whole ranking, weight 1 on relevant): p value of the Kruskal-Wallis test that the relevant candidates"
    " of all languages have equal expected ranks, ranks being positions; 1 where one language is relevant; candidates"
    " not found share a rank after the others, as in peer_measure; where every language has one relevant candidate it"
    " depends on their number alone. mrc (arXiv 2509.06195): mean over the other languages of Spearman's correlation of"
    " the ranking of all candidates for a query with that for its translation, of `items` evenly chosen items with one"
    " query in each of several languages; absent where rankings are cut. max_rank (Max@R, arXiv 2604.05684): rank of a"
    " query's last relevant candidate; not found: the last rank"
)


def peer(rank_QG: np.ndarray, language_QG: np.ndarray) -> np.ndarray:
    """PEER of each query over its whole ranking, relevant candidates alone having weight.

    With M relevant candidates of rank r, H = (M - 1) * sum of (mean rank of a language - mean rank)^2, over the
    candidates, / sum of (r - mean rank)^2, and PEER = P(chi2 > H) with one degree of freedom less than languages.

    Args:
      rank_QG: int, ranks of the relevant candidates; 0 for none, NOT_FOUND or more for those that are not found.
      language_QG: int, language number of each, -1 for none.

    Returns:
      float64 [Q]; 1 where fewer than two languages are relevant, or none is found.

    >>> language_QG = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, -1, -1]])
    >>> peer(np.array([[1, 2, 3, 4], [1, 3, 2, 4], [5, 6, 0, 0]]), language_QG).round(3)
    array([0.121, 0.439, 1.   ])
    """
    there_QG = language_QG >= 0
    missed_QG = there_QG & (rank_QG >= NOT_FOUND)
    count_Q, missed_Q = there_QG.sum(axis=1), missed_QG.sum(axis=1)
    last_Q1 = ((2 * count_Q + missed_Q + 1) / 2)[:, None]
    ranks_QG = np.where(missed_QG, last_Q1, np.where(there_QG, rank_QG, 0))
    mean_Q1 = (ranks_QG.sum(axis=1) / np.maximum(count_Q, 1))[:, None]
    languages = int(language_QG.max(initial=0)) + 1
    size_QJ = np.stack([(language_QG == j).sum(axis=1) for j in range(languages)], axis=1)
    sum_QJ = np.stack([np.where(language_QG == j, ranks_QG, 0).sum(axis=1) for j in range(languages)], axis=1)
    gap_QJ = np.where(size_QJ > 0, sum_QJ / np.maximum(size_QJ, 1) - mean_Q1, 0)
    between_Q = (size_QJ * gap_QJ**2).sum(axis=1)
    within_Q = np.where(there_QG, (ranks_QG - mean_Q1) ** 2, 0).sum(axis=1)
    freedom_Q = (size_QJ > 0).sum(axis=1) - 1
    counts_Q = (freedom_Q > 0) & (missed_Q < count_Q) & (within_Q > 0)
    statistic_Q = (count_Q - 1) * between_Q / np.where(counts_Q, within_Q, 1)
    return np.where(counts_Q, special.chdtrc(np.maximum(freedom_Q, 1), statistic_Q), 1.0)


def max_rank(rank_QG: np.ndarray, candidates: int) -> np.ndarray:
    """float64 [Q]: the rank of the last relevant candidate; ranks as for `peer`, `candidates` is the last rank.

    >>> max_rank(np.array([[3, 7, 0], [2, 2**30 + 4, 0]]), 9)
    array([7., 9.])
    """
    return np.minimum(rank_QG.max(axis=1), candidates).astype(np.float64)


class RankCorrelation:
    """Collects the rankings of some items' queries, and correlates them.

    Args:
      benchmark: queries and candidates.
      layout: of its candidates.
    """

    def __init__(self, benchmark: Benchmark, layout: PoolLayout):
        self._benchmark, self._layout = benchmark, layout
        self._tie_N = layout.tie_M[layout.slot_N]
        self._languages = benchmark.queries.languages
        self._items = self._chosen()
        self._item_of = {query: item for item, queries in self._items.items() for query in queries}
        self._score_N: dict[int, np.ndarray] = {}

    def _chosen(self) -> dict[str, list[int]]:
        """Item -> its queries, for evenly chosen items that have one query in each of several languages."""
        queries: dict[str, list[int]] = {}
        for number, item in enumerate(self._benchmark.queries.items):
            queries.setdefault(item, []).append(number)
        parallel = [
            item for item, own in queries.items() if 1 < len(own) == len({self._languages[query] for query in own})
        ]
        width = len(set(self._languages)) * len(self._benchmark.candidates)
        count = min(len(parallel), _MOST_ITEMS, max(1, _MOST_SCORES // width))
        return {
            parallel[n * len(parallel) // count]: queries[parallel[n * len(parallel) // count]] for n in range(count)
        }

    def add(self, block: RankedQueries) -> None:
        """Keeps the scores of the chosen queries of one block."""
        for row, query in enumerate(range(block.start, block.stop)):
            if query in self._item_of:
                self._score_N[query] = block.score_qM[row][self._layout.slot_N]

    def by_language(self) -> dict[str, float]:
        """Query language -> MRC; {} if there are no parallel queries, or a ranking is cut."""
        found: dict[str, list[float]] = {}
        for queries in self._items.values():
            kept_N = np.ones(len(self._tie_N), bool)
            for query in queries:
                kept_N &= self._score_N[query] > -np.inf
            excluded = self._excluded(queries)
            if kept_N.sum() + len(excluded) < len(kept_N) or kept_N.sum() < 2:
                return {}
            place_JN = np.stack([self._places(self._score_N[query], kept_N) for query in queries])
            correlation_JJ = np.corrcoef(place_JN)
            for row, query in enumerate(queries):
                others = (correlation_JJ[row].sum() - correlation_JJ[row, row]) / (len(queries) - 1)
                found.setdefault(self._languages[query], []).append(float(others))
        return {code: float(np.mean(values)) for code, values in sorted(found.items())}

    @property
    def items(self) -> int:
        """How many items are chosen."""
        return len(self._items)

    def _excluded(self, queries: Iterable[int]) -> set[int]:
        if self._benchmark.excluded_QX is None:
            return set()
        return {n for query in queries for n in self._benchmark.excluded_QX[query].tolist() if n != NO_CANDIDATE}

    def _places(self, score_N: np.ndarray, kept_N: np.ndarray) -> np.ndarray:
        """The ranks of the kept candidates among themselves."""
        order = np.lexsort((self._tie_N[kept_N], -score_N[kept_N]))
        places = np.empty(len(order))
        places[order] = np.arange(len(order))
        return places


def fairness(benchmark: Benchmark, rank_QG: np.ndarray, values: QueryMetrics, correlation: RankCorrelation) -> dict:
    """What results.json says: {"peer", "max_rank", "mrc": {"mean", "by_query_language"}}; mrc with "items" if known.

    Args:
      benchmark: what was ranked.
      rank_QG: as for `peer`.
      values: of its queries, for their languages.
      correlation: of the rankings.
    """
    language_N = language_numbers(benchmark.candidates.languages, values.languages)
    language_QG = np.where(benchmark.relevant_QG == NO_CANDIDATE, -1, language_N[benchmark.relevant_QG])
    columns = {"peer": peer(rank_QG, language_QG), "max_rank": max_rank(rank_QG, len(benchmark.candidates))}
    asked = [number for number in range(len(values.languages)) if (values.language_Q == number).any()]
    found = {
        name: _averaged({values.languages[j]: float(column_Q[values.language_Q == j].mean()) for j in asked})
        for name, column_Q in columns.items()
    }
    mrc = correlation.by_language()
    return found | ({"mrc": {"items": correlation.items, **_averaged(mrc)}} if mrc else {})


def _averaged(by_language: Mapping[str, float]) -> dict:
    return {"mean": float(np.mean(list(by_language.values()))), "by_query_language": dict(by_language)}
