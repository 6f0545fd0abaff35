"""One row of a source: a query, the passage that answers it, and passages that do not; or why there is none."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hbt_jax.errors import InputError
from hbt_jax.text_identity import identity_text

Unit = TypeVar("Unit")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
      query, passage: language code -> text.
      negatives: passages that do not answer the query.
      group: what the row shares with the rows of the same `group`; its own where it names none.
    """

    query: dict[str, str]
    passage: dict[str, str]
    negatives: tuple[dict[str, str], ...]
    group: str


class BadRow(InputError):
    """A row that cannot be used: its message begins with its place and says what is wrong and what was expected.

    The place is FILE:LINE, or FILE: PART where a file is one JSON value.

    Readers yield it in the place of a row, so that the rows after it can still be read; whether it stops the build or
    is set aside is the builder's to decide (data_prep/builders/base.py).
    """


@dataclasses.dataclass(frozen=True)
class Dropped:
    """What a source leaves out by a rule of its own: never an error, always counted.

    Readers yield it in the place of what they leave out.

    Attributes:
      reason: what was left out and why, a plural such as `questions without an answer`.
      count: how many.
    """

    reason: str
    count: int = 1


def read_each(
    units: Iterable[tuple[str, Unit]], parse: Callable[[str, Unit], Row | Dropped]
) -> Iterator[Row | BadRow | Dropped]:
    """Yields what `parse(place, unit)` makes of each unit of a file, or the BadRow that it raises."""
    for place, unit in units:
        try:
            yield parse(place, unit)
        except BadRow as bad:
            yield bad


def titled(title: str, text: str) -> str:
    """A passage of an article with the article's title, if any, before it, as Mr. TyDi's collections write it."""
    return f"{title}\n\n{text}" if title.strip() else text


def identity(texts: dict[str, str]) -> dict[str, str]:
    """Language code -> the text that stands for all that are the same."""
    return {code: identity_text(text) for code, text in texts.items()}


def item_id(texts: dict[str, str]) -> str:
    """The id of a query or passage: the same for the same texts in the same languages, in any row and file.

    Texts are the same whatever their normal form, their spaces and their invisible signs (hbt_jax/text_identity.py).
    """
    return typed_id(identity(texts))


def typed_id(texts: dict[str, str]) -> str:
    """The same for texts of the same characters."""
    canonical = json.dumps(texts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
