"""Arrays that grow while they are filled, in memory-mapped files."""

import os
from pathlib import Path

import numpy as np

from hbt_jax.files import named_errors

_FIRST = 1 << 12  # bytes


class GrowingArray:
    """An array of zeros with as many rows as are asked for.

    Args:
      path: a new file; the caller removes it.
      dtype: of the values.
    """

    def __init__(self, path: Path, dtype: type):
        self._path, self._dtype = path, np.dtype(dtype)
        self._mapped = np.zeros(0, dtype)

    def rows(self, count: int) -> np.ndarray:
        """The first `count` values, for reading and writing; arrays returned earlier must not be used any more.

        Raises:
          OSError: the disk is full.
        """
        if count > len(self._mapped):
            size = max(_FIRST, 2 * self._mapped.nbytes, count * self._dtype.itemsize)
            self._path.touch()
            # on NFS the C library must be able to read, and refuses to append
            with named_errors(self._path), self._path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, not a crash later
            self._mapped = np.memmap(self._path, self._dtype, "r+", shape=size // self._dtype.itemsize)
        return self._mapped[:count]
