"""Average precision, recall@k, reciprocal rank and nDCG, in the pools of three settings.

The settings (arXiv 2408.10536; names as in LAReQA, arXiv 2004.05484) differ in the pool that a query searches:

    monolingual    candidates of the query's own language
    cross_lingual  candidates of one other language, for each of them
    multilingual   all candidates

A query counts in a pool that holds at least one candidate relevant to it; in other pools its values are NaN.  A text
that is both a query and a candidate does not search itself.

Shape letter of this module: W, the largest number of relevant candidates that a query has in one language.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.measures.bias import one_language_map, places_by_language, rank_distance, strong_alignment

SETTINGS = ("monolingual", "cross_lingual", "multilingual")
RECALL_DEPTHS = (1, 10)
METRICS = ("map", *(f"recall@{k}" for k in RECALL_DEPTHS))  # shown everywhere
CAPPED = {f"R_cap@{k}": f"recall@{k}" for k in RECALL_DEPTHS}  # name in tables -> in results.json, since before
PLAIN_RECALLS = tuple(f"R@{k}" for k in RECALL_DEPTHS)
FURTHER_METRICS = ("mrr", "ndcg@10", *PLAIN_RECALLS)  # in results.json and the report
RANK_DISTANCE = "rank_distance"
STRONG_ALIGNMENT = "strong_alignment"
ONE_LANGUAGE_MAP = "one_language_map"
SIMILARITY_GAP = "similarity_gap"
NOT_FOUND = 2**30  # added to the rank of a relevant candidate that a system does not list

_QUERIES_AT_A_TIME = 8192

AP_DEFINITION = (
    "mean over a query's relevant candidates of (relevant ones up to its rank) / rank, over the whole ranking"
)
RECALL_DEFINITION = "recall@k = (relevant candidates among the first k) / min(k, relevant candidates in the pool)"
CAPPED_DEFINITION = (
    "R_cap@k: what tables and reports call recall@k, after BEIR's recall_cap, as it divides by min(k, ...)"
)
PLAIN_RECALL_DEFINITION = (
    "R@k = (relevant candidates among the first k) / (relevant candidates in the pool) (trec_eval)"
)
MRR_DEFINITION = "1 / rank of the first relevant candidate (trec_eval's recip_rank)"
NDCG_DEFINITION = (
    "sum of 1 / log2(1 + rank) over the relevant candidates among the first 10, divided by what it would be with the"
    " relevant ones first (trec_eval's ndcg_cut_10, all relevant ones alike)"
)


def average_precision(rank_QG: np.ndarray) -> np.ndarray:
    """Average precision over the whole ranking, as in trec_eval's `map`.

    With relevant candidates at ranks r_1 < ... < r_R it is the mean of i / r_i.

    Args:
      rank_QG: int, ranks (from 1) of each query's relevant candidates in the pool, in any order; 0 for none.

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
    """The number of relevant candidates among the first k, divided by min(k, R) rather than R.

    So recall@1 says whether the first candidate is relevant, however many relevant ones there are.

    Args:
      rank_QG: as for `average_precision`.

    Returns:
      float64 [Q], NaN for a query without a relevant candidate.

    >>> recall_at(np.array([[1, 3], [4, 2], [5, 0]]), 3)  # 2/2, 1/2, 0/1
    array([1. , 0.5, 0. ])
    """
    is_relevant = rank_QG > 0
    return _ratio((is_relevant & (rank_QG <= k)).sum(axis=1), np.minimum(k, is_relevant.sum(axis=1)))


def plain_recall_at(rank_QG: np.ndarray, k: int) -> np.ndarray:
    """The number of relevant candidates among the first k, divided by R, as trec_eval's `recall`.

    Args:
      rank_QG: as for `average_precision`.

    >>> plain_recall_at(np.array([[1, 3], [4, 2], [5, 0]]), 1)  # 1/2, 0/2, 0/1
    array([0.5, 0. , 0. ])
    """
    is_relevant = rank_QG > 0
    return _ratio((is_relevant & (rank_QG <= k)).sum(axis=1), is_relevant.sum(axis=1))


def reciprocal_rank(rank_QG: np.ndarray) -> np.ndarray:
    """1 / rank of the first relevant candidate, as trec_eval's `recip_rank`; arguments as for `average_precision`.

    >>> reciprocal_rank(np.array([[1, 3], [4, 2], [5, 0]]))
    array([1. , 0.5, 0.2])
    """
    is_relevant = rank_QG > 0
    first_Q = np.where(is_relevant, rank_QG, np.iinfo(np.int32).max).min(axis=1, initial=np.iinfo(np.int32).max)
    return _ratio(1.0 / first_Q, is_relevant.any(axis=1))


def ndcg_at(rank_QG: np.ndarray, k: int) -> np.ndarray:
    """nDCG of the first k with gains of 0 and 1, as trec_eval's `ndcg_cut`; arguments as for `average_precision`.

    >>> ndcg_at(np.array([[1, 3], [4, 0]]), 10)  # (1 + 1/2) / (1 + 1/log2(3)), 1/log2(5)
    array([0.91972079, 0.43067656])
    """
    is_relevant = rank_QG > 0
    gain_QG = np.where(is_relevant & (rank_QG <= k), 1.0 / np.log2(1.0 + np.maximum(rank_QG, 1)), 0.0)
    best_K = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    return _ratio(gain_QG.sum(axis=1), best_K[np.minimum(k, is_relevant.sum(axis=1))])


