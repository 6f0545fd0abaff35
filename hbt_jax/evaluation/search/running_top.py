"""Keeps the best candidates of a stream that is too long to hold in memory.

They are ordered by descending score, and by descending id if scores are equal.  This is a total order, so the final
result depends neither on how the stream was divided into blocks and shards, nor on their order.
"""

import numpy as np


class RunningTop:
    """The first K candidates of each of Q queries.

    Attributes:
      score_QK: float32, descending in each row; -inf beyond the last candidate.
      id_QK: bytes (UTF-8); b"" beyond the last candidate.
    """

    def __init__(self, queries: int, depth: int):
        self.score_QK = np.full((queries, depth), -np.inf, np.float32)
        self.id_QK = np.zeros((queries, depth), "S1")

    def rows(self, row_R: np.ndarray) -> "RunningTop":
        """The candidates of some queries, by number."""
        found = RunningTop(0, self.score_QK.shape[1])
        found.score_QK, found.id_QK = self.score_QK[row_R], self.id_QK[row_R]
        return found

    def add(self, score_QN: np.ndarray, id_QN: np.ndarray) -> None:
        """Merges more candidates, none of which has come before.

        Args:
          score_QN: float32, -inf for none.
          id_QN: bytes.
        """
        depth = self.score_QK.shape[1]
        # Most candidates of a long stream are worse than those kept: only rows with a better one change.
        row = np.flatnonzero((score_QN >= self.score_QK[:, -1:]).any(axis=1))
        score = np.concatenate([self.score_QK[row], score_QN[row]], axis=1)
        ids = np.concatenate([self.id_QK[row], id_QN[row]], axis=1)
        order = np.argsort(-score, axis=1, kind="stable")
        score = np.take_along_axis(score, order, axis=1)
        ids = np.take_along_axis(ids, order, axis=1)
        tied = np.flatnonzero(((score[:, 1:] == score[:, :-1]) & (score[:, 1:] > -np.inf)).any(axis=1))
        ids[tied] = _ties_by_id(score[tied], ids[tied])
        self.id_QK = self.id_QK.astype(ids.dtype, copy=False)  # ids may be longer than before
        self.score_QK[row], self.id_QK[row] = score[:, :depth], ids[:, :depth]


def tie_order(id_N: np.ndarray) -> np.ndarray:
    """int64 [N]: the position of each id in the tie order; all ids differ.

    >>> tie_order(np.array([b"39#0", b"4#0", b"39#1"]))
    array([2, 0, 1])
    """
    place_N = np.empty(len(id_N), np.int64)
    place_N[np.argsort(id_N)[::-1]] = np.arange(len(id_N))
    return place_N


def _ties_by_id(score_RN: np.ndarray, id_RN: np.ndarray) -> np.ndarray:
    """The ids, descending among equal scores; the scores are already in order."""
    by_id = np.argsort(id_RN, axis=1)[:, ::-1]
    by_score = np.argsort(-np.take_along_axis(score_RN, by_id, axis=1), axis=1, kind="stable")
    return np.take_along_axis(id_RN, np.take_along_axis(by_id, by_score, axis=1), axis=1)
