"""Exact ranks of relevant candidates, by counting the candidates that are placed before them.

The rank of a relevant candidate is 1 + the number of candidates of the pool with a greater score + the number with an
equal score that the tie rule (layout.py) places before it.  Nothing is cut off, so every rank is exact.

A query may have candidates that it does not search, such as itself.  Their scores are -inf, so they are placed after
all that it searches and are never listed.

Scores are inner products in float32.  All scores of a query come from one product with all candidates, and the score of
a relevant candidate is read from that same product: computed again in another shape, it could round differently.  A
program compiled for another number of queries may also round the last bit of a score differently, and so order two
nearly equal candidates differently.  So the number of queries in a block depends on the number of candidates alone, and
the last block is padded: the ranking of a query depends neither on the other queries nor on the number of devices.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE
from hbt_jax.evaluation.ranking.counts import counter
from hbt_jax.evaluation.ranking.layout import PoolLayout

ScoreSource = Callable[[int, int], tuple[np.ndarray, np.ndarray]]  # of `rank_score_blocks`

_BLOCK_SCORES = 2**21  # in one block of queries: 8 MiB in float32
_MOST_SCORES, _WORTHWHILE = 2**24, 64  # or 64 MiB for up to 64 queries: smaller blocks read all candidates too often
_AT_A_TIME = 2  # blocks computed concurrently
_LARGEST_BLOCK, _MULTIPLE = 512, 8  # the most queries in a block, and what their number is a multiple of


@dataclasses.dataclass(frozen=True)
class RankedQueries:
    """Scores and ranks of some consecutive queries.

    Attributes:
      start, stop: the queries of this block are start, ..., stop - 1.
      score_Mq: float32 [M, stop - start], scores among all candidates; -inf in empty slots and for candidates that the
        query does not search.
      own_score_Mq: the scores within the pool of each slot; a separate array only if a candidate's score depends on
        what else is searched, as with BM25.
      rank_qG: int32 [stop - start, G], rank of each relevant candidate among all candidates that the query searches; 0
        for none.
      own_rank_qG: its rank among the candidates of its own pool.
    """

    start: int
    stop: int
    score_Mq: np.ndarray
    own_score_Mq: np.ndarray
    rank_qG: np.ndarray
    own_rank_qG: np.ndarray

    @functools.cached_property
    def score_qM(self) -> np.ndarray:
        """`score_Mq` as [q, M], copied on first use."""
        return np.ascontiguousarray(self.score_Mq.T)

    @functools.cached_property
    def own_score_qM(self) -> np.ndarray:
        """`own_score_Mq` as [q, M]."""
        return self.score_qM if self.own_score_Mq is self.score_Mq else np.ascontiguousarray(self.own_score_Mq.T)


def rank_blocks(
    query_QD: np.ndarray,
    candidate_ND: np.ndarray,
    relevant_QG: np.ndarray,
    layout: PoolLayout,
    block_queries: int | None = None,
    excluded_QX: np.ndarray | None = None,
) -> Iterator[RankedQueries]:
    """Ranks every relevant candidate of every query, a block of queries at a time.

    Args:
      query_QD, candidate_ND: float32 embeddings.
      relevant_QG: int32 candidate indexes, padded with NO_CANDIDATE.
      layout: of the same candidates.
      block_queries: queries in a block.  None, as in every evaluation: as many as keep the scores within 8 MiB, or
        within 64 MiB for up to 64 queries, but at least 8.
      excluded_QX: int32 indexes of the candidates that each query does not search, padded in the same way; None: none.

    Raises:
      InputError: an embedding is not finite.
      ValueError: shapes do not agree.
    """
    excluded_QX = _none_excluded(len(query_QD)) if excluded_QX is None else excluded_QX
    _check_embeddings(query_QD, candidate_ND, layout)
    _check_indexes(len(query_QD), relevant_QG, excluded_QX, layout)
    used_M = jnp.asarray(layout.candidate_M != NO_CANDIDATE)
    candidate_MD = _in_slots(candidate_ND, layout)

    def scores(start: int, stop: int, hidden_qX: np.ndarray) -> tuple[jax.Array, jax.Array]:
        query_qD = np.pad(query_QD[start:stop], _filler(stop - start, len(hidden_qX))).astype(np.float32)
        score_Mq = _scores(query_qD, candidate_MD, used_M, hidden_qX)
        return score_Mq, score_Mq

    return _ranked(scores, relevant_QG, layout, block_queries, excluded_QX)


def rank_score_blocks(
    scores: ScoreSource,
    relevant_QG: np.ndarray,
    layout: PoolLayout,
    block_queries: int | None = None,
    excluded_QX: np.ndarray | None = None,
) -> Iterator[RankedQueries]:
    """Ranks by scores that were made elsewhere, with the same tie rule; other arguments as for `rank_blocks`.

    Args:
      scores: given start and stop, returns the scores of the queries start, ..., stop - 1: float32 [stop - start, N]
        among all candidates, and [stop - start, N] within each candidate's pool.

    Raises:
      ValueError: shapes do not agree.
    """
    excluded_QX = _none_excluded(len(relevant_QG)) if excluded_QX is None else excluded_QX
    _check_indexes(len(relevant_QG), relevant_QG, excluded_QX, layout)
    used_M = jnp.asarray(layout.candidate_M != NO_CANDIDATE)

    def hidden(start: int, stop: int, hidden_qX: np.ndarray) -> tuple[jax.Array, jax.Array]:
        expected = (stop - start, len(layout.slot_N))
        filler = _filler(stop - start, len(hidden_qX))
        found = []
        for score_qN in scores(start, stop):
            if score_qN.shape != expected:
                raise ValueError(f"scores {score_qN.shape} of queries {start} to {stop - 1}: expected {expected}")
            found.append(_hide(np.pad(score_qN[:, layout.candidate_M], filler).T, used_M, hidden_qX))
        score_Mq, own_score_Mq = found
        return score_Mq, own_score_Mq

    return _ranked(hidden, relevant_QG, layout, block_queries, excluded_QX)


def _none_excluded(queries: int) -> np.ndarray:
    return np.empty((queries, 0), np.int32)


def _filler(queries: int, columns: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding of a block: with it the last block keeps the shape, so nothing is compiled again."""
    return (0, columns - queries), (0, 0)


