"""Small JSON files of other programs, read with clear errors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hbt_jax import json_text
from hbt_jax.errors import InputError


def read_json(path: Path, kind: type = dict):
    """The content of a JSON file.

    Args:
      path: the file.
      kind: what it holds: dict for an object, list for an array.

    Raises:
      InputError: the file is missing, is not JSON or holds another kind of value.
    """
    try:
        values = json_text.read(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected a JSON file: copy the folder again") from error
    except json_text.NotJson as error:
        raise InputError(f"{path}: not JSON ({error}); copy the file again, or correct it") from error
    if not isinstance(values, kind):
        expected = {dict: "an object", list: "an array"}[kind]
        raise InputError(f"{path}: holds a {type(values).__name__}; expected {expected}")
    return values


_REFUSED = object()
_SHOWN = 120  # characters of a wrong value that a message repeats


class Fields:
    """The keys of one JSON object; each is read with what its absence means and what null means, which may differ.

    Args:
      values: the object.
      where: its file, for messages.
      written: key -> the other key under which the file has its value, for messages.
    """

    def __init__(self, values: dict[str, Any], where: object, written: Mapping[str, str] = MappingProxyType({})):
        self.values, self.where, self._written = values, str(where), written

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def value(
        self, key: str, right: Callable[[Any], bool], expected: str, *, absent: Any = _REFUSED, null: Any = _REFUSED
    ) -> Any:
        """The value of a key.

        Args:
          key: the key.
          right: whether a value is supported; not called for null.
          expected: what is supported, in words.
          absent: what an absent key means; if left out, the key is required.
          null: what null means; if left out, null is refused.

        Raises:
          InputError: the key is missing or its value is not supported; the message names file and key.
        """
        if key not in self.values:
            if absent is _REFUSED:
                raise InputError(f"{self.where}: {key} is missing; expected {expected}: take the model's own file")
            return absent
        found = self.values[key]
        if found is None and null is not _REFUSED:
            return null
        if found is None or not right(found):
            raise self.wrong(key, expected)
        return found

    def wrong(self, key: str, expected: str) -> InputError:
        """The error for a key whose value is not supported."""
        name, found = self._written.get(key, key), _shown(self.values[key])
        return InputError(f"{self.where}: {name} is {found}; expected {expected}")

    def check_fixed(self, only: Mapping[str, tuple]) -> None:
        """Checks keys that change what is computed and have one supported value, which an absent key means too.

        Args:
          only: key -> the values that mean the supported one; None for null.

        Raises:
          InputError: a key has another value.
        """
        for key, same in only.items():
            if key in self.values and not any(_equal(self.values[key], one) for one in same):
                wanted = f"{same[0]!r}" if same[0] is not None else "no such key"
                found = _shown(self.values[key])
                raise InputError(f"{self.where}: {key} is {found}, which is not supported; expected {wanted}")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    try:
        text = repr(value)
    except RecursionError:  # it was parsed at a shallower call depth
        text = "a value with hundreds of nested brackets"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 0 is not false."""
    return type(one) is type(other) and one == other


def is_size(value: Any) -> bool:
    """Whether a value is a whole number above 0."""
    return type(value) is int and value > 0


def is_positive(value: Any) -> bool:
    """Whether a value is a number above 0."""
    return json_text.is_number(value) and value > 0


def is_switch(value: Any) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)
