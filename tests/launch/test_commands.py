"""The commands as a user runs them: a wrong flag ends at once, a stopped run goes on, a report is written."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hbt_jax.data.plan import PLAN_SCHEME
from tests.evaluation.make_outcomes import evaluated

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--model=tiny", "--dropout=0", "--global_batch=16", "--passage_length=48", "--row_length=64", "--steps=6",
         "--learning_rate=5e-3", "--log_every=2", "--validate_every=3", "--validation_batches=1"]  # fmt: skip


def run(script: str, *arguments: str, cwd=ROOT) -> subprocess.CompletedProcess:
    environment = {**os.environ, "XLA_FLAGS": ""}
    return subprocess.run(
        [sys.executable, str(ROOT / "launch" / script), *arguments],
        capture_output=True, text=True, check=False, env=environment, cwd=cwd,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train.py", ["--global_bach=3"], "unknown flag --global_bach: did you mean --global_batch? --help lists"),
        ("train.py", ["--num_train_epochs=3"], "unknown flag --num_train_epochs: here it is --epochs; --help lists"),
        ("train.py", ["--batching=x-z"], "--batching=x-z: value should be one of <hybrid|x-x-mono|x-x|x-y|joint>"),
        ("train.py", ["--steps=many"], "--steps=many"),
        ("train.py", ["--mono_probability=1.5"], "--mono_probability=1.5: expected at most 1.0"),
        ("train.py", ["--temperature=0"], "--temperature=0.0: expected more than 0.0"),
        ("train.py", [], "--workdir is needed: folder of this run"),
        ("train.py", ["--workdir=w"], "--stores is needed: training stores"),
        ("train.py", ["--workdir=w", "--stores=s", "--patience=2"], "--patience=2 needs --validate_every"),
        ("train.py", ["--workdir=w", "--stores=s", "--distillation=kl"], "--distillation=kl needs --negatives"),
        ("train.py", ["--workdir=w", "--stores=s", "--layer_probe=9"], "--layer_probe=9 needs --benchmarks"),
        ("train.py", ["--workdir=w", "--stores=s", "--benchmarks=facts"], "--benchmarks=facts needs --data_dir"),
        (
            "train.py",
            ["--workdir=w", "--stores=s", "--benchmarks=factz", "--data_dir=d"],
            "--benchmarks=factz: unknown benchmark: the known ones are facts,",
        ),
        ("train.py", ["--workdir=w", "--stores=s", "--row_length=8"], "--row_length=8 is shorter than"),
        ("train.py", ["--workdir=w", "--stores=s", "--prepare=fact"], "--prepare=fact: expected one of facts"),
        ("train.py", ["--workdir=w", "--stores=nowhere"], "store nowhere: no such folder"),
        ("train.py", ["--flagfile=nowhere.flags"], "nowhere.flags"),
        ("train.py", ["stray"], "unexpected argument 'stray': options are written --NAME=VALUE"),
        ("eval.py", ["--benchmarks=facts"], "--model is needed: workdir of a run"),
        ("eval.py", ["--model=m", "--benchmarks=fact", "--data_dir=d", "--out=o"], "--benchmarks=fact: unknown"),
        ("compare.py", ["--b=o", "--out=c"], "--a is needed: output folders of launch/eval.py"),
        ("compare.py", ["--a=o", "--b=nowhere", "--out=c", "--samples=9"], "--samples=9: expected at least 100"),
        ("compare.py", ["--a=nowhere", "--b=o", "--out=c"], "nowhere: no such folder: expected an output folder"),
        (
            "eval.py",
            ["--model=m", "--benchmarks=./b", f"--out={ROOT}/setup.cfg/out"],
            f"{ROOT}/setup.cfg/out: cannot write there: {ROOT}/setup.cfg is not a folder",
        ),
        (
            "eval.py",
            ["--model=m", "--benchmarks=./b", "--out=o", "--expansion_combination=mean-embedding"],
            "--expansion_combination=mean-embedding needs --query_expansions",
        ),
        (
            "compare.py",
            ["--a=a", "--b=b", f"--out={ROOT}/setup.cfg"],
            f"{ROOT}/setup.cfg: cannot write there: {ROOT}/setup.cfg is not a folder",
        ),
        ("sweep.py", ["--workdir=w", "--benchmarks=facts", "--batching=x-z"], "--batching=x-z: expected a"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_one_clear_line_and_exit_code_2(script, arguments, message, tmp_path):
    ended = run(script, *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if line]
    assert lines[-1].startswith("error: ")
    assert message in lines[-1]
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "headings"),
    [
        ("train.py", ["Run", "Batches", "Texts", "Model", "Learning", "Guide, anchor and teacher",
                      "Validation and evaluation during training", "Checkpoints",
                      "Devices", "Memory and speed", "Preparation", "Benchmarks", "Several processes"]),
        ("sweep.py", ["Run", "Batches", "Texts", "Model", "Learning", "Guide, anchor and teacher",
                      "Validation and evaluation during training", "Checkpoints",
                      "Devices", "Memory and speed", "Preparation", "Benchmarks", "Options"]),
        ("eval.py", ["Model", "Language directions", "Benchmarks", "Embedding", "Evaluation", "Several processes"]),
        ("embed.py", ["Model", "Embedding", "Texts and output"]),
        ("export.py", ["Model", "Embedding", "Language directions", "Export"]),
        ("mine.py", ["Model", "Embedding", "Mining"]),
        ("compare.py", ["Comparison"]),
        ("../data_prep/build_store.py", ["Source", "Store", "Filters"]),
        ("../data_prep/decontaminate.py", ["Comparison", "Store"]),
        ("../data_prep/inspect_store.py", ["Samples", "Store"]),
        ("../data_prep/prepare_facts.py", ["Facts"]),
        ("../data_prep/train_sentencepiece.py", ["Source", "Tokenizer"]),
        ("../data_prep/translate.py", ["Source", "Translation", "Model", "Filters"]),
        ("../data_prep/upload_store.py", []),
        ("../data_prep/write_benchmark.py", ["Source", "Benchmark"]),
    ],
)  # fmt: skip
def test_help_groups_the_flags_of_the_command_alone(script, headings):
    ended = run(script, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.findall(r"(?m)^([A-Z][\w ,]+):$", ended.stdout) == headings
    named = re.findall(r"(?m)^  --(?:\[no\])?(\w+)$", ended.stdout)
    assert len(named) == len(set(named)) and not {"verbosity", "alsologtostderr", "helpfull", "pdb"} & set(named)


def test_help_is_shown_even_with_other_flags_but_not_after_the_end_of_flags():
    assert run("train.py", "--no_such_flag=3", "-h").returncode == 0
    assert "unexpected argument '--help'" in run("train.py", "--workdir=w", "--", "--help").stderr


def test_a_boolean_left_to_the_model_is_written_as_ever(tmp_path):
    """--normalize takes what earlier versions took: true, false, and `model` for the model's own."""
    for given in ("--normalize=true", "--normalize=false", "--nonormalize", "--normalize", "--normalize=model"):
        ended = run("train.py", "--workdir=w", "--stores=nowhere", given, cwd=tmp_path)
        assert "store nowhere: no such folder" in ended.stderr
    assert "--normalize=maybe" in run("train.py", "--workdir=w", "--stores=s", "--normalize=maybe").stderr


