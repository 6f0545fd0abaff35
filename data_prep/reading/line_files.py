"""Reads files with one row per line, plain, gzip or bzip2; a malformed line raises a BadRow that names it."""

import bz2
import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from data_prep.builders.row import BadRow
from data_prep.reading.fields import Repeated
from hbt_jax import json_text
from hbt_jax.errors import InputError

_BOM = b"\xef\xbb\xbf"


_PACKED = {".gz": ("gzip", gzip.open), ".bz2": ("bzip2", bz2.open)}  # suffix -> form, and what opens it


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for reading; .gz and .bz2 files are unpacked.

    Raises:
      InputError: a .gz or .bz2 file is damaged or cut off, or is not packed; it is raised where the block reads.
    """
    form, opened = _PACKED.get(path.suffix.lower(), ("", lambda plain: plain.open("rb")))
    try:
        with opened(path) as file:
            yield file
    except (EOFError, OSError, zlib.error) as error:
        if not form or getattr(error, "errno", None) is not None:
            raise  # an error of the system, such as a missing file
        raise InputError(f"{path}: damaged ({error}): expected a complete {form} file; download it again") from error


def lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields (FILE:LINE, line without its line end); raises InputError for a damaged .gz or .bz2 file."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            yield f"{path}:{number}", (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")


def decoded(place: str, line: bytes) -> str:
    """The text of a line; raises BadRow if it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadRow(f"{place}: not UTF-8 text ({error}): save the file as UTF-8, or download it again") from error


def columns(place: str, line: bytes, names: Sequence[str], separator: str | None = "\t") -> list[str]:
    """The columns of a line without quoting; raises BadRow for more or fewer than `names`.

    Args:
      names: of the columns, for the message.
      separator: None: any white space.
    """
    found = decoded(place, line).split(separator)
    if len(found) != len(names):
        between = "white space" if separator is None else "tabs"
        raise BadRow(f"{place}: {len(found)} columns: expected {len(names)} separated by {between}, {', '.join(names)}")
    return found


def json_value(place: str, line: bytes, kind: str = "object") -> object:
    """The JSON value of a line; raises BadRow for a line that is not JSON, or has an object with one name twice.

    Args:
      kind: what a line holds, for the message.
    """
    try:
        return json_text.parsed(decoded(place, line).rstrip(), lambda pairs: _object(place, pairs))
    except json_text.NotJson as error:
        raise BadRow(f"{place}: not JSON ({error}): expected one {kind} per line") from error


def _object(place: str, pairs: list[tuple[str, object]]) -> dict:
    return json_text.object_of(pairs, lambda name: Repeated(name).error(place))


def check_header(place: str, found: Sequence[str], names: Sequence[str]) -> None:
    """Raises InputError unless the first line of a file has these column names."""
    if list(found) != list(names):
        raise InputError(f"{place}: the first line is {' '.join(found)[:80]!r}: expected the columns {' '.join(names)}")


def csv_rows(
    path: Path, check: Callable[[str, list[str]], None], *, blank: bool = False
) -> Iterator[tuple[str, dict[str, str]] | BadRow]:
    """Yields (FILE:LINE, row by column name) of a CSV file whose first line names the columns.

    The place of a row of several lines is its first line; a row that is not UTF-8, or has more or fewer columns than
    the first line, is a BadRow.

    Args:
      path: the file.
      check: called with FILE:1 and the column names; raises InputError if they are wrong.
      blank: whether blank lines are passed over.

    Raises:
      InputError: the first line is not UTF-8, or the quoting is damaged, so that the next row cannot be found.
    """
    csv.field_size_limit(1 << 30)  # a column can hold a whole article
    place, before = f"{path}:1", 0
    try:
        with open_bytes(path) as packed, _undecided(packed) as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            _check_utf8(place, names)
            check(place, names)
            before = reader.line_num
            for row in reader:
                place, before = f"{path}:{before + 1}", reader.line_num
                if blank and not row:
                    continue
                try:
                    _check_utf8(place, row)
                    if len(row) != len(names):
                        raise BadRow(f"{place}: {len(row)} columns: expected {len(names)}, {', '.join(names)}")
                except BadRow as bad:
                    yield bad
                    continue
                yield place, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise InputError(
            f"{path}:{before + 1}: the quotes of this row are damaged ({error}): write the file again with"
            ' the quotes inside a cell doubled, "a ""b"" c"'
        ) from error


def _undecided(packed: BinaryIO) -> io.TextIOWrapper:
    """The text of a file, with a lone surrogate for each byte that is not UTF-8."""
    return io.TextIOWrapper(packed, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _check_utf8(place: str, cells: Sequence[str]) -> None:
    for cell in cells:
        if not cell.isascii():
            decoded(place, cell.encode(errors="surrogateescape"))
