"""Files that are whole or absent: written under another name, then renamed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import BinaryIO

PARTIAL = ".partial"


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """Opens a binary file that takes the place of `path` only when the block ends without an exception."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    partial = path + PARTIAL
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


@contextlib.contextmanager
def atomic_folder(path: str) -> Iterator[str]:
    """Makes an empty folder that replaces `path`, with all it held, only when the block ends without an exception.

    Yields:
      The path of the folder to write into.
    """
    partial = path + PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    try:
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
