"""One device, eight devices and two processes rank a benchmark alike; only the last bits of a score may differ."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.launch.test_commands import ROOT

pytestmark = pytest.mark.slow

_ROUNDING = 2e-6
_MODEL = ROOT / "tests" / "models" / "golden" / "xlm_r"


def start(out, benchmark, devices: int, *more: str) -> subprocess.Popen:
    arguments = [f"--model={_MODEL}", f"--benchmarks={benchmark}", f"--out={out}", "--run_depth=0", *more]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "eval.py"), *arguments, "--cross_lingual_runs"],
        env={**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(*processes: subprocess.Popen) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors


def rankings(out) -> dict[tuple[str, str], dict[str, float]]:
    """Run and query -> the candidates in their order, with their scores."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for run in sorted((out / "facts" / "runs").glob("*.trec")):
        for line in run.read_text().splitlines():
            query, _, candidate, _, score, _ = line.split()
            found.setdefault((run.name, query), {})[candidate] = float(score)
    return found


@pytest.fixture(scope="module")
def outputs(few_facts, tmp_path_factory):
    folder, benchmark = tmp_path_factory.mktemp("ranked"), few_facts / "benchmarks" / "facts"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        together = [f"--coordinator=127.0.0.1:{found.getsockname()[1]}", "--processes=2"]
    ended(start(folder / "one", benchmark, 1))
    ended(start(folder / "eight", benchmark, 8))
    ended(*(start(folder / "two", benchmark, 1, *together, f"--process={number}") for number in (0, 1)))
    return {name: folder / name for name in ("one", "eight", "two")}


@pytest.mark.parametrize("other", ["eight", "two"])
def test_rankings_and_results_are_equal(outputs, other):
    expected, found = rankings(outputs["one"]), rankings(outputs[other])
    assert len(expected) > 100
    assert found.keys() == expected.keys()
    for key, scores in expected.items():
        assert found[key] == pytest.approx(scores, abs=_ROUNDING)  # the same candidates, each with its score
        assert list(found[key]) == list(scores)  # in the same order
    one, more = (json.loads((outputs[name] / "facts" / "results.json").read_text()) for name in ("one", other))
    assert more["counts"] == one["counts"]
    assert more["by_pair"] == one["by_pair"]
