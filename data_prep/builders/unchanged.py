"""Checks whether something on disk was made from the input that would be read now; files are compared by digest."""

import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from hbt_jax.errors import InputError

_SHOWN = 32  # characters up to which a message shows two values; digests are longer


def check_unchanged(data_dir: str | os.PathLike, made_from: str, prepared: Mapping, now: Mapping) -> None:
    """Raises InputError if a table was prepared earlier from another input.

    Args:
      data_dir: folder of the table, SOURCE/TABLE/VERSION.
      made_from: what the message calls the other input.
      prepared: the input by name, as the table's metadata records it.
      now: the input as it is now.
    """
    found = changes(prepared, now)
    if found:
        raise InputError(
            f"{data_dir} was prepared from {made_from}: {', '.join(found)};"
            f" remove {Path(data_dir).parents[1]} or choose another --raw_dir"
        )


def changes(before: Mapping, now: Mapping) -> list[str]:
    """What differs between two sets of named values, one phrase per name such as `split is changed`."""
    return [
        _change(name, before.get(name), now.get(name))
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def _change(name: str, before: object, after: object) -> str:
    if before is None or after is None:
        return f"{name} is {'new' if before is None else 'gone'}"
    shown = f" from {before} to {after}"
    return f"{name} is changed" + (shown if len(shown) <= _SHOWN else "")


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; read again only if its size or modification time has changed."""
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache
def _digest(path: Path, size: int, changed: int) -> str:
    del size, changed  # part of the cache's key: three tables need each file's digest
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
