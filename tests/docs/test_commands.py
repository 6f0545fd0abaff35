"""The commands of README.md and docs/: run as they stand on small stand-in data, the marked ones parsed.

What a page shows is run in the order of the page, in a folder where the README's commands were run before; what the
README or an earlier page shows too is not run again.  Flags that make a run small come after those of the page.  `pip`
is not run: the extras that it names must exist.
"""

import concurrent.futures
import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_prep.few_facts import few
from tests.docs.own_data import write_own_data
from tests.docs.pages import ROOT, Command, commands
from tests.docs.parse_commands import NOT_INSTALLED
from tests.evaluation.make_outcomes import evaluated

SMALLER = {
    "data_prep/train_sentencepiece.py": ["--vocabulary=450"],
    "launch/train.py": ["--steps=2", "--validate_every=2", "--global_batch=8", "--validation_batches=1"],
    "launch/compare.py": ["--samples=200"],
}
AS_QUICKSTART = ["--benchmarks=runs/mine/benchmark,runs/mine/facts", "--evaluate_untrained"]  # the README's training
SAME = {  # what the quickstart would have written -> what the README's own data wrote
    "runs/quickstart": "runs/mine/model",
    "runs/data/facts/train": "runs/mine/train",
    "runs/data/facts/validation": "runs/mine/validation",
    "runs/data/facts/benchmarks/facts": "runs/mine/benchmark",
    "runs/mine/facts": "runs/mine/benchmark",
}


def to_run(page: str) -> list[Command]:
    """The commands without a marker that this page is the first to show."""
    first: dict[str, Command] = {}
    for command in commands():
        if command.program and not command.marker:
            first.setdefault(command.text, command)
    return [command for command in first.values() if command.page == page]


PAGES = [page for page in dict.fromkeys(command.page for command in commands()) if page != "README.md" and to_run(page)]


def run(some: list[Command], folder: Path) -> None:
    for command in some:
        run_one(command, folder)


def run_one(command: Command, folder: Path) -> None:
    file, arguments = command.program
    more = SMALLER.get(file, []) + (AS_QUICKSTART if "--workdir=runs/mine/model" in arguments else [])
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", " ".join([command.text, *more])],
        capture_output=True, text=True, encoding="utf-8", check=False, env=environment, cwd=folder,
    )  # fmt: skip
    assert ended.returncode == 0, f"{command.page}: {command.text}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"


def write_rows(folder: Path) -> None:
    """mine/SPLIT.jsonl: a few of the world facts."""
    folder.mkdir()
    for split, groups in few(0).items():
        texts = [group.texts.items() for group in groups]
        rows = [
            {side: {code: pair[n] for code, pair in row} for n, side in enumerate(("query", "passage"))}
            for row in texts
        ]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def after_readme(tmp_path_factory):
    """A folder that looks like the repository, in which the commands of README.md were run."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("launch", "data_prep", "hbt_jax"):
        (folder / name).symlink_to(ROOT / name)
    write_rows(folder / "mine")
    for place, target in SAME.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).symlink_to(folder / target)
    run(to_run("README.md"), folder)
    return folder


@pytest.fixture(scope="session")
def running(after_readme):
    """page -> its commands, running in that folder, with the other files that pages name; two pages at a time."""
    for kind, noise in (("hybrid", 0.5), ("x-y", 1.5)):
        for seed in range(3):
            evaluated(after_readme / "runs" / "sweep" / f"{kind}-seed{seed}" / "evaluation", noise, seed)
    lines = (after_readme / "runs" / "mine" / "benchmark" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    expansions = [{"id": json.loads(line)["id"], "texts": ["money", "a currency"]} for line in lines[::2]]
    (after_readme / "expansions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in expansions))
    (after_readme / "passages.jsonl").write_text(
        '{"id": "1", "text": "Lima is in Peru."}\n{"id": "2", "text": "bread"}\n'
    )
    write_own_data(after_readme)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {page: pool.submit(run, to_run(page), after_readme) for page in PAGES}


def test_the_readme_runs_and_ends_in_what_it_promises(after_readme):
    assert (after_readme / "runs/mine/model/evaluation/report.html").exists()
    assert (after_readme / "runs/trained_or_not/compare.html").exists()
    assert (after_readme / "exports/facts/model.safetensors").exists()
    assert len(to_run("README.md")) == 8


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page, running):
    running[page].result()


def test_most_guides_have_commands_that_run():
    names = ("compare", "data", "evaluation", "export", "mining", "own_data")
    assert [f"docs/{name}.md" for name in names] == PAGES


def test_the_flags_of_every_command_are_taken():
    ours = [command for command in commands() if command.program]
    assert len(ours) > 40
    given = [[file, *arguments] for file, arguments in (command.program for command in ours)]
    parsed = subprocess.run(
        [sys.executable, "-m", "tests.docs.parse_commands"], input=json.dumps(given),
        capture_output=True, text=True, encoding="utf-8", check=False, cwd=ROOT,
    )  # fmt: skip
    assert parsed.returncode == 0, parsed.stderr
    wrong = json.loads(parsed.stdout.splitlines()[-1])
    assert [
        f"{command.page}: {command.text}: {said}"
        for command, said in zip(ours, wrong, strict=True)
        if said and not said.startswith(NOT_INSTALLED)
    ] == []
    missing = [command.program[0] for command, said in zip(ours, wrong, strict=True) if said.startswith(NOT_INSTALLED)]
    assert all(file.startswith("tests/benchmarks/") for file in missing), missing  # of the extra `speed`


def test_the_commands_for_cloud_tpus_print_what_they_would_run():
    ours = [command for command in commands() if command.text.startswith("bash launch/tpu_vm/")]
    assert len(ours) > 6
    for command in ours:
        script, options = command.text.split(maxsplit=2)[1:]
        ended = subprocess.run(
            ["bash", "-c", f"bash {script} --dry_run {options}"],
            capture_output=True, text=True, encoding="utf-8", check=False, cwd=ROOT,
        )  # fmt: skip
        assert ended.returncode == 0 and ended.stdout.startswith(("gcloud ", "git ")), f"{command}\n{ended.stderr}"


def test_extras_that_are_installed_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    known = set(setup["options.extras_require"])
    texts = [command.text for command in commands() if command.text.startswith("pip ")]
    named = [extra for text in texts for group in re.findall(r"\.\[(.+?)\]", text) for extra in group.split(",")]
    assert len(named) > 8
    assert set(named) <= known
    assert all("-c constraints.txt" in text or "[beam]" in text for text in texts)
