"""Holds back what a failed save prints until it is known whether its error is also raised.

Orbax logs an error of its background threads several times, with tracebacks, and raises the same error in a later call.
When one array of a save fails, those still being written find asyncio's loop closed and print a traceback each, or
asyncio logs their errors as never retrieved.  If the raised error becomes a one-line message, none of this should be
shown; an error that is never raised must still be seen.
"""

import logging
import sys
from collections.abc import Callable

_LOGGERS = "absl", "asyncio"  # Orbax logs through absl; asyncio reports errors of futures
_FOLDER = "/orbax/"  # in the path of its source files
_LOOP_CLOSED = "Event loop is closed"


class HeldLogs(logging.Filter):
    """Holds back such output from the creation of this object until `close`.

    Args:
      held: whether to hold back an error that Orbax logs; all others are shown at once.
    """

    def __init__(self, held: Callable[[BaseException], bool]) -> None:
        super().__init__()
        self._held, self._failed = held, False
        self._records: list[logging.LogRecord] = []
        self._unraisable: list[sys.UnraisableHookArgs] = []
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._take_unraisable

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown now."""
        error = record.exc_info[1] if record.exc_info else None
        of_future = record.name == "asyncio"
        if error is None or not (of_future or _FOLDER in record.pathname) or not self._held(error):
            return True
        if not (of_future and self._failed):  # after a failed save they keep coming for a while
            self._records.append(record)
        return False

    def _take_unraisable(self, args: "sys.UnraisableHookArgs") -> None:
        """Takes an error raised where nothing can catch it."""
        if not (isinstance(args.exc_value, RuntimeError) and str(args.exc_value) == _LOOP_CLOSED):
            self._hook(args)
        elif not self._failed:  # after a failed save they keep coming for a while
            self._unraisable.append(args)

    def drop(self) -> None:
        """Forgets what was held back: it has been raised too."""
        self._failed, self._records, self._unraisable = True, [], []

    def show(self) -> None:
        """Shows what was held back: it was not raised."""
        records, self._records = self._records, []
        for record in records:
            logging.getLogger(record.name).callHandlers(record)
        unraisable, self._unraisable = self._unraisable, []
        for args in unraisable:
            self._hook(args)

    def close(self) -> None:
        """Shows what is left and stops holding back, except late callbacks of a save whose error was raised."""
        for name in _LOGGERS:
            if not (self._failed and name == "asyncio"):
                logging.getLogger(name).removeFilter(self)
        self.show()
        if not self._failed and sys.unraisablehook == self._take_unraisable:
            sys.unraisablehook = self._hook
