"""The user's own question-answer pairs: a folder of JSON lines, one file per split.

INPUT_DIR holds train.jsonl, validation.jsonl and test.jsonl, or some of them, with one object per line:

    {"query": {"en": "...", "de": "..."}, "passage": {"en": "..."}}

A side may lack any language but not all of them.  Optional fields:

    negatives   list of objects like `passage` that do not answer the query
    group       rows with the same group are never negatives of each other's queries
    id          name of the row, unique in its file

Or one language per row:

    {"query": "...", "passage": "...", "language": "de", "group": "g1", "negatives": ["..."]}

In this form the rows of one group are translations of each other and are joined into one row, with one item per side; a
group has at most one row per language.  They may be anywhere in the file, at the cost of keeping all such rows in
memory; the joined rows come last, ordered by the first row of each group.  A negative is an item of its own language.

Normal form, outer spaces and invisible characters make no difference between names or between texts
(hbt_jax/text_identity.py).  Every row is used or reported as malformed.  Blank lines are skipped; rows of a group that
repeat the texts of a language are skipped and counted.
"""

import collections
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Respelled, Row, identity, respelled
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.reading.fields import language, shown, text
from data_prep.reading.line_files import json_value, lines
from hbt_jax.errors import InputError
from hbt_jax.text_identity import identity_text

AGAIN = "rows of a group that repeat the texts of a language"
_NEEDED, _OPTIONAL, _ONE_LANGUAGE = ("query", "passage"), ("id", "negatives", "group"), "language"


def rows(path: Path) -> Iterator[Row | BadRow | Dropped | Respelled]:
    """Yields the rows of a file in order, and a BadRow in place of each malformed line.

    Raises:
      InputError: the file has no row.
    """
    first_place: dict[str, str] = {}
    translated: dict[str, Row] = {}
    written: collections.Counter = collections.Counter()  # code in the file -> rows
    empty = True
    for place, line in lines(path):
        if not line.strip():
            continue
        empty = False
        try:
            fields = _fields(place, line)
            _check_id(place, fields, first_place)
            name = f"{path.name}:{place.rpartition(':')[2]}"
            if _ONE_LANGUAGE in fields:
                row = _row(place, _spread(place, fields), name)
                written.update(_codes(fields))
                if "group" in fields:
                    before = translated.get(row.group)
                    translated[row.group] = _joined(place, before, row)
                    if before is not None and row.query.keys() <= before.query.keys():
                        yield Dropped(AGAIN)
                    continue
            else:
                row = _row(place, fields, name)
                written.update(_codes(fields))
        except BadRow as bad:
            row = bad
        yield row
    if empty:
        raise InputError(f"{path}: the file has no row: expected one JSON object per line")
    yield from translated.values()
    yield from respelled(written)


def _codes(fields: dict) -> set[str]:
    """The codes of a row as they are written."""
    if _ONE_LANGUAGE in fields:
        return {str(fields[_ONE_LANGUAGE])}
    sides = [fields[name] for name in _NEEDED] + list(fields.get("negatives") or ())
    return {code for side in sides if isinstance(side, dict) for code in side}


def _check_id(place: str, fields: dict, first_place: dict[str, str]) -> None:
    """Notes the place of a row's id; raises BadRow for the id of an earlier row."""
    if "id" not in fields:
        return
    name = identity_text(_string(place, "id", fields["id"]))
    if name in first_place:
        raise BadRow(
            f"{place}: duplicate id {name!r}, first in line {first_place[name].rpartition(':')[2]}: ids must be unique"
            " in a file; rename or leave out one of them"
        )
    first_place[name] = place


def _spread(place: str, fields: dict) -> dict:
    """The fields of a row in one language, in the form in which each text names its language."""
    code = language(place, _ONE_LANGUAGE, fields[_ONE_LANGUAGE])
    made = {name: value for name, value in fields.items() if name != _ONE_LANGUAGE}
    for name in _NEEDED:
        made[name] = {code: _string(place, name, fields[name])}
    if isinstance(fields.get("negatives"), list):
        made["negatives"] = [
            {code: _string(place, f"negatives[{index}]", written)} for index, written in enumerate(fields["negatives"])
        ]
    return made


