"""A sweep that was killed or stopped is repeated: finished runs are kept, the one in hand goes on, others are refused.

The model is pretrained, so each run takes its prefixes, pooling and normalisation from the model's files.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.build_store import build_store
from hbt_jax.training.metrics_log import read_metrics
from tests.data_prep.few_facts import few
from tests.interchange import make_models
from tests.launch.test_commands import ROOT

pytestmark = pytest.mark.slow

KINDS = ("x-x-mono", "hybrid")
SMALL = ["--global_batch=16", "--query_length=24", "--passage_length=24", "--steps=40", "--log_every=2", "--dropout=0",
         "--learning_rate=1e-3", "--seeds=1", f"--batching={','.join(KINDS)}",
         "--baseline=batching=x-x-mono,untrained", "--samples=100"]  # fmt: skip


@pytest.fixture(scope="module")
def given(few_facts, tmp_path_factory) -> list[str]:
    """The flags of a sweep of a tiny XLM-R, all but --workdir."""
    root = tmp_path_factory.mktemp("pretrained")
    folder = make_models.folder_of("xlm-roberta", root / "xlm-r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_prep.facts.builder.groups_by_split", few)
        build_store("facts", "train", few_facts / "raw", root / "store", folder)
    data = [f"--stores={root / 'store'}", f"--data_dir={few_facts / 'benchmarks'}", "--benchmarks=facts"]
    return [*SMALL, f"--model={folder}", *data, "--evaluate_untrained", "--save_every=2"]


def start(arguments: list[str], workdir: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "sweep.py"), *arguments, f"--workdir={workdir}"],
        env={**os.environ, "XLA_FLAGS": ""}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen, code: int) -> tuple[str, str]:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == code, errors
    return output, errors


@pytest.fixture(scope="module")
def straight(given, tmp_path_factory) -> Path:
    """The workdir of a sweep that nobody interrupted."""
    workdir = tmp_path_factory.mktemp("straight") / "sweep"
    output, _ = ended(start(given, workdir), 0)
    table = (workdir / "sweep.md").read_text(encoding="utf-8")
    assert output.endswith(table)
    assert re.findall(r"(?m)^\| ([\w-]+) \| 1 \|", table) == [*KINDS, "untrained"]
    said = re.findall(r"(?m)^- facts: (\S+ (?:and \S+: no significant difference|[<>] \S+) in \w+)", table)
    assert len(said) == 3 * 4  # of each pairing and setting
    assert "hybrid" in (workdir / "study.html").read_text(encoding="utf-8")
    return workdir


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file in a folder."""
    found = {str(path): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (status.st_size, status.st_mtime_ns) for path, status in found.items()}


def test_a_finished_sweep_is_repeated_without_a_change_from_wherever_it_is_called(given, straight, tmp_path):
    before = states(straight / "x-x-mono-seed0") | states(straight / "hybrid-seed0")
    table = (straight / "sweep.md").read_bytes()
    moved = Path(os.path.relpath(straight, ROOT))
    ended(start([*given, "--log_every=5", "--save_minutes=3"], moved), 0)
    assert states(straight / "x-x-mono-seed0") | states(straight / "hybrid-seed0") == before
    assert (straight / "sweep.md").read_bytes() == table


def steps_saved(run: Path) -> list[int]:
    """Steps of the checkpoints to go on from that are whole."""
    return [int(path.name) for path in (run / "checkpoints" / "last").glob("*") if path.name.isdecimal()]


def children_of(process: int) -> list[int]:
    """Process ids of the children of a process, as /proc has them."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(status.read_text().rpartition(")")[2].split()[1]) == process:
                found.append(int(status.parent.name))
    return found


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; elsewhere a kill -9 leaves the training alone")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_sweep_killed_in_its_second_run_goes_on_to_the_same_table(given, straight, tmp_path, number):
    workdir = tmp_path / "sweep"
    shutil.copytree(straight / "x-x-mono-seed0", workdir / "x-x-mono-seed0")  # the first run, finished
    finished, second = states(workdir / "x-x-mono-seed0"), workdir / "hybrid-seed0"
    process = start(given, workdir)
    while process.poll() is None and not steps_saved(second):
        time.sleep(0.02)
    (training,) = children_of(process.pid)
    process.send_signal(number)
    _, errors = ended(process, -signal.SIGKILL if number == signal.SIGKILL else 3)
    assert number == signal.SIGKILL or f"stopped: during {second}; run the same command again to resume" in errors
    until = time.monotonic() + 10
    while is_running(training) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(training)  # or two would train in one folder
    reached = max(steps_saved(second))
    assert 2 <= reached < 40
    known = [row for row in read_metrics(second) if row["step"] <= reached]
    assert not (workdir / "sweep.md").exists()
    ended(start(given, workdir), 0)
    assert states(workdir / "x-x-mono-seed0") == finished
    assert read_metrics(second)[: len(known)] == known  # with their pairs a second: not done again
    assert read_metrics(second)[-1]["step"] == 40
    assert (workdir / "sweep.md").read_text() == (straight / "sweep.md").read_text()
    for name in ("sweep.json", "study.json", "study.html"):
        assert (workdir / name).read_text() == (straight / name).read_text()


def test_commands_of_unfinished_runs_are_printed_and_nothing_is_run(given, straight):
    before = states(straight)
    grid = "--grid=batching=hybrid,x-y; mono_probability=0.5,0.75,1"
    output, _ = ended(start([*given, grid, "--print_commands"], straight), 0)
    assert states(straight) == before
    lines = [shlex.split(line) for line in output.splitlines()]
    assert [line[:2] for line in lines] == [["python", "launch/train.py"]] * 3
    folders = ["hybrid-mono_probability=0.5-seed0", "hybrid-mono_probability=0.75-seed0", "x-y-seed0"]
    assert [f"--workdir={straight / name}" in line for line, name in zip(lines, folders, strict=True)] == [True] * 3
    assert "--mono_probability=0.75" in lines[1] and "--batching=x-y" in lines[2]


def test_a_baseline_that_cannot_be_is_refused_before_anything_is_run(given, tmp_path):
    for flags, said in (
        (["--baseline=batching=x-y"], "--baseline: 'x-x-mono' would be compared with 'x-y', which is not in the grid"),
        (["--noevaluate_untrained"], "--baseline=untrained needs --evaluate_untrained"),
        (["--grid=momentum=1"], "--grid: unknown option momentum"),
    ):
        _, errors = ended(start([*given, *flags], tmp_path / "sweep"), 2)
        assert f"error: {said}" in errors
    assert not (tmp_path / "sweep").exists()


def test_other_flags_are_refused_by_name(given, straight):
    for flag, said in (
        ("--learning_rate=1e-2", "--learning_rate (0.001, now 0.01)"),
        ("--normalize=false", "--normalize (true, now false)"),
    ):
        _, errors = ended(start([*given, flag], straight), 2)
        told = f"error: {straight / 'x-x-mono-seed0'} holds a run with other values of {said}: give the same flags, or"
        assert errors.splitlines()[-1].startswith(told)
