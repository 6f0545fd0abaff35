"""Random numbers that are the same in every release of numpy.

numpy promises that the raw bits of its bit generators never change, but not what its `Generator` makes of them:
`random`, `integers`, `choice` and `permutation` may give other numbers after an update (NEP 19; "Compatibility policy"
in numpy's reference of random sampling).  So whatever a run, a store or a printed figure depends on is drawn from raw
bits by the functions here, and samples without replacement by `sampled` in hbt_jax/data/permutation.py.

JAX's generator, which draws initial weights and dropout, is not covered: other releases of JAX may draw other numbers.
"""

import math

import numpy as np

MOST = 1 << 32  # largest `end` that `below` accepts: the bias is then under MOST / 2**64
Stream = np.random.Philox


def stream(seed: int, purpose: int, index: int = 0) -> Stream:
    """A separate stream of random bits for each (seed, purpose, index); `random_raw(count)` takes uint64 from it.

    Philox4x64-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") encrypts a counter
    by a key: the key is the seed, and purpose and index are the upper half of the counter.  So any stream is
    reached at once, and two streams meet only after 2**128 blocks.

    Args:
      seed, purpose, index: integers from 0 to 2**64 - 1.
    """
    counter = np.array([0, 0, index, purpose], np.uint64)
    return Stream(key=np.array([seed, 0], np.uint64), counter=counter)


def coins(source: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 of the given shape, 0 or 1, from the next bits of a stream, lowest bit of each uint64 first."""
    count = math.prod(shape)
    words = source.random_raw(-(-count // 64)).astype("<u8")
    return np.unpackbits(words.view(np.uint8), count=count, bitorder="little").reshape(shape)


def fractions(bits: np.ndarray) -> np.ndarray:
    """float64 in [0, 1) from uint64 of the same shape: the upper 53 bits of each.

    >>> fractions(np.array([0, 1 << 63], np.uint64)).tolist()
    [0.0, 0.5]
    """
    return (bits >> np.uint64(11)) * 2.0**-53


def below(bits: np.ndarray, ends: int | np.ndarray) -> np.ndarray:
    """int64, for each uint64 of bits a number from 0 to end - 1: the integer part of bits * end / 2**64.

    Each number takes exactly one uint64, so it never depends on those before it (Lemire 2019, "Fast random
    integer generation in an interval", without the rejection).

    >>> below(np.array([0, 1 << 63, 2**64 - 1], np.uint64), 6).tolist()
    [0, 3, 5]

    Args:
      ends: int, broadcast against the bits.

    Raises:
      ValueError: an end is not from 1 to 2**32.
    """
    ends = np.asarray(ends)
    if ends.size and not (ends.min() >= 1 and ends.max() <= MOST):
        raise ValueError(f"ends from {ends.min()} to {ends.max()}: expected 1 to {MOST}")
    ends, half = ends.astype(np.uint64), np.uint64(32)
    low = (bits & np.uint64(MOST - 1)) * ends >> half
    upper = (bits >> half) * ends  # below 2**64 - 2**32, and low is below 2**32
    return (upper + low >> half).astype(np.int64)
