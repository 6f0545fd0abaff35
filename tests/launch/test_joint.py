"""Training with joint batches, from the command to the model card."""

import json
import re

import pytest

from hbt_jax.training.metrics_log import read_metrics
from tests.launch.test_commands import run

pytestmark = pytest.mark.slow

SMALL = ["--batching=joint", "--joint_languages=4", "--global_batch=32", "--query_length=24", "--passage_length=24",
         "--steps=6", "--log_every=1", "--dropout=0", "--learning_rate=1e-3", "--validate_every=3",
         "--validation_batches=2"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(few_facts, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("joint") / "run"
    stores = [f"--stores={few_facts / 'train'}", f"--validation_stores={few_facts / 'validation'}"]
    ended = run("train.py", *SMALL, *stores, f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    assert "joint: 100.0% of batches" in ended.stdout
    return workdir


def test_the_loss_falls_and_is_validated_with_cross_lingual_batches(trained):
    rows = read_metrics(trained)
    losses = [row["loss"] for row in rows if row["split"] == "train"]
    assert len(losses) == 6 and losses[-1] < losses[0]
    assert [row["step"] for row in rows if row["split"] == "validation"] == [3, 6]
    assert all(row["false_negatives"] >= 32 * 3 for row in rows if row["split"] == "train")


def test_the_card_says_what_a_batch_held(trained, tmp_path):
    ended = run("export.py", f"--model={trained}", f"--out={tmp_path / 'out'}")
    assert ended.returncode == 0, ended.stderr
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"joint: each pair in 4 languages", card)
    assert json.loads((trained / "config.json").read_text())["plan"]["joint_languages"] == 4
