"""A run whose folder is in a bucket: trained, killed, resumed, evaluated; nothing of it is on a shared disk."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.bucket.object_store import BUCKET
from tests.launch.test_commands import ROOT, SMALL

pytestmark = pytest.mark.slow

STEPS = ["--steps=24", "--save_every=4", "--log_every=4", "--validate_every=0"]


def start(store: dict[str, str], script: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / script), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "XLA_FLAGS": "", **store},
    )  # fmt: skip


def run(store: dict[str, str], script: str, *arguments: str) -> str:
    with start(store, script, *arguments) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return said + errors


def test_a_killed_run_resumes_from_the_bucket_and_is_evaluated_there(few_facts, store, files, tmp_path):
    workdir = f"{BUCKET}/killed"
    data = [f"--stores={few_facts}/train", f"--tokenizer={few_facts}/tokenizer", *SMALL[:-2]]
    command = ["train.py", *data, *STEPS]
    straight = start({}, *command, f"--workdir={tmp_path / 'local'}")
    begun = start(store, *command, f"--workdir={workdir}")
    until = time.monotonic() + 120
    while not files.glob("bucket/killed/checkpoints/last/*/commit_success.txt") and time.monotonic() < until:
        time.sleep(0.02)
        files.invalidate_cache()
    begun.send_signal(signal.SIGKILL)
    _, errors = begun.communicate()
    assert begun.returncode == -signal.SIGKILL, errors
    assert files.exists("bucket/killed/.held")  # the next command sees that its process has ended

    benchmark = f"--benchmarks={few_facts}/benchmarks/facts"
    said = run(store, *command, f"--workdir={workdir}", "--resume=must", benchmark)
    assert "which has ended: taken over" in said and f"report: {workdir}/evaluation/report.html" in said
    _, errors = straight.communicate(timeout=300)
    assert straight.returncode == 0, errors
    rows = [
        [(row["step"], row["split"], row["loss"]) for row in map(json.loads, text.splitlines())]
        for text in (
            files.cat_file("bucket/killed/metrics.jsonl").decode(),
            (tmp_path / "local/metrics.jsonl").read_text(),
        )
    ]
    assert rows[0] == rows[1] and rows[0][-1][0] == 24
    files.invalidate_cache()
    names = files.find("bucket/killed")
    assert {f"bucket/killed/{name}" for name in ("config.json", "evaluation/report.html")} <= set(names)
    assert not files.exists("bucket/killed/.held") and any("/tensorboard/" in name for name in names)

    run(store, "eval.py", f"--model={workdir}", f"--out={BUCKET}/results", benchmark)
    found = [
        json.loads(files.cat_file(f"bucket/{folder}/facts/results.json")) for folder in ("killed/evaluation", "results")
    ]
    assert found[0]["metrics"] == found[1]["metrics"]

    (part,) = files.glob("bucket/killed/checkpoints/last/24/state/d/*")
    files.pipe_file(part, files.cat_file(part)[:-1] + b"?")
    said = run(store, *command, f"--workdir={workdir}", "--steps=28")
    assert "the checkpoint of step 24 is unusable: the content of its file state/d/" in said
    assert "continuing from the previous checkpoint, at step 20" in said
    files.invalidate_cache()
    kept = [
        files.exists(f"bucket/killed/checkpoints/{name}/commit_success.txt")
        for name in ("last/28", "set_aside/last-24")
    ]
    assert kept == [True, True] and not os.path.exists("gs:")


def test_the_texts_of_a_benchmark_are_written_to_the_bucket(few_facts, store, files):
    run(store, "eval.py", "--write_texts", f"--benchmarks={few_facts}/benchmarks/facts", f"--out={BUCKET}/texts")
    files.invalidate_cache()
    names = [name.removeprefix("bucket/texts/") for name in files.find("bucket/texts")]
    assert sorted(names) == ["facts/candidates.jsonl", "facts/qrels.trec", "facts/queries.jsonl"]
