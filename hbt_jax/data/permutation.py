"""Pseudo-random permutations of 0 .. n-1, computed element by element without being stored.

A Feistel network on the bits of the index is a bijection for any round function; results outside 0 .. n-1 are sent
through again until they are inside (cycle walking; Black and Rogaway 2002, "Ciphers with arbitrary finite domains",
section 3).  So an epoch over 40 million pairs costs no memory, and any step can be reached at once.
"""

import numpy as np

_ROUNDS = 6
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): uint64 to well-spread uint64, elementwise."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def key(*parts: int | np.ndarray) -> np.ndarray:
    """A uint64 key from non-negative integers (arrays broadcast); it depends on their values and order."""
    result = np.zeros(1, np.uint64)
    for part in parts:
        result = mix(result + _GOLDEN + np.asarray(part, np.uint64))
    return result


def permute(index: np.ndarray, size: int, keys: np.ndarray) -> np.ndarray:
    """Where a keyed permutation of 0 .. size-1 sends each index.

    Args:
      index: int [n], each in 0 .. size-1.
      size: length of the permutation, at least 1.
      keys: uint64 [n] or [1]; equal keys mean the same permutation.

    Returns:
      int64 [n].
    """
    bits = (size - 1).bit_length()
    if bits == 0:
        return np.zeros(len(index), np.int64)
    keys = np.broadcast_to(keys, index.shape)
    result = _feistel(index.astype(np.uint64), bits, keys)
    while len(outside := np.flatnonzero(result >= np.uint64(size))):
        result[outside] = _feistel(result[outside], bits, keys[outside])
    return result.astype(np.int64)


def sampled(size: int, count: int, keys: np.ndarray) -> np.ndarray:
    """int64 [count], distinct numbers from 0 to size - 1, ascending; all [size] if count is not below size.

    >>> len(set(sampled(40_000_000, 3, key(0)).tolist()))
    3

    Args:
      keys: uint64 [1]; other keys give other samples.
    """
    return np.arange(size) if count >= size else np.sort(permute(np.arange(count), size, keys))


def _feistel(index: np.ndarray, bits: int, keys: np.ndarray) -> np.ndarray:
    """One pass over indices of `bits` bits: each half in turn is changed by a function of the other one."""
    low_bits = np.uint64(bits // 2)
    low_mask, high_mask = np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << (bits - bits // 2)) - 1)
    low, high = index & low_mask, index >> low_bits
    for _ in range(0, _ROUNDS, 2):
        high = high ^ (mix(low + keys) & high_mask)
        keys = keys + _GOLDEN  # so far away that no two rounds hash the same numbers
        low = low ^ (mix(high + keys) & low_mask)
        keys = keys + _GOLDEN
    return high << low_bits | low
