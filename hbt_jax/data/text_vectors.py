"""The vectors of a store's texts, by row."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Vectors:
    """The vectors of one side's texts in one language.

    Attributes:
      rows: int32 [N], ascending, the items that have a text.
      vector_ND: float32, mapped.
    """

    rows: np.ndarray
    vector_ND: np.ndarray

    def places(self, rows: np.ndarray) -> np.ndarray:
        """int64: the place of each item among `rows`, -1 for one without a text."""
        if not len(self.rows):
            return np.full(len(rows), -1)
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[place] == rows, place, -1)
