"""Finds failed machine translations, which should not be trained on, without a second model.

The default limits pass at least 99.5 % of professional translations (NTREX-128) in each of our languages that it has;
tests/data_prep/translation/test_filters.py measures this if the files are available.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar

from data_prep.store.letters import letter_counts
from hbt_jax.config.option import Part, option
from hbt_jax.errors import InputError
from hbt_jax.languages import language
from hbt_jax.text_identity import caseless_text, is_blank

UNFINISHED = "too long for the model, or unfinished"
EMPTY = "empty"
COPIED = "copied from the source"
SCRIPT = "in another script than the language's"
LENGTH = "far shorter or longer than the source"
REPETITION = "repeating itself"
FILTERS = (
    UNFINISHED,
    EMPTY,
    COPIED,
    SCRIPT,
    LENGTH,
    REPETITION,
)  # in order: the first one counts

_WORTH = {"Hans": 3, "Jpan": 2, "Kore": 2}  # alphabet letters that a character is worth, by NTREX-128's medians
_SLACK = 10  # letters added to both lengths: short texts differ more
_FEWEST_WORDS = 4  # a source of fewer words may be a name, which is the same in both languages
_LONGEST_UNIT = 40  # characters


@dataclasses.dataclass(frozen=True)
class Limits(Part):
    """What a translation must meet to be kept."""

    title: ClassVar[str] = "Filters"

    least_length: float = option(0.4, "minimum ratio of the translation's length to the source's, in alphabet letters")
    most_length: float = option(2.5, "maximum ratio of the translation's length to the source's, in alphabet letters")
    script_share: float = option(
        0.25, "minimum share of a translation's letters in the script of its language", minimum=0.0, maximum=1.0
    )
    repeats: int = option(3, "how often in a row a sequence of 2 to 40 characters may occur", minimum=1)

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.least_length < self.most_length:
            raise InputError(
                f"--least_length={self.least_length} --most_length={self.most_length}: expected the first to be below"
                " the second, such as 0.4 and 2.5"
            )


def failures(
    sources: Sequence[str], translations: Sequence[str | None], source: str, target: str, limits: Limits
) -> list[str | None]:
    """The first of FILTERS that each translation fails; None for a translation to keep.

    Args:
      sources: texts in the language `source`.
      translations: their translations into `target`; None if the translation did not end.

    >>> failures(["What is the capital of Peru?"] * 2, ["¿Cuál es la capital de Perú?", "Capital"], "en", "es",
    ...          Limits())
    [None, 'far shorter or longer than the source']
    """
    texts = [text or "" for text in translations]
    script, source_script = language(target).script, language(source).script
    letters, right = letter_counts(texts, script)
    source_letters = letter_counts(sources, source_script)[0]
    found = []
    for index, (before, after) in enumerate(zip(sources, texts, strict=True)):
        if translations[index] is None:
            failed = UNFINISHED
        elif is_blank(after):
            failed = EMPTY
        elif len(before.split()) >= _FEWEST_WORDS and _bare(before) == _bare(after):
            failed = COPIED
        elif source_letters[index] and right[index] < limits.script_share * max(letters[index], 1):
            failed = SCRIPT
        elif not limits.least_length <= _length(after, script) / _length(before, source_script) <= limits.most_length:
            failed = LENGTH
        elif _repeats(after, limits.repeats) and not _repeats(before, limits.repeats):
            failed = REPETITION
        else:
            failed = None
        found.append(failed)
    return found


def _bare(text: str) -> str:
    return "".join(character for character in caseless_text(text) if character.isalnum())


def _length(text: str, script: str) -> int:
    return len(text) * _WORTH.get(script, 1) + _SLACK


def _repeats(text: str, most: int) -> bool:
    """Whether a sequence with a letter occurs more than `most` times in a row."""
    pattern = _repeated(most)
    return any(any(map(str.isalpha, found[1])) for found in pattern.finditer(text))


def _repeated(most: int) -> re.Pattern:
    return re.compile(rf"(.{{2,{_LONGEST_UNIT}}}?)\1{{{most},}}", re.DOTALL)
