"""The letters of a text, by which texts are compared: the same however the text is typed.

Letters and digits count, and the marks that spell a word.  Nothing else does: not case, spaces, punctuation, symbols,
what is invisible (U+200B, soft hyphens), nor the form of a letter (composed, decomposed, full or half width,
ligatures, Arabic presentation forms).  In detail:

- Case is folded by Unicode's full folding ("ß" and "SS"), and the dotted and dotless i of Turkish and Azerbaijani
  are one letter in any language, as a text's case may have been changed by either rule.
- Vowel signs, viramas, tone marks and voicing marks of Indic scripts, Thai, Lao, Khmer, Burmese, Tibetan and kana
  count.  Accents, Hebrew points, Arabic vowel marks, hamzas and maddas above or below a letter, and tatweel do not:
  capitals are often written without accents, and other texts without points.
- A digit is its value in any script.

A text without any letter is compared by its other visible signs.

Folding goes sign by sign, so the letters of a text are those of its parts one after the other, but for marks of which
Unicode defines the order; `needs_order` says where.  What could not be read is kept as a place, see `Letters.holes`.
"""

import dataclasses
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from hbt_jax.data.permutation import mix
from hbt_jax.spans import offsets_of
from hbt_jax.text_identity import identity_text

UNKNOWN = "\ufffd"  # stands for what a tokenizer, or whoever decoded the text before, could not read
_DOTLESS_I = "\u0131"
_MODIFIERS = ("\u02b0", "\u02ff")  # apostrophes and the like that Unicode calls letters
_ELONGATIONS = "\u0640\u07fa"
# How many Latin letters one sign is worth, by the beginning of its name.  Ideographs and syllables say more.
_IDEOGRAPHS = ("CJK UNIFIED", "CJK COMPATIBILITY", "TANGUT", "NUSHU", "KHITAN", "CUNEIFORM", "EGYPTIAN", "ANATOLIAN")
_SYLLABLES = ("HIRAGANA", "KATAKANA", "ETHIOPIC", "YI SYLLABLE", "CANADIAN SYLLABICS", "CHEROKEE", "VAI SYLLABLE")


@dataclasses.dataclass(frozen=True)
class Letters:
    """The letters of N texts.

    Attributes:
      values: uint64, one number for each letter, different for different letters; text i is
        `values[offsets[i]:offsets[i + 1]]`.  An ideograph stands there three times and a syllable of kana twice, so
        that as many values are about as much text in any script.
      offsets: int64 [N + 1], from 0.
      holes: int64, ascending: an unknown mark stood before `values[hole]`, or at the end.
      hole_rows: int64, the text that each of them is in.
    """

    values: np.ndarray
    offsets: np.ndarray
    holes: np.ndarray
    hole_rows: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """int64 [N], letters of each text."""
        return np.diff(self.offsets)


def fold(text: str) -> str:
    """The letters of a text, with each unknown mark; a text without either keeps its other visible signs.

    >>> fold("IŞIK, İstanbul"), fold("ışık istanbul"), fold("Ｃo\\u0301rdoba \\u200b(1)"), fold("日本 カ"), fold("?!")
    ('isikistanbul', 'isikistanbul', 'cordoba1', '日日日本本本カカ', '?!')
    """
    return fold_letters(text) or _in_order(text.translate(_SIGNS))


def fold_letters(text: str) -> str:
    """The letters of a text, with each unknown mark; empty where there is neither."""
    return _in_order(text.translate(_LETTERS))


def letters_of(texts: Sequence[str]) -> Letters:
    """The letters of texts as they are written."""
    return letters_of_folded([fold(text) for text in texts])


def letters_of_folded(folded: Sequence[str]) -> Letters:
    """The letters of what `fold` returned."""
    offsets = offsets_of(list(map(len, folded)))
    return without_holes(mixed(codes_of("".join(folded))), offsets)


def without_holes(values: np.ndarray, offsets: np.ndarray) -> Letters:
    """Letters from values among which unknown marks stand as `HOLE`."""
    places = np.flatnonzero(values == HOLE)
    if not len(places):
        return Letters(values, offsets, places, places)
    rows = np.searchsorted(offsets, places, side="right") - 1
    before = offsets_of(np.bincount(rows, minlength=len(offsets) - 1))
    return Letters(np.delete(values, places), offsets - before, places - np.arange(len(places)), rows)


def codes_of(text: str) -> np.ndarray:
    """uint32, the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def mixed(codes: np.ndarray) -> np.ndarray:
    """uint64: a number for each code point that is as good as drawn, another for each."""
    return mix((codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def needs_order(codes: np.ndarray) -> np.ndarray:
    """uint8: Unicode's combining class of each code point; 0 where it keeps its place."""
    different, number = np.unique(codes, return_inverse=True)
    return np.array([unicodedata.combining(chr(code)) for code in different], np.uint8)[number]


HOLE = mixed(codes_of(UNKNOWN))[0]


def _in_order(folded: str) -> str:
    return folded if folded.isascii() else unicodedata.normalize("NFD", folded)


def _decomposed(sign: str) -> str:
    """A sign in compatibility decomposition and folded case."""
    before, sign = "", unicodedata.normalize("NFKD", sign)
    while sign != before:
        before, sign = sign, unicodedata.normalize("NFKD", sign.casefold())
    return sign.replace(_DOTLESS_I, "i")


def _is_visible(sign: str) -> bool:
    """Whether a sign is neither a space, invisible, nor a control or format character."""
    return bool(identity_text(sign)) and unicodedata.category(sign) not in ("Cc", "Cf", "Cs")


def _is_letter(sign: str) -> bool:
    """Whether a decomposed sign counts; what this Python's Unicode does not know may be a letter."""
    category = unicodedata.category(sign)
    if category in ("Mn", "Mc"):
        above_or_below = unicodedata.combining(sign)
        return not (above_or_below == 1 or 10 <= above_or_below <= 36 or above_or_below >= 200)
    if category == "Lm":
        return not (_MODIFIERS[0] <= sign <= _MODIFIERS[1] or sign in _ELONGATIONS)
    return category[0] in "LN" or category in ("Co", "Cn")


def _worth(sign: str) -> int:
    name = unicodedata.name(sign, "")
    return 3 if name.startswith(_IDEOGRAPHS) else 2 if name.startswith(_SYLLABLES) else 1


def _counted(sign: str) -> str:
    """A decomposed sign as it stands in folded text."""
    digit = unicodedata.decimal(sign, None)
    return sign * _worth(sign) if digit is None else str(digit)


class _Table(dict):
    """What each code point becomes, for str.translate; made when it is first met."""

    def __init__(self, counts: Callable[[str], bool]):
        self._counts = counts

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        kept = [part for part in _decomposed(sign) if _is_visible(part) and self._counts(part)]
        self[code] = UNKNOWN if sign == UNKNOWN else "".join(map(_counted, kept))
        return self[code]


_LETTERS, _SIGNS = _Table(_is_letter), _Table(lambda _: True)
