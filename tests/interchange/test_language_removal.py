"""Directions of language are projected out alike by the export, by the evaluation and by hand."""

import json

import jax
import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.export import ExportConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.embedding.language_directions import read_language_texts
from hbt_jax.evaluation.evaluate import evaluate_command
from hbt_jax.interchange.export import export_command
from hbt_jax.mesh import make_mesh
from hbt_jax.training.load import load_model
from hbt_jax.training.preemption import StopRequest
from tests.data_prep import small_stores
from tests.interchange import make_models

TEXTS = {"de": ["Der Nil ist ein Fluss.", "Guten Tag!"], "en": ["What is it in Cairo?"], "ru": ["Где столица?", "река"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for code, texts in TEXTS.items():
        (folder / f"{code}.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    (folder / "README.md").write_text("no language")
    return folder


def vectors(model, texts=make_models.TEXTS, side="passage") -> np.ndarray:
    mesh = make_mesh(0, 1, jax.devices()[:1])
    embedder = Embedder(load_model(str(model), "best", mesh, "float32"), mesh, texts_per_device=8,
                        poll=lambda: None, shown=False)  # fmt: skip
    return embedder(texts, side)


def projected(model, count: int) -> np.ndarray:
    """The vectors of the model's own embeddings, the directions removed afterwards."""
    mean_LD = np.stack([vectors(model, texts).mean(axis=0) for texts in TEXTS.values()]).astype(np.float64)
    values, directions = np.linalg.eigh(np.cov(mean_LD, rowvar=False))
    removed_DK = directions[:, ::-1][:, :count]
    found = vectors(model)
    left = found - found @ removed_DK @ removed_DK.T
    is_unit = np.allclose(np.linalg.norm(found, axis=1), 1)
    return left / np.linalg.norm(left, axis=1, keepdims=True) if is_unit else left


@pytest.mark.parametrize("name", ["xlm-roberta", "bert", "preset", "lora"])
def test_an_export_embeds_as_projecting_afterwards_does(name, sources, folder, tmp_path):
    config = ExportConfig(
        model=str(sources[name]), out=str(tmp_path / "out"), remove_language_directions=2, language_texts=str(folder)
    )
    export_command(config, StopRequest())
    np.testing.assert_allclose(vectors(tmp_path / "out"), projected(sources[name], 2), atol=1e-5)
    assert (tmp_path / "out" / "2_Dense" / "model.safetensors").is_file()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "which removes 2 directions of language" in card


@pytest.mark.peer
def test_sentence_transformers_embeds_the_export_alike(sources, folder, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    config = ExportConfig(
        model=str(sources["xlm-roberta"]), out=str(tmp_path / "out"), remove_language_directions=1,
        language_texts=str(folder),
    )  # fmt: skip
    export_command(config, StopRequest())
    theirs = library.SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(
        make_models.TEXTS, prompt_name="passage"
    )
    np.testing.assert_allclose(theirs, projected(sources["xlm-roberta"], 1), atol=1e-5)


def test_directions_of_a_linear_dense_layer_are_removed_in_it(sources, folder, tmp_path):
    source = sources["xlm-roberta"]
    for number, model in enumerate((source, tmp_path / "1")):
        config = ExportConfig(
            model=str(model), out=str(tmp_path / str(number + 1)), remove_language_directions=1,
            language_texts=str(folder),
        )  # fmt: skip
        export_command(config, StopRequest())
    np.testing.assert_allclose(vectors(tmp_path / "2"), projected(tmp_path / "1", 1), atol=1e-5)


def test_a_dense_layer_with_an_activation_is_refused(sources, folder, tmp_path):
    config = ExportConfig(
        model=str(sources["labse"]), out=str(tmp_path / "out"), remove_language_directions=1, language_texts=str(folder)
    )
    with pytest.raises(InputError, match="the dense layer of .*labse is followed by tanh, so no linear map can be"):
        export_command(config, StopRequest())
    assert not (tmp_path / "out").exists()


def scores(runs) -> dict[tuple[str, str], float]:
    """Of each query and candidate in the pool of all languages."""
    lines = (line.split() for line in (runs / "multilingual.trec").read_text().splitlines())
    return {(query, candidate): float(score) for query, _, candidate, _, score, _ in lines}


def test_an_evaluation_without_the_directions_is_that_of_the_export(sources, folder, tmp_path):
    texts = [("de", text) for text in small_stores.QUESTIONS["de"]], [("en", t) for t in small_stores.SENTENCES["en"]]
    benchmark = small_stores.make_benchmark(tmp_path / "few", *texts)
    removal = {"remove_language_directions": 2, "language_texts": str(folder)}
    export_command(ExportConfig(model=str(sources["xlm-roberta"]), out=str(tmp_path / "out"), **removal), StopRequest())
    settings = {"benchmarks": (str(benchmark),), "eval_batch": 8}
    results = {}
    for name, model, more in (
        ("exported", tmp_path / "out", {}), ("removed", sources["xlm-roberta"], removal),
        ("whole", sources["xlm-roberta"], {}),
    ):  # fmt: skip
        evaluate_command(EvalConfig(model=str(model), out=str(tmp_path / name), **settings, **more), StopRequest())
        results[name] = json.loads((tmp_path / name / "few" / "results.json").read_text())
    assert results["removed"]["settings"]["removed_language_directions"] == 2
    assert results["removed"]["model"].endswith(", 2 language directions removed")
    assert "removed_language_directions" not in results["whole"]["settings"]
    removed, exported, whole = (scores(tmp_path / name / "few" / "runs") for name in ("removed", "exported", "whole"))
    assert removed == pytest.approx(exported, abs=5e-7)
    assert removed != pytest.approx(whole, abs=5e-7)


def test_texts_that_cannot_be_used(folder, tmp_path):
    assert read_language_texts(str(folder)) == TEXTS
    with pytest.raises(InputError, match="no such folder: expected LANGUAGE.txt"):
        read_language_texts(str(tmp_path / "none"))
    (tmp_path / "en.txt").write_text("one\n")
    (tmp_path / "zz9.txt").write_text("one\n")
    with pytest.raises(InputError, match="texts of 1 known languages: expected LANGUAGE.txt"):
        read_language_texts(str(tmp_path))
    (tmp_path / "tl.txt").write_text("isa\n")
    assert read_language_texts(str(tmp_path)) == {"en": ["one"], "fil": ["isa"]}
    (tmp_path / "fil.txt").write_text("dalawa\n")
    with pytest.raises(InputError, match="fil.txt and .*tl.txt are both in 'fil': expected one; join or remove one"):
        read_language_texts(str(tmp_path))
    with pytest.raises(InputError, match="--remove_language_directions=1 needs --language_texts, a folder"):
        EvalConfig(remove_language_directions=1)
    with pytest.raises(InputError, match="--language_texts=x: no other flag uses it: leave it out"):
        ExportConfig(language_texts="x")
