"""Metrics reach Weights & Biases and MLflow offline, a resumed run is the same one, and a failure ends no training."""

import importlib.util
import json

import pytest

from hbt_jax.config.training import RunConfig
from hbt_jax.config.values import TRACKERS
from hbt_jax.errors import InputError
from hbt_jax.training.metrics_log import MetricsLog, read_metrics
from hbt_jax.training.tracking import trackers


class Kept:
    """A tracker that keeps what it gets, and fails from some step on."""

    runs: list["Kept"]  # that were started

    def __init__(self, project, name, workdir, options, known, fails=99):
        self.told, self.id, self.rows, self.closed = (project, name, dict(options)), known or "new", [], 0
        self.fails = fails
        Kept.runs.append(self)

    def write(self, step, values):
        if step >= self.fails:
            raise ConnectionError("no\nnetwork")
        self.rows.append((step, dict(values)))

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    Kept.runs = []
    monkeypatch.setitem(trackers._STARTS, "wandb", Kept)
    return Kept.runs


def log(workdir, step=0):
    return MetricsLog(workdir, step, None, trackers.start_trackers(("wandb",), "project", workdir, {"seed": 3}))


def test_rows_go_to_files_and_trackers_and_a_resumed_run_has_the_same_id(tmp_path, kept):
    first = log(tmp_path)
    first.write(1, "train", {"loss": 0.5})
    first.close()
    log(tmp_path, 1).close()
    assert kept[0].rows == [(1, {"train/loss": 0.5})] and kept[0].closed == 1
    assert kept[0].told == ("project", tmp_path.name, {"seed": 3})
    assert kept[1].id == "new" and json.loads((tmp_path / "trackers.json").read_text()) == {"wandb": "new"}
    assert read_metrics(tmp_path) == [{"step": 1, "split": "train", "loss": 0.5}]


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "\0", "[]", '{"wandb": 3}'])
def test_damaged_ids_are_named(tmp_path, content):
    (tmp_path / "trackers.json").write_text(content)
    with pytest.raises(InputError, match=r"trackers\.json: not the ids of the trackers' runs .*: remove it, and each"):
        log(tmp_path)


def test_a_tracker_that_fails_is_named_once_and_the_files_have_all(tmp_path, kept, capsys):
    writing = log(tmp_path)
    kept[0].fails = 2
    for step in (1, 2, 3):
        writing.write(step, "train", {"loss": 0.5})
    writing.close()
    assert [step for step, _ in kept[0].rows] == [1] and kept[0].closed == 0
    said = capsys.readouterr().err
    assert said.count("wandb takes no more metrics (no network); the run continues") == 1
    assert len(read_metrics(tmp_path)) == 3


def test_trackers_that_cannot_be_used(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--trackers=wandb,aim: unknown 'aim': expected some of wandb, mlflow"):
        RunConfig(trackers=("wandb", "aim"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"mlflow is not installed: pip install -e '.\[mlflow\]', or leave it out"):
        trackers.check_installed(("mlflow",))

    def refuses(*_):
        raise RuntimeError("no key")

    monkeypatch.setitem(trackers._STARTS, "mlflow", refuses)
    with pytest.raises(InputError, match="--trackers=wandb,mlflow: mlflow cannot start: no key"):
        trackers.start_trackers(("wandb", "mlflow"), "p", tmp_path, {})
    assert Kept.runs[0].closed == 1
    assert set(TRACKERS) == set(trackers._STARTS)


def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from hbt_jax.training.tracking.wandb_run import WandbRun

    monkeypatch.setenv("WANDB_MODE", "offline")
    run = WandbRun("project", "name", tmp_path, {"seed": 3}, None)
    run.write(1, {"train/loss": 0.5})
    run.close()
    again = WandbRun("project", "name", tmp_path, {"seed": 3}, run.id)
    again.close()
    assert again.id == run.id
    files = list((tmp_path / "wandb").glob(f"offline-run-*-{run.id}/*.wandb"))
    assert any(b"train/loss" in file.read_bytes() for file in files)


def test_mlflow_in_a_folder(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    from hbt_jax.training.tracking.mlflow_run import MlflowRun

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    options = {f"option{number}": number for number in range(150)}
    run = MlflowRun("project", "name", tmp_path, {"seed": 3, **options}, None)
    run.write(1, {"train/loss": 0.5, "dev/facts/multilingual/recall@1": 0.25})
    run.close()
    again = MlflowRun("project", "name", tmp_path, {"seed": 3}, run.id)
    again.write(2, {"train/loss": 0.4})
    again.close()
    client = mlflow.tracking.MlflowClient()
    found = client.get_run(run.id)
    assert found.info.status == "FINISHED" and len(found.data.params) == 151 and found.data.params["seed"] == "3"
    assert [(one.step, one.value) for one in client.get_metric_history(run.id, "train/loss")] == [(1, 0.5), (2, 0.4)]
    assert found.data.metrics["dev/facts/multilingual/recall_at_1"] == 0.25