def _ratio(above_Q: np.ndarray, below_Q: np.ndarray) -> np.ndarray:
    return np.where(below_Q > 0, above_Q / np.where(below_Q > 0, below_Q, 1), np.nan)


def pool_metrics(rank_QG: np.ndarray) -> dict[str, np.ndarray]:
    """METRICS and FURTHER_METRICS in one pool: float64 [Q] each, from ranks as for `average_precision`."""
    values = {"map": average_precision(rank_QG)}
    values |= {f"recall@{k}": recall_at(rank_QG, k) for k in RECALL_DEPTHS}
    values |= {"mrr": reciprocal_rank(rank_QG), "ndcg@10": ndcg_at(rank_QG, 10)}
    return values | {f"R@{k}": plain_recall_at(rank_QG, k) for k in RECALL_DEPTHS}


def ranks_by_language(rank_QG: np.ndarray, language_QG: np.ndarray, languages: int) -> np.ndarray:
    """Groups the ranks of each query's relevant candidates by language.

    Args:
      rank_QG: int, ranks of the relevant candidates.
      language_QG: int, language number of each, -1 for none.
      languages: J.

    Returns:
      int [Q, J, W], 0 for none.

    >>> ranks_by_language(np.array([[4, 5, 6], [7, 8, 0]]), np.array([[1, 0, 1], [1, 1, -1]]), 2).tolist()
    [[[5, 0], [4, 6]], [[0, 0], [7, 8]]]
    """
    row_Q, column_Q = np.nonzero(language_QG >= 0)
    place = places_by_language(language_QG)[row_Q, column_Q]
    ranks_QJW = np.zeros((len(rank_QG), languages, int(place.max(initial=0)) + 1), rank_QG.dtype)
    ranks_QJW[row_Q, language_QG[row_Q, column_Q], place] = rank_QG[row_Q, column_Q]
    return ranks_QJW


@dataclasses.dataclass(frozen=True)
class QueryMetrics:
    """The metrics of every query in every pool; NaN if the query does not count there.

    Attributes:
      languages: codes of the J languages of the benchmark.
      language_Q: int [Q], number of each query's language.
      by_pool: metric -> float64 [Q, J], in the pool of each language; that of the query's language is monolingual.
      multilingual: metric or measure of language bias -> float64 [Q], in the pool of all candidates.
    """

    languages: tuple[str, ...]
    language_Q: np.ndarray
    by_pool: dict[str, np.ndarray]
    multilingual: dict[str, np.ndarray]


def query_metrics(
    rank_QG: np.ndarray,
    own_rank_QG: np.ndarray,
    relevant_QG: np.ndarray,
    query_languages: Sequence[str],
    candidate_languages: Sequence[str],
    languages: tuple[str, ...],
) -> QueryMetrics:
    """Metrics of every query from the ranks of its relevant candidates.

    Args:
      rank_QG: int, rank of each relevant candidate among all candidates; 0 for none.  Ranks from NOT_FOUND on add
        nothing to metrics; in rank distances NOT_FOUND is taken off.
      own_rank_QG: its rank among the candidates of its own pool.
      relevant_QG: int, indexes of the relevant candidates, padded with NO_CANDIDATE.
      query_languages, candidate_languages: codes of the Q queries and the N candidates.
      languages: the languages in the order of their numbers.
    """
    language_N = language_numbers(candidate_languages, languages)
    by_pool, multilingual = [], []
    for start in range(0, len(rank_QG), _QUERIES_AT_A_TIME):  # in parts, to bound the memory
        part = slice(start, start + _QUERIES_AT_A_TIME)
        language_qG = np.where(relevant_QG[part] == NO_CANDIDATE, -1, language_N[relevant_QG[part]])
        own_rank_qJW = ranks_by_language(own_rank_QG[part], language_qG, len(languages))
        pools = pool_metrics(own_rank_qJW.reshape(-1, own_rank_qJW.shape[2]))
        by_pool.append({metric: column.reshape(-1, len(languages)) for metric, column in pools.items()})
        bias = {
            RANK_DISTANCE: rank_distance(rank_QG[part] % NOT_FOUND, language_qG),
            STRONG_ALIGNMENT: strong_alignment(rank_QG[part]),
            ONE_LANGUAGE_MAP: one_language_map(rank_QG[part], language_qG),
        }
        multilingual.append(pool_metrics(rank_QG[part]) | bias)
    return QueryMetrics(
        languages=languages,
        language_Q=language_numbers(query_languages, languages),
        by_pool=_joined(by_pool),
        multilingual=_joined(multilingual),
    )


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def language_numbers(codes: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """int32: the position of each code in `languages`."""
    number = {code: index for index, code in enumerate(languages)}
    return np.array([number[code] for code in codes], np.int32)
