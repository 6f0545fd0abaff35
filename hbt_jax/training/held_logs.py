"""Keeps back what Orbax logs about a failed save until it is known whether Orbax also raises it.

Orbax logs an error of its background threads several times, with tracebacks, and raises the same error at a later call.
Whoever turns the raised error into one line wants no log of it; an error that is never raised must still be seen.
"""

import logging
from collections.abc import Callable

_LOGGER = "absl"  # through which Orbax logs
_FOLDER = "/orbax/"  # in the path of its source files


class HeldLogs(logging.Filter):
    """Keeps back errors that Orbax logs, from the making of this object to `close`.

    Args:
      held: whether an error that is being logged is to be kept back; all others are shown at once.
    """

    def __init__(self, held: Callable[[BaseException], bool]) -> None:
        super().__init__()
        self._held = held
        self._records: list[logging.LogRecord] = []
        self._logger = logging.getLogger(_LOGGER)
        self._logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown now."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None or _FOLDER not in record.pathname or not self._held(error):
            return True
        self._records.append(record)
        return False

    def drop(self) -> None:
        """Forgets what was kept back: it was raised, too."""
        self._records = []

    def show(self) -> None:
        """Logs what was kept back: it was not raised."""
        records, self._records = self._records, []
        for record in records:
            self._logger.callHandlers(record)

    def close(self) -> None:
        """Logs what is left, and keeps nothing back any more."""
        self._logger.removeFilter(self)
        self.show()
