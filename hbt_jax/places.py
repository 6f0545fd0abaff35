"""Places with a scheme, such as gs://bucket/store: which values name one, and where none can be used.

Stores can be read from and written to such places (hbt_jax/data/remote.py).  Everywhere else only paths of this machine
work: a scheme would silently become the name of a local folder, `gs:`.
"""

import os
import re
from collections.abc import Sequence

from hbt_jax.errors import InputError

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):(/+)")  # one slash too: what pathlib makes of two


def is_remote(place: str | os.PathLike) -> bool:
    """Whether a place has a scheme; everything else is a path of this machine."""
    return "://" in os.fspath(place)


def check_local(name: str, value: str | os.PathLike, remote: Sequence[str] = ()) -> None:
    """Raises InputError if a value that must be a path of this machine begins with a scheme.

    Args:
      name: what the user gave it by, such as --workdir.
      value: the path.
      remote: names of what takes a place with a scheme in the same command, for the message.
    """
    found = _SCHEME.match(os.fspath(value))
    if not found:
        return
    takes = f"only {' and '.join(remote)} can be such a place" if remote else "nothing of this command can be one"
    advice = "give a local path and copy the files from or to there (gcloud storage cp -r, aws s3 sync, curl)"
    if found[1].lower() == "file":
        advice = f"write /{os.fspath(value)[found.end() :]}"
    elif len(found[2]) == 1:
        advice += f"; a local folder {found[1]}: is written ./{value}"
    raise InputError(f"{name}={value}: expected a path of this machine, not {found[1]}:// ({takes}): {advice}")


def check_scheme(name: str, value: str | os.PathLike) -> None:
    """Raises InputError if a value that may have a scheme has one slash after it, which would be a local folder."""
    found = _SCHEME.match(os.fspath(value))
    if found and len(found[2]) == 1:
        meant = f"{found[1]}://{os.fspath(value)[found.end() :]}"
        raise InputError(f"{name}={value}: expected two slashes after the scheme: write {meant}")
