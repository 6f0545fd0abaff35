"""Remote folders, such as gs://bucket/store: read and written through fsspec, with errors in one line.

Any scheme that fsspec has a file system for can be used; most need a further package (gs://: gcsfs, the extra `gcs`).
file:///mnt/slow/store counts as remote too, so that a store on a slow disk can be copied to a fast one.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence

import fsspec
from fsspec.implementations.local import LocalFileSystem

from hbt_jax.errors import InputError

_BLOCK = 8 << 20  # bytes of one request
_REQUESTS = 4  # at a time, if the file system supports it


class RemoteFolder:
    """A remote folder; every method turns an error of the file system into a one-line InputError.

    Attributes:
      place: the folder as the user named it, without a trailing slash.
    """

    def __init__(self, place: str):
        """Raises InputError if the scheme is unknown or its package is not installed; contacts nothing yet."""
        self.place = place.rstrip("/")
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # what it logs, with a traceback, it raises too
        for scheme in ("gs", "gcs"):  # also for Orbax: a cached listing would miss what other processes write
            fsspec.config.conf.setdefault(scheme, {}).setdefault("use_listings_cache", False)
        with self._one_line("opened"):
            self._files, self._root = fsspec.core.url_to_fs(self.place)
        self._files.invalidate_cache()

    @property
    def local(self) -> str | None:
        """The local folder that the place is (file://); None for all others."""
        return self._root if isinstance(self._files, LocalFileSystem) else None

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        with self._one_line("read", name):
            try:
                return self._files.info(self._path(name))["size"]
            except FileNotFoundError:
                return None

    def read(self, name: str) -> bytes | None:
        """The content of a small file; None if it does not exist."""
        with self._one_line("read", name):
            try:
                return self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return None

    def blocks(self, name: str, size: int) -> Iterator[bytes]:
        """The content of a large file of `size` bytes, in order; shorter if the file is shorter."""
        for first in range(0, size, _BLOCK * _REQUESTS):
            starts = list(range(first, min(first + _BLOCK * _REQUESTS, size), _BLOCK))
            ends = [min(start + _BLOCK, size) for start in starts]
            with self._one_line("read", name):
                found = self._files.cat_ranges([self._path(name)] * len(starts), starts, ends, on_error="raise")
            yield from found

    def put(self, local: str | os.PathLike, name: str) -> None:
        """Copies a local file to the folder; a file with that name is replaced."""
        with self._one_line("written", name):
            if isinstance(self._files, LocalFileSystem):  # buckets have no folders to make
                self._files.makedirs(os.path.dirname(self._path(name)), exist_ok=True)
            self._files.put_file(os.fspath(local), self._path(name))

    def get(self, name: str, local: str | os.PathLike) -> None:
        """Copies a file of the folder to a local one."""
        with self._one_line("read", name):
            self._files.get_file(self._path(name), os.fspath(local))

    def write(self, name: str, content: bytes) -> None:
        """Writes a small file; one with that name is replaced."""
        with self._one_line("written", name):
            self._files.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a small file only if there is none with that name, and returns whether it did.

        This is atomic in buckets of Google and Amazon; other file systems may have to look first and then write.
        """
        with self._one_line("written", name):
            try:
                self._files.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
            except (TypeError, NotImplementedError):  # the file system has no such mode
                if self._files.exists(self._path(name)):
                    return False
                self._files.pipe_file(self._path(name), content)
            return True

    def remove(self, name: str) -> None:
        """Removes a file; it may be gone already."""
        with self._one_line("written", name):
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def move(self, name: str, to: str) -> None:
        """Renames a subfolder, replacing one with that name: copies everything, then removes the original."""
        with self._one_line("written", to):
            if self._files.exists(self._path(to)):
                self._files.rm(self._path(to), recursive=True)
            self._files.mv(self._path(name), self._path(to), recursive=True)

    def sums(self, under: str = "") -> dict[str, list]:
        """[size, checksum] of each file below a subfolder, by its path there.

        The checksum is what the file system keeps, without a download; None where it keeps none.
        """
        root = self._path(under).rstrip("/") + "/"
        with self._one_line("read", under):
            self._files.invalidate_cache()
            found = self._files.find(root, detail=True)
        return {path[len(root) :]: [info["size"], info.get("crc32c")] for path, info in found.items()}

    def names(self, without: Sequence[str] = ()) -> list[str]:
        """Paths of all files, in order, except hidden ones and those in the named folders at the top."""
        with self._one_line("read"):
            self._files.invalidate_cache()
            try:
                top = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        found = []
        for entry in top:
            name = entry["name"].rstrip("/").rpartition("/")[2]
            if name in without or name.startswith(".") or entry["name"].rstrip("/") == self._root.rstrip("/"):
                continue
            below = self.sums(name) if entry["type"] == "directory" else [""]
            found += [f"{name}/{path}".rstrip("/") for path in below]
        return sorted(found)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def _one_line(self, done: str, name: str = "") -> Iterator[None]:
        """Turns whatever the file system raises into one line; the block must only contain calls of the file system.

        Errors of the local disk, such as a full one, are left as they are: the caller knows which flag to name.
        """
        place = f"{self.place}/{name}" if name else self.place
        try:
            yield
        except ImportError as error:
            extra = "pip install -e '.[gcs]'" if self.place.startswith(("gs://", "gcs://")) else "install it"
            raise InputError(f"{place}: needs a package that is missing ({_words(error)}): {extra}") from error
        except Exception as error:
            if isinstance(error, ValueError) and "Protocol not known" in str(error):
                raise InputError(f"{place}: unknown scheme; expected gs://BUCKET/FOLDER or a local path") from error
            raise InputError(
                f"{place}: cannot be {done} ({_words(error)}): check the bucket's name, the connection, and the"
                " account's permissions (gcloud auth application-default login, or the machine's service account)"
            ) from error


def _words(error: Exception) -> str:
    """An error's type and the beginning of its text, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
