"""The letters of a text, by which texts are compared however they are typed.

Letters, digits and the marks that spell a word count.  Nothing else does: not case, spaces, punctuation, symbols or
invisible characters (U+200B, soft hyphens), nor the form of a letter (composed, decomposed, full or half width,
ligatures, Arabic presentation forms).  In detail:

- Case is folded by Unicode's full folding ("ß" and "SS").  The dotted and dotless i of Turkish and Azerbaijani are one
  letter in every language, because the case of a text may have been changed by either rule.
- Vowel signs, viramas, tone marks and voicing marks of Indic scripts, Thai, Lao, Khmer, Burmese, Tibetan and kana
  count.  Accents, Hebrew points, Arabic vowel marks, hamzas and maddas above or below a letter, and tatweel do not:
  capitals are often written without accents, and many texts without points.
- Thai and Lao syllables are the same in whatever order and from whatever parts their signs are typed: U+0E33 (sara am)
  as U+0E4D U+0E32 with a tone mark before, between or behind, a tone mark before the vowel sign, U+0E41 as two U+0E40.
- Arabic letters equal those that keyboards of other languages type instead: U+064A, U+0649 and U+06CC (yeh),
  U+0643 and U+06A9 (kaf), U+0647, U+06C1 and U+06D5 (heh).  An alef with a wasla is an alef.
- Letters that older texts spell with a virama and a joiner equal that spelling: Malayalam chillus, Bengali khanda ta.
  Yiddish's double vav and yod are the same as two letters.
- A digit counts as its value, in any script; other numbers (Ethiopic and Tamil tens) are signs of their own.

A text without any letter is compared by its other visible characters.

Characters are folded one by one, so the letters of a text are the letters of its parts, concatenated; except for marks
that have an order, see `needs_order`.  What could not be read is kept as a position, see `Letters.holes`.
"""

import dataclasses
import functools
import re
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

from hbt_jax.data.permutation import mix
from hbt_jax.spans import offsets_of
from hbt_jax.text_identity import identity_text

UNKNOWN = "\ufffd"  # stands for what a tokenizer, or an earlier decoder of the text, could not read
_DOTLESS_I = "\u0131"
_MODIFIERS = ("\u02b0", "\u02ff")  # apostrophes and the like that Unicode calls letters
_ELONGATIONS = "\u0640\u07fa"
_SAME = str.maketrans({  # letters that are also typed as another one, or as several
    _DOTLESS_I: "i",
    "\u0649": "\u06cc", "\u064a": "\u06cc", "\u0643": "\u06a9", "\u06c1": "\u0647", "\u06d5": "\u0647",  # Arabic
    "\u0671": "\u0627",
    "\u05f0": "\u05d5\u05d5", "\u05f1": "\u05d5\u05d9", "\u05f2": "\u05d9\u05d9",  # Yiddish vav and yod
    "\u0e41": "\u0e40\u0e40", "\u0ec1": "\u0ec0\u0ec0",  # Thai and Lao vowels
    "\u09ce": "\u09a4\u09cd",  # Bengali khanda ta
    "\u0d7a": "\u0d23\u0d4d", "\u0d7b": "\u0d28\u0d4d", "\u0d7c": "\u0d30\u0d4d",  # Malayalam chillus
    "\u0d7d": "\u0d32\u0d4d", "\u0d7e": "\u0d33\u0d4d", "\u0d7f": "\u0d15\u0d4d",
    "\u0d54": "\u0d2e\u0d4d", "\u0d55": "\u0d2f\u0d4d", "\u0d56": "\u0d34\u0d4d",
})  # fmt: skip
# The order of Thai and Lao signs to which Unicode gives none (combining class 0), as a class among those that it gives:
# vowel signs below 103 and 118, tone marks 107 and 122.  Nikhahit stands behind the tone mark, as it does in U+0E33.
_CLASSES = {
    104: "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e47",  # vowel signs above
    107: "\u0e4c\u0e4e",  # killers
    108: "\u0e4d",
    109: "\u0e30\u0e32",  # vowels behind the consonant
    117: "\u0ebc",  # lo below a consonant
    119: "\u0eb1\u0eb4\u0eb5\u0eb6\u0eb7\u0ebb",
    122: "\u0ecc",
    123: "\u0ecd",
    124: "\u0eb0\u0eb2",
}
_CLASS_OF = {sign: number for number, signs in _CLASSES.items() for sign in signs}
_THAI_OR_LAO = re.compile("[\u0e30-\u0ecd]")
# Beginnings of the names of characters that are worth several Latin letters: ideographs and syllables say more.
_IDEOGRAPHS = ("CJK UNIFIED", "CJK COMPATIBILITY", "TANGUT", "NUSHU", "KHITAN", "CUNEIFORM", "EGYPTIAN", "ANATOLIAN")
_SYLLABLES = ("HIRAGANA", "KATAKANA", "ETHIOPIC", "YI SYLLABLE", "CANADIAN SYLLABICS", "CHEROKEE", "VAI SYLLABLE")


