"""Every command holds what it writes: a second process ends at once with exit code 2, and the first one is not hurt."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hbt_jax.holding import held
from hbt_jax.training.metrics_log import read_metrics
from tests.launch.test_commands import ROOT, small_run
from tests.launch.test_processes import start_two

pytestmark = pytest.mark.slow

ENVIRONMENT = {**os.environ, "XLA_FLAGS": ""}


def run(command: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / command), *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def refused(ended: subprocess.CompletedProcess, folder: Path, process: int = os.getpid()) -> None:
    assert ended.returncode == 2, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"error: {folder} is in use by process {process} on host {socket.gethostname()} ("), last
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "arguments", "name", "beside"),
    [
        ("launch/train.py", ["--prepare=facts", "--stores=s", "--workdir={}"], "", False),
        ("launch/train.py", ["--prepare=facts", "--stores=s", "--benchmarks=./b", "--workdir={}"], "evaluation", False),
        ("launch/sweep.py", ["--benchmarks=./b", "--workdir={}"], "", False),
        ("launch/eval.py", ["--model=m", f"--benchmarks={ROOT}", "--out={}"], "", False),
        ("launch/compare.py", ["--a=a", "--b=b", "--out={}"], "", False),
        ("launch/export.py", ["--model=m", "--out={}"], "", True),
        ("launch/embed.py", ["--model=m", "--output={}/texts.npy"], "texts.npy", True),
        ("launch/compile_check.py", ["--topology=v5e:2x2", "--json={}/found.json"], "found.json", True),
        ("launch/compile_check.py", ["--report={}/report.md"], "report.md", True),
        ("data_prep/prepare_facts.py", ["--out_dir={}"], "", False),
        (
            "data_prep/write_benchmark.py",
            ["--source=jsonl", "--input_dir=i", "--raw_dir=r", "--out_dir={}"],
            "",
            True,
        ),
        (
            "data_prep/train_sentencepiece.py",
            ["--source=jsonl", "--input_dir=i", "--raw_dir=r", "--out_dir={}"],
            "",
            True,
        ),
    ],
)
def test_an_output_in_use_is_refused(tmp_path, command, arguments, name, beside):
    out = tmp_path / "out"
    out.mkdir()
    with held(out / name, "--out", beside=beside):
        refused(run(command, *(one.format(out) for one in arguments)), out / name)
    assert not [path for path in out.iterdir() if path.name != name] and len(list(tmp_path.iterdir())) == 1


def test_stores_tables_and_reports_in_use_are_refused(few_facts, tmp_path):
    raw, tokenizer, store = few_facts / "raw", few_facts / "tokenizer", few_facts / "train"
    build = ["--source=facts", f"--tokenizer={tokenizer}", f"--out_dir={tmp_path / 'store'}"]
    with held(tmp_path / "store", "--out_dir", beside=True):
        refused(run("data_prep/build_store.py", *build, f"--raw_dir={raw}"), tmp_path / "store")
    with held(tmp_path / "raw" / "facts", "--raw_dir"):
        refused(run("data_prep/build_store.py", *build, f"--raw_dir={tmp_path / 'raw'}"), tmp_path / "raw" / "facts")
    benchmark = f"--benchmarks={few_facts / 'benchmarks' / 'facts'}"
    with held(tmp_path / "report", "--out_dir", beside=True):
        ended = run("data_prep/decontaminate.py", str(store), benchmark, f"--out_dir={tmp_path / 'report'}")
        refused(ended, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_prepared_folder_is_only_read(few_facts):
    """Trainings that begin at the same time prepare nothing, so none of them is refused."""
    with held(few_facts, "--out_dir"):
        ended = run("data_prep/prepare_facts.py", f"--out_dir={few_facts}", "--vocabulary=450")
    assert ended.returncode == 0, ended.stderr


def wait_for_rows(workdir: Path, process: subprocess.Popen, rows: int) -> None:
    while len(read_metrics(workdir)) < rows:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@contextlib.contextmanager
def training(arguments: list[str]):
    """A run that goes on until it is stopped."""
    command = [sys.executable, str(ROOT / "launch" / "train.py"), *arguments]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_live_run_is_not_joined_but_read_and_goes_on_after_a_kill(few_facts, tmp_path):
    workdir = tmp_path / "run"
    arguments = small_run(
        few_facts, workdir, "--steps=100000", "--validate_every=0", "--log_every=1", "--save_every=20"
    )
    with training(arguments) as first:
        wait_for_rows(workdir, first, 10)
        refused(run("launch/train.py", *arguments, "--learning_rate=1e-3"), workdir, first.pid)
        (tmp_path / "texts.txt").write_text("Paris\n")
        texts = [f"--input={tmp_path / 'texts.txt'}", f"--output={tmp_path / 'texts.npy'}"]
        read = run("launch/embed.py", f"--model={workdir}", "--checkpoint=untrained", *texts)
        assert read.returncode == 0, read.stderr
        reached = len(read_metrics(workdir))
        wait_for_rows(workdir, first, reached + 5)
        first.kill()
        first.wait()
    steps = [row["step"] for row in read_metrics(workdir)]
    assert steps == list(range(1, len(steps) + 1))
    with training(arguments) as again:
        wait_for_rows(workdir, again, len(steps) + 1)
        again.send_signal(signal.SIGTERM)
        _, errors = again.communicate(timeout=300)
    assert again.returncode == 3, errors
    assert f"was in use by process {first.pid} on host {socket.gethostname()} (launch/train.py) since" in errors
    steps = [row["step"] for row in read_metrics(workdir)]
    assert steps == list(range(1, len(steps) + 1))
    assert not list(workdir.glob(".*"))


def test_all_processes_of_a_job_end_where_the_first_is_refused(few_facts, tmp_path):
    workdir = tmp_path / "run"
    with held(workdir, "--workdir"):
        pair = start_two(small_run(few_facts, workdir))
        errors = [process.communicate(timeout=300)[1] for process in pair]
    assert [process.returncode for process in pair] == [2, 2], errors
    assert f"error: {workdir} is in use by process {os.getpid()} on host" in errors[0]
    assert "error: process 0 failed; see its message" in errors[1]
    assert not workdir.exists()
