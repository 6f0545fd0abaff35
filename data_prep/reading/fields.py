"""Checks the fields of a source's rows: a wrong one raises a BadRow that names its place."""

import dataclasses

from data_prep.builders.row import BadRow
from hbt_jax import json_text
from hbt_jax.languages import canonical, is_known, unknown_language
from hbt_jax.text_identity import is_blank

_SHOWN = 60  # characters shown of a wrong value
_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


@dataclasses.dataclass(frozen=True)
class Repeated:
    """What a reader yields in place of a JSON value in which an object has this name twice."""

    name: str

    def error(self, place: str) -> BadRow:
        """The error for such a value."""
        return BadRow(f"{place}: {self.name!r} occurs twice in one object: keep one of them")


def shown(value: object) -> str:
    """A wrong value as messages show it: as JSON, shortened."""
    return json_text.shown(value, _SHOWN)


def field(place: str, fields: object, name: str, kind: type):
    """The field `name` of a JSON object; raises BadRow if it is missing or of another type."""
    if isinstance(fields, Repeated):
        raise fields.error(place)
    if not isinstance(fields, dict):
        raise BadRow(f"{place}: found {shown(fields)}: expected an object with the field {name!r}")
    if name not in fields:
        raise BadRow(f"{place}: missing field {name!r}: expected {_KINDS[kind]}")
    if type(fields[name]) is not kind:
        raise BadRow(f"{place}: {name} is {shown(fields[name])}: expected {_KINDS[kind]}")
    return fields[name]


def text_field(place: str, fields: object, name: str) -> str:
    """The same for a text field: not empty, and valid Unicode."""
    return text(place, name, field(place, fields, name, str))


def text(place: str, name: str, value: object, otherwise: str = "expected a text") -> str:
    """Returns a value that is valid Unicode text with a visible character; raises BadRow for any other.

    Args:
      place, name: where it is, for the message.
      otherwise: what to do about an empty one, for the message.
    """
    if not isinstance(value, str):
        raise BadRow(f"{place}: {name} is {shown(value)}: expected a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"{place}: {name} holds {value[error.start]!r}: expected whole characters") from error
    if is_blank(value):
        raise BadRow(f"{place}: {name} is empty: {otherwise}")
    return value


def language(place: str, name: str, code: object) -> str:
    """Returns the canonical code of a language, from any of its codes; raises BadRow for anything else."""
    if not is_known(code):
        raise BadRow(f"{place}: {name} has the {unknown_language(code)}")
    return canonical(code)
