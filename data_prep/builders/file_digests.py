"""What the input files of a source hold, so that prepared tables remember what they were made from."""

import functools
import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal; read once for as long as its size and time of change stay."""
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@functools.lru_cache
def _digest(path: Path, size: int, changed: int) -> str:
    del size, changed  # part of the cache's key: three tables are made from one reading of each file
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
