"""Keeps the candidates with the largest products, block by block, by numpy with a threshold for each query."""

import numpy as np

GROUP = 16  # candidates whose largest product is examined first


class RunningList:
    """Lists at least the `width` candidates with the largest products for each query, and bounds all others.

    A query's list grows to twice `width`; then it is cut to the best `width`, and the smallest of these becomes the
    floor: from then on only products above it are listed.

    Args:
      queries: how many.
      width: candidates to keep of each.
      block: S, candidates that come at one time at most.

    Attributes:
      floor_q: float32, an upper bound of unlisted products; -inf if all are listed.
    """

    def __init__(self, queries: int, width: int, block: int):
        self.floor_q = np.full(queries, -np.inf, np.float32)
        self._width = width
        self._score_qC = np.empty((queries, 2 * width + block), np.float32)
        self._index_qC = np.empty((queries, 2 * width + block), np.int32)
        self._count_q = np.zeros(queries, np.int64)

    def add(self, score_qS: np.ndarray, most_qT: np.ndarray, start: int, used: int) -> None:
        """Adds a block of candidates.

        Args:
          score_qS: float32 products of all queries; S is a multiple of GROUP.
          most_qT: their maxima over the groups of columns t, T + t, 2 T + t, ..., where T = S / GROUP.
          start: index of the first candidate of the block.
          used: columns that hold candidates; the products in others are meaningless.
        """
        groups = most_qT.shape[1]
        if start == 0 and used == score_qS.shape[1] > 2 * self._width:  # or the whole first block would be listed
            first_qC = most_qT if groups > self._width else score_qS
            least_q = np.partition(first_qC, -self._width, axis=1)[:, -self._width]
            self.floor_q = np.nextafter(least_q, np.float32(-np.inf))  # so that equal products are listed
        row_H, group_H = np.nonzero(most_qT > self.floor_q[:, None])
        score_HG = score_qS.reshape(len(score_qS), GROUP, groups)[row_H, :, group_H]
        column_HG = group_H[:, None] + groups * np.arange(GROUP)
        hit, member = np.nonzero((score_HG > self.floor_q[row_H, None]) & (column_HG < used))
        self._append(row_H[hit], start + column_HG[hit, member], score_HG[hit, member])

    def _append(self, row_X: np.ndarray, index_X: np.ndarray, score_X: np.ndarray) -> None:
        """Appends candidates, in the order of their queries' rows."""
        added_q = np.bincount(row_X, minlength=len(self._count_q))
        first_q = np.cumsum(added_q) - added_q
        place_X = self._count_q[row_X] + np.arange(len(row_X)) - first_q[row_X]
        self._score_qC[row_X, place_X] = score_X
        self._index_qC[row_X, place_X] = index_X
        self._count_q += added_q
        full = np.flatnonzero(self._count_q > 2 * self._width)
        if full.size:
            self._cut(full)

    def _cut(self, rows: np.ndarray) -> None:
        """Keeps the best `width` of some queries, the smallest of them first."""
        score_qC, index_qC = self._filled(rows)
        best_qC = np.argpartition(score_qC, -self._width, axis=1)[:, -self._width :]
        kept_qC = np.take_along_axis(score_qC, best_qC, axis=1)
        self._score_qC[rows, : self._width] = kept_qC
        self._index_qC[rows, : self._width] = np.take_along_axis(index_qC, best_qC, axis=1)
        self._count_q[rows] = self._width
        self.floor_q[rows] = kept_qC[:, 0]

    def listed(self) -> tuple[np.ndarray, np.ndarray]:
        """(float32, int64) [q, C]: products and indexes; -inf and -1 beyond a query's last."""
        return self._filled(np.arange(len(self._count_q)))

    def _filled(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count_q1 = self._count_q[rows][:, None]
        taken_qC = np.arange(count_q1.max(initial=0)) < count_q1
        width = taken_qC.shape[1]
        score_qC = np.where(taken_qC, self._score_qC[rows, :width], np.float32(-np.inf))
        return score_qC, np.where(taken_qC, self._index_qC[rows, :width].astype(np.int64), -1)
