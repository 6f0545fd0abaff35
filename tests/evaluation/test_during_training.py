"""The model in training is evaluated as launch/eval.py evaluates it, and stops when asked to."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.during_training import DevEvaluation
from tests.evaluation.ranked_small import evaluate
from tests.evaluation.word_model import embedder, random_texts, word_model


@pytest.fixture
def folder(tmp_path):
    """A benchmark of 12 items in two languages, whose texts the word model reads; no query in Greek."""
    texts = random_texts(36, seed=3)
    texts[18] = "31 32"
    path = tmp_path / "words"
    path.mkdir()
    lines = [{"id": f"{n // 3}:{code}", "language": code} for n in range(36) for code in [("de", "sw", "el")[n % 3]]]
    queries = [line | {"text": texts[n]} for n, line in enumerate(lines) if n % 3 < 2]
    candidates = [line | {"text": texts[-1 - n]} for n, line in enumerate(lines)]
    for name, rows in (("queries", queries), ("candidates", candidates)):
        content = "".join(json.dumps(row) + "\n" for row in rows)
        (path / f"{name}.jsonl").write_text(content, encoding="utf-8")
    judged = [f"{q['id']} 0 {c['id']} 1\n" for q in queries for c in candidates
              if q["id"].split(":")[0] == c["id"].split(":")[0]]  # fmt: skip
    (path / "qrels.trec").write_text("".join(judged), encoding="utf-8")
    return str(path)


def evaluation(folder, best="validation_loss", is_stopping=lambda: False):
    return DevEvaluation([folder], "", best, is_stopping)


def test_metrics_are_those_of_an_evaluation_with_this_model_at_every_step(folder, tmp_path):
    made = evaluation(folder, "words/multilingual/rank_distance")
    benchmark = load_benchmark(folder, "")
    for seed in (0, 1):
        model = word_model(seed)
        found = made(model, embedder(model).mesh, lambda: None)
        embed = embedder(model, texts_per_device=256)
        vectors = [embed(side.texts, name) for side, name in
                   ((benchmark.queries, "query"), (benchmark.candidates, "passage"))]  # fmt: skip
        whole = evaluate(benchmark, *vectors, out_dir=str(tmp_path), model_name="m", settings={}, counts={})["metrics"]
        assert found.keys() == made.metrics.keys()
        for name, value in found.items():
            _, setting, metric = name.split("/")
            assert whole[setting][metric] == value
    assert {name for name, higher in made.metrics.items() if not higher} == {"words/multilingual/rank_distance"}


def test_a_metric_that_no_query_has_is_refused(folder):
    path = Path(folder) / "qrels.trec"
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [line for line in lines if line[0].split(":")[1] != line[2].split(":")[1]]  # never in the query's language
    path.write_text("".join(" ".join(line) + "\n" for line in kept), encoding="utf-8")
    with pytest.raises(InputError, match="words/monolingual/map: no query of this benchmark counts in that setting"):
        evaluation(folder, "words/monolingual/map")
    assert evaluation(folder, "words/cross_lingual/map").metrics["words/cross_lingual/map"]


def test_a_stop_ends_embedding_and_ranking(folder):
    model = word_model()
    mesh = embedder(model).mesh

    def stop():
        raise Interrupted("as requested")

    with pytest.raises(Interrupted, match="as requested"):
        evaluation(folder)(model, mesh, stop)
    with pytest.raises(Interrupted, match="during the evaluation of the model in training"):
        evaluation(folder, is_stopping=lambda: True)(model, mesh, lambda: None)


def test_vectors_that_are_not_finite_are_refused(folder):
    model = word_model()
    broken = dataclasses.replace(model, parameters=jax.tree.map(lambda leaf: leaf * np.nan, model.parameters))
    with pytest.raises(InputError, match=r"words, query '0:de': the vector of this text is not finite: parameter"):
        evaluation(folder)(broken, embedder(model).mesh, lambda: None)
