"""Tokens of words that were seen before, for tokenizers that tokenise each word for itself.

XLM-R's tokenizer cuts a text at spaces before it looks for pieces, so a text's tokens are those of its words, and most
words have been seen before.  If a word's tokens may depend on its neighbours, the whole text is left to the tokenizer.
New words go to the tokenizer in batches, separated by a special token, which it cuts out before anything else; once
there are many, most are cut by hbt_jax/models/unigram_words.py.

The cache decides how fast a word's tokens are found, never which they are: every path here gives the tokens that the
tokenizer makes of the whole text.
"""

import array
import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hbt_jax.models.unigram_words import UnigramWords
from hbt_jax.spans import spread

_MOST_WORDS = 1 << 19  # that are remembered, and as many of the generation before, about 200 bytes each
_LONGEST = 40  # characters of a word that is remembered: in languages without spaces a word is a sentence
_MANY = 1 << 17  # new words: tokenizing them takes as long as reading the pieces again for a UnigramWords
_AT_ONCE = 1 << 8  # new words in one call: for fewer, tokenizers is as fast
_NEW, _LEANS = -1, -2  # instead of a word's number
_TOGETHER = 64  # new words that are tokenised as one text
_END = -1  # after the tokens of a word
_JOINED = "\u0e33\u0eb3\uff9e\uff9f"  # letters that join the one before them (Unicode's Grapheme_Cluster_Break)


def _in_words(text: str) -> bool:
    """Whether a text is written with spaces between words, or is short."""
    return len(text) <= _LONGEST or text.count(" ") * _LONGEST > 2 * len(text)


class Cuts(NamedTuple):
    """Where a tokenizer cuts a text, apart from spaces.

    Attributes:
      special: names of its special tokens, which are found inside words too.
      separator: the one of them to put between words: the text before it and the text after it are tokenised as if
        they were alone, and no other name can overlap it.
      separator_id: the separator's id.
    """

    special: tuple[str, ...]
    separator: str
    separator_id: int


def find_cuts(added: Sequence[Mapping]) -> Cuts | None:
    """Where a tokenizer cuts, by its special tokens; None if one contains a space, or none can be a separator.

    Args:
      added: the entries of tokenizer.json's `added_tokens`.
    """
    names = tuple(token["content"] for token in added if token["content"])
    if any(name.split() != [name] for name in names):
        return None
    for token in added:
        name = token["content"]
        plain = token["special"] and not any(token[use] for use in ("lstrip", "rstrip", "single_word", "normalized"))
        if name and plain and not any(_overlap(name, other) or _overlap(other, name) for other in names):
            return Cuts(names, name, token["id"])
    return None


def _overlap(name: str, other: str) -> bool:
    """Whether a name ends as another begins, or contains it."""
    sizes = range(1, min(len(name), len(other)))
    return any(name.endswith(other[:size]) for size in sizes) or (name != other and other in name)


@functools.cache
def _leans_back(first: str) -> bool:
    """Whether a word's first character may join what stands before it."""
    category = unicodedata.category(first)
    return category[0] == "M" or category in ("Cf", "Sk") or first in _JOINED  # Sk: the tones of emoji are among them


@functools.cache
def _is_format(last: str) -> bool:
    return unicodedata.category(last) == "Cf"


