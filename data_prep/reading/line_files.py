"""Reads files with one row per line, plain, gzip or bzip2; a malformed line raises a BadRow that names it."""

import bz2
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from data_prep.builders.row import BadRow
from hbt_jax.errors import InputError

_BOM = b"\xef\xbb\xbf"


def open_bytes(path: Path) -> BinaryIO:
    """Opens a file for reading; .gz and .bz2 files are unpacked."""
    return gzip.open(path) if path.suffix == ".gz" else bz2.open(path) if path.suffix == ".bz2" else path.open("rb")


def lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields (FILE:LINE, line without its line end); raises InputError for a damaged .gz or .bz2 file."""
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                yield f"{path}:{number}", (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")
    except (EOFError, OSError, zlib.error) as error:
        if getattr(error, "errno", None) is not None:
            raise  # an error of the system, such as a missing file
        kind = "bzip2" if path.suffix == ".bz2" else "gzip"
        raise InputError(f"{path}: damaged ({error}): expected a complete {kind} file; download it again") from error


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


def json_value(place: str, line: bytes, kind: str = "object", pairs: Callable[[list[tuple]], dict] = dict) -> object:
    """The JSON value of a line; raises BadRow for a line that is not JSON.

    Args:
      kind: what a line holds, for the message.
      pairs: makes the value of each object from its names and values.
    """
    try:
        return json.loads(decoded(place, line).rstrip(), object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise BadRow(
            f"{place}: not JSON ({error.msg} at column {error.colno}): expected one {kind} per line"
        ) from error


def check_header(place: str, found: Sequence[str], names: Sequence[str]) -> None:
    """Raises InputError unless the first line of a file has these column names."""
    if list(found) != list(names):
        raise InputError(f"{place}: the first line is {' '.join(found)[:80]!r}: expected the columns {' '.join(names)}")


def csv_rows(path: Path, check: Callable[[str, list[str]], None]) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yields (FILE:LINE, row by column name) of a CSV file whose first line names the columns.

    The place of a row of several lines is its first line; a row with more or fewer columns than the first line is None.

    Args:
      path: the file.
      check: called with FILE:1 and the column names; raises InputError if they are wrong.

    Raises:
      InputError: the file is not UTF-8, or its quoting is damaged.
    """
    csv.field_size_limit(1 << 30)  # a column can hold a whole article
    try:
        with open_bytes(path) as packed, io.TextIOWrapper(packed, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            names = next(reader, [])
            check(f"{path}:1", names)
            before = reader.line_num
            for row in reader:
                place, before = f"{path}:{before + 1}", reader.line_num
                yield place, dict(zip(names, row, strict=True)) if len(row) == len(names) else None
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not a CSV file of UTF-8 text ({error}): download or write it again") from error
