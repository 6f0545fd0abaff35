"""The files of a folder that may be in a bucket: read and written in a local folder, and copied to the bucket.

This leaves out checkpoints: every process reads and writes its part of them directly in the bucket (Orbax and
TensorStore).  The other files are few and small, and objects in a bucket cannot be appended to.

They are copied when a run begins, just before a checkpoint is declared complete, and when the command ends.  So a
complete checkpoint finds the metrics of its step in the bucket, whatever happens to the machine.
"""

import atexit
import contextlib
import functools
import shutil
import tempfile
import threading
from pathlib import Path

from hbt_jax.data.remote import RemoteFolder
from hbt_jax.ending import before_sudden_end, remove_in_use
from hbt_jax.files import PARTIAL
from hbt_jax.places import is_remote

_NOT_FETCHED = ("checkpoints", "tensorboard", "profile", "evaluation")  # of a run: nothing reads them again
_mirrors: dict[str, "_Mirror"] = {}
_guard = threading.Lock()


class _Mirror:
    """A local folder for the files of a remote one; the copies are removed when the process ends."""

    def __init__(self, place: str):
        self._remote = RemoteFolder(place)
        self.folder = Path(tempfile.mkdtemp(prefix="hbt_jax_"))
        until_end = contextlib.ExitStack()
        until_end.callback(shutil.rmtree, self.folder, ignore_errors=True)
        until_end.enter_context(before_sudden_end(functools.partial(remove_in_use, self.folder)))
        atexit.register(until_end.close)
        self._sent: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        for name in self._remote.names(without=_NOT_FETCHED):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            self._remote.get(name, self.folder / name)
            self._sent[name] = _version(self.folder / name)

    def publish(self) -> None:
        with self._lock:
            for path in sorted(self.folder.rglob("*")):
                name = path.relative_to(self.folder).as_posix()
                if not path.is_file() or name.endswith(PARTIAL):
                    continue
                version = _version(path)
                if self._sent.get(name) != version:
                    self._remote.put(path, name)
                    self._sent[name] = version


def _version(path: Path) -> tuple[int, int]:
    """Changes whenever a file is written."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def files_of(place: str) -> Path:
    """The local folder for the files of `place`: `place` itself or, for a bucket, a copy fetched on first use.

    Raises:
      InputError: the bucket cannot be read.
    """
    if not is_remote(place):
        return Path(place)
    place = place.rstrip("/")
    with _guard:
        if place not in _mirrors:
            _mirrors[place] = _Mirror(place)
        return _mirrors[place].folder


def publish(place: str) -> None:
    """Copies what has changed in `files_of(place)` to the bucket; does nothing for a local folder.

    Raises:
      InputError: the bucket cannot be written.
    """
    mirror = _mirrors.get(place.rstrip("/"))
    if mirror:
        mirror.publish()
