"""Ends a process at once, from any thread, without leaving its temporary files behind.

A process whose output folder another one has taken over, or that has lost the others of its job, must not write any
more.  It ends by os._exit, which runs neither `finally` nor atexit; what has to be done all the same, such as removing
its temporary folders, is noted here.
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
    for action in reversed([*_actions]):  # the other threads go on, and may leave their blocks
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
