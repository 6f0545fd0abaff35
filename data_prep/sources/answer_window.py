"""The part of a long text around an answer: whole sentences, about as long as a DPR passage.

A film's plot or a news story is longer than an encoder's input, and the answer is often near its end, where the encoder
would not see it.
"""

import re
from collections.abc import Sequence

from hbt_jax.text_identity import caseless_text

WORDS = 100  # as the passages of DPR (Karpukhin et al. 2020, arXiv 2004.04906, section 4.1)
_ENDS = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+\s*")
_WORD = re.compile(r"\w+")


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence: it ends at one of . ! ? before white space, or at the end of the line.

    >>> sentences("He left. She stayed!")
    [(0, 9), (9, 20)]
    """
    cuts = [0, *(found.end() for found in _ENDS.finditer(text)), len(text)]
    return [(start, end) for start, end in zip(cuts, cuts[1:], strict=False) if text[start:end].strip()]


def window(text: str, breaks: Sequence[tuple[int, int]], start: int, end: int, words: int = WORDS) -> str:
    """The sentences that hold text[start:end], and as many neighbours as fit into `words` words.

    Sentences after and before are added in turn; each direction ends at the first sentence that does not fit.

    >>> window("One. Two. Three. Four.", [(0, 5), (5, 10), (10, 17), (17, 22)], 5, 8, words=2)
    'Two. Three.'
    """
    held = [index for index, (first, last) in enumerate(breaks) if first < end and last > start]
    low, high = held[0], held[-1]
    left = words - len(text[breaks[low][0] : breaks[high][1]].split())
    after, before = True, True
    while after or before:
        if after:
            after = high + 1 < len(breaks) and (cost := _length(text, breaks[high + 1])) <= left
            if after:
                high, left = high + 1, left - cost
        if before:
            before = low > 0 and (cost := _length(text, breaks[low - 1])) <= left
            if before:
                low, left = low - 1, left - cost
    return " ".join(text[breaks[low][0] : breaks[high][1]].split())


def best_window(text: str, question: str, answer: str) -> str | None:
    """Of the windows around each occurrence of an answer, the one that shares most distinct words with the question.

    Case is ignored; on a tie the first one is taken.

    Returns:
      None if the answer does not occur in the text word for word.
    """
    asked = set(_WORD.findall(caseless_text(question)))
    breaks = sentences(text)
    spoken = re.compile(rf"(?<!\w){re.escape(answer.strip())}(?!\w)", re.IGNORECASE)
    windows = [window(text, breaks, found.start(), found.end()) for found in spoken.finditer(text)]
    return max(windows, key=lambda part: len(asked.intersection(_WORD.findall(caseless_text(part)))), default=None)


def _length(text: str, sentence: tuple[int, int]) -> int:
    return len(text[slice(*sentence)].split())