class _Words:
    """Words and their tokens; word 0 is the empty one."""

    def __init__(self):
        self._numbers: dict[str, int] = {"": 0}
        self._bounds = array.array("q", [0, 0])  # of each word's tokens among all: arrays that grow in place
        self._tokens = array.array("i")

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, words: list[str]) -> np.ndarray:
        """int64 [M]: numbers, or _NEW or _LEANS."""
        return np.fromiter(map(self._numbers.get, words, itertools.repeat(_NEW)), np.int64, len(words))

    def tokens_of(self, number_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of words by their numbers, one after the other, and how many each has."""
        bounds = np.asarray(self._bounds)
        start_M = bounds[number_M]
        count_M = bounds[number_M + 1] - start_M
        return np.asarray(self._tokens)[spread(start_M, count_M)], count_M

    def add(self, words: list[str], tokens: np.ndarray, count_M: np.ndarray) -> None:
        """Adds new words with tokens as `tokens_of` gives them."""
        first = len(self._bounds) - 1
        self._numbers.update(zip(words, range(first, first + len(words)), strict=True))
        self._bounds.frombytes((self._bounds[-1] + np.cumsum(count_M, dtype=np.int64)).tobytes())
        self._tokens.frombytes(tokens.astype(np.int32).tobytes())

    def add_leaning(self, words: list[str]) -> None:
        """Adds words whose tokens depend on their neighbours."""
        self._numbers.update(dict.fromkeys(words, _LEANS))

    def forget(self, words: list[str]) -> None:
        """Forgets these words, which are the ones added last."""
        for word in words:
            del self._numbers[word]
        del self._bounds[len(self._bounds) - len(words) :]
        del self._tokens[self._bounds[-1] :]


class WordCache:
    """Tokenises texts word by word.

    Args:
      encode_lists: texts -> the token ids of each.
      cuts: the tokenizer's.
      read_faster: reads what cuts most words as the tokenizer does, but faster; returns None if unavailable.
    """

    def __init__(
        self,
        encode_lists: Callable[[list[str]], Iterable[list[int]]],
        cuts: Cuts,
        read_faster: Callable[[], UnigramWords | None] = lambda: None,
    ):
        self._encode_lists, self._cuts = encode_lists, cuts
        self._read_faster, self._faster, self._learned = read_faster, None, 0
        self._has_special = re.compile("|".join(map(re.escape, cuts.special))).search
        self._known, self._earlier = (
            _Words(),
            _Words(),
        )  # words of the second move to the first when they are seen again

    def encode(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """As Tokenizer.encode."""
        split = [text.split(" ") if _in_words(text) else () for text in texts]
        words = list(itertools.chain.from_iterable(split))
        words_N = np.fromiter(map(len, split), np.int64, len(split))
        if len(self._known) > _MOST_WORDS:
            self._earlier, self._known = self._known, _Words()
        number_M = self._known.find(words)
        new_M = np.flatnonzero(number_M == _NEW)
        long = []
        if len(new_M):
            long = self._learn(list(dict.fromkeys(words[place] for place in new_M.tolist())))
            number_M[new_M] = self._known.find([words[place] for place in new_M.tolist()])
        leans_M = number_M == _LEANS
        text_M = np.repeat(np.arange(len(texts)), words_N)
        whole_N = words_N == 0
        whole_N[text_M[leans_M]] = True
        number_M = np.where(
            whole_N[text_M], 0, number_M
        )  # such a text counts as one without words: it is tokenised as a whole
        by_word, count_M = self._known.tokens_of(number_M)
        count_N = np.bincount(text_M, count_M, len(texts)).astype(np.int64)
        self._known.forget(long)
        return self._with_whole(texts, whole_N, count_N, by_word)

    def _learn(self, words: list[str]) -> list[str]:
        """Remembers new words; returns those to forget after this call, which are the last ones."""
        number_M = self._earlier.find(words)
        before = [words[place] for place in np.flatnonzero(number_M >= 0).tolist()]
        self._known.add(before, *self._earlier.tokens_of(number_M[number_M >= 0]))
        leaning, short, long = [], [], []
        for place in np.flatnonzero(number_M < 0).tolist():
            word = words[place]
            (leaning if self._leans(word) else long if len(word) > _LONGEST else short).append(word)
        self._known.add_leaning(leaning)
        new = [*self._learn_faster(short), *long]
        self._known.add(new, *self._tokenised(new))
        return long

    def _learn_faster(self, words: list[str]) -> list[str]:
        """Remembers the new words that are surely cut as by the tokenizer; returns the others."""
        if self._learned < _MANY <= self._learned + len(words):
            self._faster = self._read_faster()
        self._learned += len(words)
        if self._faster is None or len(words) < _AT_ONCE:
            return words
        tokens, count_M, sure_M = self._faster.encode(words)
        self._known.add([words[place] for place in np.flatnonzero(sure_M).tolist()], tokens, count_M[sure_M])
        return [words[place] for place in np.flatnonzero(~sure_M).tolist()]

    def _tokenised(self, words: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of words that do not depend on their neighbours, one after the other, and how many each has."""
        _, separator, separator_id = self._cuts
        together = [words[start : start + _TOGETHER] for start in range(0, len(words), _TOGETHER)]
        joined = self._encode_lists(["".join(word + separator for word in some) for some in together])
        parts = [np.zeros(0, np.int32)]
        for some, ids in zip(together, joined, strict=True):
            part = np.array(ids, np.int32)
            is_end = part == separator_id
            if is_end.sum() != len(some):  # normalising made a word contain the separator's name
                part = np.array([id_ for word in self._encode_lists(some) for id_ in (*word, _END)], np.int32)
            else:
                part[is_end] = _END
            parts.append(part)
        flat = np.concatenate(parts)
        return flat[flat != _END], np.diff(np.flatnonzero(flat == _END), prepend=-1) - 1

    def _leans(self, word: str) -> bool:
        """Whether a word's tokens may depend on its neighbours, or a special token may be in it."""
        return _leans_back(word[0]) or _is_format(word[-1]) or self._has_special(word) is not None

    def _with_whole(
        self, texts: list[str], whole_N: np.ndarray, count_N: np.ndarray, by_word: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of all texts: `by_word` for those made of words; the others are tokenised as a whole."""
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