def _ranked(
    scores: Callable[[int, int, np.ndarray], tuple[jax.Array, jax.Array]],
    relevant_QG: np.ndarray,
    layout: PoolLayout,
    block_queries: int | None,
    excluded_QX: np.ndarray,
) -> Iterator[RankedQueries]:
    """Ranks block by block; the next blocks are computed while the caller uses one.

    Given start, stop and hidden slots, `scores` returns the scores [M, q] of a block among all and within pools.
    """
    queries, slots = len(relevant_QG), len(layout.candidate_M)
    size = block_queries or _block_queries(slots)
    count_before = counter(layout.tie_M, layout.pool_T, list(layout.slots.values()), relevant_QG.shape[1])

    def block(start: int) -> RankedQueries:
        stop = min(start + size, queries)
        filler = _filler(stop - start, size)
        relevant_qG = np.pad(relevant_QG[start:stop], filler, constant_values=NO_CANDIDATE)
        slot_qG = np.where(relevant_qG >= 0, layout.slot_N[relevant_qG], -1).astype(np.int32)
        excluded_qX = np.pad(excluded_QX[start:stop], filler, constant_values=NO_CANDIDATE)
        hidden_qX = np.where(excluded_qX >= 0, layout.slot_N[excluded_qX], slots).astype(np.int32)
        score_Mq, own_score_Mq = scores(start, stop, hidden_qX)
        before_qG, own_before_qG = count_before(score_Mq, slot_qG)
        if own_score_Mq is not score_Mq:
            _, own_before_qG = count_before(own_score_Mq, slot_qG)
        real = slice(0, stop - start)
        is_relevant = relevant_qG[real] >= 0
        on_host_Mq = np.asarray(score_Mq)[:, real]
        return RankedQueries(
            start,
            stop,
            on_host_Mq,
            on_host_Mq if own_score_Mq is score_Mq else np.asarray(own_score_Mq)[:, real],
            np.where(is_relevant, 1 + np.asarray(before_qG)[real], 0),
            np.where(is_relevant, 1 + np.asarray(own_before_qG)[real], 0),
        )

    with ThreadPoolExecutor(_AT_A_TIME) as threads:  # on a CPU, XLA runs a loop in one thread, so two blocks use two
        waiting: collections.deque = collections.deque()
        for start in range(0, queries, size):
            waiting.append(threads.submit(block, start))
            if len(waiting) > _AT_A_TIME:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _block_queries(slots: int) -> int:
    """The number of queries in a block, for this many slots.

    >>> [_block_queries(slots) for slots in (5_000, 14_000, 262_144, 3_000_000)]
    [416, 144, 64, 8]
    """
    fit = max(_BLOCK_SCORES // slots, min(_WORTHWHILE, _MOST_SCORES // slots))
    return min(_LARGEST_BLOCK, max(_MULTIPLE, fit // _MULTIPLE * _MULTIPLE))


def _in_slots(candidate_ND: np.ndarray, layout: PoolLayout) -> jax.Array:
    """float32 [M, D]: the embedding of the candidate in each slot, zeros in empty slots."""
    candidate_MD = candidate_ND[layout.candidate_M].astype(np.float32, copy=False)
    candidate_MD[layout.candidate_M == NO_CANDIDATE] = 0.0
    return jnp.asarray(candidate_MD)


@jax.jit
def _scores(query_qD: jax.Array, candidate_MD: jax.Array, used_M: jax.Array, hidden_qX: jax.Array) -> jax.Array:
    """float32 [M, q]: inner products at full float32 precision (TPUs default to bfloat16 passes).

    -inf in unused slots and in the slots `hidden_qX` of each query, in which M stands for none.
    """
    score_Mq = jnp.einsum(
        "qd,md->mq", query_qD, candidate_MD, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    return _hide(score_Mq, used_M, hidden_qX)


@jax.jit
def _hide(score_Mq: jax.Array, used_M: jax.Array, hidden_qX: jax.Array) -> jax.Array:
    """The scores, with -inf in unused slots and in the slots `hidden_qX` of each query."""
    column_q1 = jnp.arange(score_Mq.shape[1])[:, None]
    return jnp.where(used_M[:, None], score_Mq, -jnp.inf).at[hidden_qX, column_q1].set(-jnp.inf, mode="drop")


def _check_embeddings(query_QD: np.ndarray, candidate_ND: np.ndarray, layout: PoolLayout) -> None:
    candidates = len(layout.slot_N)
    if query_QD.ndim != 2 or candidate_ND.shape != (candidates, query_QD.shape[1]):
        raise ValueError(
            f"embeddings of queries {query_QD.shape} and candidates {candidate_ND.shape}: expected [Q, D] and"
            f" [N, D] with N = {candidates} candidates"
        )
    for side, embeddings in (("query", query_QD), ("candidate", candidate_ND)):
        bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
        if bad.size:
            raise InputError(
                f"{bad.size} of {len(embeddings)} {side} embeddings are not finite, the first is number {bad[0]}:"
                " expected finite numbers only"
            )


def _check_indexes(queries: int, relevant_QG: np.ndarray, excluded_QX: np.ndarray, layout: PoolLayout) -> None:
    candidates = len(layout.slot_N)
    if len(relevant_QG) != queries or relevant_QG.max() >= candidates:
        raise ValueError(
            f"relevant candidates {relevant_QG.shape}, largest index {relevant_QG.max()}: expected {queries}"
            f" rows and indexes below {candidates}"
        )
    if len(excluded_QX) != queries or excluded_QX.max(initial=NO_CANDIDATE) >= candidates:
        raise ValueError(
            f"excluded candidates {excluded_QX.shape}, largest index {excluded_QX.max(initial=NO_CANDIDATE)}: expected"
            f" {queries} rows and indexes below {candidates}"
        )
