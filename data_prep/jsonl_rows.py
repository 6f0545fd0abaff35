"""Rows of question-answer pairs in one's own JSON lines, checked one by one.

    {"query": {"en": "...", "de": "..."}, "passage": {"en": "..."}}

One object a line; a side may lack any language but not all of them.  Optional fields:

    negatives   list of objects like `passage` that do not answer the query
    group       name that rows share whose passages must not count as wrong answers of each other's queries
    id          name of the row, unique in its file

Every row is used or told to be wrong; blank lines alone are skipped.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from data_prep.row import BadRow, Row
from hbt_jax.errors import InputError
from hbt_jax.languages import LANGUAGES

_NEEDED, _OPTIONAL = ("query", "passage"), ("id", "negatives", "group")
_SHOWN = 60  # characters of a wrong value that a message repeats


def rows(path: Path) -> Iterator[Row | BadRow]:
    """Yields the rows of a file in their order, and a BadRow in the place of each line that is wrong.

    Raises:
      InputError: the file has no row.
    """
    first_line: dict[str, int] = {}
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            empty = False
            place, name = f"{path}:{number}", f"{path.name}:{number}"
            try:
                fields = _fields(place, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                _check_id(place, number, fields, first_line)
                row = _row(place, fields, name)
            except BadRow as bad:
                row = bad
            yield row
    if empty:
        raise InputError(f"{path}: the file has no row: expected one JSON object a line")


def _check_id(place: str, number: int, fields: dict, first_line: dict[str, int]) -> None:
    """Notes the line of a row's id; raises BadRow for one that an earlier row has."""
    if "id" not in fields:
        return
    name = _string(place, "id", fields["id"])
    if name in first_line:
        raise BadRow(
            f"{place}: duplicate id {name!r}, first in line {first_line[name]}: ids are unique in a file; rename or"
            " leave out one of them"
        )
    first_line[name] = number


def _fields(place: str, line: bytes) -> dict:
    try:
        fields = json.loads(line.decode().rstrip(), object_pairs_hook=lambda pairs: _object(place, pairs))
    except UnicodeDecodeError as error:
        raise BadRow(f"{place}: not UTF-8 text ({error}): save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadRow(f"{place}: not JSON ({error.msg} at column {error.colno}): expected one object a line") from error
    expected = f"expected the fields {', '.join(_NEEDED)} and, if wanted, {', '.join(_OPTIONAL)}"
    if not isinstance(fields, dict):
        raise BadRow(f"{place}: found {_shown(fields)}: expected a JSON object with query and passage")
    for name in _NEEDED:
        if name not in fields:
            raise BadRow(f"{place}: missing field {name!r}: {expected}")
    for name in fields:
        if name not in (*_NEEDED, *_OPTIONAL):
            raise BadRow(f"{place}: unknown field {name!r}: {expected}; remove or rename it")
    return fields


def _object(place: str, pairs: list[tuple]) -> dict:
    made = dict(pairs)
    if len(made) < len(pairs):  # the JSON reader would keep the last one in silence
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"{place}: {twice!r} stands twice in one object: keep one of them")
    return made


def _row(place: str, fields: dict, line_name: str) -> Row:
    query, passage = (_texts(place, name, fields[name]) for name in _NEEDED)
    listed = fields.get("negatives", [])
    if not isinstance(listed, list):
        raise BadRow(f"{place}: negatives is {_shown(listed)}: expected a list of objects like passage")
    negatives = tuple(_texts(place, f"negatives[{index}]", texts) for index, texts in enumerate(listed))
    for index, negative in enumerate(negatives):
        same = [language for language, text in negative.items() if passage.get(language) == text]
        if same:
            raise BadRow(
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
        raise BadRow(f'{place}: {name} is {_shown(value)}: expected an object such as {{"en": "text"}}')
    if not value:
        raise BadRow(f"{place}: {name} has no language: expected at least one, {{CODE: text}}")
    for language, text in value.items():
        if language not in LANGUAGES:
            raise BadRow(
                f"{place}: {name} has the unknown language {language!r}: expected one of {' '.join(LANGUAGES)};"
                " add others to hbt_jax/languages.py"
            )
        _string(place, f"{name}.{language}", text)
    return value


def _string(place: str, name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRow(f"{place}: {name} is {_shown(value)}: expected a string")
    if not value.strip():
        raise BadRow(f"{place}: {name} is empty: give it, or leave {name.rpartition('.')[2]!r} out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"{place}: {name} holds {value[error.start]!r}: expected whole characters") from error
    return value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
