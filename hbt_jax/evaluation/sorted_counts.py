"""Candidates placed before each of many relevant ones, counted in sorted scores: the counts of ranking.py, on a CPU.

Comparing all M scores of a query with each of its G relevant ones reads them G times.  Where G is large, as with the
captions of a picture in 36 languages, sorting the scores once and looking the relevant ones up in them costs less.
Only candidates that tie with a relevant one are then compared with it one by one, by the stated rule.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np


def count_before(
    score_qM: jax.Array | np.ndarray, slot_qG: np.ndarray, tie_M: np.ndarray, pools: Sequence[slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Counts the candidates placed before each relevant one: among all, and among those of its pool.

    Args:
      score_qM: float32 scores, -inf where a query does not search.
      slot_qG: int slots of the relevant candidates, -1 where there is none.
      tie_M: int32, place of each slot's candidate in the tie order; smaller comes first.
      pools: the slots of each pool, ascending.

    Returns:
      Two int32 arrays [q, G], 0 where there is no relevant candidate.
    """
    score_qM = np.asarray(score_qM)
    before_2qG = np.zeros((2, *slot_qG.shape), np.int32)

    def count(row: int) -> None:
        there_G = slot_qG[row] >= 0
        before_2qG[:, row, there_G] = _count_row(score_qM[row], slot_qG[row, there_G], tie_M, pools)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # numpy sorts without holding other threads up
        list(threads.map(count, range(len(slot_qG))))
    return before_2qG[0], before_2qG[1]


def _count_row(score_M: np.ndarray, slot_G: np.ndarray, tie_M: np.ndarray, pools: Sequence[slice]) -> np.ndarray:
    """int [2, G]: of one query, before each of its relevant candidates among all and in its pool."""
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
