"""Processes with one device each train and evaluate as one process with all the devices does."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from hbt_jax.training.metrics_log import read_metrics
from tests.launch.test_commands import ROOT, small_run

pytestmark = pytest.mark.slow


def start(arguments: list[str], devices: int) -> subprocess.Popen:
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "train.py"), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def start_several(arguments: list[str], own: list[list[str]]) -> list[subprocess.Popen]:
    """The processes of one job, with one device each; `own`: what each of them is given besides."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    shared = [*arguments, f"--coordinator={address}", f"--processes={len(own)}"]
    return [start([*shared, f"--process={i}", *more], 1) for i, more in enumerate(own)]


def start_two(arguments: list[str], *more: list[str]) -> list[subprocess.Popen]:
    """Two processes of one job; `more`: what each of them is given besides."""
    return start_several(arguments, list(more) or [[], []])


def test_a_signal_to_one_of_two_processes_stops_and_saves_both(few_facts, tmp_path):
    arguments = small_run(few_facts, tmp_path / "run", "--save_every=2", "--steps=400", "--validate_every=0")
    pair = start_two(arguments)
    while pair[0].poll() is None and not list((tmp_path / "run" / "checkpoints" / "last").glob("[0-9]*")):
        time.sleep(0.05)
    pair[1].send_signal(signal.SIGTERM)
    for process in pair:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 3, errors
        assert re.search(r"stopped: saved at step \d+ of 400", errors)
    stopped = int(re.search(r"saved at step (\d+)", errors)[1])
    alone = start([*arguments, f"--steps={stopped + 2}", "--resume=must"], 1)
    _, errors = alone.communicate(timeout=300)
    assert alone.returncode == 0, errors
    assert [row["step"] for row in read_metrics(tmp_path / "run")][-1] == stopped + 2


def test_a_process_that_was_started_differently_is_named(few_facts, tmp_path):
    for process in start_two(small_run(few_facts, tmp_path / "run"), [], ["--seed=4"]):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 2, errors
        last = errors.strip().splitlines()[-1]
        assert re.match(
            r"error: the processes of this job were not started alike: --seed is 4 on process 1 \(host .*\), 0 on the"
            r" others; plan of batches is .*: give every host the same command, data and version$",
            last,
        )
    assert not (tmp_path / "run" / "checkpoints" / "last").exists()


@pytest.mark.parametrize("failing", [0, 1])
def test_a_process_that_fails_alone_says_why_and_ends_the_other(few_facts, tmp_path, failing):
    wrong = [["--mesh_fsdp=3"] if process == failing else [] for process in (0, 1)]
    pair = start_two(small_run(few_facts, tmp_path / "run"), *wrong)
    said = [process.communicate(timeout=300)[1].strip().splitlines() for process in pair]
    assert (pair[failing].returncode, pair[1 - failing].returncode) == (2, 1)
    assert re.match(r"error: --mesh_data=0 x --mesh_fsdp=3 does not fit", said[failing][-1])
    assert re.match(
        rf"error: process {failing} of this job, on host .*, has failed, see its mess", said[1 - failing][-1]
    )


@pytest.mark.parametrize("lost", [0, 1])
def test_a_process_that_is_lost_ends_the_other_at_once_with_a_clear_message(few_facts, tmp_path, lost):
    pair = start_two(small_run(few_facts, tmp_path / "run", "--save_every=2", "--steps=4000", "--validate_every=0"))
    while pair[1].poll() is None and not list((tmp_path / "run" / "checkpoints" / "last").glob("[0-9]*")):
        time.sleep(0.05)
    pair[lost].kill()
    killed = time.monotonic()
    _, errors = pair[1 - lost].communicate(timeout=300)
    assert time.monotonic() - killed < 60, errors
    message = f"^error: process {lost} of this job, on host .*, has ended: it was killed, or its host is lost; proce"
    if lost == 0:  # JAX's service was lost with it, which JAX may see first
        assert pair[1].returncode in (1, -signal.SIGABRT), errors
        assert re.search(f"{message}|another task died", errors, re.MULTILINE)
    else:
        assert pair[0].returncode == 1, errors
        assert re.search(message, errors, re.MULTILINE)
    pair[lost].communicate()


def test_two_processes_equal_one(few_facts, tmp_path):
    dev = ["--evaluate_every=3", "--dev_benchmarks=facts"]
    for process in start_two(small_run(few_facts, tmp_path / "two", *dev)):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    alone = start(small_run(few_facts, tmp_path / "one", *dev), 2)
    _, errors = alone.communicate(timeout=300)
    assert alone.returncode == 0, errors
    rows = [read_metrics(tmp_path / name) for name in ("one", "two")]
    losses = [[row["loss"] for row in of_run if row["split"] != "dev"] for of_run in rows]
    assert len(losses[0]) >= 3
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    maps = [[row["facts/monolingual/map"] for row in of_run if row["split"] == "dev"] for of_run in rows]
    assert len(maps[0]) == 2
    assert maps[1] == pytest.approx(maps[0], abs=2e-3)
    results = [tmp_path / name / "evaluation" / "facts" / "results.json" for name in ("one", "two")]
    one, two = (json.loads(path.read_text())["metrics"]["monolingual"]["map"] for path in results)
    assert two == pytest.approx(one, abs=2e-3)


def test_four_processes_equal_one_step_for_step(few_facts, tmp_path):
    options = ["--log_every=1", "--benchmarks=", "--data_dir="]
    for process in start_several(small_run(few_facts, tmp_path / "four", *options), [[]] * 4):
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    alone = start(small_run(few_facts, tmp_path / "one", *options), 4)
    _, errors = alone.communicate(timeout=300)
    assert alone.returncode == 0, errors
    four, one = (read_metrics(tmp_path / job) for job in ("four", "one"))
    assert [row["step"] for row in one if row["split"] == "train"] == [1, 2, 3, 4, 5, 6]
    for found, expected in zip(four, one, strict=True):
        assert found.pop("split") == expected.pop("split")
        for row in (found, expected):
            row.pop("pairs_per_second", None)
        assert found == pytest.approx(expected, rel=1e-4)
