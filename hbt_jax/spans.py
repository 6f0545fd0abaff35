"""Places of runs of values in an array."""

import numpy as np


def spread(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """int64: starts[0], starts[0] + 1, ... (counts[0] of them), starts[1], ...

    >>> spread(np.array([7, 0, 4]), np.array([2, 0, 3])).tolist()
    [7, 8, 4, 5, 6]
    """
    before = np.cumsum(counts) - counts
    places = np.repeat(starts - before, counts)
    places += np.arange(len(places))
    return places
