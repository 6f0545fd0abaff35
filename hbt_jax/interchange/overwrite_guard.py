"""Decides which folder an export may overwrite: only an unmodified export.

An export lists its files with their digests in `hbt_jax.json`.  A folder with any other file, an edited model card or
weights that were trained further is somebody's work, and is never overwritten.
"""

import hashlib
from pathlib import Path

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.files import check_name

MARK = "hbt_jax.json"
_FORMAT = "hbt_jax export"


def digest(path: Path) -> str:
    """ "sha256:" and the digest of a file's bytes."""
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def mark(version: str, source: dict, folder: Path) -> dict:
    """The content of `hbt_jax.json`.

    Args:
      version: of hbt_jax.
      source: what was exported.
      folder: holds every file of the export except this one.
    """
    files = {str(path.relative_to(folder)): digest(path) for path in _files(folder)}
    return {"format": _FORMAT, "hbt_jax": version, "source": source, "files": files}


def check_out(out: Path, model: str) -> None:
    """Raises InputError if writing `out` would lose something, or it cannot be such a folder.

    Args:
      out: the folder to write.
      model: the exported folder, or a hub id.
    """
    if Path(model).exists() and out.resolve() == Path(model).resolve():
        raise InputError(f"--out={out} is the --model itself: choose another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out} is a file: expected a folder to write")
    check_name(out, "out", "the libraries that write tokenizers")
    if out.is_dir() and any(out.iterdir()):
        _check_unchanged(out)


def _check_unchanged(out: Path) -> None:
    written = _written(out)
    if written is None:
        problem = "was not written by an export"
    else:
        found = {str(path.relative_to(out)) for path in _files(out)} - {MARK}
        changed = sorted(found - set(written)) or sorted(n for n in found if digest(out / n) != written[n])
        problem = f"holds {changed[0]}, which was added or changed after the export" if changed else ""
    if problem:
        raise InputError(f"--out={out} {problem}: move it away or choose another --out")


def _written(out: Path) -> dict[str, str] | None:
    """The digests of the files that an earlier export wrote; None if there is no such list."""
    try:
        values = json_text.read(out / MARK)
        return dict(values["files"]) if values["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())
