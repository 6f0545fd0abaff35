"""Language bias: whether the rank of an answer depends on its language, in the pool of all candidates.

The values of queries are averaged over the queries of a language, then over query languages:

    rank distance      how far apart the answers to a query in different languages rank
    strong alignment   how often all answers rank before everything else
    one-language mAP   mAP of the pool if only one language held an answer, so that none brings others with it
    similarity gap     how much closer other texts in the query's language are than answers in other languages

A fourth view is in top_languages.py: the languages of the first ten candidates.
"""

import functools

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE

RANK_DISTANCE_DEFINITION = (
    "in the pool of all candidates, the worst rank minus the best rank over the languages of a query's relevant"
    " candidates (each language stands by its best-ranked one); queries relevant in one language do not count"
)
STRONG_ALIGNMENT_DEFINITION = (
    "share of queries that have every relevant candidate, in whatever language, before every other candidate of the"
    " pool of all (the strong alignment of LAReQA, arXiv 2004.05484, as a rate)"
)
ONE_LANGUAGE_MAP_DEFINITION = (
    "average precision in the pool of all candidates without those that are relevant in any but one language; mean over"
    " the languages of a query's relevant candidates"
)
SIMILARITY_GAP_DEFINITION = (
    "mean score of a query and the candidates of its own language that are not relevant to it, minus its mean score"
    " with the relevant ones in other languages; above 0, language counts for more than meaning; queries without one of"
    " the two do not count"
)

_QUERIES_AT_A_TIME = 8192


def rank_distance(rank_QG: np.ndarray, language_QG: np.ndarray) -> np.ndarray:
    """The rank distance of each query (arXiv 2408.10536); lower is better.

    The paper has one relevant passage per language.  If a language has several, as in XM3600, the best-ranked one
    represents it, so the number compares languages and does not grow with the number of candidates.  The query's own
    language is represented by the other captions in it, if any.

    Args:
      rank_QG: int, ranks (from 1) of the relevant candidates among all candidates; any value for none.
      language_QG: int, language number of each relevant candidate, -1 for none.

    Returns:
      float64 [Q], NaN for a query whose relevant candidates are all in one language.

    >>> rank_distance(np.array([[2, 9], [9, 4], [7, 0]]), np.array([[0, 1], [3, 3], [0, -1]]))
    array([ 7., nan, nan])
    """
    best_rank = []
    for number in range(int(language_QG.max(initial=0)) + 1):
        best_rank.append(np.where(language_QG == number, rank_QG, np.inf).min(axis=1))
    best_QJ = np.stack(best_rank, axis=1)
    present_QJ = np.isfinite(best_QJ)
    worst_Q = np.where(present_QJ, best_QJ, -np.inf).max(axis=1)
    several_Q = present_QJ.sum(axis=1) >= 2
    return np.where(several_Q, np.where(several_Q, worst_Q, 0) - np.where(several_Q, best_QJ.min(axis=1), 0), np.nan)


def strong_alignment(rank_QG: np.ndarray) -> np.ndarray:
    """Whether all relevant candidates of a query rank before all others: 1 or 0.

    LAReQA (Roy et al. 2020, arXiv 2004.05484, section 1) calls languages strongly aligned if all relevant items are
    closer than all irrelevant ones, whatever their languages.

    Args:
      rank_QG: int, ranks (from 1) of the relevant candidates among all candidates, 0 for none.

    Returns:
      float64 [Q], NaN for a query without a relevant candidate.

    >>> strong_alignment(np.array([[2, 1], [1, 3], [1, 0], [0, 0]]))
    array([ 1.,  0.,  1., nan])
    """
    relevant_Q = (rank_QG > 0).sum(axis=1)
    return np.where(relevant_Q > 0, rank_QG.max(axis=1) == relevant_Q, np.nan)


def one_language_map(rank_QG: np.ndarray, language_QG: np.ndarray) -> np.ndarray:
    """Average precision where only one language holds relevant candidates, mean over the languages that hold some.

    A pool with the answer in every language flatters a model that makes languages alike: one answer that ranks well
    brings all others with it.  Here the relevant candidates of all languages but one are taken out of the ranking, for
    each of them in turn.

    Args:
      rank_QG: int, ranks (from 1) of the relevant candidates among all candidates, 0 for none.
      language_QG: int, language number of each relevant candidate, -1 for none.

    Returns:
      float64 [Q], NaN for a query without a relevant candidate.

    >>> one_language_map(np.array([[1, 2], [4, 1], [1, 3]]), np.array([[0, 1], [0, 1], [0, 0]]))
    array([1.        , 0.66666667, 0.83333333])

    Alone, the answer at rank 4 of the second query would be at 3: (1/3 + 1/1) / 2.  The third has one language.
    """
    is_relevant_QG = rank_QG > 0
    order_QG = np.argsort(np.where(is_relevant_QG, rank_QG, np.iinfo(rank_QG.dtype).max), axis=1, kind="stable")
    rank_QG, is_relevant_QG, language_QG = (
        np.take_along_axis(each, order_QG, axis=1) for each in (rank_QG, is_relevant_QG, language_QG)
    )
    found_QG = places_by_language(language_QG) + 1  # relevant ones of the language, down to this one
    alone_QG = np.maximum(rank_QG - (np.arange(rank_QG.shape[1]) + 1 - found_QG), 1)
    precision_QG = np.where(is_relevant_QG, found_QG / alone_QG, 0.0)
    languages = int(language_QG.max(initial=0)) + 1
    row_X, column_X = np.nonzero(is_relevant_QG)
    place_X = row_X * languages + language_QG[row_X, column_X]
    places, precision_X = len(rank_QG) * languages, precision_QG[row_X, column_X]
    sum_and_count = np.stack([np.bincount(place_X, precision_X, places), np.bincount(place_X, minlength=places)])
    value_QJ = _quotient(sum_and_count).reshape(-1, languages)
    return _quotient(np.stack([np.nansum(value_QJ, axis=1), np.isfinite(value_QJ).sum(axis=1)]))


