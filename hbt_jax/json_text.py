"""JSON that others wrote: whatever is wrong with it raises NotJson, with its place."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STRING = r'"(?:[^"\\]|\\.)*"'
_SHOWN = 60  # characters of a name that a message repeats

PairsHook = Callable[[list[tuple[str, object]]], object]


class NotJson(ValueError):
    """Text that is not JSON, or is JSON that Python does not read.

    The message is "Expecting value at column 5" for the first line, "Expecting value at line 7, column 5" for others.

    Attributes:
      reason: what is wrong, without its place.
      position: index in the text, or in the bytes, at which it is.
      line, column: of it, from 1.
      syntax: whether it is not JSON, so that more text may complete it.
    """

    def __init__(self, reason: str, text: str, position: int, *, syntax: bool = False):
        self.reason, self.position, self.syntax = reason, position, syntax
        self.line = text.count("\n", 0, position) + 1
        self.column = position - text.rfind("\n", 0, position)
        line = f"line {self.line}, " if self.line > 1 else ""
        super().__init__(f"{reason} at {line}column {self.column}")


class _Twice(ValueError):
    """An object has a name twice."""


def once_each(pairs: list[tuple[str, object]]) -> dict:
    """The object of these names and values, for a decoder; `not_json` explains what it raises if one occurs twice."""
    return object_of(pairs, _Twice)


_DECODER = json.JSONDecoder(object_pairs_hook=once_each)


def parsed(text: str | bytes, pairs: PairsHook | None = None) -> object:
    """The value of a JSON text.

    Args:
      text: the text; bytes are UTF-8, and a byte order mark before them is dropped.
      pairs: makes the value of each object from its names and values; None: a dict of them.

    Raises:
      NotJson: the text is not JSON, its bytes are not UTF-8, a whole number has more digits than Python reads,
        brackets are nested deeper than it reads or, without `pairs`, an object has a name twice.
    """
    if isinstance(text, bytes):
        text = _decoded(text)
    try:
        return json.loads(text, object_pairs_hook=pairs or once_each)
    except (ValueError, RecursionError) as error:
        raise not_json(error, text) from error


def first(text: str, start: int, decoder: json.JSONDecoder = _DECODER) -> tuple[object, int]:
    """The value that begins at an index of a text, and the index of its end; raises NotJson as `parsed`."""
    try:
        return decoder.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise not_json(error, text, start) from error


def read(path: Path) -> object:
    """The value in a file; raises NotJson as `parsed`, and OSError if there is no such file."""
    return parsed(path.read_bytes())


def not_json(error: ValueError | RecursionError, text: str, start: int = 0) -> NotJson:
    """What Python's reader raised at a text, read from `start` on, in its own words and with its place."""
    if isinstance(error, NotJson):
        return error
    if isinstance(error, _Twice):
        name, position = _second(text, start)
        return NotJson(f"the name {shown(name, _SHOWN)} occurs twice in one object", text, position)
    if isinstance(error, json.JSONDecodeError):
        return NotJson(error.msg, text, error.pos, syntax=True)
    if isinstance(error, RecursionError):
        depth, position = _deepest(text, start)
        return NotJson(f"brackets are nested {depth:,} deep, which is too deep to be read,", text, position)
    most = sys.get_int_max_str_digits()
    numbers = re.finditer(rf"{_STRING}|(?<![\d.])\d{{{most + 1},}}(?![\d.eE])", text[start:]) if most else ()
    number = next((found for found in numbers if found[0][0] != '"'), None)
    if number is None:
        return NotJson(" ".join(str(error).split()), text, start)
    reason = f"a whole number has {len(number[0]):,} digits, more than {most:,}, which is too many to be read,"
    return NotJson(reason, text, start + number.start())


def shown(value: object, most: int, *, ascii_only: bool = True) -> str:
    """A wrong value as messages show it: as JSON, at most so many characters of it."""
    try:
        text = json.dumps(value, default=str, ensure_ascii=ascii_only)
    except RecursionError:  # it was parsed at a shallower call depth
        text = "a value with hundreds of nested brackets"
    return text if len(text) <= most else text[:most] + "..."


def is_number(value: object) -> bool:
    """Whether a value is a number that float64 can hold; true, false, NaN and whole numbers of 400 digits are none."""
    return type(value) in (int, float) and -sys.float_info.max <= value <= sys.float_info.max


def repeated(pairs: list[tuple[str, object]]) -> str | None:
    """The first name that an object has twice, of which Python's reader would silently keep the last; else None."""
    seen = set()
    return next((name for name, _ in pairs if name in seen or seen.add(name)), None)


def object_of(pairs: list[tuple[str, object]], error: Callable[[str], Exception]) -> dict:
    """The object of these names and values; raises what `error` makes of a name that it has twice.

    >>> object_of([("a", 1), ("b", 2)], ValueError)
    {'a': 1, 'b': 2}
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        raise error(repeated(pairs))
    return made


def _second(text: str, start: int) -> tuple[str, int]:
    """The first name that its object had before, and the index of its second place."""
    names: list[set[str]] = []  # of the objects and lists around
    for found in re.finditer(rf"({_STRING})(\s*:)?|[\[\]{{}}]", text[start:]):
        if found[2]:
            name = json.loads(found[1], strict=False)
            if name in names[-1]:
                return name, start + found.start()
            names[-1].add(name)
        elif found[0] in ("[", "{"):
            names.append(set())
        elif found[0] in ("]", "}"):
            names.pop()
    raise ValueError("expected an object that has a name twice")


def _decoded(content: bytes) -> str:
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        raise NotJson(f"not UTF-8 text ({error.reason})", before, len(before)) from error


def _deepest(text: str, start: int) -> tuple[int, int]:
    """How many brackets are open at most, and the index at which they first are."""
    depth = most = position = 0
    for found in re.finditer(rf"{_STRING}|[\[\]{{}}]", text[start:]):
        if found[0] in ("[", "{"):
            depth += 1
            if depth > most:
                most, position = depth, found.start()
        elif found[0] in ("]", "}"):
            depth -= 1
            if not depth:  # the value ends
                break
    return most, start + position