def test_help_explains_the_flags_with_their_defaults():
    text = run("train.py", "--help").stdout
    for words in ("--global_batch", "pairs of one step over all devices", "(default: '128')", "--mono_probability"):
        assert words in text


def test_the_three_quickstarts_differ_in_batching_only():
    folder = ROOT / "launch" / "flagfiles"
    lines = {name: set((folder / name).read_text().splitlines()) for name in
             ("quickstart.flags", "quickstart_mono.flags", "quickstart_cross.flags")}  # fmt: skip
    own = [{line.split("=")[0] for line in flags if line.startswith("--")} for flags in lines.values()]
    assert own == [{"--batching", "--workdir", "--flagfile"}] * 3
    shared = [line for flags in lines.values() for line in flags if line.startswith("--flagfile")]
    assert shared == ["--flagfile=launch/flagfiles/facts.flags"] * 3
    kinds = {line for flags in lines.values() for line in flags if line.startswith("--batching")}
    assert kinds == {"--batching=hybrid", "--batching=x-x-mono", "--batching=x-y"}


def small_run(facts: Path, workdir: Path, *more: str) -> list[str]:
    return [*SMALL, f"--stores={facts}/train", f"--validation_stores={facts}/validation", f"--workdir={workdir}",
            "--benchmarks=facts", f"--data_dir={facts}/benchmarks", *more]  # fmt: skip


