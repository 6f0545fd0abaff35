"""The files of launch/embed.py, read and written in parts: texts as lines or JSON lines, embeddings as .npy or Parquet.

.txt, standard input   one text per line; an empty line is an empty text, so that row n of the output is line n
.jsonl                 one JSON object per line with the text in one field and, in all lines or none, an `id`; blank
                       lines are skipped
.npy                   float32 [N, D]; int8 [N, D]; or uint8 [N, D / 8, rounded up], one bit for each number
.parquet               columns id (where given), text, embedding (fixed-size list of these), scale (of int8, float32);
                       one row group for each part
"""

import contextlib
import dataclasses
import itertools
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.files import atomic_file

STANDARD_INPUT = "-"
_LINES, _JSON_LINES = ".txt", ".jsonl"
_FIELD = "text"  # of JSON lines, unless another is named
_READ_BYTES = 1 << 20
_POLL_SECONDS = 0.2
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class InputTexts:
    """Some of an input's texts, in its order.

    Attributes:
      texts: the texts.
      ids: the id of each; None if the input has none.
      lines: line number of each, from 1.
    """

    texts: list[str]
    ids: list[str] | None
    lines: list[int]

    @property
    def empty(self) -> int:
        """How many texts are empty or only white space."""
        return sum(not text.strip() for text in self.texts)


class TextInput:
    """A file of texts, or standard input.

    Args:
      path: the file; `-` for standard input.
      field: of JSON lines, the field with the text; empty for `text`.  A field makes standard input JSON lines.

    Raises:
      InputError: the file is missing, its suffix is unknown, or a field is named for a file without fields.
    """

    def __init__(self, path: str, field: str):
        suffix = Path(path).suffix
        if path == STANDARD_INPUT:
            suffix = _JSON_LINES if field else _LINES
        elif suffix not in (_LINES, _JSON_LINES):
            raise InputError(
                f"--input={path}: expected a .txt file with one text per line, a .jsonl file with one JSON object per"
                " line, or - for standard input; rename or convert the file"
            )
        elif not os.path.exists(path):
            raise InputError(f"--input={path}: no such file")
        if field and suffix == _LINES:
            raise InputError(f"--field={field}: lines of text have no fields: leave it out, or give a .jsonl file")
        self.path, self.field, self.is_json = path, field or _FIELD, suffix == _JSON_LINES
        self.name = "standard input" if path == STANDARD_INPUT else path

    def parts(self, size: int, poll: Callable[[], None]) -> Iterator[InputTexts]:
        """Yields the texts, `size` at a time.

        Args:
          size: texts of a part; the last may have fewer.
          poll: called regularly, also while standard input has nothing to read; raises to stop.

        Raises:
          InputError: there is no text, or a line is malformed; the message names file and line.
        """
        rows = self._json_rows(poll) if self.is_json else self._line_rows(poll)
        seen, with_ids = False, None
        while part := list(itertools.islice(rows, size)):
            if with_ids is None:
                with_ids = part[0][2] is not None
            for number, _, id_ in part:
                if (id_ is not None) != with_ids:
                    has, first = ("no id", "one") if with_ids else ("an id", "none")
                    raise InputError(
                        f"{self.name}:{number}: {has}, but the first row has {first}: give an id in every line or in"
                        " none"
                    )
            lines, texts, ids = map(list, zip(*part, strict=True))
            found = InputTexts(texts, ids if with_ids else None, lines)
            seen = seen or found.empty < len(texts)
            yield found
        if not seen:
            raise InputError(f"{self.name}: no text in it: expected one text per line")

    def count(self) -> int | None:
        """How many lines there are, blank ones included; None if only reading would tell."""
        if not os.path.isfile(self.path):
            return None
        ends, last = 0, b"\n"
        with open(self.path, "rb") as file:
            for chunk in iter(lambda: file.read(_READ_BYTES), b""):
                ends, last = ends + chunk.count(b"\n"), chunk[-1:]
        return ends + (last != b"\n")

    def _line_rows(self, poll: Callable[[], None]) -> Iterator[tuple[int, str, None]]:
        for number, line in self._lines(poll):
            yield number, line, None

    def _json_rows(self, poll: Callable[[], None]) -> Iterator[tuple[int, str, str | None]]:
        for number, line in self._lines(poll):
            if line.strip():
                yield number, *self._row(f"{self.name}:{number}", line)

    def _row(self, place: str, line: str) -> tuple[str, str | None]:
        """The text and id of one JSON line."""
        try:
            fields = json_text.parsed(line, lambda pairs: _object(place, pairs))
        except json_text.NotJson as error:
            raise InputError(f"{place}: not JSON ({error}): expected one object per line, with a text") from error
        if not isinstance(fields, dict):
            raise InputError(f"{place}: found {_shown(fields)}: expected a JSON object with the field {self.field!r}")
        if self.field not in fields:
            names = ", ".join(fields) or "none"
            raise InputError(f"{place}: no field {self.field!r}; it has {names}: give the one with the text as --field")
        text, id_ = fields[self.field], None
        if not isinstance(text, str):
            raise InputError(f"{place}: field {self.field!r} is {_shown(text)}: expected a string")
        if "id" in fields:
            if isinstance(fields["id"], bool) or not isinstance(fields["id"], str | int):
                found = _shown(fields["id"])
                raise InputError(f"{place}: id is {found}: expected a string or a whole number, or no id at all")
            id_ = str(fields["id"])
        for value in (text, id_ or ""):
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise InputError(f"{place}: holds half a surrogate pair, which is no character: write the whole one")
        return text, id_

    def _lines(self, poll: Callable[[], None]) -> Iterator[tuple[int, str]]:
        """Yields (number, line without its end); lines end with a line feed, or carriage return and line feed."""
        try:
            for number, line in enumerate(self._byte_lines(poll), start=1):
                content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                yield number, content.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}:{number}: not UTF-8 text ({error.reason} at byte {error.start + 1} of the line): save the"
                " file as UTF-8"
            ) from error
        except OSError as error:
            raise InputError(f"--input={self.path}: cannot be read: {error.strerror or error}") from error

    def _byte_lines(self, poll: Callable[[], None]) -> Iterator[bytes]:
        given = 0 if self.path == STANDARD_INPUT else self.path
        rest = b""
        with open(given, "rb", buffering=0, closefd=given != 0) as file:
            while chunk := _read(file, poll):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
        if rest:
            yield rest


