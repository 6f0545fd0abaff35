"""Splits texts into sentences: translation models were trained on sentences, and given paragraphs they skip some."""

import re
from collections.abc import Callable, Sequence

from hbt_jax.errors import InputError
from hbt_jax.languages import language

_UNSPACED = {"Hans", "Jpan"}  # scripts without a space between sentences

Part = tuple[str, str]  # a sentence, and the white space after it


def splitter(code: str) -> Callable[[str], list[Part]]:
    """A function that splits a text into sentences; joined with the spaces after them, they give the stripped text.

    Raises:
      InputError: the package that finds the sentences is not installed.
    """
    try:
        import sentencex
    except ImportError as error:
        raise InputError(f"sentencex cannot be imported ({error}): pip install -e '.[translate]'") from error

    def split(text: str) -> list[Part]:
        parts: list[Part] = []
        for segment in sentencex.segment(code, text.strip()):
            sentence = segment.strip()
            before, _, after = segment.partition(sentence) if sentence else ("", "", segment)
            if parts and (before or not sentence):
                parts[-1] = (parts[-1][0], parts[-1][1] + before + ("" if sentence else after))
            if sentence:
                parts.append((sentence, after))
        return parts

    return split


def worth_translating(sentence: str) -> bool:
    """Whether a sentence has a letter: models make up words for mere numbers and symbols, which need no translation."""
    return any(character.isalpha() for character in sentence)


def joined(parts: Sequence[Part], translations: dict[str, str | None], target: str) -> str | None:
    """Joins translated sentences into a text, with the source's line breaks.

    Args:
      parts: sentences of the source, from the function that `splitter` returns.
      translations: sentence -> translation, for sentences that are `worth_translating`.
      target: language of the translations.

    Returns:
      None if the translation of a sentence did not end; an empty string if one is empty.
    """
    made = [translations[sentence] if worth_translating(sentence) else sentence for sentence, _ in parts]
    if None in made:
        return None
    if not all(made):
        return ""
    spaces = [space for _, space in parts]
    if language(target).script in _UNSPACED:
        spaces = ["" if re.fullmatch(" *", space) else space for space in spaces]
    return "".join(text + space for text, space in zip(made, spaces, strict=True))