def test_a_benchmark_that_cannot_be_read_is_known_before_training(few_facts, tmp_path):
    broken = shutil.copytree(few_facts / "benchmarks" / "facts", tmp_path / "broken")
    with (broken / "queries.jsonl").open("a") as file:
        file.write("{")
    ended = run("train.py", *small_run(few_facts, tmp_path / "run", f"--benchmarks=facts,{broken}"))
    assert ended.returncode == 2
    assert f"error: {broken}/queries.jsonl:" in ended.stderr
    assert "training:" not in ended.stderr and not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_sigterm_saves_and_the_same_command_goes_on_to_the_same_end(few_facts, tmp_path):
    straight = run("train.py", *small_run(few_facts, tmp_path / "straight", "--evaluate_untrained"))
    assert straight.returncode == 0, straight.stderr
    assert "report: " in straight.stdout
    arguments = small_run(few_facts, tmp_path / "stopped", "--evaluate_untrained", "--save_every=2")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / "train.py"), *arguments],
        env={**os.environ, "XLA_FLAGS": ""}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    while process.poll() is None and not (tmp_path / "stopped" / "checkpoints" / "last" / "2").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert re.search(r"stopped: (saved at step \d of 6|during evaluation)", errors)
    again = run("train.py", *arguments)
    assert again.returncode == 0, again.stderr
    results = [tmp_path / name / "evaluation" / "facts" / "results.json" for name in ("straight", "stopped")]
    first, second = (json.loads(path.read_text())["metrics"] for path in results)
    assert first == second
    page = (tmp_path / "stopped" / "evaluation" / "report.html").read_text()
    assert "untrained" in page
    record = tmp_path / "stopped" / "checkpoints" / "last" / "6" / "record" / "metadata"
    values = json.loads(record.read_text())
    assert values.pop("plan_scheme") == PLAN_SCHEME
    record.write_text(json.dumps(values))  # as of a version that drew other batches, and kept no list of its files
    (record.parents[1] / "files.json").unlink()
    older = run("train.py", *arguments, "--steps=8")
    assert older.returncode == 2, older.stderr
    last = older.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "with batches of plan scheme 1 (no scheme on record), but" in last


@pytest.mark.slow
def test_eval_repeats_what_training_measured_and_refuses_another_model(few_facts, tmp_path):
    trained = run("train.py", *small_run(few_facts, tmp_path / "run"))
    assert trained.returncode == 0, trained.stderr
    data = ["--benchmarks=facts", f"--data_dir={few_facts}/benchmarks", f"--out={tmp_path}/out"]
    again = run("eval.py", f"--model={tmp_path}/run", *data)
    assert again.returncode == 0, again.stderr
    paths = [tmp_path / "run" / "evaluation" / "facts", tmp_path / "out" / "facts"]
    first, second = (json.loads((path / "results.json").read_text())["metrics"] for path in paths)
    assert first == second
    assert "monolingual" in again.stdout
    sides = [f"--a={tmp_path}/run/evaluation", f"--b={tmp_path}/out"]
    compared = run("compare.py", *sides, f"--out={tmp_path}/compared", "--samples=100")
    assert compared.returncode == 0, compared.stderr
    rows = json.loads((tmp_path / "compared" / "compare.json").read_text())["benchmarks"]["facts"]["comparisons"]
    assert len(rows) == 4 and all(block["overall"]["all"]["difference"] == 0 for block in rows.values())
    missing = run("eval.py", f"--model={tmp_path}/nowhere", *data)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "no such folder, and not a hub id either; expected a preset" in missing.stderr
    other = run("train.py", *small_run(few_facts, tmp_path / "run"), "--temperature=0.5")
    assert other.returncode == 2
    assert "holds a run with other settings: --temperature=0.02 became 0.5" in other.stderr


def test_compare_writes_table_page_and_numbers(tmp_path):
    a, b = (evaluated(tmp_path / name, noise, 0) for name, noise in (("a", 0.5), ("b", 1.5)))
    compared = run("compare.py", f"--a={a}", f"--b={b}", f"--out={tmp_path}/compared", "--samples=500")
    assert compared.returncode == 0, compared.stderr
    assert f"comparison: {tmp_path}/compared/compare.html" in compared.stdout
    names = sorted(path.name for path in (tmp_path / "compared").iterdir())
    assert names == ["compare.html", "compare.json", "compare.tex", "compare.tsv"]
