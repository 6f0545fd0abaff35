"""A run at Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path


class WandbRun:
    """A run, or the continuation of the one with the given id; see `Tracker` and `start_trackers`."""

    def __init__(self, project: str, name: str, workdir: Path, options: Mapping, known: str | None):
        import wandb

        self._run = wandb.init(
            project=project,
            name=name,
            dir=str(workdir),
            config=dict(options),
            id=known,
            resume="allow" if known else None,
            settings=wandb.Settings(console="off", silent=True),
        )
        self._run.define_metric("*", step_metric="step")
        self.id = self._run.id

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker`; the step is a metric of its own, because a resumed run may repeat some."""
        self._run.log({"step": step, **values})

    def close(self) -> None:
        """See `Tracker`."""
        self._run.finish()
