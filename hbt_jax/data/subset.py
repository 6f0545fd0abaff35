"""A subset of 0 .. n-1 as one bit a number, whose k-th member is found without a list of the members.

A list of the 40 million pairs that can serve one language takes 160 MB, for each language; bits with a count at every
word take 10 MB (rank and select: Jacobson 1989, "Space-efficient static trees and graphs", section 2.2).
"""

from collections.abc import Sequence

import numpy as np

_WORD = 64  # numbers whose bits lie in one word


class Subset:
    """Numbers in ascending order: `subset[k]` is the k-th of them, from 0.

    >>> Subset([packed(np.array([True, False, True, True]))])[np.array([2, 0])].tolist()
    [3, 0]
    """

    def __init__(self, chunks: Sequence[np.ndarray]):
        """From what `packed` made of one chunk of the numbers after the other, each but the last a multiple of 8."""
        joined = np.concatenate([np.zeros(0, np.uint8), *chunks])
        self._words = np.zeros(-(-len(joined) * 8 // _WORD), np.uint64)
        self._words.view(np.uint8)[: len(joined)] = joined
        ends = np.cumsum(np.bitwise_count(self._words), dtype=np.int64)
        self._before = np.concatenate([[0], ends])  # members before each word, and all of them

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        """int64 [n], the members at these places (int [n], each from 0 to len - 1)."""
        word = np.searchsorted(self._before, places, side="right") - 1
        within = places - self._before[word]
        bits_BW = np.unpackbits(self._words[word].view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
        bit = (np.cumsum(bits_BW, axis=1, dtype=np.int8) <= within[:, None]).sum(1)
        return word * _WORD + bit

    def tolist(self) -> list[int]:
        """All members."""
        return np.flatnonzero(np.unpackbits(self._words.view(np.uint8), bitorder="little")).tolist()


def packed(belongs: np.ndarray) -> np.ndarray:
    """uint8, whose i-th bit, the lowest bit of each byte first, says whether the i-th number belongs (bool [n])."""
    return np.packbits(belongs, bitorder="little")
