"""Counts the letters of texts, and those in a script."""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.spans import offsets_of

SCRIPTS = {  # ISO 15924 code -> first words of the Unicode names of its letters
    "Arab": {"ARABIC"},
    "Armn": {"ARMENIAN"},
    "Beng": {"BENGALI"},
    "Cyrl": {"CYRILLIC"},
    "Deva": {"DEVANAGARI"},
    "Ethi": {"ETHIOPIC"},
    "Geor": {"GEORGIAN"},
    "Grek": {"GREEK"},
    "Gujr": {"GUJARATI"},
    "Guru": {"GURMUKHI"},
    "Hans": {"CJK"},
    "Hant": {"CJK"},
    "Hebr": {"HEBREW"},
    "Jpan": {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"},
    "Khmr": {"KHMER"},
    "Knda": {"KANNADA"},
    "Kore": {"HANGUL", "CJK"},
    "Laoo": {"LAO"},
    "Latn": {"LATIN"},
    "Mlym": {"MALAYALAM"},
    "Mymr": {"MYANMAR"},
    "Orya": {"ORIYA"},
    "Sinh": {"SINHALA"},
    "Taml": {"TAMIL"},
    "Telu": {"TELUGU"},
    "Thai": {"THAI"},
    "Tibt": {"TIBETAN"},
    "Adlm": {"ADLAM"},
    "Aran": {"ARABIC"},
    "Bugi": {"BUGINESE"},
    "Cakm": {"CHAKMA"},
    "Cans": {"CANADIAN"},
    "Cher": {"CHEROKEE"},
    "Copt": {"COPTIC"},
    "Hang": {"HANGUL"},
    "Hani": {"CJK"},
    "Java": {"JAVANESE"},
    "Lisu": {"LISU"},
    "Mong": {"MONGOLIAN"},
    "Mtei": {"MEETEI"},
    "Nkoo": {"NKO"},
    "Olck": {"OL"},
    "Syrc": {"SYRIAC"},
    "Tfng": {"TIFINAGH"},
    "Thaa": {"THAANA"},
    "Vaii": {"VAI"},
    "Yiii": {"YI"},
}
_WIDTHS = ("FULLWIDTH", "HALFWIDTH")


@functools.lru_cache(maxsize=1 << 16)
def _word(letter: str) -> str:
    """The first word of a letter's Unicode name, without FULLWIDTH and HALFWIDTH; empty if it is not a letter."""
    if not letter.isalpha():
        return ""
    words = unicodedata.name(letter, "").split()
    return next((word for word in words if word not in _WIDTHS), "OTHER")


def letter_counts(texts: Sequence[str], script: str) -> tuple[np.ndarray, np.ndarray]:
    """How many letters each text has, and how many of them are in a script: int64 [N] each.

    Marks, digits, punctuation and spaces are not letters.

    Args:
      script: an ISO 15924 code of hbt_jax/languages.py.

    Raises:
      InputError: an unknown script.

    >>> letter_counts(["Straße 7", "улица Streeta"], "Latn")
    (array([ 6, 12]), array([6, 7]))
    """
    if script not in SCRIPTS:
        raise InputError(f"unknown script {script!r}: expected one of {' '.join(SCRIPTS)} (data_prep/store/letters.py)")
    points = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    different, place = np.unique(points, return_inverse=True)
    words = [_word(chr(point)) for point in different.tolist()]
    ends = offsets_of(list(map(len, texts)))

    def counted(of_point: list[bool]) -> np.ndarray:
        return np.diff(offsets_of(np.array(of_point, bool)[place])[ends])

    return counted([bool(word) for word in words]), counted([word in SCRIPTS[script] for word in words])
