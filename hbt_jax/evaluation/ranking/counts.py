"""Counts the candidates placed before relevant ones; exact ranks (rank.py) follow from the counts.

A candidate is placed before a relevant one if its score is greater, or if it is equal and its place in the tie order is
smaller.  Scores are stored as [M, q], so that a processor compares the scores of many queries at once and adds up 128
candidates in bytes.  On a CPU this is several times as fast as counting along the rows of [q, M].

Comparing all M scores of a query with each of its G relevant ones reads the scores G times.  If G is large, as for the
captions of a picture in 36 languages, a CPU sorts the scores once and looks the relevant ones up; only candidates that
tie with a relevant one are then compared with it one by one.
"""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np


def count_by_sorting(
    score_qM: jax.Array | np.ndarray, slot_qG: np.ndarray, tie_M: np.ndarray, pools: Sequence[slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Counts the candidates placed before each relevant one: among all, and among those of its pool.

    Args:
      score_qM: float32 scores, -inf for candidates that a query does not search.
      slot_qG: int slots of the relevant candidates, -1 for none.
      tie_M: int32, place of each slot's candidate in the tie order; smaller comes first.
      pools: the slots of each pool, ascending.

    Returns:
      Two int32 arrays [q, G], 0 for no relevant candidate.
    """
    score_qM = np.asarray(score_qM)
    before_2qG = np.zeros((2, *slot_qG.shape), np.int32)

    def count(row: int) -> None:
        there_G = slot_qG[row] >= 0
        before_2qG[:, row, there_G] = _count_row(score_qM[row], slot_qG[row, there_G], tie_M, pools)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy releases the GIL while it sorts
        list(threads.map(count, range(len(slot_qG))))
    return before_2qG[0], before_2qG[1]


def _count_row(score_M: np.ndarray, slot_G: np.ndarray, tie_M: np.ndarray, pools: Sequence[slice]) -> np.ndarray:
    """int [2, G]: for one query, how many candidates are before each relevant one, among all and in its pool."""
    mine_G = score_M[slot_G]
    ascending_M = np.sort(score_M)
    upto_G = np.searchsorted(ascending_M, mine_G, side="right")
    alone_G = upto_G - np.searchsorted(ascending_M, mine_G, side="left") == 1
    before_2G = np.stack([len(score_M) - upto_G, np.zeros_like(upto_G)])
    pool_G = np.searchsorted([pool.start for pool in pools], slot_G, side="right") - 1
    for place, (slot, mine, pool) in enumerate(zip(slot_G, mine_G, pool_G, strict=True)):
        own = pools[pool]
        before_2G[1, place] = np.count_nonzero(score_M[own] > mine)
        if not alone_G[place]:
            is_tied_before_M = (score_M == mine) & (tie_M < tie_M[slot])
            before_2G[0, place] += np.count_nonzero(is_tied_before_M)
            before_2G[1, place] += np.count_nonzero(is_tied_before_M[own])
    return before_2G


TILE = 128  # candidates counted together; fewer than 256, so that a byte holds their number
MANY_RELEVANT = 16  # from here on a CPU sorts the scores of a query faster than it reads them once for each


def counter(
    tie_M: np.ndarray, pool_T: np.ndarray, pools: Sequence[slice], most_relevant: int
) -> Callable[[jax.Array, np.ndarray], tuple[jax.Array | np.ndarray, jax.Array | np.ndarray]]:
    """The fastest way to count on this platform: a function (scores [M, q], slots [q, G]) -> counts.

    Args:
      tie_M: int32, place of each slot's candidate in the tie order; smaller comes first.
      pool_T: int32, number of each tile's pool.
      pools: the slots of each pool, ascending.
      most_relevant: G.

    Returns:
      A function of float32 scores [M, q], -inf for candidates that a query does not search, and int32 slots [q, G] of
      relevant candidates, -1 for none.  It returns two int32 arrays [q, G]: how many candidates are placed before each
      relevant one among all, and among those of its pool.  Values for slot -1 are meaningless.
    """
    if jax.default_backend() == "cpu" and most_relevant >= MANY_RELEVANT:
        by_row = functools.partial(count_by_sorting, tie_M=tie_M, pools=pools)
        return lambda score_Mq, slot_qG: by_row(np.ascontiguousarray(np.asarray(score_Mq).T), slot_qG)
    return functools.partial(count_before, tie_M=jnp.asarray(tie_M), pool_T=jnp.asarray(pool_T))


@jax.jit
def count_before(
    score_Mq: jax.Array, slot_qG: jax.Array, tie_M: jax.Array, pool_T: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Counts on the device, tile by tile, for all relevant candidates of all queries; see `counter`."""
    queries, tiles = score_Mq.shape[1], len(pool_T)
    slot_Gq = jnp.maximum(slot_qG.T, 0)
    mine_G1q = jnp.take_along_axis(score_Mq, slot_Gq, axis=0)[:, None]
    tie_G1q = tie_M[slot_Gq][:, None]

    def in_tile(_, tile: tuple[jax.Array, jax.Array]) -> tuple[None, jax.Array]:
        score_1tq, tie_1t1 = tile[0][None], tile[1][None, :, None]
        is_before_Gtq = (score_1tq > mine_G1q) | ((score_1tq == mine_G1q) & (tie_1t1 < tie_G1q))
        return None, jnp.sum(is_before_Gtq, axis=1, dtype=jnp.uint8)

    by_tile = score_Mq.reshape(tiles, TILE, queries), tie_M.reshape(tiles, TILE)
    _, before_TGq = jax.lax.scan(in_tile, None, by_tile)
    is_own_TGq = pool_T[:, None, None] == pool_T[slot_Gq // TILE]
    count = functools.partial(jnp.sum, axis=0, dtype=jnp.int32)
    return count(before_TGq).T, count(jnp.where(is_own_TGq, before_TGq, 0)).T
