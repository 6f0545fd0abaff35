"""Ends a process at once, from any thread, without leaving its temporary files behind.

A process must stop writing once another one has taken over its output folder, or once it has lost the others of its
job.  It ends by os._exit, which runs neither `finally` nor atexit; actions that must run all the same, such as removing
its temporary folders, are registered here.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_actions: list[Callable[[], object]] = []


@contextlib.contextmanager
def before_sudden_end(action: Callable[[], object]) -> Iterator[None]:
    """Has `action` run if the process ends by `end_at_once` during the block; otherwise it does nothing."""
    _actions.append(action)
    try:
        yield
    finally:
        _actions.remove(action)


def end_at_once(code: int) -> None:
    """Runs the actions of `before_sudden_end`, latest first, and ends the process; their errors are ignored."""
    for action in reversed([*_actions]):  # a copy, since other threads keep running and may leave their blocks
        with contextlib.suppress(Exception):
            action()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def remove_in_use(folder: str | os.PathLike) -> None:
    """Removes a folder of files although other threads of this process may still be writing there; they fail then."""
    away = Path(folder).with_name(f"{Path(folder).name}.removed")
    with contextlib.suppress(OSError):
        Path(folder).rename(away)  # so that nobody adds a file while it is removed
    for one in (away, folder):
        shutil.rmtree(one, ignore_errors=True)
