"""The paper's recipe runs from end to end as its flag files state it, on stores of the sources' fixtures."""

import json
import os
import subprocess
import sys

import pytest

from data_prep.build_store import build_store
from data_prep.store.filters import Filters
from hbt_jax.training.metrics_log import read_metrics
from tests.data_prep.source_rows import FIXTURES
from tests.interchange import make_models
from tests.launch.test_commands import ROOT

pytestmark = pytest.mark.slow

SETS = ("wikiqa", "mrtydi", "duorc", "newsqa", "nq", "yahoo", "entityquestions", "mfaq", "mmarco")
SMALL = ["--steps=4", "--validate_every=2", "--validation_batches=2", "--query_length=16", "--passage_length=24",
         "--log_every=1", "--dropout=0"]  # fmt: skip
SWEEP = ["--batching=x-x-mono,x-y,hybrid", "--seeds=3", "--baseline=batching=x-x-mono", "--benchmarks=xquad-r,mlqa-r",
         "--data_dir=data", "--workdir=runs/paper_sweep", "--print_commands"]  # fmt: skip


@pytest.fixture(scope="module", params=[("xlmr", "xlm-roberta"), ("labse", "labse")], ids=["xlmr", "labse"])
def prepared(request, tmp_path_factory):
    """(name, folder that looks like the repository with the stores of the recipe, a tiny model of its layout)."""
    name, layout = request.param
    root = tmp_path_factory.mktemp("recipe")
    model = make_models.folder_of(layout, root / "model")
    for folder in ("launch", "hbt_jax", "data_prep"):
        (root / folder).symlink_to(ROOT / folder)
    for source in (*SETS, "squadshifts"):
        split = "validation" if source == "squadshifts" else "train"
        where = (root / "raw", root / "data" / "paper" / name / source, model)
        build_store(source, split, *where, filters=Filters(drop_equal=False), input_dir=str(FIXTURES / source))
    return name, root, model


def run(root, command: list[str]) -> str:
    """What a command printed that was run there."""
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=environment)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def test_the_recipe_trains_on_all_nine_sets_keeps_the_best_on_squadshifts_and_is_evaluated(prepared, few_facts):
    name, root, model = prepared
    flags = [f"--flagfile=launch/flagfiles/paper_{name}.flags", f"--model={model}", *SMALL, *SWEEP]
    commands = run(root, [sys.executable, "launch/sweep.py", *flags]).splitlines()
    assert len(commands) == 9 and len(set(commands)) == 9  # three kinds of batches, three seeds
    (command,) = [line for line in commands if "hybrid-seed2" in line]
    assert "--benchmarks=xquad-r,mlqa-r" in command  # which take the official files only
    command = command.replace("python ", f"{sys.executable} ", 1)
    said = run(root, ["bash", "-c", f"{command} --benchmarks={few_facts / 'benchmarks' / 'facts'}"])
    workdir = root / "runs" / "paper_sweep" / "hybrid-seed2"
    stated = json.loads((workdir / "config.json").read_text())
    assert [os.path.basename(store) for store in stated["plan"]["stores"]] == list(SETS)
    assert stated["validation"]["validation_stores"] == [f"data/paper/{name}/squadshifts"]
    assert {key: stated["plan"][key] for key in ("batching", "mono_probability", "global_batch")} == {
        "batching": "hybrid", "mono_probability": 0.5, "global_batch": 100,
    }  # fmt: skip
    assert (stated["learning"]["learning_rate"], stated["learning"]["weight_decay"]) == (3e-5, 0.01)
    assert (stated["text"]["query_prefix"], stated["text"]["passage_prefix"]) == ("Query: ", "Passage: ")
    assert stated["validation"]["patience"] == 5 and stated["validation"]["best_metric"] == "validation_loss"
    rows = read_metrics(workdir)
    assert [row["step"] for row in rows if row["split"] == "validation"] == [2, 4]
    assert (workdir / "checkpoints" / "best").is_dir()
    for source in SETS:
        assert source in said  # the plan is printed
    assert "note: no validation store can serve x-y: validating with x-x-mono batches" in said
    results = json.loads((workdir / "evaluation" / "facts" / "results.json").read_text())
    assert set(results["metrics"]) == {"monolingual", "cross_lingual", "multilingual"}
