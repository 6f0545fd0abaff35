"""A folder of results that appears completely or not at all."""

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.files import atomic_folder
from hbt_jax.holding import held


@contextlib.contextmanager
def whole_folder(out_dir: str | os.PathLike, names: Collection[str]) -> Iterator[Path]:
    """Holds OUT_DIR and yields a folder to write to, which replaces OUT_DIR when the block ends without an error.

    Args:
      out_dir: the folder; an existing one with the same files is replaced.
      names: the files of the folder.

    Raises:
      InputError: OUT_DIR holds anything else, which would be lost; or another process is writing it.
    """
    out_dir = Path(out_dir).resolve()
    if out_dir.exists() and not out_dir.is_dir():
        raise InputError(f"--out_dir={out_dir} is a file: expected a folder to write")
    others = sorted(path.name for path in out_dir.iterdir() if path.name not in names) if out_dir.exists() else []
    if others:
        raise InputError(
            f"--out_dir={out_dir} holds {others[0]!r} and would be replaced by a folder of {', '.join(names)}:"
            " choose another --out_dir"
        )
    with held(out_dir, "--out_dir", beside=True), atomic_folder(str(out_dir)) as folder:
        yield Path(folder)
