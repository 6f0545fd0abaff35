"""Reads the lines of text files, plain or gzipped; every error names the file and, if it can, the line.

Files are UTF-8.  A byte order mark at the start of a file and the \\r of a Windows line end are dropped.  Only a line
feed ends a line: other characters that some programs treat as line ends occur in real sentences.
"""

import gzip
import os
import zlib
from collections.abc import Iterator

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.text_identity import is_blank

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN = 40  # characters of a wrong value that a message repeats


def read_lines(path: str, expected: str) -> Iterator[tuple[str, str]]:
    """Yields ("PATH:LINE", line) for each line of a file, blank lines included, without line ends.

    Args:
      path: the file; PATH.gz is read if that is there instead.
      expected: what the folder should hold, for the message if the file is missing.

    Raises:
      InputError: the file is missing, is there both plain and gzipped, is a truncated or damaged gzip file, is not
        UTF-8, or has only blank lines.
    """
    path = _plain_or_gzipped(path, expected)
    number, found = 0, False
    with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
        while True:
            try:
                line = file.readline()
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InputError(
                    f"{path}: damaged or cut off after line {number:,} ({error}): download or write it again"
                ) from error
            if not line:
                break
            number += 1
            found = found or bool(line.strip())
            yield f"{path}:{number}", _decoded(path, number, line)
    if not found:
        raise InputError(f"{path}: the file is empty: expected at least one line")


def _plain_or_gzipped(path: str, expected: str) -> str:
    there = [each for each in (path, f"{path}.gz") if os.path.isfile(each)]
    if not there:
        raise InputError(f"{path}: no such file: {expected}")
    if len(there) > 1:
        raise InputError(f"{path}: the folder holds {' and '.join(map(os.path.basename, there))}: keep one of them")
    return there[0]


def _decoded(path: str, number: int, line: bytes) -> str:
    if number == 1:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}:{number}: not UTF-8 text ({error}): save the file as UTF-8") from error


def json_object(place: str, line: str, fields: str) -> dict:
    """The JSON object of one line.

    Args:
      place: names the line.
      fields: the fields expected, for the message.

    Raises:
      InputError: the line is not JSON, not an object, or has a field twice.
    """
    try:
        content = json_text.parsed(line, lambda pairs: _object(place, pairs))
    except json_text.NotJson as error:
        raise InputError(f"{place}: not JSON ({error}): expected one object per line") from error
    if not isinstance(content, dict):
        raise InputError(f"{place}: expected a JSON object with {fields}, got {type(content).__name__}")
    return content


def text_field(place: str, content: dict, name: str) -> str:
    """The text in a field of a JSON object; raises InputError if it is missing, no string, or has nothing visible."""
    if name not in content:
        raise InputError(f"{place}: missing field {name!r}: expected a string")
    if not isinstance(content[name], str):
        raise InputError(f"{place}: field {name!r} is {shown(content[name])}: expected a string")
    check_text(place, name, content[name])
    return content[name]


def id_field(place: str, content: dict, name: str) -> str:
    """The id in a field of a JSON object, a string or a whole number; raises InputError for any other value."""
    if name not in content:
        raise InputError(f"{place}: missing field {name!r}: expected an id")
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{place}: field {name!r} is {shown(value)}: expected an id, a string or a whole number")
    check_id(place, name, str(value))
    return str(value)


def _object(place: str, pairs: list[tuple[str, object]]) -> dict:
    return json_text.object_of(
        pairs, lambda name: InputError(f"{place}: field {name!r} occurs twice in one object: keep one")
    )


def shown(value: object) -> str:
    """A wrong JSON value, shortened for a message."""
    return json_text.shown(value, _SHOWN)


def check_id(place: str, name: str, value: str) -> None:
    """Raises InputError unless the id can stand in a TREC file."""
    if not value or value.split() != [value]:
        raise InputError(f"{place}: {name} {value!r} is empty or holds white space, which TREC files cannot carry")
    _check_whole(place, name, value)


def check_text(place: str, name: str, text: str) -> None:
    """Raises InputError for a text without a visible character, or with half a surrogate pair."""
    if is_blank(text):
        raise InputError(f"{place}: {name} is empty: drop it or give the text")
    _check_whole(place, name, text)


def _check_whole(place: str, name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: {name} holds {text[error.start]!r}: expected whole characters") from error
