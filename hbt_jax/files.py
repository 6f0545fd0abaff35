"""Files that are whole or absent: written under another name, then renamed."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hbt_jax.errors import InputError

PARTIAL = ".partial"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# In messages of errors that are no OSError: of TensorFlow and TensorStore, of SQLite.
_FULL_WORDS = (*map(os.strerror, DISK_FULL), "database or disk is full")


def cache_folder(name: str) -> Path:
    """The folder of this user for what can be made again, such as compiled programs; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hbt_jax" / name


def check_writable(folder: str) -> None:
    """Raises InputError where an output folder cannot be made or written; makes nothing.

    So a command that works for hours finds out before it starts.
    """
    there = os.path.abspath(folder)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise InputError(f"{folder}: cannot write there: {there} is no folder: choose another output folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"{folder}: cannot write there: {there} is not writable: change its permissions or choose another folder"
        )


def says_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full, whichever library raises it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in DISK_FULL
    return any(words in str(error) for words in _FULL_WORDS)


def utf8(text: str) -> bytes:
    r"""The text as UTF-8, for a file that names files.

    A byte of a file's name that is not UTF-8, which Python holds as half a surrogate pair, becomes an escape (\udcXX);
    in JSON that is read back as the same name.
    """
    return text.encode("utf-8", "backslashreplace")


def check_name(folder: str | os.PathLike, flag: str, content: str) -> None:
    """Raises InputError for a folder whose name is not UTF-8, where libraries that write `content` cannot write."""
    try:
        os.path.abspath(folder).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"--{flag}={os.fspath(folder)}: its name is not UTF-8, as {content} need it: choose another folder"
        ) from error


@contextlib.contextmanager
def named_errors(path: str | os.PathLike) -> Iterator[None]:
    """Lets a full disk's error name the file, which writing into an open one leaves out; always an OSError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if says_full(error) and getattr(error, "filename", None) is None:
            number = error.errno if isinstance(error, OSError) and error.errno else errno.ENOSPC
            raise OSError(number, os.strerror(number), os.fspath(path)) from error
        raise


@contextlib.contextmanager
def disk_errors(folder: str | os.PathLike, flag: str, kept: str = "") -> Iterator[None]:
    """Turns the failures of a folder's disk that a user can mend into one line.

    Args:
      flag: the option that names another folder.
      kept: what a full disk leaves, in words that end the message.

    Raises:
      InputError: the disk is full or the folder cannot be written; its cause names a file or the folder.
    """
    try:
        with named_errors(folder):
            yield
    except OSError as error:
        if says_full(error):
            end = f"; {kept}" if kept else ""
            raise InputError(
                f"{folder}: the disk is full; make room, or name a folder of another disk by {flag}{end}"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); name another folder by {flag}"
            ) from error
        raise


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """Opens a binary file that takes the place of `path` only when the block ends without an exception."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    partial = path + PARTIAL
    try:
        with named_errors(path), open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


@contextlib.contextmanager
def synced_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a binary file whose bytes are on the disk when the block ends."""
    with named_errors(path), open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


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
        with named_errors(path):
            yield partial
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
