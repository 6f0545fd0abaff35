"""Benchmarks during training: a wrong name ends at once, a stop changes nothing, and a metric picks the checkpoint."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from hbt_jax.mesh import make_mesh
from hbt_jax.training import workdir
from hbt_jax.training.checkpoint import Checkpoints
from hbt_jax.training.metrics_log import read_metrics, training_curve
from hbt_jax.training.step import abstract_state
from tests.launch.test_commands import ROOT, run, small_run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dev_benchmarks=facts"], "--evaluate_every=0 --dev_benchmarks=facts: expected both or neither"),
        (["--evaluate_every=3"], "--evaluate_every=3 --dev_benchmarks=: expected both or neither"),
        (["--evaluate_every=3", "--dev_benchmarks=factz"], "--dev_benchmarks=factz: unknown benchmark: the known ones"),
        (["--evaluate_every=3", "--dev_benchmarks=miracl"], "--dev_benchmarks=miracl: its passages are read as a stre"),
        (["--evaluate_every=3", "--dev_benchmarks=facts,./facts"], "--dev_benchmarks=facts,./facts: two have the same"),
        (["--best_metric=facts/multilingual/map"], "--best_metric=facts/multilingual/map needs --evaluate_every and"),
        (
            ["--evaluate_every=3", "--dev_benchmarks=facts", "--best_metric=xquad-r/multilingual/map"],
            "--best_metric=xquad-r/multilingual/map: expected validation_loss or facts/multilingual/map",
        ),
        (
            ["--evaluate_every=3", "--dev_benchmarks=facts", "--best_metric=facts/monolingual/rank_distance"],
            "--best_metric=facts/monolingual/rank_distance: expected facts/SETTING/METRIC, SETTING one of monolingual,",
        ),
        (
            ["--evaluate_every=3", "--dev_benchmarks=facts:nowhere"],
            "nowhere: no such folder: expected the files of facts",
        ),
    ],
)
def test_a_bad_benchmark_or_metric_is_one_clear_line(few_facts, tmp_path, arguments, message):
    ended = run("train.py", *small_run(few_facts, tmp_path / "run", *arguments), cwd=tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "run"])  # the folder is held while benchmarks are read


def parameters(folder, name):
    """The parameters of a checkpoint, and its record."""
    mesh = make_mesh(1, 1, jax.devices()[:1])
    checkpoints = Checkpoints(folder, read_only=True)
    found = checkpoints.restore_parameters(name, abstract_state(workdir.read_run(folder).step_config, mesh))
    record = checkpoints.record(name)
    checkpoints.close()
    return [np.asarray(leaf) for leaf in jax.tree.leaves(found)], record


def test_an_interrupted_run_measures_and_ends_bitwise_like_one_without_a_break(few_facts, tmp_path):
    more = ["--evaluate_every=2", f"--dev_benchmarks=facts:{few_facts}/benchmarks/facts", "--save_every=1",
            "--best_metric=facts/multilingual/map"]  # fmt: skip
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    ended = run("train.py", *small_run(few_facts, straight, *more))
    assert ended.returncode == 0, ended.stderr
    arguments = small_run(few_facts, stopped, *more)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "train.py"), *arguments],
        env={**os.environ, "XLA_FLAGS": ""}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while process.poll() is None and not list((stopped / "checkpoints" / "last").glob("[0-9]*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 3, errors
    again = run("train.py", *arguments)
    assert again.returncode == 0, again.stderr
    rows = [[row for row in read_metrics(folder) if row["split"] != "train"] for folder in (straight, stopped)]
    assert rows[0] == rows[1]
    dev = [row for row in rows[0] if row["split"] == "dev"]
    assert [row["step"] for row in dev] == [2, 4, 6]
    for name in ("last", "best"):
        (ours, record), (theirs, other) = (parameters(folder, name) for folder in (straight, stopped))
        assert (record.best_value, record.best_step) == (other.best_value, other.best_step)
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, two)
    best = max(dev, key=lambda row: row["facts/multilingual/map"])
    assert record.best_value == best["facts/multilingual/map"] and record.best_step == best["step"]
    results = json.loads((straight / "evaluation" / "facts" / "results.json").read_text())
    assert results["settings"]["step"] == best["step"]
    for setting, metric in (("monolingual", "recall@1"), ("cross_lingual", "map"), ("multilingual", "rank_distance")):
        assert results["metrics"][setting][metric] == best[f"facts/{setting}/{metric}"]
    assert training_curve(straight)["facts/multilingual/map"] == [
        (row["step"], row["facts/multilingual/map"]) for row in dev
    ]
    assert "facts/multilingual/map" in (straight / "evaluation" / "report.html").read_text()
