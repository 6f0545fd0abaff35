"""Scores of BM25 and of embeddings fused into one ranking, among all candidates and within each pool.

    rrf      1 / (60 + rank by BM25) + 1 / (60 + rank by embeddings); a candidate that shares no term with the query has
             no rank by BM25 (reciprocal rank fusion, Cormack, Clarke and Buettcher 2009, SIGIR)
    minmax   w * dense + (1 - w) * lexical, each scaled to 0 ... 1 within the pool (the convex combination of Bruch, Gai
             and Ingber 2023, arXiv 2210.11934)

Ranks are exact and follow the tie rule.  A candidate that a query does not search takes no place before others.
"""

from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.ranking.layout import PoolLayout
from hbt_jax.evaluation.ranking.rank import ScoreSource

RRF_CONSTANT = 60


def reciprocal_ranks(score_qN: np.ndarray, tie_N: np.ndarray) -> np.ndarray:
    """float64 [q, N]: 1 / (60 + rank), equal scores in the order of `tie_N`.

    >>> reciprocal_ranks(np.array([[0.1, 0.5, 0.5]]), np.array([0, 2, 1])).round(5)
    array([[0.01587, 0.01613, 0.01639]])
    """
    by_tie_N = np.argsort(tie_N)
    order_qN = by_tie_N[np.argsort(-score_qN[:, by_tie_N], axis=1, kind="stable")]
    found_qN = np.empty(score_qN.shape)
    np.put_along_axis(found_qN, order_qN, 1.0 / (RRF_CONSTANT + np.arange(1, len(tie_N) + 1)), axis=1)
    return found_qN


def scaled(score_qN: np.ndarray) -> np.ndarray:
    """float64 [q, N]: each row from 0 to 1; 0 where all scores are equal.

    >>> scaled(np.array([[1.0, 3.0, 2.0], [4.0, 4.0, 4.0]]))
    array([[0. , 1. , 0.5],
           [0. , 0. , 0. ]])
    """
    least_q1, most_q1 = (of(score_qN, axis=1, keepdims=True).astype(np.float64) for of in (np.min, np.max))
    return (score_qN - least_q1) / np.where(most_q1 > least_q1, most_q1 - least_q1, 1.0)


def fused(how: str, dense_qN: np.ndarray, lexical_qN: np.ndarray, tie_N: np.ndarray, weight: float) -> np.ndarray:
    """float32 [q, N]: the scores of one pool fused by `how`, "rrf" or "minmax"."""
    if how == "rrf":
        ranked_qN = reciprocal_ranks(lexical_qN, tie_N)
        found_qN = reciprocal_ranks(dense_qN, tie_N) + np.where(lexical_qN > 0, ranked_qN, 0.0)
    else:
        found_qN = weight * scaled(dense_qN) + (1.0 - weight) * scaled(lexical_qN)
    return found_qN.astype(np.float32)


def fused_scores(
    how: str,
    dense: Callable[[int, int], np.ndarray],
    lexical: ScoreSource,
    layout: PoolLayout,
    weight: float,
    excluded_QX: np.ndarray | None = None,
) -> ScoreSource:
    """The fused scores of a block of queries, see `rank.rank_score_blocks`.

    Args:
      how: "rrf" or "minmax".
      dense: given start and stop, float32 [stop - start, N], which do not depend on the pool.
      lexical: the scores of BM25.
      layout: of the candidates; its pools are those within which scores are fused.
      weight: of the dense scores, for "minmax".
      excluded_QX: int32 indexes of the candidates that each query does not search, padded with NO_CANDIDATE.
    """
    tie_N = layout.tie_M[layout.slot_N]

    def scores(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        dense_qN, (lexical_qN, own_lexical_qN) = dense(start, stop), lexical(start, stop)
        if excluded_QX is not None:
            rows, columns = np.nonzero(excluded_QX[start:stop] != NO_CANDIDATE)
            hidden = rows, excluded_QX[start:stop][rows, columns]
            dense_qN[hidden] = dense_qN.min(axis=1)[rows]
            lexical_qN[hidden] = own_lexical_qN[hidden] = 0.0
        own_qN = np.empty_like(dense_qN)
        for members in _pools(layout):
            one_qS = fused(how, dense_qN[:, members], own_lexical_qN[:, members], tie_N[members], weight)
            own_qN[:, members] = one_qS
        return fused(how, dense_qN, lexical_qN, tie_N, weight), own_qN

    return scores


def _pools(layout: PoolLayout) -> Iterator[np.ndarray]:
    """Yields the indexes of the candidates of each pool."""
    for slots in layout.slots.values():
        yield layout.candidate_M[slots]