def _joined(place: str, before: Row | None, row: Row) -> Row:
    """A row joined with its translations; raises BadRow if a language already has other texts."""
    if before is None:
        return row
    for code in row.query:
        if code in before.query and not (
            identity_text(before.query[code]) == identity_text(row.query[code])
            and identity_text(before.passage[code]) == identity_text(row.passage[code])
        ):
            raise BadRow(
                f"{place}: {row.group} already has a row in {code!r}: rows of one group are translations of each other,"
                " one per language; give this row another group"
            )
    return Row(row.query | before.query, row.passage | before.passage, before.negatives + row.negatives, row.group)


def _fields(place: str, line: bytes) -> dict:
    fields = json_value(place, line)
    expected = f"expected the fields {', '.join(_NEEDED)} and optionally {', '.join((*_OPTIONAL, _ONE_LANGUAGE))}"
    if not isinstance(fields, dict):
        raise BadRow(f"{place}: found {shown(fields)}: expected a JSON object with query and passage")
    for name in _NEEDED:
        if name not in fields:
            raise BadRow(f"{place}: missing field {name!r}: {expected}")
    for name in fields:
        if name not in (*_NEEDED, *_OPTIONAL, _ONE_LANGUAGE):
            raise BadRow(f"{place}: unknown field {name!r}: {expected}; remove or rename it")
    return fields


def _row(place: str, fields: dict, line_name: str) -> Row:
    query, passage = (_texts(place, name, fields[name]) for name in _NEEDED)
    listed = fields.get("negatives", [])
    if not isinstance(listed, list):
        raise BadRow(f"{place}: negatives is {shown(listed)}: expected a list of objects like passage")
    negatives = tuple(_texts(place, f"negatives[{index}]", texts) for index, texts in enumerate(listed))
    own = identity(passage)
    for index, negative in enumerate(negatives):
        same = [code for code, written in identity(negative).items() if own.get(code) == written]
        if same:
            raise BadRow(
                f"{place}: negatives[{index}] equals the row's own passage in {same[0]!r}: expected passages that do"
                " not answer the query; remove it"
            )
    if "group" in fields:
        group = f"group {identity_text(_string(place, 'group', fields['group']))}"
    else:
        group = f"row {identity_text(fields['id'])}" if "id" in fields else f"line {line_name}"
    return Row(query, passage, negatives, group)


def _texts(place: str, name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadRow(f'{place}: {name} is {shown(value)}: expected an object such as {{"en": "text"}}')
    if not value:
        raise BadRow(f"{place}: {name} has no language: expected at least one, {{CODE: text}}")
    texts, first = {}, {}
    for written, content in value.items():
        code = language(place, name, written)
        if code in texts:
            raise BadRow(
                f"{place}: {name} has {first[code]!r} and {written!r}, which are one language, {code!r}: expected one"
                " text a language; leave out one"
            )
        texts[code], first[code] = _string(place, f"{name}.{written}", content), written
    return texts


def _string(place: str, name: str, value: object) -> str:
    return text(place, name, value, f"fill it in, or leave out {name.rpartition('.')[2]!r}")


_NAMES = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}


class Jsonl(RowsBuilder):
    """Pairs of texts in one or more languages, from JSON lines."""

    VERSION = tfds.core.Version("1.2.0")
    RELEASE_NOTES = {
        "1.0.0": "Rows with query, passage, negatives, group and id.",
        "1.1.0": "Rows in one language, joined by their group.",
        "1.2.0": ONE_TEXT,
    }
    FILES = f"{', '.join(_NAMES.values())} or some of them"

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The existing file of each split; raises InputError if there is none, and for a file with another name."""
        for path in sorted(input_dir.glob("*.jsonl*")):
            if path.name not in _NAMES.values():
                raise InputError(f"{path}: unexpected file: --input_dir holds {cls.FILES}; rename or move it")
        found = {split: (input_dir / name,) for split, name in _NAMES.items() if (input_dir / name).is_file()}
        if not found:
            raise InputError(f"--input_dir={input_dir} holds no data: expected {cls.FILES}")
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped | Respelled]:
        """Yields the rows of a file; see the module's docstring."""
        for path in files:
            yield from rows(path)
