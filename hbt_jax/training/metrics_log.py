"""Training metrics: fetched one interval late, written as JSON lines and event files, shown as a progress bar."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
from tqdm import tqdm

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.files import disk_errors
from hbt_jax.training.tracking.event_file import EventFile
from hbt_jax.training.tracking.trackers import Tracker

TRAIN, VALIDATION, DEV = "train", "validation", "dev"
_SHOWN = 60  # characters of a wrong value that a message repeats
_SHOWN_OF_DEV = "/multilingual/map"


class MetricsLog:
    """Rows of metrics in WORKDIR/metrics.jsonl and WORKDIR/tensorboard.

    A row is {"step": int, "split": "train" | "validation" | "dev", name: number, ...}.  Rows that the resumed run will
    write again are removed when a log is opened, so there is one row per step and split.

    Args:
      workdir: folder of the run.
      step: the step the run resumes from; rows of later steps are removed.
      evaluated_step: step of the last validation or evaluation that its checkpoint knows of; later rows of these are
        removed.  None: `step`.
      trackers: get every row too, and are closed with the log.
    """

    def __init__(self, workdir: Path, step: int, evaluated_step: int | None = None, trackers: Sequence[Tracker] = ()):
        self._trackers = tuple(trackers)
        self._path = workdir / "metrics.jsonl"
        last = {TRAIN: step, VALIDATION: step if evaluated_step is None else evaluated_step}
        kept = [row for row in read_metrics(workdir) if row["step"] <= last.get(row["split"], last[VALIDATION])]
        temporary = self._path.with_suffix(".partial")
        with self._writing():
            temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
            temporary.replace(self._path)
            self._file = self._path.open("a", encoding="utf-8")
            self._events = EventFile(workdir / "tensorboard")

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """Appends one row, flushed to disk; raises InputError if the disk is full."""
        with self._writing():
            self._file.write(json.dumps({"step": step, "split": split, **values}) + "\n")
            self._file.flush()
            named = {f"{split}/{name}": value for name, value in values.items()}
            self._events.write(step, named)
        for tracker in self._trackers:
            tracker.write(step, named)

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return disk_errors(self._path.parent, "--workdir", "the last complete checkpoint is kept")

    def close(self) -> None:
        """Closes both files and the trackers."""
        self._file.close()
        self._events.close()
        for tracker in self._trackers:
            tracker.close()


def read_metrics(workdir: Path) -> list[dict]:
    """The rows of WORKDIR/metrics.jsonl, none if there is no such file; an incomplete last line is ignored.

    Raises:
      InputError: a complete line is no row; the message names it.
    """
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [_row(f"{path}:{number}", line) for number, line in enumerate(lines[:-1], start=1) if line]


def _row(place: str, line: bytes) -> dict:
    try:
        row = json_text.parsed(line)
    except json_text.NotJson as error:
        raise _damaged(place, f"not JSON ({error})") from error
    if not isinstance(row, dict) or type(row.get("step")) is not int or not isinstance(row.get("split"), str):
        raise _damaged(place, f"found {json_text.shown(row, _SHOWN)}")
    values = {name: value for name, value in row.items() if name not in ("step", "split")}
    if row["split"] in (TRAIN, VALIDATION) and "loss" not in values:
        raise _damaged(place, "no loss in it")
    for name, value in values.items():
        if type(value) not in (int, float):
            raise _damaged(place, f"{name} is {json_text.shown(value, _SHOWN)}")
    return row


def _damaged(place: str, problem: str) -> InputError:
    return InputError(
        f"{place}: {problem}: expected an object with step, split and numbers, as training writes it; the file is"
        " damaged: remove this line; all other rows are kept"
    )


def training_curve(workdir: Path) -> dict[str, list[tuple[int, float]]]:
    """What a run measured as series of (step, value), for figures.

    The losses are called "loss" and "validation loss"; of each dev benchmark there is the mean average precision over
    the candidates of all languages, named like "facts/multilingual/map".
    """
    losses = {TRAIN: "loss", VALIDATION: "validation loss"}
    curve: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(workdir):
        named = {losses[row["split"]]: row["loss"]} if row["split"] in losses else row
        for name, value in named.items():
            if name in losses.values() or name.endswith(_SHOWN_OF_DEV):
                curve.setdefault(name, []).append((row["step"], value))
    return curve


class Throughput:
    """Pairs per second between two readings, excluding the time of compilation, validation and saving.

    A reading is taken only when the results have arrived from the device, so a host that runs ahead of the device does
    not look fast.

    Attributes:
      seconds: of all intervals that were read.
      waited: of these, seconds spent waiting for data; the device may have been busy meanwhile.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock, self._depth = clock, 0
        self.seconds = self.waited = 0.0
        self.restart()

    def restart(self) -> None:
        """Starts a new interval."""
        self._start, self._away, self._waited = self._clock(), 0.0, 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time of a block as waiting for data."""
        start = self._clock()
        yield
        self._waited += self._clock() - start

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Excludes the time of a block; the device must be idle when it begins.  Blocks may nest."""
        left, self._depth = self._clock(), self._depth + 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._away += self._clock() - left

    def read(self, pairs: int) -> float:
        """Pairs per second if this interval did `pairs` pairs; starts the next interval."""
        seconds = max(self._clock() - self._start - self._away, 1e-9)
        self.seconds, self.waited = self.seconds + seconds, self.waited + self._waited
        self.restart()
        return pairs / seconds


class LateMetrics:
    """Keeps the metrics of an interval on the device until the next one, so that reading them never blocks the loop."""

    def __init__(self) -> None:
        self._held: list = []

    def swap(self, rows: list) -> list[tuple[int, dict[str, float]]]:
        """Keeps `rows`, a list of (step, dict of device scalars); returns those of the previous call, as floats."""
        previous, self._held = self._held, rows
        values = jax.device_get([metrics for _, metrics in previous])
        return [
            (step, {name: float(value) for name, value in row.items()})
            for (step, _), row in zip(previous, values, strict=True)
        ]


def progress_bar(total: int, done: int, shown: bool) -> tqdm:
    """A progress bar over steps with rate and ETA, on standard error."""
    return tqdm(
        total=total,
        initial=done,
        desc="training",
        unit="step",
        dynamic_ncols=True,
        smoothing=0.1,
        disable=not shown,
        mininterval=0.5,
    )
