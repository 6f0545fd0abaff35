"""The command as a user runs it, in a process of its own: libtpu is loaded there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--stand_in", "--model=tiny", "--stand_in_vocabulary=8000", "--global_batch=64", "--compute_dtype=bfloat16",
        "--topology=v5e:2x2"]  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "launch" / "compile_check.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def ended() -> subprocess.CompletedProcess:
    pytest.importorskip(
        "libtpu", reason="libtpu is absent: pip install -e '.[tpu]' lets programs compile for a TPU here"
    )
    return run(*TINY, "--mesh_fsdp=2")


def test_it_says_what_it_compiles_and_libtpu_says_nothing(ended):
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines() == ["compiling the update: 20 rows x 128 tokens a chip", "compiling the evaluator"]


def test_table_and_json(ended):
    *table, last = ended.stdout.splitlines()
    assert "slice                   v5e:2x2, 4 chips, mesh data 2 x fsdp 2" in table
    found = json.loads(last)
    assert found["options"]["scan_layers"] and found["options"]["split_optimizer"]
    assert found["update"]["fits"] and found["evaluator"]["fits"] and found["largest_encode_chunk"] == 0
    assert not found["moves_logits"] and found["loops_counted_as_one_trip"] == []
    assert found["update"]["arguments"] < found["update"]["peak"] < 2**26


def test_flops_are_those_of_the_shapes(ended):
    """Three times the forward pass: an encoder's products, attention's two, pooling, the scores."""
    found = json.loads(ended.stdout.splitlines()[-1])
    tokens, width, layers, inner, texts, batch = 80 * 128, 128, 2, 256, 16, 64
    products = layers * tokens * (4 * width * width + 2 * width * inner)
    attention = layers * 2 * tokens * 128 * width
    forward = 2 * (products + attention + tokens * texts * width + batch * batch * width)
    assert found["flops_per_step"]["needed"] == pytest.approx(3 * forward, rel=0.02)


def test_transfers_are_those_of_the_mesh(ended):
    moved = json.loads(ended.stdout.splitlines()[-1])["collectives"]
    axes = {(one["kind"], one["axis"]) for one in moved}
    assert {("all-gather", "fsdp"), ("all-gather", "data"), ("all-gather", "data x fsdp")} <= axes
    assert ("all-reduce", "data x fsdp") in axes or ("reduce-scatter", "data x fsdp") in axes
    layers = [one for one in moved if one["axis"] == "fsdp" and "while/body" in one["from"]]
    assert layers and {one["times"] for one in layers} == {2}  # trips of the loop over layers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology=v5e:3x3"], "--topology=v5e:3x3: refused by libtpu (INVALID_ARGUMENT: Topology layout"),
        (["--topology=v9"], "--topology=v9: unknown; known topologies are v4: v4:2x2x1"),
        (["--topology="], "--topology is needed: known topologies are v4"),
        (["--mesh_fsdp=3"], "--mesh_data=0 x --mesh_fsdp=3 does not fit 4 device(s): choose factors whose product"),
        (["--global_batch=62"], "--global_batch=62 does not split evenly over 4 devices: expected a multiple"),
        (["--model=none"], "--stand_in: --model=none is not known by name: expected one of tiny, small"),
        (["--headroom=1"], "--headroom=1.0: expected at most 0.9"),
    ],
)  # fmt: skip
def test_messages(arguments, message):
    pytest.importorskip("libtpu")
    ended = run(*TINY, *arguments)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith(f"error: {message}") and len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "given", ["--json={}/found.json", "--report={}/found.json/no/report.md", "--json={}", "--json="]
)
def test_a_check_that_fails_leaves_files_as_they_were(given, tmp_path):
    """No slice is named v9, and neither a folder nor what is below a file can be written."""
    (tmp_path / "found.json").write_text("earlier")
    ended = run("--stand_in", "--model=tiny", "--topology=v9", given.format(tmp_path))
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    assert (tmp_path / "found.json").read_text() == "earlier"
    if given == "--json={}":
        assert ended.stderr == f"error: --json={tmp_path}: a folder: expected the name of a file\n"


def test_the_result_replaces_an_earlier_one(tmp_path):
    pytest.importorskip("libtpu")
    (tmp_path / "found.json").write_text("earlier")
    ended = run(*TINY, f"--json={tmp_path / 'found.json'}")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "found.json").read_text())["update"]["fits"]
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
