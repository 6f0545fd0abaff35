"""MIRACL as a user evaluates it: one command, stopped and repeated, and by two processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.evaluation import make_miracl
from tests.interchange import make_models
from tests.launch.test_commands import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    root = tmp_path_factory.mktemp("miracl")
    make_miracl.write(root / "data" / "miracl")
    model = make_models.folder_of("xlm-roberta", root / "model")
    # The smallest blocks, so that a signal comes in time; the same everywhere, so that results have the same bits.
    small = ["--max_length=24", "--corpus_block=1"]
    return [f"--model={model}", "--benchmarks=miracl", f"--data_dir={root / 'data'}", *small]


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=1"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "eval.py"), *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen, code: int) -> tuple[str, str]:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    return output, errors


@pytest.fixture(scope="module")
def alone(arguments, tmp_path_factory):
    """OUT of one process, and what it printed."""
    out = tmp_path_factory.mktemp("alone")
    return out, ended(start([*arguments, f"--out={out}"]), 0)[0]


def written(out):
    """The results, and the ranking of the largest pool."""
    folder = out / "miracl"
    return json.loads((folder / "results.json").read_text()), (folder / "runs" / "multilingual.trec").read_text()


def test_one_command_writes_and_prints_everything(alone):
    out, printed = alone
    assert "miracl: 147 passages in 6 files" in printed
    assert "miracl: 15 queries and 147 passages in 3 languages; 90 judgements" in printed
    assert (out / "report.html").is_file()
    assert set(written(out)[0]["metrics"]["monolingual"]) == {"ndcg@10", "recall@100"}
    assert sorted(path.name for path in (out / "miracl").iterdir()) == [
        *("kept", "per_query.jsonl.gz", "qrels.trec", "results.json", "runs"),
    ]  # fmt: skip


def test_two_processes_equal_one(arguments, alone, tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    job = [*arguments, f"--out={tmp_path}", f"--coordinator={address}", "--processes=2"]
    pair = [start([*job, f"--process={number}"]) for number in (0, 1)]
    first, second = (ended(process, 0)[0] for process in pair)
    assert "3 files; 0 files were finished before" in first
    assert "miracl" not in second
    assert written(tmp_path) == written(alone[0])


def test_a_signal_stops_with_code_3_and_the_same_command_goes_on(arguments, alone, tmp_path):
    process = start([*arguments, f"--out={tmp_path}"])
    while process.poll() is None and not list((tmp_path / "miracl" / "kept").glob("*/*.npz")):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = ended(process, 3)
    assert errors.splitlines()[-1].startswith("stopped: during evaluation; finished")
    output, _ = ended(start([*arguments, f"--out={tmp_path}"]), 0)
    assert "0 files were finished before" not in output and "files were finished before" in output
    assert written(tmp_path) == written(alone[0])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--miracl_languages=sw,xx"], "--miracl_languages: unknown language 'xx': MIRACL has ar bn"),
        (["--benchmarks=facts", "--miracl_languages=sw"], "--miracl_languages=sw needs --benchmarks=miracl: other"),
        (["--benchmarks=facts", "--corpus_block=9"], "--corpus_block=9 needs one of miracl, mldr, neuclir in --bench"),
        (["--run_depth=0"], "--run_depth=0: the whole ranking of miracl's passages is never held: expected 1 or more"),
        (["--corpus_block=0"], "--corpus_block=0: expected at least 1"),
        (["--layer_probe=4"], "--layer_probe is not supported by miracl, whose passages are read as a stream: lea"),
        (["--candidate_text=sentence+context"], "--candidate_text=sentence+context: the candidates of miracl have no"),
    ],
)
def test_a_wrong_flag_is_one_clear_line_and_exit_code_2(arguments, flags, message, tmp_path):
    _, errors = ended(start([*arguments, f"--out={tmp_path / 'out'}", *flags]), 2)
    assert errors.splitlines()[-1].startswith("error: ")
    assert message in errors.splitlines()[-1]
    assert not (tmp_path / "out").exists()
