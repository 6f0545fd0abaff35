"""Rows of a file as records, column -> value: JSON lines or list, TSV, CSV, Parquet, Arrow.

Memory holds one row, or a few hundred rows of a Parquet or Arrow file.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from data_prep.builders.row import BadRow
from data_prep.reading.fields import Repeated, shown
from data_prep.reading.json_list import elements
from data_prep.reading.line_files import columns, csv_rows, decoded, json_value, lines, open_bytes
from hbt_jax.errors import InputError

KINDS = ("jsonl", "json", "tsv", "csv", "parquet", "arrow")
_PACKED = (".gz", ".bz2")
_BATCH = 256  # rows of a Parquet or Arrow file in memory
_FIRST = 100  # rows whose columns are looked at

Record = tuple[str, dict]  # place and row


def kind(path: Path) -> str:
    """One of KINDS, from a file's name; empty for other files."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
        found = suffixes[-1].lstrip(".") if suffixes else ""
        return found if found in KINDS[:4] else ""
    found = suffixes[-1].lstrip(".") if suffixes else ""
    return found if found in KINDS else ""


def records(path: Path, renamed: Mapping[str, str], names: Sequence[str] = ()) -> Iterator[Record | BadRow]:
    """Yields (place, record) of each row, and a BadRow in place of one that cannot be read.

    Args:
      path: a file of one of KINDS.
      renamed: name of a column in the file -> the name to give it.
      names: of the columns of a TSV file without a header; empty: its first line names them.

    Raises:
      InputError: the whole file cannot be read.
    """
    back = {given: found for found, given in renamed.items()}
    for row in _READERS[kind(path)](path, *([names] if names else [])):
        if isinstance(row, BadRow):
            yield row
            continue
        place, record = row
        kept = {name: value for name, value in record.items() if name not in renamed and name not in back}
        yield place, kept | {given: record[found] for given, found in back.items() if found in record}


def column_names(path: Path) -> list[str]:
    """The columns of a file; for JSON, those of its first hundred rows.

    Raises:
      InputError: none of these rows can be read, or the file cannot.
    """
    if kind(path) == "parquet":
        with _parquet(path) as file:
            return file.schema_arrow.names
    if kind(path) in ("tsv", "csv"):
        return first_line(path)
    found = list(itertools.islice(records(path, {}), _FIRST))
    names = dict.fromkeys(name for row in found if not isinstance(row, BadRow) for name in row[1])
    if not names:
        wrong = (row for row in found if isinstance(row, BadRow))
        raise next(wrong, InputError(f"{path}: the file has no row: expected at least one"))
    return list(names)


def first_line(path: Path) -> list[str]:
    """The cells of the first line of a TSV or CSV file; raises InputError if there is none."""
    if kind(path) == "csv":
        names: list[str] = []
        for _ in csv_rows(path, lambda _, found: names.extend(found)):
            break
    else:
        names = next((decoded(place, line).split("\t") for place, line in lines(path)), [])
    if not any(names):
        raise InputError(f"{path}: the file has no row: expected at least one")
    return names


def _json_lines(path: Path) -> Iterator[Record | BadRow]:
    for place, line in lines(path):
        if not line.strip():
            continue
        try:
            yield place, _object(place, json_value(place, line))
        except BadRow as bad:
            yield bad


def _json(path: Path) -> Iterator[Record | BadRow]:
    """The records of a file that is one JSON list, or has one object per line."""
    with open_bytes(path) as file:
        listed = file.read(1 << 10).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    if not listed:
        yield from _json_lines(path)
        return
    for place, value in elements(path):
        try:
            yield place, _object(place, value)
        except BadRow as bad:
            yield bad


def _object(place: str, value: object) -> dict:
    if isinstance(value, Repeated):
        raise value.error(place)
    if not isinstance(value, dict):
        raise BadRow(f"{place}: found {shown(value)}: expected an object, column -> value")
    return value


def _tsv(path: Path, names: Sequence[str] = ()) -> Iterator[Record | BadRow]:
    for number, (place, line) in enumerate(lines(path)):
        try:
            if not number and not names:
                names = decoded(place, line).split("\t")
                continue
            if not line:
                continue
            yield place, dict(zip(names, columns(place, line, names), strict=True))
        except BadRow as bad:
            yield bad


def _csv(path: Path) -> Iterator[Record | BadRow]:
    return csv_rows(path, lambda place, names: None, blank=True)


def _parquet_rows(path: Path) -> Iterator[Record]:
    with _parquet(path) as file:
        yield from _numbered(path, file.iter_batches(batch_size=_BATCH))


def _arrow_rows(path: Path) -> Iterator[Record]:
    yield from _numbered(path, _arrow_batches(path))


def _parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise  # an error of the system, such as a missing file
        raise _damaged(path, "Parquet", error) from error


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow file in either form: a stream, as `datasets` writes it, or a file with a footer."""
    with pa.memory_map(str(path)) as mapped:
        try:
            reader = pa.ipc.open_stream(mapped)
        except pa.ArrowInvalid:
            mapped.seek(0)
            try:
                opened = pa.ipc.open_file(mapped)
            except pa.ArrowInvalid as error:
                raise _damaged(path, "Arrow", error) from error
            reader = (opened.get_batch(number) for number in range(opened.num_record_batches))
        for batch in reader:
            yield from (batch.slice(first, _BATCH) for first in range(0, batch.num_rows, _BATCH))


def _numbered(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[Record]:
    number = 0
    try:
        for batch in batches:
            for record in batch.to_pylist():
                number += 1
                yield f"{path}: row {number}", record
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, kind(path).capitalize(), error) from error


def _damaged(path: Path, form: str, error: Exception) -> InputError:
    why = " ".join(str(error).split())
    return InputError(f"{path}: not a readable {form} file ({why[:120]}): download or write it again")


_READERS = {
    "jsonl": _json_lines, "json": _json, "tsv": _tsv, "csv": _csv, "parquet": _parquet_rows, "arrow": _arrow_rows,
}  # fmt: skip
