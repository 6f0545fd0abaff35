"""Output folders are held (locked) while they are written, so that the files of two commands never mix.

A command holds its output folder until it ends.  A second command that would write there ends at once, with one line
that says which process holds the folder, on which host and since when.

    FOLDER/.held        the record for a folder that is written in place
    PARENT/.NAME.held   the record for a file or folder that is written under another name and then renamed

The holder locks this file (flock), writes its identity into it, and removes it when it ends.  If it is killed, the
kernel releases the lock, and the next command takes over the record and says so.

A file system that several hosts share may keep locks per host, or not support them.  So a record of another host is
believed even if its lock is free: the user has to remove the file if that host is gone.  Without locks, a holder on
this host is looked up by its process id and start time.

The processes of one job are one holder: the first one holds for all of them, see launch/train.py.  A process that holds
a folder may hold it again; worker processes of a holder hold nothing.

The package filelock is not used, because it does not say who holds a lock or whether another host is still running.
"""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.files import check_writable, disk_errors

RECORD = ".held"  # name of the record in a folder that is written in place

# Errors of flock without support for locks; EBADF: on NFS, for a read-only file.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF)
_SETTLE_SECONDS = 1.0  # without locks: longer than another process needs between reading a record and writing its own
_UNWRITTEN_SECONDS = 2.0  # how long a holder may need between locking its record and writing it
_POLL_SECONDS = 0.2
_PARTS_OF_COMMAND = 2  # launch/train.py


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that holds a folder.

    Attributes:
      host: name of its machine.
      process: its process id.
      boot: id of the machine's boot; empty if the system has none.
      started: start time of the process, in clock ticks since boot; None if the system does not tell.
      command: the program.
      since: when it took the folder, UTC.
    """

    host: str
    process: int
    boot: str
    started: int | None
    command: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} on host {self.host} ({self.command}) since {self.since}"


@dataclasses.dataclass
class _Hold:
    """Something that this process holds: who it is, the locked file (None without locks), and the folders it made."""

    holder: Holder
    file: int | None
    folders: set[Path] = dataclasses.field(default_factory=set)
    times: int = 1


_holds: dict[Path, _Hold] = {}
_guard = threading.RLock()


def record_of(path: str | os.PathLike, *, beside: bool = False) -> Path:
    """The file that says who holds `path`, the same for every spelling of the path and for links to it."""
    real = Path(os.path.realpath(path))
    return real.parent / f".{real.name}{RECORD}" if beside else real / RECORD


@contextlib.contextmanager
def held(
    path: str | os.PathLike, flag: str, *, beside: bool = False, again: bool = True, wait: str = ""
) -> Iterator[None]:
    """Holds an output while the block runs.

    Args:
      path: folder that is written in place, made if it is missing (and removed if the block leaves it empty); with
        `beside`, a file or folder that is written under another name and then renamed.
      flag: the option that names another place, for messages.
      beside: where the record is, see the module's docstring.
      again: whether this process may already hold it.
      wait: what the user is told while waiting for another process of this host; empty: do not wait but raise.

    Raises:
      InputError: another process holds it, or it cannot be written.
    """
    record = record_of(path, beside=beside)
    with _guard:
        if record in _holds and not again:
            raise InputError(_busy(path, _holds[record].holder, flag))
        if record in _holds:
            _holds[record].times += 1
        else:
            check_writable(str(record.parent) if beside else os.fspath(path))
            with disk_errors(record.parent, flag):
                _holds[record] = _claim(record, os.fspath(path), flag, wait)
    try:
        yield
    finally:
        with _guard:
            _let_go(record)


def _claim(record: Path, shown: str, flag: str, wait: str) -> _Hold:
    """Takes a record, or raises InputError if another process has it."""
    told, made = False, set()
    try:
        while True:
            made |= _make(record.parent)
            try:
                file, locked = _open_locked(record)
            except FileNotFoundError:  # a process that left its folder empty has removed it again
                continue
            if locked is not False:
                hold = _take(record, file, locked, shown, flag)
                if hold:
                    hold.folders = made
                    return hold
                continue
            os.close(file)
            found = _written(record)
            if not wait:
                raise InputError(_busy(shown, found, flag))
            if not told:
                print(f"waiting for {found or 'another process'}, {wait}", file=sys.stderr, flush=True)
            told = True
            time.sleep(_POLL_SECONDS)
    except BaseException:
        _remove_empty(made)
        raise


def _take(record: Path, file: int, locked: bool | None, shown: str, flag: str) -> _Hold | None:
    """Writes this process into an open record that it has locked (None: no locks); returns None to try again."""
    me, found = this_process(), _read(record)
    try:
        if not _is_at(file, record):  # removed between opening and locking
            return None
        if found and _may_live(found, me, locked):
            raise InputError(_refusal(found, me, record, shown, flag))
        if found:
            print(f"{shown} was in use by {found}, which has ended: taken over", file=sys.stderr, flush=True)
            record.unlink()  # not overwritten: it may belong to another user
            return None
        _write(record, file, me)
        if locked:
            hold, file = _Hold(me, file), None
            return hold
    finally:
        if file is not None:
            os.close(file)
    time.sleep(_SETTLE_SECONDS)
    return _Hold(me, None) if _read(record) == me else None


def _write(record: Path, file: int, me: Holder) -> None:
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(dataclasses.asdict(me)).encode() + b"\n", 0)
        os.fsync(file)  # so that other hosts see it
    except BaseException:
        record.unlink()
        raise


def _open_locked(record: Path) -> tuple[int, bool | None]:
    """The open record, and whether this process now has its lock; None if there are no locks."""
    try:
        file = os.open(record, os.O_RDWR | os.O_CREAT, 0o666)  # children do not inherit it
    except PermissionError:
        if not record.exists():
            raise
        file = os.open(record, os.O_RDONLY)  # another user's: reading is enough to see who holds it, and to lock it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return file, False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(file)
            raise
        return file, None
    return file, True


def _may_live(found: Holder, me: Holder, locked: bool | None) -> bool:
    """Whether the process of a record may still run; if this one has the lock (`locked`), no local process does."""
    same_boot = bool(me.boot) and found.boot == me.boot
    if locked and same_boot:  # whatever the host name: a container has its own
        return False
    if found.host != me.host:
        return True
    if locked or (me.boot and found.boot and not same_boot):
        return False
    return _runs(found)


def _busy(shown: str | os.PathLike, found: Holder | None, flag: str) -> str:
    who = found or "another process"
    return f"{os.fspath(shown)} is in use by {who}: wait until it has ended, or choose another {flag}"


def _refusal(found: Holder, me: Holder, record: Path, shown: str, flag: str) -> str:
    if found.host == me.host:
        return _busy(shown, found, flag)
    return (
        f"{shown} is in use by {found}, which cannot be checked from host {me.host}: wait until it has ended, or"
        f" choose another {flag}; if that process or host is gone, remove {record} and run the command again"
    )


def _let_go(record: Path) -> None:
    """Ends one hold; the last one removes the record, and the folders that were made for it if they are empty."""
    hold = _holds.get(record)
    if hold is None:  # in a process that was forked from the holder
        return
    hold.times -= 1
    if hold.times:
        return
    del _holds[record]
    try:
        if _read(record) == hold.holder:  # otherwise somebody removed it, and another process may have it now
            record.unlink()
        _remove_empty(hold.folders)
    finally:
        if hold.file is not None:
            os.close(hold.file)


def _make(folder: Path) -> set[Path]:
    """Makes a folder; returns those that were missing, parents included."""
    missing = {one for one in (folder, *folder.parents) if not one.exists()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        if not Path(error.filename).parent.is_dir():
            raise
        # Its parent is there: a file system in which no folder can be made, such as /proc.
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), error.filename) from error
    return missing


def _remove_empty(folders: set[Path]) -> None:
    """Removes the folders that are empty, deepest first."""
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _read(record: Path) -> Holder | None:
    """The holder in a record; None if there is none, or the record is incomplete."""
    try:
        values, _ = json_text.first(record.read_text(encoding="utf-8"), 0)
        holder = Holder(**{field.name: values[field.name] for field in dataclasses.fields(Holder)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return holder if isinstance(holder.process, int) else None


def _written(record: Path) -> Holder | None:
    """The holder in a locked record, which its holder may not have written yet."""
    end = time.monotonic() + _UNWRITTEN_SECONDS
    while (found := _read(record)) is None and time.monotonic() < end:
        time.sleep(_POLL_SECONDS / 10)
    return found


def this_process() -> Holder:
    """This process as a holder, since now."""
    script = sys.argv[0] if sys.argv and not sys.argv[0].startswith("-") else ""  # python -c has no script
    command = "/".join(Path(script).parts[-_PARTS_OF_COMMAND:]) or "python"
    now = datetime.datetime.now(datetime.UTC)
    return Holder(
        host=socket.gethostname(),
        process=os.getpid(),
        boot=_boot(),
        started=_started(os.getpid()),
        command=command,
        since=f"{now:%Y-%m-%d %H:%M:%S} UTC",
    )


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return ""


def _started(process: int) -> int | None:
    """Start time of a running process, in clock ticks since the boot; None if there is none, or not on Linux."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *further = text.rpartition(")")[2].split()  # the name in parentheses may hold spaces
    return None if state in "ZX" else int(further[18])  # zombie: it has ended


def _runs(found: Holder) -> bool:
    """Whether the process in a record of this host and boot still runs, and is not another one with the same id."""
    if found.started is not None:
        return _started(found.process) == found.started
    try:
        os.kill(found.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def has_ended(found: Holder, me: Holder) -> bool:
    """Whether a holder is known to have ended: it ran under this boot of this machine, and runs no more."""
    return bool(me.boot) and found.boot == me.boot and found.host == me.host and not _runs(found)


def _forget() -> None:
    """In a forked child: closes its copies of the locked files, which would keep the locks."""
    global _guard
    _guard = threading.RLock()  # another thread may have held it
    for hold in _holds.values():
        if hold.file is not None:
            os.close(hold.file)
    _holds.clear()


os.register_at_fork(after_in_child=_forget)
