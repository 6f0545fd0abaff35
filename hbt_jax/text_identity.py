"""When two strings are the same text: as a reader and a model see them, not as they were typed.

The same sentence occurs in data sets composed or decomposed (NFC, NFD), with a trailing space, with two spaces or a
no-break space between words, with a soft hyphen or a zero-width space inside.  Every question "is this the same text?"
-- for items, duplicates, negatives, judgements -- compares `identity_text`, never raw strings.

Further differences may not count for the tokenizer: XLM-R's composes compatibility forms (NFKC: full-width letters,
ligatures), an uncased BERT's drops case and accents.  `Folding` names these; `Tokenizer.folding` determines them.
Without a tokenizer, `SOURCE` is used for files that any model may read, and `JUDGED` for benchmarks.
"""

import dataclasses
import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

# Unicode's Default_Ignorable_Code_Point, and control characters other than white space.
_INVISIBLE_SIGNS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_INVISIBLE = re.compile(f"[{_INVISIBLE_SIGNS}]")
_VISIBLE = re.compile(rf"[^\s{_INVISIBLE_SIGNS}]")


@dataclasses.dataclass(frozen=True)
class Folding:
    """Which differences between texts do not count, besides canonical forms, spaces and invisible characters.

    Attributes:
      compatibility: compatibility forms, as NFKC composes them: "Ａ" and "A", "ﬁ" and "fi", "²" and "2".
      case: upper and lower case.
      accents: marks on letters (Unicode category Mn, after decomposition).
    """

    compatibility: bool = False
    case: bool = False
    accents: bool = False


SOURCE = Folding()  # prepared records may be read by a tokenizer that distinguishes compatibility forms
JUDGED = Folding(compatibility=True)  # benchmarks: judgements do not depend on the evaluated model


def identity_text(text: str, folding: Folding = SOURCE) -> str:
    """The text that stands for all equal ones; empty if there is no visible character.

    >>> identity_text("  Caf\\u0065\\u0301\\u200b  au\\u00a0lait ")
    'Café au lait'
    >>> identity_text("Ｃａｆé", Folding(compatibility=True, case=True, accents=True))
    'cafe'
    """
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    form = "NFKC" if folding.compatibility else "NFC"
    if not text.isascii():
        text = unicodedata.normalize(form, text)
    if folding.case:
        text = text.casefold()
        if not text.isascii():  # full folding decomposes some letters
            text = unicodedata.normalize(form, text)
    if folding.accents and not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFD", text) if unicodedata.category(sign) != "Mn")
    if text.isprintable() and "  " not in text:  # then it has no white space but single spaces: a faster way
        return text.strip(" ")
    return " ".join(text.split())


def is_blank(text: str) -> bool:
    """Whether a text has no visible character, so that its `identity_text` is empty.

    >>> is_blank(" \\u200b\\u00a0\\ufeff"), is_blank(" . ")
    (True, False)
    """
    return not _VISIBLE.search(text)


def caseless_text(text: str, folding: Folding = SOURCE) -> str:
    """`identity_text` where case does not count.

    Turkish and Azerbaijani write "ışık" as "IŞIK" and "istanbul" as "İSTANBUL", and programs change the case of a text
    by their rule or by that of other languages.  So dotted and dotless i are one letter here, in every language, as in
    data_prep/overlap/comparable.py.

    >>> caseless_text("ışık İSTANBUL I\u0307zmir"), caseless_text("IŞIK istanbul izmir")
    ('işik istanbul izmir', 'işik istanbul izmir')
    >>> caseless_text("STRASSE ΟΔΟΣ"), caseless_text("Straße Οδοσ")
    ('strasse οδοσ', 'strasse οδοσ')
    """
    folding = _without_case(folding)
    text = identity_text(text, folding)
    if text.isascii() or ("i\u0307" not in text and "ı" not in text):
        return text
    return identity_text(text.replace("i\u0307", "i").replace("ı", "i"), folding)  # the i may compose with a mark


@functools.cache
def _without_case(folding: Folding) -> Folding:
    return dataclasses.replace(folding, case=True)


def identity_keys(texts: Sequence[str], folding: Folding = SOURCE) -> np.ndarray:
    """uint64 [N]: equal for equal texts, otherwise different except for a chance of 2**-64 per pair; never 0.

    >>> a, b, c = identity_keys(["Lima", " Lima", "lima"])
    >>> bool(a == b), bool(a == c)
    (True, False)
    """
    return _digests(identity_text(text, folding) for text in texts)


def caseless_keys(texts: Sequence[str], folding: Folding = SOURCE) -> np.ndarray:
    """`identity_keys` where case does not count, as for `caseless_text`."""
    return _digests(caseless_text(text, folding) for text in texts)


def _digests(texts: Iterable[str]) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.maximum(np.frombuffer(digests, np.uint64), 1)
