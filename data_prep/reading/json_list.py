"""Reads the elements of a JSON list one by one from a file of any size.

Python's own reader takes a whole file at once, which is 8 GB for DPR's training file.  This one reads a piece, yields
the elements that are complete in it, and reads on; memory holds one piece and the largest element.  ijson is
not used because it gives neither the line of an element nor that of an error.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from data_prep.reading.fields import Repeated
from data_prep.reading.line_files import open_bytes
from hbt_jax import json_text
from hbt_jax.errors import InputError

_PIECE = 1 << 20  # characters read at a time
_SPACE = " \t\r\n"
_TAIL = 16  # more characters than a number, literal or escape that the end of a piece can split


def elements(path: Path, piece: int = _PIECE, *, under: str = "") -> Iterator[tuple[str, object]]:
    """Yields (FILE:LINE, value) for each element of the list in a file, plain, gzip or bzip2.

    The value is a Repeated where an object in it has one name twice.

    Args:
      path: the file.
      piece: characters read at a time; tests make it small.
      under: if given, the file is an object with the list under this name; what follows the list is not read.

    Raises:
      InputError: the file is not one JSON list in UTF-8; the message names the line.  Elements before the damaged place
        have been yielded by then.
    """
    try:
        with open_bytes(path) as file:
            read = _List(path, io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), piece)
            yield from read.under(under) if under else read.whole()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}): download the file again") from error


class _List:
    """A position in a file: `_text[_at:]` is read but not yet used, `_line` is the line of `_at`."""

    def __init__(self, path: Path, file: io.TextIOWrapper, piece: int):
        self._path, self._file, self._piece = path, file, piece
        self._text, self._at, self._line, self._ended = "", 0, 1, False
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)
        self._repeated: str | None = None  # a name that an object of the element has twice

    def whole(self) -> Iterator[tuple[str, object]]:
        yield from self._elements()
        if self._next():
            raise self._wrong("text after the list", "one JSON list in the file")

    def under(self, name: str) -> Iterator[tuple[str, object]]:
        self._take("{", f"an object with a list under {name!r}")
        while self._next() == '"':
            found = self._element()[1]
            self._take(":", "a colon after the name")
            if found == name:
                yield from self._elements()
                return
            self._element()
            if self._next() == ",":
                self._take(",", "a comma")
        raise self._wrong("the object ends without it", f"a list under {name!r}")

    def _elements(self) -> Iterator[tuple[str, object]]:
        self._take("[", "a list")
        if self._next() != "]":
            yield self._element()
            while self._next() != "]":
                self._take(",", "a comma or the end of the list")
                yield self._element()
        self._take("]", "the end of the list")

    def _element(self) -> tuple[str, object]:
        self._next()
        place = f"{self._path}:{self._line}"
        while True:
            try:
                self._repeated = None
                value, end = json_text.first(self._text, self._at, self._decoder)
            except json_text.NotJson as error:
                cut = error.position + _TAIL >= len(self._text) or error.reason.startswith("Unterminated string")
                if error.syntax and cut and self._more():
                    continue
                self._advance(min(error.position, len(self._text)))
                raise self._wrong(error.reason, "an element of a JSON list") from error
            if end + _TAIL < len(self._text) or not self._more():  # a number may continue in the next piece
                self._advance(end)
                return place, value if self._repeated is None else Repeated(self._repeated)

    def _object(self, pairs: list[tuple[str, object]]) -> dict:
        made = dict(pairs)
        if len(made) < len(pairs):
            self._repeated = json_text.repeated(pairs)
        return made

    def _next(self) -> str:
        """Skips white space and returns the next character; empty at the end of the file."""
        while True:
            end = self._at
            while end < len(self._text) and self._text[end] in _SPACE:
                end += 1
            self._advance(end)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, character: str, expected: str) -> None:
        found = self._next()
        if found != character:
            raise self._wrong(f"found {found!r}" if found else "the file ends", expected)
        self._advance(self._at + 1)

    def _advance(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        """Reads at least as much again, so that a long element is retried only a few times; False at the end."""
        if self._ended:
            return False
        read = self._file.read(max(self._piece, len(self._text) - self._at))
        if not read:
            self._ended = True
            return False
        self._text, self._at = self._text[self._at :] + read, 0
        return True

    def _wrong(self, found: str, expected: str) -> InputError:
        return InputError(
            f"{self._path}:{self._line}: not a JSON list ({found}): expected {expected}; download the file again"
        )
