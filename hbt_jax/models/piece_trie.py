"""The pieces of a vocabulary as a trie: finds every piece at every place of many words at once, in numpy.

A node stands for the beginning of a piece.  The next node is looked up by the node and the letter, in a hash table that
compares whole keys, so there are no false hits.
"""

from collections.abc import Sequence

import numpy as np

_CODE_POINTS = 0x110000
_EMPTY = np.uint64(2**64 - 1)  # marks a free slot of the table
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # multiplicative hashing: Knuth, volume 3, section 6.4


class PieceTrie:
    """The trie of some pieces.

    Args:
      pieces: their texts in the order of their ids.

    Raises:
      ValueError: a piece is empty or occurs twice.
    """

    def __init__(self, pieces: Sequence[str]):
        size_V = np.fromiter(map(len, pieces), np.int64, len(pieces))
        if len(set(pieces)) < len(pieces) or not len(pieces) or not size_V.min():
            raise ValueError("a piece is empty or occurs twice")
        letters = _code_points(pieces)
        alphabet = np.unique(letters)
        self._letter = np.full(_CODE_POINTS, -1, np.int32)  # code point -> number of the letter, -1: in no piece
        self._letter[alphabet] = np.arange(len(alphabet))
        self._letters = len(alphabet)
        start_V, node_V = np.cumsum(size_V) - size_V, np.zeros(len(pieces), np.int64)
        keys, ids, nodes = [], [np.array([-1])], 1  # of the nodes level by level; node 0 is the root
        for depth in range(int(size_V.max())):
            longer = np.flatnonzero(size_V > depth)
            key = self._key(node_V[longer], self._letter[letters[start_V[longer] + depth]])
            of_level, place = np.unique(key, return_inverse=True)
            node_V[longer] = nodes + place
            ends, id_of = size_V[longer] == depth + 1, np.full(len(of_level), -1)
            id_of[place[ends]] = longer[ends]
            keys.append(of_level)
            ids.append(id_of)
            nodes += len(of_level)
        self._id = np.concatenate(ids).astype(np.int32)  # of the piece that ends at a node, -1: none
        self._fill(np.concatenate(keys))

    def find(self, letters_T: np.ndarray, left_T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every piece at every place of some words.

        Args:
          letters_T: int32 [T], from `letters`: those of the words, one after the other.
          left_T: int64 [T], how many letters there are from each place to the end of its word, itself included.

        Returns:
          (place int64 [E], size int64 [E], id int32 [E]): where each piece starts, its letters and its id; ordered by
          size, then by place.
        """
        place, node = np.arange(len(letters_T)), np.zeros(len(letters_T), np.int64)
        places, sizes, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        depth = 0
        while len(place):
            goes_on = np.flatnonzero(letters_T[place + depth] >= 0)
            place = place[goes_on]
            node = self._child(self._key(node[goes_on], letters_T[place + depth]))
            place, node, depth = place[node > 0], node[node > 0], depth + 1
            id_ = self._id[node]
            places.append(place[id_ >= 0])
            sizes.append(np.full(len(places[-1]), depth))
            ids.append(id_[id_ >= 0])
            longer = left_T[place] > depth
            place, node = place[longer], node[longer]
        return np.concatenate(places), np.concatenate(sizes), np.concatenate(ids)

    def letters(self, words: Sequence[str]) -> np.ndarray:
        """int32 [T], the numbers of the letters of words, one word after the other; -1 for one that is in no piece.

        Raises:
          UnicodeError: a word holds half of a pair of surrogates.
        """
        return self._letter[_code_points(words)]

    def _key(self, node: np.ndarray, letter: np.ndarray) -> np.ndarray:
        return (node * self._letters + letter).astype(np.uint64)

    def _fill(self, keys: np.ndarray) -> None:
        """Puts the keys of nodes 1, 2, ... into a table at most half full, each in the first free slot from its own."""
        bits = (2 * len(keys)).bit_length()
        self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
        self._slots, self._children = np.full(1 << bits, _EMPTY), np.zeros(1 << bits, np.int32)
        waiting, slot = np.arange(len(keys)), self._slot(keys)
        while len(waiting):
            free = np.flatnonzero(self._slots[slot] == _EMPTY)
            taken, first = np.unique(slot[free], return_index=True)  # one key for each free slot, the others move on
            placed = free[first]
            self._slots[taken], self._children[taken] = keys[waiting[placed]], waiting[placed] + 1
            waiting, slot = np.delete(waiting, placed), (np.delete(slot, placed) + 1) & self._last

    def _slot(self, keys: np.ndarray) -> np.ndarray:
        return (keys * _GOLDEN >> self._shift).astype(np.int64)

    def _child(self, keys: np.ndarray) -> np.ndarray:
        """int64: the node of each key, 0 for none."""
        slot = self._slot(keys)
        found = self._slots[slot]
        child = np.where(found == keys, self._children[slot], 0).astype(np.int64)
        other = np.flatnonzero((found != keys) & (found != _EMPTY))
        while len(other):
            slot[other] = (slot[other] + 1) & self._last
            found = self._slots[slot[other]]
            same = found == keys[other]
            child[other[same]] = self._children[slot[other[same]]]
            other = other[~same & (found != _EMPTY)]
        return child


def _code_points(words: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(words).encode("utf-32-le"), np.uint32)
