"""Numbers ids in the order of their first appearance, in bounded memory.

An id has 128 bits, such as a digest of a text.  Ids are kept in sorted runs, which are merged as they grow and moved to
files: 24 bytes of disk per id instead of a hundred or more bytes of memory in a dictionary.
"""

import itertools
from pathlib import Path

import numpy as np

from hbt_jax.files import named_errors

_LARGE = 1 << 17  # ids from which a run is moved to a file
_LARGEST = 1 << 22  # ids above which runs are no longer merged: merging takes memory


class IdIndex:
    """Ids and their numbers: 0, 1, ... in the order of their first appearance.

    Worked example, with ids whose high half is 0:

        index = IdIndex(scratch)
        index.add([[0, 7], [0, 9], [0, 7]])   ->  [0, 1, 0]
        index.find([[0, 9], [0, 8]])          ->  [1, -1]

    Args:
      scratch: existing folder for the runs.
      name: beginning of the names of their files.
    """

    def __init__(self, scratch: Path, name: str):
        self._files = (scratch / f"{name}-{number}.ids" for number in itertools.count())
        self._runs: list[_Run] = []  # each at least twice as long as the next
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, id_N2: np.ndarray) -> np.ndarray:
        """int64 [N]: the number of each id, -1 for unknown ids.

        Args:
          id_N2: uint64.
        """
        number_N = np.full(len(id_N2), -1, np.int64)
        for run in self._runs:
            open_N = np.flatnonzero(number_N < 0)
            if not len(open_N):
                break
            number_N[open_N] = run.find(id_N2[open_N])
        return number_N

    def add(self, id_N2: np.ndarray) -> np.ndarray:
        """int64 [N]: the number of each id; new ids get the next numbers.

        Args:
          id_N2: uint64.
        """
        number_N = self.find(id_N2)
        new_N = np.flatnonzero(number_N < 0)
        if len(new_N):
            order = np.lexsort(id_N2[new_N].T[::-1])
            sorted_N2 = id_N2[new_N[order]]
            is_first = np.concatenate([[True], (sorted_N2[1:] != sorted_N2[:-1]).any(axis=1)])
            rank = np.empty(int(is_first.sum()), np.int64)
            rank[np.argsort(order[is_first])] = np.arange(len(rank))  # in order of appearance, not of value
            number_N[new_N[order]] = self._count + rank[np.cumsum(is_first) - 1]
            self._push(_Run(sorted_N2[is_first], self._count + rank))
            self._count += len(rank)
        return number_N

    def _push(self, run: "_Run") -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run) <= _LARGEST:
            run = self._runs.pop().merged(run)
        self._runs.append(run.on_disk(next(self._files)) if len(run) >= _LARGE else run)


class _Run:
    """Ids sorted by their high halves, and their numbers."""

    def __init__(self, id_N2: np.ndarray, number_N: np.ndarray, path: Path | None = None):
        self._high_N, self._low_N = map(np.ascontiguousarray, id_N2.T)
        self._number_N = number_N
        self._path = path

    def __len__(self) -> int:
        return len(self._number_N)

    def find(self, id_M2: np.ndarray) -> np.ndarray:
        found_M = np.full(len(id_M2), -1, np.int64)
        place_M = np.searchsorted(self._high_N, id_M2[:, 0])
        left_M = np.arange(len(id_M2))
        while len(left_M):  # once, unless ids share a high half
            left_M = left_M[place_M[left_M] < len(self)]
            place = place_M[left_M]
            left_M = left_M[self._high_N[place] == id_M2[left_M, 0]]
            place = place_M[left_M]
            is_same = self._low_N[place] == id_M2[left_M, 1]
            found_M[left_M[is_same]] = self._number_N[place[is_same]]
            left_M = left_M[~is_same]
            place_M[left_M] += 1
        return found_M

    def merged(self, other: "_Run") -> "_Run":
        high = np.concatenate([self._high_N, other._high_N])
        order = np.argsort(high, kind="stable")
        low = np.concatenate([self._low_N, other._low_N])
        number_N = np.concatenate([self._number_N, other._number_N])[order]
        for run in (self, other):
            if run._path is not None:
                run._path.unlink()
        return _Run(np.stack([high[order], low[order]]).T, number_N)

    def on_disk(self, path: Path) -> "_Run":
        with named_errors(path), path.open("wb") as file:
            for column in (self._high_N, self._low_N, self._number_N.view(np.uint64)):
                file.write(np.ascontiguousarray(column).data)
        columns = np.memmap(path, np.uint64, "r", shape=(3, len(self)))
        return _Run(columns[:2].T, columns[2].view(np.int64), path)
