"""SIGTERM and Ctrl-C set a flag that training and evaluation poll, so that stopping a run loses no work.

Without a handler the process would be killed at once.  The first signal asks the run to save and stop; the second one
kills it.  Python runs a handler only between two instructions of the main thread, which may compile or compute for
minutes; so a thread of its own sees to it that the second signal kills even then.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from hbt_jax.errors import Interrupted

_POLL_SECONDS = 0.1
_PARENT = "HBT_JAX_PARENT"  # environment variable with the process id of the command that started this one
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """A context manager that turns the first SIGTERM or SIGINT into `requested`; it restores the handlers at its end.

    Args:
      doing: printed at the first signal: what the command does now, and what a second signal does.
    """

    def __init__(
        self, doing: str = "saving and stopping after this step; a second signal stops at once, unsaved"
    ) -> None:
        self.doing = doing
        self.received: signal.Signals | None = None
        self._previous: dict = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has asked this process to stop."""
        return self.received is not None

    def __enter__(self) -> "StopRequest":
        self._pipe = numbers, into = os.pipe()
        os.set_blocking(into, False)
        self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        self._previous_file = signal.set_wakeup_fd(into, warn_on_full_buffer=False)
        self._watcher = threading.Thread(target=_end_by_the_second, args=(numbers,), daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(self._previous_file)
        os.close(self._pipe[1])
        self._watcher.join()
        os.close(self._pipe[0])
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._watcher.join()  # before anything sets other handlers
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        print(f"\n{self.received.name}: {self.doing}", file=sys.stderr, flush=True)


def _end_by_the_second(numbers: int) -> None:
    """Waits for the first of SIGNALS and then lets the kernel end the process at the next one.

    Args:
      numbers: a pipe into which Python writes the number of each signal as it arrives; closed at the end.
    """
    while (number := os.read(numbers, 1)) and number[0] not in SIGNALS:
        pass
    if number:
        set_handler = ctypes.CDLL(None).signal  # Python's own can only be called in the main thread
        set_handler.argtypes, set_handler.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        for each in SIGNALS:
            set_handler(each, None)  # SIG_DFL


def run_child(command: Sequence[str], stop: StopRequest) -> int:
    """Runs a command to its end and returns its exit code; a stop request is passed on as SIGTERM, a second one kills.

    The child runs in its own session, so that a Ctrl-C at the terminal reaches it only through `stop` and does not
    count as two signals.  It is told its parent's process id, see `end_with_parent`.
    """
    environment = {**os.environ, _PARENT: str(os.getpid())}
    with subprocess.Popen(command, start_new_session=True, env=environment) as process:
        passed_on = False
        while (code := process.poll()) is None:
            if stop.requested and not passed_on:
                process.terminate()
                passed_on = True
                for each in SIGNALS:
                    signal.signal(each, lambda *_: process.kill())
            time.sleep(_POLL_SECONDS)
    return code


def end_with_parent() -> None:
    """In a command started by `run_child`: has the kernel kill it as soon as its parent has ended.

    Otherwise it would survive a `kill -9` of the parent and keep writing to folders that the repeated command uses.
    Only Linux offers this; elsewhere, and in a command that a user runs, this does nothing.

    Raises:
      Interrupted: the parent has already ended.
    """
    parent = os.environ.pop(_PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if not _is_alive(int(parent)):
        raise Interrupted(f"the command that started this one (process {parent}) has ended; run it again")


def _is_alive(process: int) -> bool:
    """Whether a process exists, whoever owns it."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
