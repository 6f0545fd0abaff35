"""SIGTERM and Ctrl-C: a flag that training, compilation gaps and evaluation poll, so that a stop loses nothing.

With jax.distributed, Orbax and the coordination service learn of preemptions by themselves; one process without it is
simply killed unless a handler is there.  The first signal asks the run to save and stop; the second one ends it at once.
"""

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """A context manager that turns the first SIGTERM or SIGINT into `requested`, and restores the handlers at its end."""

    def __init__(self) -> None:
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
        print(
            f"\n{self.received.name}: saving and stopping after this step; a second signal stops at once without saving",
            file=sys.stderr,
            flush=True,
        )
