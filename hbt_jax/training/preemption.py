"""SIGTERM and Ctrl-C: a flag that training, compilation gaps and evaluation poll, so that a stop loses nothing.

A process without a handler is simply killed.  The first signal asks the run to save and stop; the second one ends it at
once.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

_POLL_SECONDS = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """A context manager that turns the first SIGTERM or SIGINT into `requested`; handlers are restored at its end.

    Args:
      doing: what the user is told that the command now does, and what a second signal does.
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
        self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        print(f"\n{self.received.name}: {self.doing}", file=sys.stderr, flush=True)


def run_child(command: Sequence[str], stop: StopRequest) -> int:
    """Runs a command to its end and returns its exit code; a stop request is passed on as SIGTERM, a second one kills.

    The child gets a session of its own, so that a Ctrl-C at the terminal reaches it through `stop` alone and does not
    count as two signals.
    """
    with subprocess.Popen(command, start_new_session=True) as process:
        passed_on = False
        while (code := process.poll()) is None:
            if stop.requested and not passed_on:
                process.terminate()
                passed_on = True
                for each in SIGNALS:
                    signal.signal(each, lambda *_: process.kill())
            time.sleep(_POLL_SECONDS)
    return code
