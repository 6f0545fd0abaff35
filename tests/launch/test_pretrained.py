"""A pretrained encoder as a user fine-tunes it: whole, frozen in part, or by adapters; and evaluated as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.build_store import build_store
from tests.data_prep.few_facts import few
from tests.interchange import make_models

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--global_batch=16", "--query_length=24", "--passage_length=24", "--steps=4", "--log_every=2", "--dropout=0",
         "--learning_rate=1e-3"]  # fmt: skip


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "launch" / script), *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, "XLA_FLAGS": ""},
    )  # fmt: skip


@pytest.fixture(scope="module")
def pretrained(few_facts, tmp_path_factory):
    """(folder of a tiny XLM-R, store made with its tokenizer)."""
    root = tmp_path_factory.mktemp("pretrained")
    folder = make_models.folder_of("xlm-roberta", root / "xlm-r")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_prep.facts.builder.groups_by_split", few)
        build_store("facts", "train", few_facts / "raw", root / "store", folder)
    return folder, root / "store"


@pytest.mark.slow
def test_adapters_are_trained_evaluated_and_exported(pretrained, few_facts, tmp_path):
    folder, store = pretrained
    adapters = ["--lora_rank=2", "--lora_layers=0", "--lora_targets=query,value,expand"]
    benchmark = [f"--data_dir={few_facts / 'benchmarks'}", "--benchmarks=facts"]
    flags = [f"--model={folder}", f"--stores={store}", f"--workdir={tmp_path / 'run'}", *SMALL, *adapters]
    ended = run("train.py", *flags, *benchmark, "--evaluate_untrained")
    assert ended.returncode == 0, ended.stderr
    width, rank = 16, 2
    count = 2 * rank * (width + width) + rank * (width + 32)
    assert f"training: {count:,} of" in ended.stdout
    results = json.loads((tmp_path / "run" / "evaluation" / "facts" / "results.json").read_text())
    assert (results["settings"]["query_prefix"], results["settings"]["pooling"]) == ("query: ", "mean")
    out = ["--benchmarks=facts", f"--data_dir={few_facts / 'benchmarks'}", f"--out={tmp_path / 'out'}"]
    whole = run("eval.py", f"--model={folder}", "--max_length=24", *out)
    assert whole.returncode == 0, whole.stderr
    base, start = (
        json.loads((path / "facts" / "results.json").read_text())
        for path in (tmp_path / "out", tmp_path / "run" / "evaluation" / "untrained")
    )
    assert base["settings"]["checkpoint"] == "pretrained"
    assert base["metrics"]["monolingual"]["map"] == pytest.approx(start["metrics"]["monolingual"]["map"], abs=1e-3)
    other = run("train.py", *flags[:-1], "--lora_targets=query,value", "--steps=8")
    assert other.returncode == 2
    assert "--lora_targets=query,value,expand became query,value;" in other.stderr
    exported = run("export.py", f"--model={tmp_path / 'run'}", f"--out={tmp_path / 'exported'}")
    assert exported.returncode == 0, exported.stderr
    again = run("train.py", f"--model={tmp_path / 'exported'}", f"--stores={store}", f"--workdir={tmp_path / 'again'}",
                *SMALL, "--freeze=embeddings,layers:0")  # fmt: skip
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=no/such"], "--model=no/such: no such folder"),
        (["--freeze=layers:7"], "--freeze=layers:7: '7' does not fit an encoder with layers 0 to 1"),
    ],
)
def test_a_wrong_flag_ends_in_one_line(pretrained, tmp_path, arguments, message):
    folder, store = pretrained
    flags = [f"--model={folder}", f"--stores={store}", f"--workdir={tmp_path / 'run'}", *SMALL, *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        ended = run("train.py", *flags)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert message in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_store_of_another_tokenizer_is_refused(pretrained, few_facts, tmp_path):
    folder, _ = pretrained
    ended = run(
        "train.py", f"--model={folder}", f"--stores={few_facts / 'train'}", f"--workdir={tmp_path / 'r'}", *SMALL
    )
    assert ended.returncode == 2
    assert "tokenizer" in ended.stderr.splitlines()[-1]
