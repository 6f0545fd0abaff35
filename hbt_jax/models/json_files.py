"""Small JSON files of other programs, read with clear errors."""

import json
from pathlib import Path

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
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected a JSON file: copy the folder again") from error
    except (ValueError, RecursionError) as error:  # the latter for thousands of open brackets
        raise InputError(f"{path}: not JSON ({error}); copy the file again") from error
    if not isinstance(values, kind):
        expected = {dict: "an object", list: "an array"}[kind]
        raise InputError(f"{path}: holds a {type(values).__name__}; expected {expected}")
    return values
