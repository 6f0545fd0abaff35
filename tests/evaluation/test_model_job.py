"""Several checkpoints in one evaluation: each has its own results, and its own results with query expansions."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from hbt_jax.config import EvalConfig
from hbt_jax.evaluation import job, options
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.embedding.query_expansion import read_expansions
from hbt_jax.evaluation.model_job import Evaluated, ModelEvaluation
from hbt_jax.evaluation.processes import Processes
from tests.evaluation.word_model import embedder, word_model

LANGUAGES = ["de", "sw"]


def nothing() -> None:
    """A poll that never stops."""


def benchmark(name: str) -> Benchmark:
    words = [f"{30 + row} {40 + row}" for row in range(8)]
    items, codes = [str(row // 2) for row in range(8)], LANGUAGES * 4
    queries = BenchmarkTexts([f"{name}{row}" for row in range(8)], items, codes, words)
    candidates = BenchmarkTexts([f"c{row}" for row in range(8)], items, codes, words[::-1])
    return Benchmark(name, queries, candidates, np.array([[row // 2 * 2, row // 2 * 2 + 1] for row in range(8)]))


@pytest.fixture(scope="module")
def models():
    """Checkpoint -> a model of its own weights and step."""
    return {
        "untrained": dataclasses.replace(word_model(0), name="m (untrained)"),
        "best": dataclasses.replace(word_model(1), name="m (best)", step=7),
    }


@pytest.fixture
def expansions(tmp_path):
    path = tmp_path / "texts.jsonl"
    lines = [{"id": f"{name}{row}", "texts": [f"{60 + row}"]} for name in ("one", "two") for row in range(4)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_each_checkpoint_has_its_own_results_with_expansions(models, expansions, tmp_path, capsys):
    benchmarks = [benchmark("one"), benchmark("two")]
    config = EvalConfig(model="m", benchmarks=("one", "two"), out=str(tmp_path), query_expansions=expansions)
    mesh = embedder(models["best"]).mesh
    read = read_expansions(expansions, benchmarks)
    evaluation = ModelEvaluation(
        config, mesh, Processes(0, 1, bool), {}, {}, read, poll_together=nothing, poll_alone=nothing
    )
    found = {}
    for checkpoint, model in models.items():
        found[checkpoint] = evaluation.all(
            benchmarks, model, checkpoint, tmp_path / checkpoint, title=f"{checkpoint}: "
        )
        printed = capsys.readouterr().out
        assert printed.count(f"{checkpoint}: with expansions, ") == 2
    for checkpoint, evaluated in found.items():
        for part, folder in ((evaluated.results, ""), (evaluated.expanded, "expanded")):
            assert [one["benchmark"] for one in part] == ["one", "two"]
            assert {one["settings"]["checkpoint"] for one in part} == {checkpoint}
            assert {one["model"] for one in part} == {models[checkpoint].name}
            for one in part:
                path = tmp_path / checkpoint / folder / one["benchmark"] / "results.json"
                assert json.loads(path.read_text(encoding="utf-8")) == one
    assert found["best"].expanded[0]["metrics"] != found["untrained"].expanded[0]["metrics"]
    again = evaluation.all(benchmarks[1:], models["untrained"], "untrained", tmp_path / "again", title="")
    assert [one["metrics"] for one in again.expanded] == [found["untrained"].expanded[1]["metrics"]]


def test_the_report_beside_the_untrained_weights_shows_the_models_own(models, expansions, tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr(job, "load_model", lambda name, checkpoint, *args, **options: models[checkpoint])
    monkeypatch.setattr(options, "load_benchmark", lambda name, *args, **given: benchmark(name))
    monkeypatch.setattr(job, "is_run", lambda name: True)
    monkeypatch.setattr(job, "training_curve", lambda folder: None)
    monkeypatch.setattr(job, "write_report", lambda path, results, **given: shown.update(given, results=results))
    config = EvalConfig(model="m", benchmarks=("one", "two"), out=str(tmp_path), query_expansions=expansions)
    job.run_evaluation(config, embedder(models["best"]).mesh, SimpleNamespace(requested=False), baseline=True)
    assert {one["settings"]["step"] for one in shown["results"]} == {7}
    assert [(one["benchmark"], one["settings"]["step"]) for one in shown["expanded"]] == [("one", 7), ("two", 7)]
    (untrained,) = shown["baselines"]
    assert {one["settings"]["step"] for one in untrained.results} == {0}


def test_without_expansions_there_are_none(models, tmp_path):
    config = EvalConfig(model="m", benchmarks=("one",), out=str(tmp_path))
    mesh = embedder(models["best"]).mesh
    evaluation = ModelEvaluation(
        config, mesh, Processes(0, 1, bool), {}, {}, {}, poll_together=nothing, poll_alone=nothing
    )
    evaluated = evaluation.all([benchmark("one")], models["best"], "best", tmp_path, title="")
    assert isinstance(evaluated, Evaluated)
    assert (len(evaluated.results), evaluated.expanded) == (1, [])
