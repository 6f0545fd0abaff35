"""launch/eval.py --mteb_tasks: mteb's files, repetition, signals, wrong names."""

import json
import types

import pytest

pytest.importorskip("mteb", reason="the extra `mteb` is not installed")

import mteb  # noqa: E402

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.interchange import mteb_tasks  # noqa: E402
from tests.interchange import make_models  # noqa: E402
from tests.interchange.test_mteb_model import DOCUMENTS, MadeRetrieval  # noqa: E402

GO_ON = types.SimpleNamespace(requested=False)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    folder = make_models.folder_of("xlm-roberta", root / "model")
    return EvalConfig(
        model=str(folder), mteb_tasks=("MadeRetrieval",), out=str(root / "out"), compilation_cache_dir="none"
    )


@pytest.fixture
def made(monkeypatch):
    """mteb knows the made task."""
    task = MadeRetrieval()
    task.documents = DOCUMENTS[:12]
    monkeypatch.setattr(mteb, "get_tasks", lambda tasks: [task])
    return task


def test_results_are_mtebs_own_files_and_a_task_is_done_once(config, made, capsys, monkeypatch):
    mteb_tasks.run_tasks(config, GO_ON)
    first = capsys.readouterr().out
    assert first.startswith("MadeRetrieval: ndcg_at_10 0.") and "results: " in first
    (folder,) = (mteb_tasks.Path(config.out) / "mteb").iterdir()
    content = json.loads((folder / "MadeRetrieval.json").read_text())
    assert content["task_name"] == "MadeRetrieval" and content["scores"]["test"][0]["main_score"] > 0
    assert json.loads((folder / "model_meta.json").read_text())["revision"] == folder.name
    monkeypatch.setattr(mteb, "evaluate", None)
    mteb_tasks.run_tasks(config, GO_ON)
    assert capsys.readouterr().out == first


def test_a_signal_ends_between_two_tasks(config, made):
    with pytest.raises(Interrupted, match="between two tasks; finished ones are in"):
        mteb_tasks.run_tasks(config, types.SimpleNamespace(requested=True))


def test_what_is_wrong_is_named(config, made, monkeypatch, tmp_path):
    def fails(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr(mteb, "evaluate", fails)
    elsewhere = EvalConfig(
        model=config.model, mteb_tasks=("MadeRetrieval",), out=str(tmp_path), compilation_cache_dir="none"
    )
    with pytest.raises(InputError, match="--mteb_tasks=MadeRetrieval: its data cannot be read: no network"):
        mteb_tasks.run_tasks(elsewhere, GO_ON)
    monkeypatch.undo()
    unknown = EvalConfig(
        model=config.model, mteb_tasks=("NoSuchTask9",), out=str(tmp_path), compilation_cache_dir="none"
    )
    with pytest.raises(InputError, match="--mteb_tasks=NoSuchTask9: mteb has no such task"):
        mteb_tasks.run_tasks(unknown, GO_ON)
    for options, message in (
        ({"benchmarks": ("facts",)}, "--mteb_tasks=x cannot be combined with --benchmarks: use two commands"),
        ({"truncate_dim": 8}, "--mteb_tasks=x cannot be combined with --truncate_dim: use two commands"),
        ({"quantization": "int8"}, "--mteb_tasks=x cannot be combined with --quantization: use two commands"),
        ({"layer_probe": 4}, "--mteb_tasks=x cannot be combined with --layer_probe: use two commands"),
        ({"model": "st:m"}, "--mteb_tasks=x needs a model of this package"),
    ):
        with pytest.raises(InputError, match=message):
            EvalConfig(mteb_tasks=("x",), **options)
