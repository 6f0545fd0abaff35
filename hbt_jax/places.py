"""Tells remote places, such as gs://bucket/store, from local paths, and refuses them where only local paths work.

Stores can be read from and written to remote places (hbt_jax/data/remote.py).  Everywhere else a scheme would silently
become the name of a local folder, `gs:`.
"""

import os
import re
from collections.abc import Sequence

from hbt_jax.errors import InputError

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):(/+)")  # also with one slash, which pathlib makes of two


def is_remote(place: str | os.PathLike) -> bool:
    """Whether a place has a scheme; everything else is a local path."""
    return "://" in os.fspath(place)


def check_ends(name: str, value: str | os.PathLike) -> None:
    """Raises InputError if a place begins or ends with white space, which would become part of a folder's name.

    Args:
      name: the flag or argument that gave it.
      value: the place.
    """
    text = os.fspath(value)
    if text != text.strip():
        raise InputError(f"{name}={text!r}: white space at its start or end: write {text.strip()!r}")


def check_local(name: str, value: str | os.PathLike, remote: Sequence[str] = ()) -> None:
    """Raises InputError if a value that must be a local path begins with a scheme.

    Args:
      name: the flag or argument that gave it, such as --workdir.
      value: the path.
      remote: flags and arguments of the same command that accept a scheme, for the message.
    """
    found = _SCHEME.match(os.fspath(value))
    if not found:
        return
    takes = f"only {' and '.join(remote)} can be remote" if remote else "nothing in this command can be remote"
    advice = "give a local path and copy the files (gcloud storage cp -r, aws s3 sync, curl)"
    if found[1].lower() == "file":
        advice = f"write /{os.fspath(value)[found.end() :]}"
    elif len(found[2]) == 1:
        advice += f"; a local folder named {found[1]}: is written ./{value}"
    raise InputError(f"{name}={value}: expected a local path, not {found[1]}:// ({takes}): {advice}")


def check_scheme(name: str, value: str | os.PathLike, only: str = "") -> None:
    """Raises InputError if a value's scheme has one slash after it (a local path), is not `only`, or no bucket follows.

    Args:
      name: the flag or argument that gave it.
      value: the place.
      only: the one scheme that the value may have; empty: any.
    """
    found = _SCHEME.match(os.fspath(value))
    if found and len(found[2]) == 1:
        meant = f"{found[1]}://{os.fspath(value)[found.end() :]}"
        raise InputError(f"{name}={value}: expected two slashes after the scheme: write {meant}")
    if found and only and found[1] != only:
        raise InputError(f"{name}={value}: expected a local path or {only}://BUCKET/FOLDER: no other scheme works here")
    if found and found[1].lower() != "file" and (len(found[2]) > 2 or not os.fspath(value)[found.end() :].strip()):
        raise InputError(f"{name}={value}: it names no bucket: expected {found[1]}://BUCKET/FOLDER")
    if found and only:  # before etils chooses its file system: fsspec's names what is wrong with a bucket
        os.environ.setdefault("EPATH_USE_TF", "false")
