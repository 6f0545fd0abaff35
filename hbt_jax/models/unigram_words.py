"""Cuts many words at once in numpy, faster than the library tokenizers, where both are sure to agree.

Of all ways to cut a word into pieces, a unigram model takes the one with the highest sum of scores (Kudo 2018, "Subword
Regularization", section 3.2; Viterbi).  Sums in floating point are rounded, so if two ways are equally good, or nearly
so, the order in which a library adds and compares decides between them.  Therefore the best way is found together with
its lead over the second best, and is sure only if the lead exceeds all rounding: then every library that adds in
float64, as tokenizers does, takes that way.  The other words are left to tokenizers.

A word is cut by its own letters alone; the words before it and beside it do not matter.

One pass gives the exact lead: any other way joins the best one for the last time at some place, by another piece that
ends there, and trails it by at least as much as the best way by that piece does.  So the lead is the smallest
difference between the best and the second best sum over the places of the best way.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hbt_jax.models.piece_trie import PieceTrie

SPACE = "\u2581"  # what SentencePiece writes for a space
_LEAD = 1e-6  # nats: 65 sums of at most 65 * 1e4 err by less than 65 * 65e4 * 2**-53 < 1e-8 each
_LARGEST = 1e4  # score, either way
_LONGEST = 64  # letters of a normalised word; longer ones are not sure
_TOGETHER = 1 << 14  # words that are cut in one pass, in some 50 MB of arrays


class UnigramWords:
    """Cuts words into pieces, and says which words are surely cut as tokenizers does.

    Args:
      vocabulary: pieces and their scores (natural logarithms) in the order of their ids.
      unk_id: id of the unknown token; None for none.
      special: names of special tokens; no word holds one.
      normalize: word -> the word as the tokenizer reads it.

    Raises:
      ValueError: no word would be sure with this vocabulary; the message says why.
    """

    def __init__(
        self,
        vocabulary: Sequence[tuple[str, float]],
        unk_id: int | None,
        special: Sequence[str],
        normalize: Callable[[str], str],
    ):
        names, self._score_V = [name for name, _ in vocabulary], np.array([score for _, score in vocabulary], float)
        if SPACE not in names:
            raise ValueError("the mark of a space is no piece")
        if not np.abs(self._score_V).max() <= _LARGEST:
            raise ValueError(f"a score is not within {_LARGEST:g} of 0")
        self._trie, self._unk_id, self._normalize = PieceTrie(names), unk_id, normalize
        odd = [SPACE, *special, *map(normalize, special)]  # a token's name may be searched for in its normalised form
        self._is_odd = re.compile("|".join([r"\s", *map(re.escape, odd)])).search

    def encode(self, words: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Token ids of words that do not depend on their neighbours.

        Args:
          words: M of them, none empty and none with a special token's name in it.

        Returns:
          (tokens int32, count_M int64, sure bool [M]): the tokens one after the other and how many each word has;
          a word that is not sure has none here.

        Raises:
          UnicodeError: a word holds half of a pair of surrogates.
        """
        read = list(map(self._normalize, words))
        sure_M = np.array([0 < len(word) < _LONGEST and self._is_odd(word) is None for word in read], bool)
        count_M = np.zeros(len(words), np.int64)
        parts, plain = [np.zeros(0, np.int32)], np.flatnonzero(sure_M)
        for start in range(0, len(plain), _TOGETHER):
            some = plain[start : start + _TOGETHER]
            tokens, count_M[some], sure_M[some] = self._cut([SPACE + read[place] for place in some.tolist()])
            parts.append(tokens)
        return np.concatenate(parts), count_M, sure_M

    def _cut(self, words: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `encode`, of marked words [W].

        A word of n letters has n + 1 places (nodes N in all): before its first letter, ..., after its last.
        """
        size_W = np.fromiter(map(len, words), np.int64, len(words))
        first_W = np.cumsum(size_W + 1) - (size_W + 1)
        word_T = np.repeat(np.arange(len(words)), size_W)
        node_T = np.arange(len(word_T)) + word_T
        within_T = node_T - first_W[word_T]
        place, size, id_ = self._trie.find(self._trie.letters(words), size_W[word_T] - within_T)
        known_T = np.zeros(len(word_T), bool)
        known_T[place[size == 1]] = True
        sure_W = np.bincount(word_T[~known_T], minlength=len(words)) == 0
        order = np.argsort(within_T[place].astype(np.uint8), kind="stable")
        start, end, id_ = node_T[place[order]], (node_T[place] + size)[order], id_[order]
        rounds = np.searchsorted(within_T[place[order]], np.arange(size_W.max() + 1))
        lead_N, piece_N = _best_ways(len(word_T) + len(words), first_W, rounds, start, end, self._score_V[id_])
        return self._walk(sure_W, first_W, first_W + size_W, start, id_, lead_N, piece_N)

    def _walk(self, sure_W, first_W, last_W, start, id_, lead_N, piece_N) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Goes back along the best ways: the tokens of the sure words, their numbers and which words are sure."""
        tokens, owners = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        word, node = np.flatnonzero(sure_W), last_W[sure_W]
        while len(word):
            piece = piece_N[node]
            sure_W[word[(lead_N[node] < _LEAD) | (id_[piece] == self._unk_id)]] = False
            tokens.append(id_[piece])
            owners.append(word)
            on = np.flatnonzero(start[piece] > first_W[word])
            word, node = word[on], start[piece[on]]
        token, owner = np.concatenate(tokens[::-1]), np.concatenate(owners[::-1])
        kept = np.flatnonzero(sure_W[owner])
        order = np.argsort(owner[kept], kind="stable")
        return token[kept][order], np.bincount(owner[kept], minlength=len(sure_W)), sure_W


def _best_ways(
    nodes: int, first_W: np.ndarray, rounds: np.ndarray, start: np.ndarray, end: np.ndarray, score: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best way to every node.

    Args:
      nodes: N.
      first_W: the nodes at which words begin.
      rounds: where in the pieces E those begin that start at the first, the second, ... place of their words.
      start, end, score: of the pieces, by nodes.  In a round no two pieces have the same end.

    Returns:
      (float64 [N], int64 [N]): by how much the best way to each node leads, infinite if it is the only one, and its
      last piece; both are meaningless for nodes that no way reaches.
    """
    best_N, second_N = np.full((2, nodes), -np.inf)
    piece_N = np.zeros(nodes, np.int64)
    best_N[first_W] = 0.0
    for begin, stop in zip(rounds, np.append(rounds[1:], len(start)), strict=True):
        ends = end[begin:stop]
        ways, before = best_N[start[begin:stop]] + score[begin:stop], best_N[ends]
        second_N[ends] = np.maximum(second_N[ends], np.minimum(ways, before))
        better = np.flatnonzero(ways > before)
        best_N[ends[better]], piece_N[ends[better]] = ways[better], begin + better
    reached = np.isfinite(best_N)
    lead_N = np.where(reached, best_N, 0.0) - np.where(reached, second_N, 0.0)
    return lead_N, piece_N


def read_unigram_words(
    definition: bytes, special: Sequence[str], normalize: Callable[[str], str]
) -> UnigramWords | None:
    """Reads a tokenizer.json with a unigram model; None if no word would be sure with its pieces."""
    model: Mapping = json.loads(definition)["model"]
    try:
        return UnigramWords(model["vocab"], model.get("unk_id"), special, normalize)
    except ValueError:
        return None