def _read(file: BinaryIO, poll: Callable[[], None]) -> bytes:
    """The next bytes, empty at the end of the file; a signal is noticed while waiting."""
    poll()
    while not select.select([file], [], [], _POLL_SECONDS)[0]:
        poll()
    return file.read(_READ_BYTES)


def _object(place: str, pairs: list[tuple[str, object]]) -> dict:
    return json_text.object_of(
        pairs, lambda name: InputError(f"{place}: field {name!r} occurs twice in one object: keep one")
    )


def _shown(value: object) -> str:
    return json_text.shown(value, 40, ascii_only=False)


class _NpyFile:
    """Rows after a header, which is rewritten with their number at the end."""

    def __init__(self, file: BinaryIO):
        self._file, self._shape, self._dtype = file, (0, 0), np.dtype(np.float32)

    def write(self, texts: InputTexts, vectors_ND: np.ndarray, scale_N: np.ndarray | None) -> None:
        """Appends the vectors; texts and scales are left out."""
        del texts, scale_N
        if not self._shape[1]:
            self._shape, self._dtype = (0, vectors_ND.shape[1]), vectors_ND.dtype
            self._header()
        self._file.write(np.ascontiguousarray(vectors_ND).data)
        self._shape = (self._shape[0] + len(vectors_ND), self._shape[1])

    def finish(self) -> None:
        """Writes the number of rows."""
        self._file.seek(0)
        self._header()

    def _header(self) -> None:
        # numpy reserves room for the first axis to grow, so the header's length does not depend on it.
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, header | {"shape": self._shape})


class _ParquetFile:
    """One row group for each part."""

    def __init__(self, file: BinaryIO):
        self._file, self._writer = file, None

    def write(self, texts: InputTexts, vectors_ND: np.ndarray, scale_N: np.ndarray | None) -> None:
        """Appends texts and vectors, and ids and scales if there are any."""
        columns = {} if texts.ids is None else {"id": pa.array(texts.ids, pa.string())}
        columns["text"] = pa.array(texts.texts, pa.string())
        flat = pa.array(np.ascontiguousarray(vectors_ND).reshape(-1))
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, vectors_ND.shape[1])
        if scale_N is not None:
            columns["scale"] = pa.array(scale_N)
        table = pa.table(columns)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, use_dictionary=False)
        self._writer.write_table(table, row_group_size=table.num_rows)

    def finish(self) -> None:
        """Writes the footer."""
        self._writer.close()


_WRITERS = {".npy": _NpyFile, ".parquet": _ParquetFile}


def check_output(path: str) -> None:
    """Raises InputError if the suffix is unknown or it is clear, without writing, that the file cannot be written."""
    if Path(path).suffix not in _WRITERS:
        raise InputError(f"--output={path}: expected a name that ends in {' or '.join(_WRITERS)}")
    target = Path(os.path.abspath(path))
    above = next(folder for folder in target.parents if folder.exists())
    problem = None
    if target.is_dir():
        problem = "it is a folder"
    elif not above.is_dir():
        problem = f"{above} is not a folder"
    elif not os.access(above, os.W_OK | os.X_OK):
        problem = f"no permission to write into {above}"
    if problem:
        raise InputError(f"--output={path}: cannot be written: {problem}; name another file")


@contextlib.contextmanager
def open_output(path: str) -> Iterator[Callable[[InputTexts, np.ndarray, np.ndarray | None], None]]:
    """Yields a function that writes one part: (texts, vectors [n, D], float32 [n] scales or None).

    The file appears once the block has succeeded.

    Raises:
      InputError: the file cannot be written.
    """
    check_output(path)
    try:
        with atomic_file(path) as file:
            writer = _WRITERS[Path(path).suffix](file)
            yield writer.write
            writer.finish()
    except OSError as error:  # of writing: errors of reading are InputErrors already
        reason = error.strerror or " ".join(str(error).split())
        raise InputError(f"--output={path}: cannot be written: {reason}; make room or name another file") from error
