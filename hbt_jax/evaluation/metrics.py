"""Average precision, recall@k, and the pools in which they are taken.

Settings (arXiv 2408.10536; the names are LAReQA's, arXiv 2004.05484), by the pool that a query searches:

    monolingual    candidates of the query's own language
    cross_lingual  candidates of one other language, for each of them
    multilingual   all candidates

A query counts in a pool if the pool holds at least one candidate relevant to it; elsewhere its values are NaN.
"""

import dataclasses

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.bias import rank_distance

SETTINGS = ("monolingual", "cross_lingual", "multilingual")
RECALL_DEPTHS = (1, 10)
METRICS = ("map", *(f"recall@{k}" for k in RECALL_DEPTHS))
RANK_DISTANCE = "rank_distance"

AP_DEFINITION = (
    "mean over a query's relevant candidates of (relevant ones up to its rank) / rank, over the whole ranking"
)
RECALL_DEFINITION = "recall@k = (relevant candidates among the first k) / min(k, relevant candidates in the pool)"


def average_precision(rank_QG: np.ndarray) -> np.ndarray:
    """Average precision over the whole ranking, as trec_eval's `map` takes it of one query.

    With relevant candidates at ranks r_1 < ... < r_R it is the mean of i / r_i.

    Args:
      rank_QG: int, ranks from 1 of each query's relevant candidates in the pool, in any order; 0 where there is none.

    Returns:
      float64 [Q], NaN for a query without a relevant candidate.

    >>> average_precision(np.array([[1, 3], [4, 2], [5, 0]]))  # (1/1 + 2/3) / 2, (1/2 + 2/4) / 2, 1/5
    array([0.83333333, 0.5       , 0.2       ])
    """
    is_relevant = rank_QG > 0
    sorted_QG = np.sort(np.where(is_relevant, rank_QG, np.iinfo(np.int32).max), axis=1)
    order_G = np.arange(1, rank_QG.shape[1] + 1)
    relevant_Q = is_relevant.sum(axis=1)
    precision_QG = np.where(order_G <= relevant_Q[:, None], order_G / sorted_QG, 0.0)
    return _ratio(precision_QG.sum(axis=1), relevant_Q)


def recall_at(rank_QG: np.ndarray, k: int) -> np.ndarray:
    """The share of the reachable relevant candidates among the first k: divided by min(k, R), not by R.

    So recall@1 says whether the first candidate is relevant, however many are.

    Args:
      rank_QG: as for `average_precision`.

    Returns:
      float64 [Q], NaN for a query without a relevant candidate.

    >>> recall_at(np.array([[1, 3], [4, 2], [5, 0]]), 3)  # 2/2, 1/2, 0/1
    array([1. , 0.5, 0. ])
    """
    is_relevant = rank_QG > 0
    return _ratio((is_relevant & (rank_QG <= k)).sum(axis=1), np.minimum(k, is_relevant.sum(axis=1)))


def _ratio(above_Q: np.ndarray, below_Q: np.ndarray) -> np.ndarray:
    return np.where(below_Q > 0, above_Q / np.maximum(below_Q, 1), np.nan)


def pool_metrics(rank_QG: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of METRICS in one pool: float64 [Q] each, from ranks as for `average_precision`."""
    values = {"map": average_precision(rank_QG)}
    return values | {f"recall@{k}": recall_at(rank_QG, k) for k in RECALL_DEPTHS}


@dataclasses.dataclass(frozen=True)
class QueryMetrics:
    """The metrics of every query in every pool; NaN where the query does not count.

    Attributes:
      languages: codes of the J languages of the benchmark.
      language_Q: int [Q], number of each query's language.
      by_pool: metric -> float64 [Q, J], in the pool of one language; the query's own language is the monolingual one.
      multilingual: metric or "rank_distance" -> float64 [Q], in the pool of all candidates.
    """

    languages: tuple[str, ...]
    language_Q: np.ndarray
    by_pool: dict[str, np.ndarray]
    multilingual: dict[str, np.ndarray]


def query_metrics(
    rank_QG: np.ndarray,
    own_rank_QG: np.ndarray,
    relevant_QG: np.ndarray,
    query_languages: list[str],
    candidate_languages: list[str],
    languages: tuple[str, ...],
) -> QueryMetrics:
    """Metrics of every query from the ranks of its relevant candidates.

    Args:
      rank_QG: int, rank of each relevant candidate among all candidates; 0 where there is none.
      own_rank_QG: the same among the candidates of its own language.
      relevant_QG: int, indexes of the relevant candidates, NO_CANDIDATE where there is none.
      query_languages, candidate_languages: codes of the Q queries and the N candidates.
      languages: the languages in the order in which to number them.
    """
    number = {code: index for index, code in enumerate(languages)}
    language_N = np.array([number[code] for code in candidate_languages])
    language_QG = np.where(relevant_QG == NO_CANDIDATE, -1, language_N[relevant_QG])
    pools = [pool_metrics(np.where(language_QG == index, own_rank_QG, 0)) for index in range(len(languages))]
    return QueryMetrics(
        languages=languages,
        language_Q=np.array([number[code] for code in query_languages]),
        by_pool={metric: np.stack([pool[metric] for pool in pools], axis=1) for metric in METRICS},
        multilingual=pool_metrics(rank_QG) | {RANK_DISTANCE: rank_distance(rank_QG, language_QG)},
    )
