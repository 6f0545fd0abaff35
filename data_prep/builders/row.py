"""One row of a source: a query, the passage that answers it, and passages that do not; or why there is no row."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from hbt_jax.errors import InputError
from hbt_jax.languages import canonical
from hbt_jax.text_identity import identity_text

Unit = TypeVar("Unit")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
      query, passage: language code -> text.
      negatives: passages that do not answer the query.
      group: rows with the same group are never negatives of each other.
      score: a teacher's score of query and passage; None if there is none.
      negative_scores: its scores of query and each negative; empty if there are none.
    """

    query: dict[str, str]
    passage: dict[str, str]
    negatives: tuple[dict[str, str], ...]
    group: str
    score: float | None = None
    negative_scores: tuple[float, ...] = ()


class BadRow(InputError):
    """A malformed row: the message begins with its place and says what is wrong and what was expected.

    The place is FILE:LINE, or FILE: PART if the file is one JSON value.

    Readers yield it in place of the row, so that the rows after it can still be read; the builder decides whether it
    ends the build or is skipped (data_prep/builders/base.py).
    """


@dataclasses.dataclass(frozen=True)
class Dropped:
    """Something that a source leaves out by its own rule: never an error, always counted.

    Readers yield it in place of what they leave out.

    Attributes:
      reason: what was left out and why, as a plural such as `questions without an answer`.
      count: how many.
    """

    reason: str
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Respelled:
    """Texts whose language code in the files is not the canonical one: not an error, but always reported.

    Readers yield it beside the rows.

    Attributes:
      written, code: the code in the files, and the canonical one.
      count: number of rows that have it.
    """

    written: str
    code: str
    count: int


def respelled(counts: Mapping[str, int]) -> Iterator[Respelled]:
    """Yields a Respelled for each written code that is not canonical; `counts` has the number of rows of each code."""
    for written, count in sorted(counts.items()):
        if (code := canonical(written)) != written:
            yield Respelled(written, code, count)


def read_each(
    units: Iterable[tuple[str, Unit]], parse: Callable[[str, Unit], Row | Dropped]
) -> Iterator[Row | BadRow | Dropped]:
    """Yields `parse(place, unit)` for each unit of a file, or the BadRow that it raises."""
    for place, unit in units:
        try:
            yield parse(place, unit)
        except BadRow as bad:
            yield bad


def titled(title: str, text: str) -> str:
    """A passage after the title of its article, if there is one, as Mr. TyDi's collections write it."""
    return f"{title}\n\n{text}" if title.strip() else text


def identity(texts: dict[str, str]) -> dict[str, str]:
    """Language code -> the text that stands for all equal ones."""
    return {code: identity_text(text) for code, text in texts.items()}


def item_id(texts: dict[str, str]) -> str:
    """The id of a query or passage: equal for equal texts in the same languages, in any row and file.

    Normal form, spaces and invisible characters make no difference (hbt_jax/text_identity.py).
    """
    return typed_id(identity(texts))


def typed_id(texts: dict[str, str]) -> str:
    """The same, but equal only for texts of exactly the same characters."""
    canonical = json.dumps(texts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
