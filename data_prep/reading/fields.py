"""The fields of a source's rows, checked one by one: a wrong one is a BadRow that names its place."""

import json

from data_prep.builders.row import BadRow
from hbt_jax.languages import LANGUAGES, unknown_language
from hbt_jax.text_identity import identity_text

_SHOWN = 60  # characters of a wrong value that a message repeats
_KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object", bool: "true or false"}


def shown(value: object) -> str:
    """A wrong value as a message repeats it: as JSON, cut short."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def field(place: str, fields: object, name: str, kind: type):
    """The field `name` of a JSON object; raises BadRow when it is missing or not of the kind."""
    if not isinstance(fields, dict):
        raise BadRow(f"{place}: found {shown(fields)}: expected an object with the field {name!r}")
    if name not in fields:
        raise BadRow(f"{place}: missing field {name!r}: expected {_KINDS[kind]}")
    if type(fields[name]) is not kind:
        raise BadRow(f"{place}: {name} is {shown(fields[name])}: expected {_KINDS[kind]}")
    return fields[name]


def text_field(place: str, fields: object, name: str) -> str:
    """The same of a field that holds a text: not empty, whole characters."""
    return text(place, name, field(place, fields, name, str))


def text(place: str, name: str, value: object, otherwise: str = "expected a text") -> str:
    """A value that is a string of whole characters, some of them visible; raises BadRow for another.

    Args:
      place, name: where it stands, for the message.
      otherwise: what to do about an empty one.
    """
    if not isinstance(value, str):
        raise BadRow(f"{place}: {name} is {shown(value)}: expected a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"{place}: {name} holds {value[error.start]!r}: expected whole characters") from error
    if not identity_text(value):
        raise BadRow(f"{place}: {name} is empty: {otherwise}")
    return value


def language(place: str, name: str, code: object) -> str:
    """A value that is the code of a known language; raises BadRow for another."""
    if not isinstance(code, str) or code not in LANGUAGES:
        raise BadRow(f"{place}: {name} has the {unknown_language(code)}")
    return code
