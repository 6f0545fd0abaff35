"""Files and folders that are complete or absent: written under another name, then renamed; and errors of disks."""

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
# Words in messages of errors other than OSError, from TensorFlow, TensorStore and SQLite.
_FULL_WORDS = (*map(os.strerror, DISK_FULL), "database or disk is full")


def cache_folder(name: str) -> Path:
    """The folder of this user for what can be made again, such as compiled programs; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hbt_jax" / name


def check_writable(folder: str) -> None:
    """Raises InputError if an output folder cannot be made or written; makes nothing.

    So a command that runs for hours can fail before it starts.
    """
    there = os.path.abspath(folder)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise InputError(f"{folder}: cannot write there: {there} is not a folder: choose another output folder")
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
    r"""The text as UTF-8, for files that contain file names.

    A byte of a file name that is not UTF-8, which Python represents by half a surrogate pair, becomes an escape
    (\udcXX); JSON readers turn it back into the same name.
    """
    return text.encode("utf-8", "backslashreplace")


def check_name(folder: str | os.PathLike, flag: str, content: str) -> None:
    """Raises InputError for a folder whose name is not UTF-8; `content` (plural) is what needs that."""
    try:
        os.path.abspath(folder).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"--{flag}={os.fspath(folder)}: its name is not UTF-8, which {content} need: choose another folder"
        ) from error


@contextlib.contextmanager
def named_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns a full disk's error into an OSError that names the file, which errors of open files do not."""
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
    """Turns disk errors that a user can fix into a one-line message.

    Args:
      flag: the option that names the folder.
      kept: sentence appended to the message when the disk is full.

    Raises:
      InputError: the disk is full or the folder cannot be written; its cause names the file or folder.
    """
    try:
        with named_errors(folder):
            yield
    except OSError as error:
        if says_full(error):
            end = f"; {kept}" if kept else ""
            raise InputError(
                f"{folder}: the disk is full; make room, or name a folder on another disk by {flag}{end}"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); name another folder by {flag}"
            ) from error
        raise


@contextlib.contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """Opens a binary file that replaces `path` only if the block ends without an exception."""
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
    """Opens a binary file whose content is on disk (fsync) when the block ends."""
    with named_errors(path), open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_folder(path: str) -> Iterator[str]:
    """Makes an empty folder that replaces `path` and its content only if the block ends without an exception.

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
