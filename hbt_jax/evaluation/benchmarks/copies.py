"""Finds texts of a benchmark that are the same text, and items that are the same item because they share a text.

Two texts of one language are the same if their `identity_text` is (folding JUDGED): whether they are composed or
decomposed, in full width, or with an extra space makes no difference.  Texts of different languages are never the same.
judged_alike.py says what this means for judgements; benchmarks that are scored as published only report their copies
(`copies_as_published`).
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hbt_jax.connected import joined
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.text_identity import JUDGED, identity_text

MOST_COPIES = 256  # of one text: beyond that, too many judgements would be added


def first_of_each(languages: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """int64 [N]: for each text, the index of the first text of its language that is the same.

    Args:
      languages: the language of each text, or something else that must be equal, such as the name of its pool.
      texts: the N texts.

    >>> first_of_each(["en", "de", "en", "en"], ["Lima", "Lima", " Li\\u200bma", "Quito"])
    array([0, 1, 0, 3])
    """
    first: dict[tuple[str, str], int] = {}
    found = []
    for n, (code, text) in enumerate(zip(languages, texts, strict=True)):
        same = identity_text(text, JUDGED)
        found.append(first.setdefault((code, text if same == text else same), n))  # no second copy in memory
    return np.array(found, np.int64)


def said(side: str, copies: int, ids: Sequence[str], copy: int, first: int) -> str:
    """The start of a sentence that reports copies.

    >>> said("candidates", 1200, ["a:en", "b:en"], 1, 0)
    '1,200 candidates have the same text as another one in their language, such as b:en (a copy of a:en)'
    """
    example = f"such as {ids[copy]} (a copy of {ids[first]})"
    return f"{copies:,} {side} have the same text as another one in their language, {example}"


def copies_as_published(
    sides: Mapping[str, BenchmarkTexts], why: str, languages: Sequence[str] | None = None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """What a benchmark that is scored as published reports about its copies.

    Args:
      sides: texts by what they are, such as "queries".
      why: why copies are not merged, as the end of a sentence.
      languages: what must be equal besides the text, as for `first_of_each`; None: the language.

    Returns:
      (for each side, how many texts are the same as a text of another item; a note for each side that has such texts).
    """
    counts, notes = {}, []
    for side, texts in sides.items():
        copies = _of_other_items(texts, texts.languages if languages is None else languages)
        counts[side] = len(copies)
        if copies:
            notes.append(f"{said(side, len(copies), texts.ids, *copies[0])}: {why}")
    return counts, tuple(notes)


def _of_other_items(texts: BenchmarkTexts, languages: Sequence[str]) -> list[tuple[int, int]]:
    """(copy, first) for texts that occur in several items: one text of each item except the first."""
    first_N = first_of_each(languages, texts.texts)
    seen: set[tuple[int, str]] = set()
    found = []
    for n in np.flatnonzero(first_N != np.arange(len(first_N))).tolist():
        first, item = int(first_N[n]), texts.items[n]
        if item != texts.items[first] and (first, item) not in seen:
            seen.add((first, item))
            found.append((n, first))
    return found


@dataclasses.dataclass(frozen=True)
class Same:
    """Which of the N texts of one side are the same text, and which belong to the same item.

    Attributes:
      first_N: see `first_of_each`.
      unit_N: number of each text's item.  If an item has several different texts in one language, they are not
        translations of each other, and each of its texts is a unit of its own.
      class_N: number of each text's class.  A class is a group of items that share texts, directly or through other
        items, and so are one item.  Items that share a text but have different texts in another language stay in
        classes of their own: one sentence may have two translations that answer different questions, and a filler
        such as "-" may occur anywhere.  So do items that share a text with more than MOST_COPIES copies.
      not_joined: for each group of items that share a text but are not one item, the index of its most repeated text.
    """

    first_N: np.ndarray
    unit_N: np.ndarray
    class_N: np.ndarray
    not_joined: tuple[int, ...]

    @property
    def is_copy_N(self) -> np.ndarray:
        """bool [N]: whether a text repeats an earlier one."""
        return self.first_N != np.arange(len(self.first_N))


def same_of(texts: BenchmarkTexts) -> Same:
    """Finds the texts of one side that are the same, and the items that are one item."""
    first_N = first_of_each(texts.languages, texts.texts)
    unit_N = _units(texts, first_N)
    class_N = joined(unit_N, first_N)
    apart = _not_one(class_N, unit_N, first_N, texts.languages)
    if apart:
        own_N = class_N.max() + 1 + unit_N
        class_N = np.where(np.isin(class_N, list(apart)), own_N, class_N)
    return Same(first_N, unit_N, class_N, tuple(apart.values()))


def not_joined_note(side: str, texts: BenchmarkTexts, same: Same) -> Iterator[str]:
    """A sentence about items that share a text but are not one item, if there are any; `side` names the texts."""
    if same.not_joined:
        n = same.not_joined[0]
        yield (
            f"{len(same.not_joined):,} groups of {side} share a text, such as that of {texts.ids[n]}, but do not count"
            f" as one item, because they have different texts in another language, or more than {MOST_COPIES} copies of"
            " it; they are judged as the files say"
        )


def joined_items(items: Sequence[str], same: Same) -> list[str]:
    """The item of each text; items of one class all get the name of the first of them.

    >>> texts = BenchmarkTexts(["a", "b", "c"], ["1", "2", "3"], ["en"] * 3, ["Lima", "Lima ", "Quito"])
    >>> joined_items(texts.items, same_of(texts))
    ['1', '1', '3']
    """
    number: dict[str, int] = {}
    item_N = np.array([number.setdefault(item, len(number)) for item in items], np.int64)
    group_N = joined(item_N, same.class_N)
    _, first, group_N = np.unique(group_N, return_index=True, return_inverse=True)
    return [items[n] for n in first[group_N].tolist()]


def _units(texts: BenchmarkTexts, first_N: np.ndarray) -> np.ndarray:
    text_of: dict[tuple[str, str], int] = {}
    mixed = set()
    for item, code, first in zip(texts.items, texts.languages, first_N.tolist(), strict=True):
        if text_of.setdefault((item, code), first) != first:
            mixed.add(item)
    number: dict[str | int, int] = {}
    names = (n if item in mixed else item for n, item in enumerate(texts.items))
    return np.array([number.setdefault(name, len(number)) for name in names], np.int64)


def several_items(class_N: np.ndarray, unit_N: np.ndarray) -> np.ndarray:
    """int64, ascending: the classes with several items; arguments are attributes of `Same`."""
    _, first_U = np.unique(unit_N, return_index=True)
    numbers, items = np.unique(class_N[first_U], return_counts=True)
    return numbers[items > 1]


def _not_one(class_N: np.ndarray, unit_N: np.ndarray, first_N: np.ndarray, languages: Sequence[str]) -> dict:
    """Class whose items are not one item -> index of its most repeated text."""
    first_T, copies_T = np.unique(first_N, return_counts=True)
    within_T = np.isin(class_N[first_T], several_items(class_N, unit_N)) | (copies_T > MOST_COPIES)
    first_T, copies_T = first_T[within_T], copies_T[within_T]
    class_T = class_N[first_T].tolist()
    wordings = Counter((number, languages[n]) for number, n in zip(class_T, first_T.tolist(), strict=True))
    apart = {number for (number, _), count in wordings.items() if count > 1}
    apart |= {number for number, copies in zip(class_T, copies_T.tolist(), strict=True) if copies > MOST_COPIES}
    most: dict[int, tuple[int, int]] = {}
    for number, copies, n in zip(class_T, copies_T.tolist(), first_T.tolist(), strict=True):
        if number in apart and copies > most.get(number, (0, 0))[0]:
            most[number] = copies, n
    return {number: n for number, (_, n) in most.items()}
