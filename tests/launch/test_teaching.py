"""Small runs with a guide, cut embeddings, epochs, groups of learning rates, then an anchor: from command to files."""

import json

import pytest

from hbt_jax.training.metrics_log import read_metrics
from tests.interchange import make_models
from tests.launch.test_commands import run

SMALL = ["--global_batch=32", "--query_length=24", "--passage_length=24", "--log_every=1", "--dropout=0",
         "--learning_rate=1e-3", "--warmup_ratio=0.5", "--layer_decay=0.9", "--matryoshka_widths=16:0.5"]  # fmt: skip
STEPS = 4


@pytest.fixture(scope="module")
def trained(few_facts, tmp_path_factory):
    root = tmp_path_factory.mktemp("teaching")
    guide = make_models.folder_of("xlm-roberta", root / "guide")
    pairs = json.loads((few_facts / "train" / "manifest.json").read_text())["pairs"]["rows"]
    more = [f"--stores={few_facts / 'train'}", f"--workdir={root / 'run'}", f"--epochs={(STEPS - 0.5) * 32 / pairs}"]
    ended = run("train.py", *SMALL, *more, f"--guide_model={guide}", "--guide_margin=-0.5")
    assert ended.returncode == 0, ended.stderr
    return root / "run", ended


def test_the_run_is_as_long_and_masks_what_the_guide_says(trained):
    workdir, ended = trained
    assert f": {STEPS} steps, over " in ended.stdout
    rows = read_metrics(workdir)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all(row["guide_masked"] > 32 for row in rows)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.0, 0.5e-3, 1e-3, 0.5e-3])
    assert "guide: embedding store" in ended.stdout and len(list((workdir / "guide").glob("*/queries-*.f32"))) == 4
    assert json.loads((workdir / "config.json").read_text())["run"]["steps"] == STEPS


def test_a_run_is_anchored_to_an_earlier_one(trained, few_facts, tmp_path):
    workdir, _ = trained
    language = json.loads((few_facts / "train" / "manifest.json").read_text())["languages"][-1]
    more = [f"--stores={few_facts / 'train'}", f"--workdir={tmp_path / 'run'}", "--steps=2"]
    anchor = [f"--anchor_model={workdir}", f"--anchor_language={language}", "--anchor_weight=4"]
    ended = run("train.py", *SMALL, *more, *anchor)
    assert ended.returncode == 0, ended.stderr
    assert all(row["anchored"] > 0.5 for row in read_metrics(tmp_path / "run"))
    assert {path.name for path in (tmp_path / "run" / "guide").glob("*/*.f32")} == {
        f"queries-{language}.f32", f"passages-{language}.f32",
    }  # fmt: skip
    other = run("train.py", *SMALL, *more, *anchor[:2], "--steps=3")  # resumes: another weight is another run
    assert other.returncode == 2 and "--anchor_weight" in other.stderr
