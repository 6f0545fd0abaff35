"""Rows of question-answer pairs in one's own JSON lines, checked one by one.

    {"query": {"en": "...", "de": "..."}, "passage": {"en": "..."}}

One object a line; a side may lack any language but not all of them.  Optional fields:

    negatives   list of objects like `passage` that do not answer the query
    group       name that rows share whose passages must not count as wrong answers of each other's queries
    id          name of the row, unique in its file

Every row is used or ends the reading with an error; blank lines alone are skipped.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.languages import LANGUAGES

_NEEDED, _OPTIONAL = ("query", "passage"), ("id", "negatives", "group")
_SHOWN = 60  # characters of a wrong value that a message repeats


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


def item_id(texts: dict[str, str]) -> str:
    """The id of a query or passage: the same for the same texts in the same languages, in any row and file."""
    canonical = json.dumps(texts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def rows(path: Path) -> Iterator[Row]:
    """Yields the rows of a file in their order.

    Raises:
      InputError: the file has no row, or a line is wrong; the message names file and line.
    """
    first_line: dict[str, int] = {}
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            empty = False
            place = f"{path}:{number}"
            fields = _fields(place, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            if "id" in fields:
                name = _string(place, "id", fields["id"])
                if name in first_line:
                    raise InputError(
                        f"{place}: duplicate id {name!r}, first in line {first_line[name]}: ids are unique in a file;"
                        " rename or leave out one of them"
                    )
                first_line[name] = number
            yield _row(place, fields, f"{path.name}:{number}")
    if empty:
        raise InputError(f"{path}: the file has no row: expected one JSON object a line")


def _fields(place: str, line: bytes) -> dict:
    try:
        fields = json.loads(line.decode().rstrip(), object_pairs_hook=lambda pairs: _object(place, pairs))
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 text ({error}): save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}: not JSON ({error.msg} at column {error.colno}): expected one object a line"
        ) from error
    expected = f"expected the fields {', '.join(_NEEDED)} and, if wanted, {', '.join(_OPTIONAL)}"
    if not isinstance(fields, dict):
        raise InputError(f"{place}: found {_shown(fields)}: expected a JSON object with query and passage")
    for name in _NEEDED:
        if name not in fields:
            raise InputError(f"{place}: missing field {name!r}: {expected}")
    for name in fields:
        if name not in (*_NEEDED, *_OPTIONAL):
            raise InputError(f"{place}: unknown field {name!r}: {expected}; remove or rename it")
    return fields


def _object(place: str, pairs: list[tuple]) -> dict:
    made = dict(pairs)
    if len(made) < len(pairs):  # the JSON reader would keep the last one in silence
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{place}: {twice!r} stands twice in one object: keep one of them")
    return made


def _row(place: str, fields: dict, line_name: str) -> Row:
    query, passage = (_texts(place, name, fields[name]) for name in _NEEDED)
    listed = fields.get("negatives", [])
    if not isinstance(listed, list):
        raise InputError(f"{place}: negatives is {_shown(listed)}: expected a list of objects like passage")
    negatives = tuple(_texts(place, f"negatives[{index}]", texts) for index, texts in enumerate(listed))
    for index, negative in enumerate(negatives):
        same = [language for language, text in negative.items() if passage.get(language) == text]
        if same:
            raise InputError(
                f"{place}: negatives[{index}] is in {same[0]!r} the row's own passage: expected passages that do not"
                " answer the query; remove it"
            )
    if "group" in fields:
        group = f"group {_string(place, 'group', fields['group'])}"
    else:
        group = f"row {fields['id']}" if "id" in fields else f"line {line_name}"
    return Row(query, passage, negatives, group)


def _texts(place: str, name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InputError(f'{place}: {name} is {_shown(value)}: expected an object such as {{"en": "text"}}')
    if not value:
        raise InputError(f"{place}: {name} has no language: expected at least one, {{CODE: text}}")
    for language, text in value.items():
        if language not in LANGUAGES:
            raise InputError(
                f"{place}: {name} has the unknown language {language!r}: expected one of {' '.join(LANGUAGES)};"
                " add others to hbt_jax/languages.py"
            )
        _string(place, f"{name}.{language}", text)
    return value


def _string(place: str, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"{place}: {name} is {_shown(value)}: expected a string")
    if not value.strip():
        raise InputError(f"{place}: {name} is empty: give it, or leave {name.rpartition('.')[2]!r} out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: {name} holds {value[error.start]!r}: expected whole characters") from error
    return value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
