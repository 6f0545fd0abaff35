"""Finds exactly the best candidates of each query, in corpora that are too large to rank completely.

A first pass lists more candidates than asked for, in whatever precision is fast (first_pass.py).  Its error is bounded
(bound.py), so it is known which candidates can matter; only these get a final score: the inner product, summed in
float64 in a fixed order and rounded to float32.  A query is certified if its last wanted final score is above all that
an unlisted candidate could score.  For the other queries all candidates are examined again in float32, and each that
could reach the query's last wanted score gets a final score.

So the result depends on the embeddings alone: not on the blocks, devices, precision or library of the first pass.

    scores of one query 0.90 0.80 0.79 0.50, pass off by 0.02 at most, depth 2, listed 0.91 0.80 0.78; unlisted <= 0.60
    final scores of the three: 0.90 0.80 0.79; 0.80 > 0.60 + 0.02 certifies 0.90 and 0.80

Tie rule: equal final scores are ordered by `tie_N`, ascending, then by index.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.search import first_pass
from hbt_jax.evaluation.search.bound import Bound

_LONGEST = 1e18  # norm; the products of longer embeddings would overflow float32
_QUERIES = 2048  # in one pass over the candidates
_FALLBACK_QUERIES = 256
_FALLBACK_BLOCK = 4096
_PAIRS = 1024  # whose embeddings are held in float64 at a time


@dataclasses.dataclass(frozen=True)
class TopCandidates:
    """The best candidates of Q queries.

    Attributes:
      score_QK: float32, final scores in descending order; -inf beyond the last candidate.
      index_QK: int64, their indexes; -1 beyond the last candidate.
      fallbacks: how many queries the first pass could not certify; for these, all candidates were examined again.
    """

    score_QK: np.ndarray
    index_QK: np.ndarray
    fallbacks: int


def top_candidates(
    query_QD: np.ndarray,
    candidate_ND: np.ndarray,
    depth: int,
    *,
    tie_N: np.ndarray | None = None,
    least_Q: np.ndarray | None = None,
    how: first_pass.FirstPass = first_pass.AUTO,
    poll: Callable[[], None] = lambda: None,
) -> TopCandidates:
    """The `depth` candidates with the largest inner product with each query, exactly.

    Besides the arguments, memory does not grow with the number of candidates.  In a job of several processes, each
    calls this with its own candidates; the best of what the processes found, in the same order, are the best of all.

    Args:
      query_QD, candidate_ND: float32.
      depth: K.
      tie_N: integers that order candidates with equal scores, smaller first; None: their indexes.
      least_Q: float32, for each query a score below which candidates are not wanted, such as the last of those found
        so far; no final scores are computed for them.  None: all are wanted.
      how: the way to do the first pass; every way finds the same.
      poll: called between blocks; raises to stop.

    Raises:
      InputError: an embedding is not finite, or longer than 1e18.
      ValueError: shapes do not agree, or there is no such method.
    """
    least_Q = np.full(len(query_QD), -np.inf, np.float32) if least_Q is None else least_Q
    _check_shapes(query_QD, candidate_ND, depth, tie_N, least_Q)
    how = how._replace(method=first_pass.resolve(how.method))
    query_QD = np.ascontiguousarray(query_QD, np.float32)
    _check_lengths("query", _blocks(query_QD))
    score_QK = np.full((len(query_QD), depth), -np.inf, np.float32)
    index_QK = np.full((len(query_QD), depth), -1, np.int64)
    fallbacks = 0
    for start in range(0, len(query_QD) if len(candidate_ND) else 0, _QUERIES):
        part = slice(start, start + _QUERIES)
        pairs = _PairScores(query_QD[part], candidate_ND, tie_N)
        listed = first_pass.list_candidates(pairs.query_qD, candidate_ND, depth, how, poll)
        if not listed.longest <= _LONGEST:
            _check_lengths("candidate", _blocks(candidate_ND))
        is_certain_q = _settle(pairs, listed, least_Q[part], score_QK[part], index_QK[part])
        uncertain = start + np.flatnonzero(~is_certain_q)
        for first in range(0, len(uncertain), _FALLBACK_QUERIES):
            rows = uncertain[first : first + _FALLBACK_QUERIES]
            pairs = _PairScores(query_QD[rows], candidate_ND, tie_N)
            least_q = np.maximum(score_QK[rows, -1], least_Q[rows])
            score_QK[rows], index_QK[rows] = _go_through(pairs, least_q, depth, listed.longest, poll)
        fallbacks += len(uncertain)
    return TopCandidates(score_QK, index_QK, fallbacks)


class _PairScores:
    """Final scores of pairs of a query and a candidate, and their order."""

    def __init__(self, query_qD: np.ndarray, candidate_ND: np.ndarray, tie_N: np.ndarray | None):
        self.query_qD, self.candidate_ND, self._tie_N = query_qD, candidate_ND, tie_N
        self._exact_qD = query_qD.astype(np.float64)

    def scores(self, row_X: np.ndarray, index_X: np.ndarray) -> np.ndarray:
        """float32 [X]: for each pair, the sum of its D products, which are exact in float64."""
        score_X = np.empty(len(row_X), np.float32)
        for start in range(0, len(row_X), _PAIRS):
            part = slice(start, start + _PAIRS)
            candidate_XD = self.candidate_ND[index_X[part]].astype(np.float64)
            score_X[part] = (self._exact_qD[row_X[part]] * candidate_XD).sum(axis=1)
        return score_X

    def best(self, row_X, index_X, score_X, least_q, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """(float32, int64) [q, K]: the first pairs of each query by score, tie order and index, padded."""
        wanted = np.flatnonzero(score_X >= least_q[row_X])
        row_X, index_X, score_X = row_X[wanted], index_X[wanted], score_X[wanted]
        keys = (index_X,) if self._tie_N is None else (index_X, self._tie_N[index_X])
        order_X = np.lexsort((*keys, -score_X, row_X))
        row_X, index_X, score_X = row_X[order_X], index_X[order_X], score_X[order_X]
        queries = len(self.query_qD)
        place_X = np.arange(len(row_X)) - np.searchsorted(row_X, np.arange(queries))[row_X]
        kept = np.flatnonzero(place_X < depth)
        score_qK = np.full((queries, depth), -np.inf, np.float32)
        index_qK = np.full((queries, depth), -1, np.int64)
        score_qK[row_X[kept], place_X[kept]] = score_X[kept]
        index_qK[row_X[kept], place_X[kept]] = index_X[kept]
        return score_qK, index_qK


def _settle(
    pairs: _PairScores, listed: first_pass.Listed, least_q: np.ndarray, score_qK: np.ndarray, index_qK: np.ndarray
) -> np.ndarray:
    """Writes the best of the listed candidates; returns, for each query, whether they are the best of all: bool [q].

    A listed candidate gets a final score unless `depth` others are ahead of it by more than twice the error of the
    pass, or it cannot reach the least score wanted.
    """
    depth = score_qK.shape[1]
    last_q = np.full(len(score_qK), -np.inf)
    if listed.score_qC.shape[1] >= depth:
        last_q = np.partition(listed.score_qC, -depth, axis=1)[:, -depth].astype(np.float64)
    needed_q = np.maximum(last_q - 2 * listed.error_q, least_q - listed.offset_q - listed.error_q)
    may_matter_qC = (listed.index_qC >= 0) & (listed.score_qC >= needed_q[:, None])
    row_X, column_X = np.nonzero(may_matter_qC)
    index_X = listed.index_qC[row_X, column_X]
    score_qK[:], index_qK[:] = pairs.best(row_X, index_X, pairs.scores(row_X, index_X), least_q, depth)
    return (listed.most_q == -np.inf) | (np.maximum(score_qK[:, -1], least_q) > listed.most_q)


def _go_through(
    pairs: _PairScores, least_q: np.ndarray, depth: int, longest: float, poll: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """The best of all candidates, using float32 products only to leave out those that cannot be among them.

    Args:
      pairs: the queries and all candidates.
      least_q: float32, final scores below which candidates are not wanted.
      depth: K.
      longest: the largest norm of a candidate.
      poll: called between blocks; raises to stop.
    """
    unshifted = np.zeros(pairs.query_qD.shape[1], np.float32)
    error_q = Bound(pairs.query_qD, unshifted, "float32").error_q(longest, 0.0)
    row_X = index_X = np.zeros(0, np.int64)
    score_X = np.zeros(0, np.float32)
    for start, candidate_SD in zip(
        range(0, len(pairs.candidate_ND), _FALLBACK_BLOCK), _blocks(pairs.candidate_ND), strict=True
    ):
        poll()
        product_qS = pairs.query_qD @ candidate_SD.T
        row, column = np.nonzero(product_qS >= (least_q - error_q)[:, None])
        row_X, index_X = np.concatenate([row_X, row]), np.concatenate([index_X, start + column])
        score_X = np.concatenate([score_X, pairs.scores(row, start + column)])
        score_qK, index_qK = pairs.best(row_X, index_X, score_X, least_q, depth)
        least_q = np.maximum(least_q, score_qK[:, -1])
        row_X, column_X = np.nonzero(index_qK >= 0)
        index_X, score_X = index_qK[row_X, column_X], score_qK[row_X, column_X]
    return score_qK, index_qK


def _blocks(embedding_ND: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(embedding_ND), _FALLBACK_BLOCK):
        yield embedding_ND[start : start + _FALLBACK_BLOCK]


def _check_shapes(query_QD, candidate_ND, depth: int, tie_N, least_Q) -> None:
    if query_QD.ndim != 2 or candidate_ND.ndim != 2 or query_QD.shape[1] != candidate_ND.shape[1]:
        raise ValueError(
            f"embeddings of queries {query_QD.shape} and candidates {candidate_ND.shape}: expected [Q, D] and [N, D]"
        )
    if candidate_ND.dtype != np.float32:
        raise ValueError(f"candidates of dtype {candidate_ND.dtype}: expected float32")
    if depth < 1:
        raise ValueError(f"depth {depth}: expected 1 or more")
    if least_Q.shape != (len(query_QD),):
        raise ValueError(f"least scores of shape {least_Q.shape}: expected one for each of {len(query_QD)} queries")
    if tie_N is not None and tie_N.shape != (len(candidate_ND),):
        raise ValueError(
            f"tie order of shape {tie_N.shape}: expected one number for each of {len(candidate_ND)} candidates"
        )


def _check_lengths(side: str, parts: Iterator[np.ndarray]) -> None:
    """Raises InputError if an embedding is not finite or too long; they come in parts."""
    norms = [np.linalg.norm(part.astype(np.float64), axis=1) for part in parts]
    norm_N = np.concatenate([np.zeros(0), *norms])
    bad = np.flatnonzero(~np.isfinite(norm_N))
    if bad.size:
        raise InputError(
            f"{bad.size} of {len(norm_N)} {side} embeddings are not finite, the first is number {bad[0]}:"
            " expected finite numbers only"
        )
    if norm_N.max(initial=0.0) > _LONGEST:
        raise InputError(
            f"{side} embedding number {norm_N.argmax()} has norm {norm_N.max():.1e}: expected at most {_LONGEST:.0e},"
            " beyond which products overflow float32; normalise the embeddings"
        )
