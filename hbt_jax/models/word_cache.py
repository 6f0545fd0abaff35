"""Tokens of words that were seen before, for tokenizers that tokenise each word for itself.

XLM-R's cuts a text at spaces before it looks for pieces, and half of a text's words come again and again: then a text's
tokens are those of its words, most of which are known.  Words that could lean on their neighbours are left to the
tokenizer, with their whole texts.  New words go to the tokenizer some at a time, with a special token between them,
which it cuts out before anything else.
"""

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hbt_jax.spans import spread

_MOST_WORDS = 1 << 19  # that are remembered, about 200 bytes each
_LONGEST = 40  # characters of a word that is remembered: in languages without spaces a word is a sentence
_NEW, _LEANS = -1, -2  # in the place of a word's number
_TOGETHER = 64  # new words that are tokenised as one text
_END = -1  # after the tokens of a word
_JOINED = "\u0e33\u0eb3\uff9e\uff9f"  # letters that join what stands before them (Unicode's Grapheme_Cluster_Break)


def _in_words(text: str) -> bool:
    """Whether a text is written with spaces between words, or is short."""
    return len(text) <= _LONGEST or text.count(" ") * _LONGEST > 2 * len(text)


class Cuts(NamedTuple):
    """Where a tokenizer cuts a text apart from spaces.

    Attributes:
      special: names of its special tokens, which are found in the midst of words, too.
      separator: the one of them that may stand between words: what is before it and after it is tokenised as if it
        were alone, and no other name can lie over its ends.
      separator_id: the separator's id.
    """

    special: tuple[str, ...]
    separator: str
    separator_id: int


def find_cuts(added: Sequence[Mapping]) -> Cuts | None:
    """Where a tokenizer cuts, by its special tokens; None if one has a space, or none can be a separator.

    Args:
      added: the entries of tokenizer.json's `added_tokens`.
    """
    names = tuple(token["content"] for token in added if token["content"])
    if any(len(name.split()) != 1 for name in names):
        return None
    for token in added:
        name = token["content"]
        plain = token["special"] and not any(token[use] for use in ("lstrip", "rstrip", "single_word", "normalized"))
        if name and plain and not any(_overlap(name, other) or _overlap(other, name) for other in names):
            return Cuts(names, name, token["id"])
    return None


def _overlap(name: str, other: str) -> bool:
    """Whether a name's end is another's beginning, or the other lies in it."""
    sizes = range(1, min(len(name), len(other)))
    return any(name.endswith(other[:size]) for size in sizes) or (name != other and other in name)


class WordCache:
    """Tokenises texts word by word.

    Args:
      encode_lists: texts -> the token ids of each.
      cuts: the tokenizer's.
    """

    def __init__(self, encode_lists: Callable[[list[str]], Iterable[list[int]]], cuts: Cuts):
        self._encode_lists, self._cuts = encode_lists, cuts
        self._clear()

    def _clear(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._start_W = self._count_W = np.zeros(1, np.int64)
        self._tokens = np.zeros(0, np.int32)

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode."""
        split = [text.split(" ") if _in_words(text) else () for text in texts]
        words = list(itertools.chain.from_iterable(split))
        words_N = np.fromiter(map(len, split), np.int64, len(split))
        if len(self._numbers) > _MOST_WORDS:
            self._clear()
        number_M = self._look_up(words)
        new_M = np.flatnonzero(number_M == _NEW)
        long = []
        if len(new_M):
            long = self._learn(dict.fromkeys(words[place] for place in new_M.tolist()))
            number_M[new_M] = self._look_up([words[place] for place in new_M.tolist()])
        leans_M = number_M == _LEANS
        text_M = np.repeat(np.arange(len(texts)), words_N)
        whole_N = words_N == 0
        whole_N[text_M[leans_M]] = True
        number_M = np.where(whole_N[text_M], 0, number_M)  # such a text has no words: it follows as a whole
        start_M, count_M = self._start_W[number_M], self._count_W[number_M]
        by_word = self._tokens[spread(start_M, count_M)]
        count_N = np.bincount(text_M, count_M, len(texts)).astype(np.int64)
        self._forget(long)
        return self._with_whole(texts, whole_N, count_N, by_word)

    def _look_up(self, words: list[str]) -> np.ndarray:
        return np.fromiter(map(self._numbers.get, words, itertools.repeat(_NEW)), np.int64, len(words))

    def _learn(self, words: Iterable[str]) -> list[str]:
        """Remembers new words; returns those that are to be forgotten, whose numbers are the last ones."""
        alone: dict[bool, list[str]] = {False: [], True: []}  # is long -> words
        for word in words:
            if self._leans(word):
                self._numbers[word] = _LEANS
            else:
                alone[len(word) > _LONGEST].append(word)
        in_order = [*alone[False], *alone[True]]
        tokens, counts = self._tokenised(in_order)
        first = len(self._count_W)
        self._numbers.update(zip(in_order, range(first, first + len(in_order)), strict=True))
        self._start_W = np.concatenate([self._start_W, len(self._tokens) + np.cumsum(counts) - counts])
        self._count_W = np.concatenate([self._count_W, counts])
        self._tokens = np.concatenate([self._tokens, tokens])
        return alone[True]

    def _tokenised(self, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of words that do not lean, one after the other, and how many each has."""
        _, separator, separator_id = self._cuts
        together = [words[start : start + _TOGETHER] for start in range(0, len(words), _TOGETHER)]
        joined = self._encode_lists(["".join(word + separator for word in some) for some in together])
        parts = [np.zeros(0, np.int32)]
        for some, ids in zip(together, joined, strict=True):
            part = np.array(ids, np.int32)
            is_end = part == separator_id
            if is_end.sum() != len(some):  # a word's letters became the separator's name when they were normalised
                part = np.array([id_ for word in self._encode_lists(some) for id_ in (*word, _END)], np.int32)
            else:
                part[is_end] = _END
            parts.append(part)
        flat = np.concatenate(parts)
        return flat[flat != _END], np.diff(np.flatnonzero(flat == _END), prepend=-1) - 1

    def _forget(self, words: list[str]) -> None:
        for word in words:
            del self._numbers[word]
        if words:
            left = len(self._count_W) - len(words)
            self._tokens = self._tokens[: self._start_W[left]]
            self._start_W, self._count_W = self._start_W[:left], self._count_W[:left]

    def _leans(self, word: str) -> bool:
        """Whether a word's tokens may depend on what stands beside it, or a special token may be in it."""
        first = word[0]
        return (
            unicodedata.category(first)[0] == "M"
            or "Cf" in (unicodedata.category(first), unicodedata.category(word[-1]))
            or unicodedata.category(first) == "Sk"  # the tones of emoji are among them
            or first in _JOINED
            or any(name in word for name in self._cuts.special)
        )

    def _with_whole(
        self, texts: list[str], whole_N: np.ndarray, count_N: np.ndarray, by_word: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of all texts: `by_word` of those made of words, and the others tokenised as wholes."""
        lists = list(self._encode_lists([texts[number] for number in np.flatnonzero(whole_N).tolist()]))
        count_N[whole_N] = list(map(len, lists))
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(count_N, out=offsets[1:])
        if not lists:
            return by_word, offsets
        tokens = np.empty(int(offsets[-1]), np.int32)
        tokens[spread(offsets[:-1][~whole_N], count_N[~whole_N])] = by_word
        tokens[spread(offsets[:-1][whole_N], count_N[whole_N])] = list(itertools.chain.from_iterable(lists))
        return tokens, offsets
