"""From mining by a cross-encoder to training with its scores, by the commands; and where the metrics of a run go."""

import json
import os

import jax
import numpy as np
import pytest

from hbt_jax.data.store import Store, open_store
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.mesh import make_mesh
from hbt_jax.mining.found import texts_of
from hbt_jax.models.tokenizer import load_tokenizer
from hbt_jax.training.load import load_model
from hbt_jax.training.metrics_log import read_metrics
from tests.interchange import make_models
from tests.launch.test_commands import run
from tests.mining.make_cross_encoder import cross_encoder_of

pytestmark = pytest.mark.slow

PAIRS = 16
TRAIN = [f"--global_batch={PAIRS}", "--batching=x-x-mono", "--steps=1", "--log_every=1", "--dropout=0", "--negatives=1",
         "--query_length=24", "--passage_length=24", "--compute_dtype=float32",
         "--distillation=margin_mse", "--distillation_weight=1"]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_models.folder_of("xlm-roberta", tmp_path_factory.mktemp("model") / "tiny")


def store_of(model, folder, scored=False):
    """Pairs of German texts of four words; the next pair's passage is the negative if there are scores."""
    tokenizer, rng, own = load_tokenizer(model), np.random.default_rng(0), np.arange(PAIRS)
    words = " ".join(make_models.TEXTS).split()
    with StoreWriter(folder) as writer:
        for side in ("queries", "passages"):
            texts = [" ".join([*rng.choice(words, 4), str(row)]) for row in range(PAIRS)]
            writer.append(side, "de", own, *tokenizer.encode(texts))
        negatives = (own + 1) % PAIRS if scored else own[:0]
        scores = {"score": own + 1.0, "negative_scores": np.zeros(PAIRS)} if scored else {}
        offsets = np.arange(PAIRS + 1) if scored else np.zeros(PAIRS + 1, np.int64)
        writer.append_pairs(own, own, own, negatives, offsets, **scores)
        description = {
            "name": "made", "split": "train", "source": {"builder": "made"}, "languages": ["de"], "dropped": {},
            "tokenizer": writer.keep_tokenizer(tokenizer),
        }  # fmt: skip
        same = {side: own.astype(np.int32) for side in ("queries", "passages")}
        writer.finish({"queries": PAIRS, "passages": PAIRS}, description, same=same)
    return folder


def margin_mse(store: Store, workdir) -> float:
    """The loss of all pairs, at the parameters that the run starts with."""
    mesh = make_mesh(1, 1, jax.devices()[:1])
    started = load_model(str(workdir), "untrained", mesh, "float32")
    embedder = Embedder(started, mesh, texts_per_device=16, poll=lambda: None, shown=False)
    query_ND, passage_ND = (embedder(texts(store, side, np.arange(PAIRS)), side) for side in ("query", "passage"))
    pairs, found = store.pairs, []
    for pair in range(PAIRS):
        for at in range(pairs.negative_offsets[pair], pairs.negative_offsets[pair + 1]):
            asked, own, other = pairs.query_A[pair], pairs.passage_A[pair], pairs.negative_rows[at]
            margin = float(query_ND[asked] @ (passage_ND[own] - passage_ND[other]))
            found.append((margin - (pairs.score_A[pair] - pairs.negative_scores[at])) ** 2)
    return float(np.mean(found))


def texts(store, side, rows):
    tables = {"query": "queries", "passage": "passages"}
    return texts_of(store, load_tokenizer(store.path / "tokenizer"), tables[side], rows, np.zeros(len(rows), int))


def test_a_store_that_a_cross_encoder_mined_teaches(model, tmp_path):
    pytest.importorskip("sentence_transformers", reason="--cross_encoder needs sentence-transformers")
    from hbt_jax.mining.cross_encoder import CrossEncoder

    made, teacher = store_of(model, tmp_path / "made"), cross_encoder_of(tmp_path / "teacher")
    mined = run("mine.py", f"--model={model}", f"--stores={made}", f"--out={tmp_path / 'mined'}", "--per_pair=1",
                "--relative_margin=0", f"--cross_encoder={teacher}")  # fmt: skip
    assert mined.returncode == 0, mined.stderr
    store = open_store(tmp_path / "mined" / "made")
    pairs = store.pairs
    asked = texts(store, "query", pairs.query_A)
    scored = CrossEncoder(str(teacher), 8)(list(zip(asked, texts(store, "passage", pairs.passage_A), strict=True)))
    np.testing.assert_allclose(pairs.score_A, scored, atol=1e-6)
    counts = np.diff(pairs.negative_offsets)
    assert PAIRS / 2 < counts.sum() <= PAIRS and (pairs.negative_scores <= np.repeat(pairs.score_A, counts)).all()

    workdir = tmp_path / "run"
    ended = run("train.py", *TRAIN, f"--model={model}", f"--stores={store.path}", f"--workdir={workdir}")
    assert ended.returncode == 0, ended.stderr
    (row,) = read_metrics(workdir)
    expected = margin_mse(store, workdir)  # small: mined negatives score almost as high as the passage
    assert row["loss"] == pytest.approx(expected, rel=1e-2) and expected > 0
    assert row.get("absent_negatives", 0) == PAIRS - counts.sum()


@pytest.mark.parametrize("tracker", ["wandb", "mlflow"])
def test_a_tracker_gets_the_loss_that_the_teacher_gives(tracker, model, tmp_path, monkeypatch):
    pytest.importorskip(tracker, reason=f"--trackers={tracker} needs the extra `{tracker}`")
    made, workdir = store_of(model, tmp_path / "made", scored=True), tmp_path / "run"
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    ended = run("train.py", *TRAIN, f"--model={model}", f"--stores={made}", f"--workdir={workdir}",
                f"--trackers={tracker}", "--project=trials")  # fmt: skip
    assert ended.returncode == 0 and "takes no more metrics" not in ended.stderr, ended.stderr
    (row,) = read_metrics(workdir)
    assert row["loss"] == pytest.approx(margin_mse(open_store(made), workdir), rel=1e-4)
    id_ = json.loads((workdir / "trackers.json").read_text())[tracker]
    if tracker == "wandb":
        (file,) = (workdir / "wandb").glob(f"offline-run-*-{id_}/*.wandb")
        kept = file.read_bytes()
        assert b"train/loss" in kept and json.dumps(row["loss"]).encode() in kept and b"margin_mse" in kept
        return
    import mlflow

    client = mlflow.tracking.MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    found = client.get_run(id_)
    assert found.info.status == "FINISHED" and found.data.params["distillation"] == "margin_mse"
    assert client.get_experiment_by_name("trials").experiment_id == found.info.experiment_id
    assert [(one.step, one.value) for one in client.get_metric_history(id_, "train/loss")] == [(1, row["loss"])]