def places_by_language(language_QG: np.ndarray) -> np.ndarray:
    """For each relevant candidate, how many before it in its row have the same language number: int [Q, G]."""
    order_QG = np.argsort(language_QG, axis=1, kind="stable")
    sorted_QG = np.take_along_axis(language_QG, order_QG, axis=1)
    column_G = np.arange(language_QG.shape[1])
    is_first_QG = np.diff(sorted_QG, axis=1, prepend=-2) != 0
    place_QG = column_G - np.maximum.accumulate(np.where(is_first_QG, column_G, 0), axis=1)
    found_QG = np.empty_like(place_QG)
    np.put_along_axis(found_QG, order_QG, place_QG, axis=1)
    return found_QG


def similarity_gap(
    query_QD: np.ndarray,
    candidate_ND: np.ndarray,
    relevant_QG: np.ndarray,
    excluded_QX: np.ndarray | None,
    language_Q: np.ndarray,
    language_N: np.ndarray,
) -> np.ndarray:
    """How much closer a query is to other texts in its language than to relevant texts in other languages.

    The mean score over many candidates is the score with their sum divided by their number, so only the scores of
    relevant and excluded candidates are computed one by one.

    Args:
      query_QD, candidate_ND: float32 embeddings; the score is their inner product.
      relevant_QG: int32 indexes of relevant candidates, padded with NO_CANDIDATE.
      excluded_QX: int32 indexes of candidates that a query does not search, padded in the same way; None: none.
      language_Q, language_N: int language numbers.

    Returns:
      float64 [Q]: mean score of the candidates in the query's language that are not relevant, minus the mean score of
      the relevant ones in other languages; NaN for a query without one of the two.
    """
    if excluded_QX is None:
        excluded_QX = np.empty((len(query_QD), 0), np.int32)
    size_J = np.bincount(language_N, minlength=language_Q.max() + 1)
    sum_JD = np.zeros((len(size_J), candidate_ND.shape[1]))
    for number in np.flatnonzero(size_J):
        sum_JD[number] = candidate_ND[language_N == number].sum(axis=0, dtype=np.float64)
    gaps = []
    for start in range(0, len(query_QD), _QUERIES_AT_A_TIME):
        part = slice(start, start + _QUERIES_AT_A_TIME)
        query_qD, code_q = query_QD[part], language_Q[part]
        score = functools.partial(_sums, query_qD, code_q, candidate_ND, language_N)
        own_2q, other_2q = score(relevant_QG[part])
        all_2q = np.stack([np.einsum("qd,qd->q", query_qD, sum_JD[code_q]), size_J[code_q]])
        left_2q = all_2q - own_2q - score(excluded_QX[part])[0]
        gaps.append(_quotient(left_2q) - _quotient(other_2q))
    return np.concatenate(gaps)


def _sums(query_qD, code_q, candidate_ND, language_N, index_qG) -> tuple[np.ndarray, np.ndarray]:
    """Sums of scores and numbers of the candidates in the query's language, and of those in others: [2, q] each."""
    own_2q, other_2q = np.zeros((2, 2, len(code_q)))
    for index_q in index_qG.T:
        row_q = np.flatnonzero(index_q != NO_CANDIDATE)
        index_q = index_q[row_q]
        scores = np.stack([np.einsum("qd,qd->q", query_qD[row_q], candidate_ND[index_q]), np.ones(len(row_q))])
        is_own = language_N[index_q] == code_q[row_q]
        own_2q[:, row_q] += np.where(is_own, scores, 0.0)
        other_2q[:, row_q] += np.where(is_own, 0.0, scores)
    return own_2q, other_2q


def _quotient(sum_and_count_2q: np.ndarray) -> np.ndarray:
    sum_q, count_q = sum_and_count_2q
    return np.where(count_q > 0, sum_q / np.maximum(count_q, 1), np.nan)
