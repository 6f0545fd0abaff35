"""Candidates placed before each of many relevant ones, counted in sorted scores: the counts of ranking.py, on a CPU.

Comparing all M scores of a query with each of its G relevant ones reads them G times.  Where G is large, as with the
captions of a picture in 36 languages, sorting the scores once and looking the relevant ones up in them costs less.
Only candidates that tie with a relevant one are then compared with it one by one, by the stated rule.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np


class SortedCounts:
    """Counts for the queries of one evaluation; a context manager that ends its threads.

    Args:
      tie_M: int32, place of each slot's candidate in the tie order; smaller comes first.
      pools: the slots of each pool.
    """

    def __init__(self, tie_M: np.ndarray, pools: Sequence[slice]):
        self._tie_M, self._pools = tie_M, pools
        self._starts = np.array([pool.start for pool in pools])
        self._threads = ThreadPoolExecutor(os.cpu_count())

    def __enter__(self) -> "SortedCounts":
        return self

    def __exit__(self, *error) -> None:
        self._threads.shutdown()

    def count_before(self, score_qM: np.ndarray, slot_qG: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts the candidates placed before each relevant one: among all, and among those of its pool.

        Args:
          score_qM: float32 scores, -inf where a query does not search.
          slot_qG: int slots of the relevant candidates, -1 where there is none.

        Returns:
          Two int32 arrays [q, G], 0 where there is no relevant candidate.
        """
        before_2qG = np.zeros((2, *slot_qG.shape), np.int32)

        def count(row: int) -> None:
            there_G = slot_qG[row] >= 0
            before_2qG[:, row, there_G] = self._count(score_qM[row], slot_qG[row, there_G])

        list(self._threads.map(count, range(len(slot_qG))))  # numpy sorts without holding the other threads up
        return before_2qG[0], before_2qG[1]

    def _count(self, score_M: np.ndarray, slot_G: np.ndarray) -> np.ndarray:
        """int [2, G]: of one query, before each of its relevant candidates among all and in its pool."""
        mine_G = score_M[slot_G]
        ascending_M = np.sort(score_M)
        upto_G = np.searchsorted(ascending_M, mine_G, side="right")
        alone_G = upto_G - np.searchsorted(ascending_M, mine_G, side="left") == 1
        before_2G = np.stack([len(score_M) - upto_G, np.zeros_like(upto_G)])
        pool_G = np.searchsorted(self._starts, slot_G, side="right") - 1
        for place, (slot, mine, pool) in enumerate(zip(slot_G, mine_G, pool_G, strict=True)):
            own = self._pools[pool]
            before_2G[1, place] = np.count_nonzero(score_M[own] > mine)
            if not alone_G[place]:
                is_tied_before_M = (score_M == mine) & (self._tie_M < self._tie_M[slot])
                before_2G[0, place] += np.count_nonzero(is_tied_before_M)
                before_2G[1, place] += np.count_nonzero(is_tied_before_M[own])
        return before_2G
