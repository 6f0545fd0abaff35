"""Several checkpoints by the same evaluators: each has its own results, with and without query expansions."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import Interrupted
from hbt_jax.evaluation import evaluate, evaluators
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.evaluator import EvaluatedModel, make_context
from tests.evaluation.word_model import embedder, word_model

LANGUAGES = ["de", "sw"]


def prepared(config, benchmarks, mesh):
    """The evaluators that the options ask for, ready to run."""
    found = evaluators.make_evaluators(config, benchmarks)
    context = make_context(config, mesh, SimpleNamespace(requested=False), config.out)
    for evaluator in found:
        evaluator.prepare(context)
    return found


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
    both = prepared(config, benchmarks, embedder(models["best"]).mesh)
    found = {}
    for checkpoint, model in models.items():
        evaluated = EvaluatedModel(model, checkpoint, tmp_path / checkpoint)
        results = evaluate._results(both, evaluated, f"{checkpoint}: ")
        found[checkpoint] = [one.json() for one in results], [one.expanded.json() for one in results]
        printed = capsys.readouterr().out
        assert printed.count(f"{checkpoint}: with expansions, ") == 2
    for checkpoint, parts in found.items():
        for part, folder in zip(parts, ("", "expanded"), strict=True):
            assert [one["benchmark"] for one in part] == ["one", "two"]
            assert {one["settings"]["checkpoint"] for one in part} == {checkpoint}
            assert {one["model"] for one in part} == {models[checkpoint].name}
            for one in part:
                path = tmp_path / checkpoint / folder / one["benchmark"] / "results.json"
                assert json.loads(path.read_text(encoding="utf-8")) == one
    assert found["best"][1][0]["metrics"] != found["untrained"][1][0]["metrics"]
    again = both[1].run(EvaluatedModel(models["untrained"], "untrained", tmp_path / "again"))
    assert again.expanded.json()["metrics"] == found["untrained"][1][1]["metrics"]


def test_the_report_beside_the_untrained_weights_shows_the_models_own(models, expansions, tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr(evaluate, "load_as_asked", lambda config, checkpoint, mesh: models[checkpoint])
    monkeypatch.setattr(evaluators, "load_benchmark", lambda name, *args, **given: benchmark(name))
    monkeypatch.setattr(evaluate, "is_run", lambda name: True)
    monkeypatch.setattr(evaluate, "training_curve", lambda folder: None)
    monkeypatch.setattr(evaluate, "write_report", lambda path, results, **given: shown.update(given, results=results))
    config = EvalConfig(model="m", benchmarks=("one", "two"), out=str(tmp_path), query_expansions=expansions)
    evaluate.evaluate_model(config, embedder(models["best"]).mesh, SimpleNamespace(requested=False), baseline=True)
    assert {one["settings"]["step"] for one in shown["results"]} == {7}
    assert [(one["benchmark"], one["settings"]["step"]) for one in shown["expanded"]] == [("one", 7), ("two", 7)]
    (untrained,) = shown["baselines"]
    assert {one["settings"]["step"] for one in untrained.results} == {0}


def test_what_a_stopped_evaluation_has_done_reaches_its_bucket(models, tmp_path, monkeypatch):
    published = []
    monkeypatch.setattr(evaluate, "load_as_asked", lambda config, checkpoint, mesh: models[checkpoint])
    monkeypatch.setattr(evaluators, "load_benchmark", lambda name, *args, **given: benchmark(name))
    monkeypatch.setattr(evaluate, "files_of", lambda place: tmp_path)

    def publish(place):
        published.append((place, sorted(path.parent.name for path in tmp_path.rglob("results.json"))))

    class StopAfterOne:
        """Asks to stop once the first benchmark has its results."""

        @property
        def requested(self):
            return (tmp_path / "one" / "results.json").exists()

    monkeypatch.setattr(evaluate, "publish", publish)
    config = EvalConfig(model="m", benchmarks=("one", "two"), out="gs://bucket/out")
    with pytest.raises(Interrupted):
        evaluate.evaluate_model(config, embedder(models["best"]).mesh, StopAfterOne())
    assert published == [("gs://bucket/out", ["one"])]


def test_without_expansions_there_are_none(models, tmp_path):
    config = EvalConfig(model="m", benchmarks=("one",), out=str(tmp_path))
    (evaluator,) = prepared(config, [benchmark("one")], embedder(models["best"]).mesh)
    assert evaluator.run(EvaluatedModel(models["best"], "best", tmp_path)).expanded is None


def test_parameters_in_memory_are_evaluated_between_steps_and_nothing_is_written(models, tmp_path):
    config = EvalConfig(benchmarks=("one",), out=str(tmp_path / "out"))
    (evaluator,) = prepared(config, [benchmark("one")], embedder(models["best"]).mesh)
    whole = evaluator.run(EvaluatedModel(models["best"], "best", tmp_path / "whole"))
    for step in (1, 2):
        trained = dataclasses.replace(models["untrained"], parameters=models["best"].parameters, step=step)
        quick = evaluator.run(EvaluatedModel(trained, f"step {step}"))
        assert quick.averages == whole.averages
        assert (quick.settings["step"], quick.settings["checkpoint"]) == (step, f"step {step}")
        assert set(quick.parts) == {"tokens"} < set(whole.parts)
    assert evaluator.run(EvaluatedModel(models["untrained"], "untrained")).averages != whole.averages
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
