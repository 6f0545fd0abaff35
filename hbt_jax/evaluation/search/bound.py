"""The bound on the error of a first pass, with which search.py certifies its results.

A pass computes s~ = q~ . c~, where c' = c - m for a fixed vector m, q~ and c~ are q and c' rounded to the dtype of the
pass, and products are summed in float32 in any order.  The wanted score is s = q . c.  As q . m is constant per query,

    |s - (s~ + q . m)|  <=  |q - q~| |c'| + |q~| |c' - c~|     rounding to the dtype (Cauchy-Schwarz; the norms are
                                                               measured, not guessed from the dtype)
                          + 4 D 2^-24 |q~| |c~|                summation: D 2^-24 by any order (Higham, Accuracy and
                                                               Stability of Numerical Algorithms, section 3.1), twice
                                                               that where a matrix unit truncates; the rest covers
                                                               the roundings of c - m and of the norms themselves
                          + 2^-22 |q| (|c'| + |m|)             rounding of the final score to float32, and q . m
                          + D 2^-120 (1 + |q|) (1 + |c|)       numbers below 2^-126, which processors flush to zero
"""

import jax.numpy as jnp
import numpy as np

_FLUSHED = 2.0**-120
_SHORTEST = 2.0**-62  # float32 sums of squares miss components below 2^-63: norms are raised by this times sqrt(D)


class Bound:
    """The bound of one block of queries.

    Args:
      query_qD: float32.
      shift_D: m, float32.
      dtype: of the pass's products, "float32" or "bfloat16".

    Attributes:
      shift_D: m.
      rounded_qD: q~, of that dtype.
      offset_q: float64, q . m.
    """

    def __init__(self, query_qD: np.ndarray, shift_D: np.ndarray, dtype: str):
        exact_qD = query_qD.astype(np.float64)
        self.shift_D = shift_D
        self.rounded_qD = query_qD.astype(jnp.dtype(dtype))
        rounded_qD = self.rounded_qD.astype(np.float64)
        self._width = query_qD.shape[1]
        self._norm_q = np.linalg.norm(exact_qD, axis=1)
        self._rounded_norm_q = np.linalg.norm(rounded_qD, axis=1)
        self._lost_q = np.linalg.norm(exact_qD - rounded_qD, axis=1)
        self._shift = float(np.linalg.norm(shift_D.astype(np.float64)))
        self.offset_q = exact_qD @ shift_D.astype(np.float64)

    def error_q(self, longest: float, most_lost: float) -> np.ndarray:
        """float64 [q]: the bound for candidates whose norms |c'| and |c' - c~|, in float32, are at most these."""
        longest, most_lost = self._raised(longest), self._raised(most_lost)
        rounding_q = self._lost_q * longest + self._rounded_norm_q * most_lost
        summation_q = 4 * self._width * 2.0**-24 * self._rounded_norm_q * (longest + most_lost)
        final_q = 2.0**-22 * self._norm_q * (longest + self._shift)
        flushed_q = self._width * _FLUSHED * (1 + self._norm_q) * (1 + longest + self._shift)
        return rounding_q + summation_q + final_q + flushed_q

    def longest(self, longest: float) -> float:
        """An upper bound of the norms |c|."""
        return self._raised(longest) + self._shift

    def _raised(self, norm: float) -> float:
        return norm * (1 + self._width * 2.0**-23) + self._width**0.5 * _SHORTEST
