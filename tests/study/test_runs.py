"""A finished run is known by what its options come to; its command gives the same configuration again."""

import json
import shlex
from pathlib import Path

import pytest

from hbt_jax.config.learning import LearningConfig, ModelConfig, PlanConfig, TextConfig
from hbt_jax.config.training import RunConfig, TrainConfig
from hbt_jax.config.values import BATCHINGS
from hbt_jax.errors import InputError
from hbt_jax.study.grid import Variant
from hbt_jax.study.runs import StudyRun, arguments, check_kept, command_line, runs, sharing_starts
from hbt_jax.training.initial_model import resolved
from tests.interchange import make_models


def config_of(model, workdir: Path, text=None, batching="hybrid", **model_options) -> TrainConfig:
    return TrainConfig(
        text=text or TextConfig(query_length=16, passage_length=make_models.LENGTH),
        plan=PlanConfig(stores=("s",), batching=batching),
        model=ModelConfig(model=str(model), **model_options),
        learning=LearningConfig(),
        run=RunConfig(workdir=str(workdir)),
    )


def keep(workdir: Path, config: TrainConfig) -> None:
    """Writes what a run of this configuration writes down of it."""
    workdir.mkdir(exist_ok=True)
    make_models.write_json(workdir / "config.json", resolved(config).to_json())


@pytest.mark.parametrize("layout", [*make_models.LAYOUTS, "tiny", "small"])
@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_kept_run_is_known_by_what_its_options_come_to(tmp_path, layout, batching):
    model = make_models.folder_of(layout, tmp_path / layout) if layout in make_models.LAYOUTS else layout
    config = config_of(model, tmp_path / "run", batching=batching)
    check_kept(config)  # none is there
    keep(tmp_path / "run", config)
    check_kept(config)
    own = resolved(config)
    stated = {"pooling": own.model.pooling, "normalize": own.model.normalize}
    text = TextConfig(own.text.query_prefix, own.text.passage_prefix, 16, make_models.LENGTH)
    check_kept(config_of(model, tmp_path / "run", text, batching, **stated))
    other = "cls" if own.model.pooling == "mean" else "mean"
    with pytest.raises(InputError, match=rf"with other values of --pooling \({own.model.pooling}, now {other}\):"):
        check_kept(config_of(model, tmp_path / "run", batching=batching, pooling=other))
    text = TextConfig("ask: ", query_length=16, passage_length=make_models.LENGTH)
    with pytest.raises(InputError, match=r"other values of --query_prefix \(.*, now 'ask: '\): give the same flags"):
        check_kept(config_of(model, tmp_path / "run", text, batching))


