"""Where metrics go besides the files of a run: Weights & Biases and MLflow, each behind the same two calls.

A run keeps its id with a tracker in WORKDIR/trackers.json, so a resumed run continues the same one.  The trackers' own
environment variables decide whether and where anything is sent: WANDB_MODE=offline, MLFLOW_TRACKING_URI=FOLDER.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hbt_jax import json_text
from hbt_jax.config.values import TRACKERS
from hbt_jax.errors import InputError
from hbt_jax.files import atomic_file
from hbt_jax.training.tracking import mlflow_run, wandb_run

_IDS = "trackers.json"


class Tracker(Protocol):
    """Takes the metrics of a run.

    Attributes:
      id: by which the tracker knows the run; None: it needs none.
    """

    id: str | None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the values of one step; their names are such as train/loss."""

    def close(self) -> None:
        """Ends the run."""


Start = Callable[[str, str, Path, Mapping, str | None], Tracker]
_STARTS: dict[str, Start] = {"wandb": wandb_run.WandbRun, "mlflow": mlflow_run.MlflowRun}
assert {*_STARTS} == {*TRACKERS}


def check_installed(names: Sequence[str]) -> None:
    """Raises InputError for the first tracker whose package is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"--trackers={','.join(names)}: {name} is not installed: pip install -e '.[{name}]', or leave it out"
            )


class Guarded:
    """A tracker whose failure ends the tracking, with one line, but not the training."""

    def __init__(self, name: str, tracker: Tracker):
        self._name, self._tracker, self.id = name, tracker, tracker.id

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._try(lambda: self._tracker.write(step, values))

    def close(self) -> None:
        """See `Tracker`."""
        self._try(lambda: self._tracker.close())

    def _try(self, call: Callable[[], None]) -> None:
        if self._tracker is None:
            return
        try:
            call()
        except Exception as error:
            self._tracker = None
            print(
                f"note: {self._name} takes no more metrics ({' '.join(str(error).split())}); the run continues,"
                " metrics.jsonl has all of them",
                file=sys.stderr,
                flush=True,
            )


def _ids(file: Path) -> dict[str, str]:
    """The ids of the trackers' runs by name."""
    try:
        ids = json_text.read(file)
    except json_text.NotJson as error:
        raise _no_ids(file, str(error)) from error
    if not isinstance(ids, dict) or not all(isinstance(id_, str | None) for id_ in ids.values()):
        raise _no_ids(file, "expected an object of names to ids")
    return ids


def _no_ids(file: Path, problem: str) -> InputError:
    return InputError(f"{file}: not the ids of the trackers' runs ({problem}): remove it, and each starts a new run")


def start_trackers(names: Sequence[str], project: str, workdir: Path, options: Mapping) -> list[Tracker]:
    """Starts, or continues, a run with each tracker.

    Args:
      names: of TRACKERS.
      project: where the run is listed; the run itself is named after the workdir.
      workdir: folder of the run.
      options: the run's configuration by name.

    Raises:
      InputError: a tracker cannot start.
    """
    file = workdir / _IDS
    ids = _ids(file) if file.exists() else {}
    found = []
    for name in names:
        try:
            tracker = _STARTS[name](project, workdir.resolve().name, workdir, options, ids.get(name))
        except Exception as error:
            for started in found:
                started.close()
            raise InputError(f"--trackers={','.join(names)}: {name} cannot start: {error}") from error
        ids[name] = tracker.id
        found.append(Guarded(name, tracker))
    if names:
        with atomic_file(str(file)) as content:
            content.write(json.dumps(ids).encode())
    return found
