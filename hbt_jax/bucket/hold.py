"""Holds an output folder that is in a bucket, so that the files of two commands never mix, as hbt_jax/holding.py does
for local ones.

Buckets have no locks, but creating an object that must not exist yet is atomic.  The holder creates FOLDER/.held, with
its identity and a counter that it raises every `RENEW_SECONDS`, and removes it when it ends.  A process that finds it
watches it, by its own clock: if the counter moves, the folder is in use; if it stands still for `GONE_SECONDS`, or if
the object names a process of this machine that has ended, the folder is taken over.  A holder whose object is no longer
its own, for instance after its machine was suspended, ends at once (hbt_jax/ending.py).
"""

import contextlib
import dataclasses
import json
import sys
import threading
import time
from collections.abc import Iterator

from hbt_jax import json_text
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.ending import end_at_once
from hbt_jax.errors import InputError
from hbt_jax.holding import RECORD, Holder, has_ended, held, this_process
from hbt_jax.places import is_remote

RENEW_SECONDS = 20.0
GONE_SECONDS = 90.0
_LOOK_SECONDS = 2.0
_SETTLE_SECONDS = 1.0  # longer than another process needs between reading an object and replacing it
_EXIT_FAILED = 1


def held_anywhere(place: str, flag: str) -> contextlib.AbstractContextManager[None]:
    """Holds a folder while the block runs, in a bucket or not; raises InputError if it is in use or cannot be written.

    Args:
      place: the folder; file:// is held as the local folder that it is.
      flag: the option that names another place, for messages.
    """
    local = RemoteFolder(place).local if is_remote(place) else place
    return _held(place, flag) if local is None else held(local, flag)


@contextlib.contextmanager
def _held(place: str, flag: str) -> Iterator[None]:
    lease = _Lease(RemoteFolder(place), place, flag)
    lease.take()
    thread = threading.Thread(target=lease.renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        lease.ended.set()
        thread.join()
        lease.release()


class _Lease:
    """The object of one holder."""

    def __init__(self, folder: RemoteFolder, place: str, flag: str):
        self._folder, self._place, self._flag = folder, place, flag
        self._me, self._count = this_process(), 0
        self.ended = threading.Event()

    def take(self) -> None:
        """Creates the object; raises InputError if another process holds it."""
        while not self._folder.create(RECORD, self._content()):
            content = self._folder.read(RECORD)
            if content is None:
                continue
            found = _holder(content)
            if not (found and has_ended(found, self._me)):
                self._watch(content, found)
            print(f"{self._place} was in use by {found}, which has ended: taken over", file=sys.stderr, flush=True)
            if self._folder.read(RECORD) == content:
                self._folder.remove(RECORD)
        time.sleep(_SETTLE_SECONDS)
        self._check_mine()

    def _watch(self, content: bytes, found: Holder | None) -> None:
        """Returns if the object stands still for long enough; raises InputError if it does not."""
        print(f"{self._place} is in use by {found}: checking whether it is still running", file=sys.stderr, flush=True)
        until = time.monotonic() + GONE_SECONDS
        while time.monotonic() < until:
            if self._folder.read(RECORD) != content:
                raise InputError(
                    f"{self._place} is in use by {found}: wait until it has ended, or choose another {self._flag}"
                )
            time.sleep(min(_LOOK_SECONDS, GONE_SECONDS / 4))

    def _check_mine(self) -> None:
        found = self._folder.read(RECORD)
        holder = _holder(found) if found else None
        if holder != self._me:
            raise InputError(
                f"{self._place} is no longer held by this process but by {holder or 'nobody'}: run the command again"
            )

    def renew(self) -> None:
        """Raises the counter until the hold ends, and puts back an object that was removed.

        It ends the process if another one holds the place.
        """
        while not self.ended.wait(RENEW_SECONDS):
            try:
                content = self._folder.read(RECORD)
                if content and _holder(content) == self._me:
                    self._count += 1
                    self._folder.write(RECORD, self._content())
                elif content is not None or not self._folder.create(RECORD, self._content()):
                    who = _holder(content or self._folder.read(RECORD) or b"")
                    text = f"\nerror: {self._place} was taken over by {who or 'another process'}: this process ends"
                    print(text, file=sys.stderr, flush=True)
                    end_at_once(_EXIT_FAILED)
            except InputError as error:  # the connection may come back
                print(f"\nwarning: {error}", file=sys.stderr, flush=True)

    def release(self) -> None:
        """Removes the object if it is its own."""
        with contextlib.suppress(InputError):
            content = self._folder.read(RECORD)
            if content and _holder(content) == self._me:
                self._folder.remove(RECORD)

    def _content(self) -> bytes:
        return json.dumps({**dataclasses.asdict(self._me), "renewed": self._count}).encode() + b"\n"


def _holder(content: bytes) -> Holder | None:
    """The holder in a record; None if it is damaged."""
    try:
        values = json_text.parsed(content)
        return Holder(**{field.name: values[field.name] for field in dataclasses.fields(Holder)})
    except (ValueError, KeyError, TypeError):
        return None
