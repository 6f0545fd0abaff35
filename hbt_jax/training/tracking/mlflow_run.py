"""A run at MLflow."""

import time
from collections.abc import Mapping
from pathlib import Path

_LONGEST = 500  # characters of a parameter's value
_MOST_PARAMETERS = 100  # in one request


class MlflowRun:
    """A run, or the continuation of the one with the given id; see `Tracker` and `start_trackers`.

    It uses the client alone: MLflow's "active run" is global.
    """

    def __init__(self, project: str, name: str, workdir: Path, options: Mapping, known: str | None):
        del workdir  # MLFLOW_TRACKING_URI says where it writes
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client, self.id = MlflowClient(), known
        if known:
            self._client.update_run(known, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(project)
        experiment = found.experiment_id if found else self._client.create_experiment(project)
        self.id = self._client.create_run(experiment, run_name=name).info.run_id
        values = [Param(option, str(value)[:_LONGEST]) for option, value in options.items()]
        for start in range(0, len(values), _MOST_PARAMETERS):
            self._client.log_batch(self.id, params=values[start : start + _MOST_PARAMETERS])

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name.replace("@", "_at_"), float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self.id, metrics=metrics)

    def close(self) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self.id)