@dataclasses.dataclass(frozen=True)
class Letters:
    """The letters of N texts.

    Attributes:
      values: uint64, one number per letter, different for different letters; text i is
        `values[offsets[i]:offsets[i + 1]]`.  An ideograph is repeated three times and a kana syllable twice, so that
        the same number of values is about the same amount of text in any script.
      offsets: int64 [N + 1], from 0.
      holes: int64, ascending: an unknown mark stood before `values[hole]`, or at the end.
      hole_rows: int64, the text that each hole is in.
    """

    values: np.ndarray
    offsets: np.ndarray
    holes: np.ndarray
    hole_rows: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """int64 [N], number of letters of each text."""
        return np.diff(self.offsets)


def fold(text: str) -> str:
    """The letters of a text, and each unknown mark; of a text without either, its other visible characters.

    >>> fold("IŞIK, İstanbul"), fold("ışık istanbul"), fold("Ｃo\\u0301rdoba \\u200b(1)"), fold("日本 カ"), fold("?!")
    ('isikistanbul', 'isikistanbul', 'cordoba1', '日日日本本本カカ', '?!')
    """
    return fold_letters(text) or _in_order(text.translate(_SIGNS))


def fold_letters(text: str) -> str:
    """The letters of a text, and each unknown mark; empty if there is neither."""
    return _in_order(text.translate(_LETTERS))


def letters_of(texts: Sequence[str]) -> Letters:
    """The letters of texts as they are written."""
    return letters_of_folded([fold(text) for text in texts])


def letters_of_folded(folded: Sequence[str]) -> Letters:
    """The letters of what `fold` returned."""
    offsets = offsets_of(list(map(len, folded)))
    return without_holes(mixed(codes_of("".join(folded))), offsets)


def without_holes(values: np.ndarray, offsets: np.ndarray) -> Letters:
    """Letters from values in which `HOLE` stands for unknown marks."""
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
    """uint64: a different, random-looking number for each code point."""
    return mix((codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def needs_order(codes: np.ndarray) -> np.ndarray:
    """uint8: the class of each code point, by which signs that follow each other are sorted; 0 if it keeps its place.

    It is Unicode's combining class, and `_CLASSES` for signs of Thai and Lao that have none.
    """
    different, number = np.unique(codes, return_inverse=True)
    return np.array([_class_of(chr(code)) for code in different], np.uint8)[number]


HOLE = mixed(codes_of(UNKNOWN))[0]


def _class_of(sign: str) -> int:
    return _CLASS_OF.get(sign) or unicodedata.combining(sign)


@functools.cache
def _runs_with_order() -> re.Pattern:
    """Two or more signs that have an order; none of Unicode's marks is beyond U+1F000."""
    return re.compile(f"[{''.join(sign for sign in map(chr, range(0x300, 0x1F000)) if _class_of(sign))}]{{2,}}")


def _in_order(folded: str) -> str:
    if folded.isascii():
        return folded
    folded = unicodedata.normalize("NFD", folded)
    if not _THAI_OR_LAO.search(folded):
        return folded
    return _runs_with_order().sub(lambda run: "".join(sorted(run[0], key=_class_of)), folded)


def _decomposed(sign: str) -> str:
    """A character in compatibility decomposition and folded case."""
    before, sign = "", unicodedata.normalize("NFKD", sign)
    while sign != before:
        before, sign = sign, unicodedata.normalize("NFKD", sign.casefold())
    return sign.translate(_SAME)


def _is_visible(sign: str) -> bool:
    """Whether a character is visible: no space, control or format character."""
    return bool(identity_text(sign)) and unicodedata.category(sign) not in ("Cc", "Cf", "Cs")


def _is_letter(sign: str) -> bool:
    """Whether a decomposed character counts; characters unknown to this Python's Unicode are taken for letters."""
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
    """A decomposed character as it appears in folded text."""
    digit = unicodedata.digit(sign, None)
    return sign * _worth(sign) if digit is None else str(digit)


class _Table(dict):
    """What each code point becomes, for str.translate; filled as code points are met."""

    def __init__(self, counts: Callable[[str], bool]):
        self._counts = counts

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        kept = [part for part in _decomposed(sign) if _is_visible(part) and self._counts(part)]
        self[code] = UNKNOWN if sign == UNKNOWN else "".join(map(_counted, kept))
        return self[code]


_LETTERS, _SIGNS = _Table(_is_letter), _Table(lambda _: True)