def test_a_path_is_the_same_however_it_is_written(tmp_path, monkeypatch):
    model = make_models.folder_of("bert", tmp_path / "bert")
    keep(tmp_path / "run", config_of(model, tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    check_kept(config_of("bert", Path("run")))
    check_kept(config_of("./bert/", tmp_path / "run"))
    (tmp_path / "linked").symlink_to(model)
    check_kept(config_of("linked", Path("./run")))
    make_models.folder_of("bert", tmp_path / "bert2")
    with pytest.raises(InputError, match=r"other values of --model \(.*bert, now bert2\)"):
        check_kept(config_of("bert2", Path("run")))


def test_what_the_models_files_say_now_is_what_counts(tmp_path):
    model = make_models.folder_of("xlm-roberta", tmp_path / "model")
    config = config_of(model, tmp_path / "run")
    keep(tmp_path / "run", config)
    make_models.write_json(model / "config_sentence_transformers.json", {"prompts": {"query": "ask: ", "passage": ""}})
    with pytest.raises(InputError, match=r"other values of --passage_prefix \('passage: ', now ''\), --query_prefix "):
        check_kept(config)


def test_a_damaged_or_older_configuration(tmp_path):
    config = config_of("tiny", tmp_path / "run")
    keep(tmp_path / "run", config)
    file = tmp_path / "run" / "config.json"
    content = json.loads(file.read_text())
    del content["validation"]["patience"]  # as if written before there was such an option: then it had its default
    make_models.write_json(file, content)
    check_kept(config)
    make_models.write_json(file, content | {"run": content["run"] | {"momentum": 1}})
    with pytest.raises(InputError, match="configuration has unknown fields .*momentum"):
        check_kept(config)
    for damaged in ("{", "[" * 100_000, '{"run": ' + "1" * 5000):
        file.write_text(damaged)
        with pytest.raises(
            InputError, match=r"config\.json is not valid JSON .*: the run's folder is damaged, remove it"
        ):
            check_kept(config)
    file.write_text("[]")
    with pytest.raises(InputError, match=r"config\.json holds no object of options: .* remove it"):
        check_kept(config)
    file.write_text('{"run": null}')
    with pytest.raises(InputError, match="configuration has None as part 'run', expected an object of its options"):
        check_kept(config)


def test_a_printed_command_gives_the_same_configuration():
    config = config_of("tiny", Path("runs/a b"), TextConfig("ask: ", query_length=16), "x-y", freeze=("embeddings",))
    line = command_line(config)
    assert line.startswith("python launch/train.py ") and "'--workdir=runs/a b'" in line
    assert "--learning_rate" not in line  # it has its default
    given = dict(part.removeprefix("--").split("=", 1) for part in shlex.split(line)[2:])
    everything = dict(part.removeprefix("--").split("=", 1) for part in arguments(config))
    defaults = dict(part.removeprefix("--").split("=", 1) for part in arguments(TrainConfig()))
    assert defaults | given == everything


def wanted(root, model="small", seeds=2, **told) -> list[StudyRun]:
    """Runs of two batch kinds."""
    variants = [Variant({"batching": batching}, batching, batching) for batching in ("x-y", "hybrid")]
    told = {"model": model, "evaluate_untrained": True, "benchmarks": ("facts",), **told}
    return sharing_starts(runs(variants, seeds, told, root))


def evaluating(found: list[StudyRun]) -> list[str]:
    return [run.workdir.name for run in found if run.config.evaluation.evaluate_untrained]


def score(run: StudyRun, untrained: str = "", benchmark: str = "facts") -> None:
    """Writes results of a run, or those of its initial weights."""
    folder = run.workdir / "evaluation" / untrained / benchmark
    folder.mkdir(parents=True)
    parts = {"settings": {}, "counts": {"queries": {}, "candidates": {}}, "metrics": {}}
    content = {"benchmark": "facts", "model": run.workdir.name, **parts}
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")


def test_initial_weights_are_evaluated_once(tmp_path):
    assert evaluating(wanted(tmp_path)) == ["x-y-seed0", "x-y-seed1"]  # random ones depend on the seed
    assert evaluating(wanted(tmp_path, "org/encoder")) == ["x-y-seed0"]
    assert evaluating(wanted(tmp_path, evaluate_untrained=False)) == []
    other = runs([Variant({"dropout": rate}, str(rate), str(rate)) for rate in (0.0, 0.1)], 1,
                 {"model": "org/encoder", "evaluate_untrained": True, "benchmarks": ("facts",)}, tmp_path)  # fmt: skip
    assert len(evaluating(sharing_starts(other))) == 2  # an option of the model


def test_results_of_initial_weights_are_those_of_the_run_that_evaluates_them(tmp_path):
    first, _, _, last = found = wanted(tmp_path, "org/encoder")
    for run in found:
        assert run.outcome("facts", untrained=True) is None
    score(first, "untrained")
    assert [run.outcome("facts", untrained=True).summary["model"] for run in found] == ["x-y-seed0"] * 4
    score(last)
    assert last.outcome("facts").summary["model"] == "hybrid-seed1"
    assert last.outcome("facts").folder.is_relative_to(last.workdir)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "[]", '{"benchmark": "facts", "metrics": null}'])
def test_damaged_results_are_named(tmp_path, content):
    run = wanted(tmp_path)[0]
    score(run)
    (run.workdir / "evaluation" / "facts" / "results.json").write_text(content)
    with pytest.raises(InputError, match=r"facts/results\.json: .*; evaluate again with launch/eval\.py"):
        run.outcome("facts")


def test_a_run_without_results_evaluates_them_rather_than_a_finished_one(tmp_path):
    first, second, *_ = wanted(tmp_path, "org/encoder")
    score(first)  # finished, by an earlier command without --evaluate_untrained
    assert evaluating(wanted(tmp_path, "org/encoder")) == ["x-y-seed1"]
    score(second)
    score(second, "untrained")
    assert evaluating(wanted(tmp_path, "org/encoder")) == ["x-y-seed1"]


def test_a_further_benchmark_is_evaluated_alone_with_runs_that_are_kept(tmp_path):
    both = ("facts", "xm3600")
    for run in wanted(tmp_path, "org/encoder"):
        score(run)
    score(wanted(tmp_path, "org/encoder")[1], "untrained")
    assert evaluating(wanted(tmp_path, "org/encoder", benchmarks=both)) == ["x-y-seed1"]  # has half of them
    first, second, *others = found = wanted(tmp_path, "org/encoder", benchmarks=both)
    for run in found:
        assert run.finished(("facts",)) and not run.finished(both)
        assert run.unfinished_part().evaluation.benchmarks == ("xm3600",)
        assert run.unfinished_part().plan == run.config.plan
    score(second, "", "xm3600")
    assert not second.finished(both)  # the initial weights are missing
    score(second, "untrained", "xm3600")
    assert second.finished(both)
    assert not first.finished(both) and not any(run.finished(both) for run in others)


def test_a_kept_run_may_have_evaluated_its_initial_weights_or_not_and_other_benchmarks(tmp_path):
    for run in runs(
        [Variant({}, "a", "a")], 1, {"stores": ("s",), "evaluate_untrained": True, "benchmarks": ("facts",)}, tmp_path
    ):
        keep(run.workdir, run.config)
        for changed in ({"evaluate_untrained": False}, {"benchmarks": ("facts", "xm3600")}):
            check_kept(TrainConfig.from_options(run.config.options() | changed))
