"""Event files for TensorBoard: scalars by step.

TensorBoard's own writer works in a separate thread, where a full disk ends in a traceback; this one writes at once and
raises the error to its caller.
"""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.record_writer import RecordWriter

_VERSION = "brain.Event:2"  # in the first record; TensorBoard recognises the format by it


class EventFile:
    """A new event file in a folder, which is created if missing.

    Args:
      folder: the folder; TensorBoard shows all its event files as one run.

    Raises:
      OSError: it cannot be written, or the disk is full.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self._file = (folder / name).open("wb")
        self._records = RecordWriter(self._file)
        self._add(Event(wall_time=time.time(), file_version=_VERSION))
        self._file.flush()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends the values of one step, flushed to disk; raises OSError if the disk is full."""
        now = time.time()
        for name, value in values.items():
            self._add(Event(wall_time=now, step=step, summary=scalar_pb(name, value)))
        self._file.flush()

    def _add(self, event: Event) -> None:
        self._records.write(event.SerializeToString())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
