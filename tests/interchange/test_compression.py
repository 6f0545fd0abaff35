"""Short and quantised embeddings: exported, written and evaluated alike, and the loss stands in the report."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from hbt_jax.config.embed import EmbedConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.export import ExportConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.evaluate import evaluate_command
from hbt_jax.interchange.embed_job import embed_command
from hbt_jax.interchange.export import export_command
from hbt_jax.training.preemption import StopRequest
from tests.data_prep import small_stores
from tests.interchange import make_models
from tests.interchange.test_language_removal import vectors


def cut(found: np.ndarray, width: int) -> np.ndarray:
    """The first numbers, of unit length if the vectors are."""
    short = found[:, :width]
    is_unit = np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    return short / np.linalg.norm(short, axis=1, keepdims=True) if is_unit else short


@pytest.mark.parametrize("name", ["xlm-roberta", "bert", "labse"])
def test_an_export_keeps_the_first_numbers(name, sources, tmp_path):
    export_command(ExportConfig(model=str(sources[name]), out=str(tmp_path / "out"), truncate_dim=6), StopRequest())
    np.testing.assert_allclose(vectors(tmp_path / "out"), cut(vectors(sources[name]), 6), atol=2e-6)
    assert "keeps the first 6 numbers" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_more_numbers_than_there_are(sources, tmp_path):
    config = ExportConfig(model=str(sources["bert"]), out=str(tmp_path / "out"), truncate_dim=17)
    with pytest.raises(InputError, match="--truncate_dim=17: embeddings of .* have 16 numbers: give at most 16"):
        export_command(config, StopRequest())


def embedded(model, output, **flags):
    lines = output.with_suffix(".txt")
    lines.write_text("\n".join(make_models.TEXTS) + "\n", encoding="utf-8")
    told = {"side": "passage", "mesh_data": 1, **flags}
    embed_command(EmbedConfig(model=str(model), input=str(lines), output=str(output), **told), StopRequest())
    return np.load(output) if output.suffix == ".npy" else pq.read_table(output)


def test_quantised_embeddings_are_written(sources, tmp_path, capsys):
    whole = vectors(sources["xlm-roberta"])
    rows = embedded(sources["xlm-roberta"], tmp_path / "a.npy", quantization="int8")
    assert rows.dtype == np.int8 and np.abs(rows).max() == 127
    assert "int8 [10, 16], one row per text" in capsys.readouterr().out
    bits = embedded(sources["xlm-roberta"], tmp_path / "b.npy", quantization="binary", truncate_dim=12, nearest=1)
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1)[:, :12], whole[:, :12] > 0)
    assert "uint8 [10, 2], one row per text" in capsys.readouterr().out
    table = embedded(sources["bert"], tmp_path / "c.parquet", quantization="int8")
    back = np.array(table["embedding"].to_pylist()) * np.array(table["scale"].to_pylist())[:, None]
    np.testing.assert_allclose(back, vectors(sources["bert"]), atol=0.05)
    with pytest.raises(InputError, match="needs the scale of each text: write .parquet"):
        embedded(sources["bert"], tmp_path / "d.npy", quantization="int8")


def test_what_is_lost_stands_in_the_report(sources, tmp_path):
    texts = [("de", text) for text in small_stores.QUESTIONS["de"]], [("en", t) for t in small_stores.SENTENCES["en"]]
    benchmark = small_stores.make_benchmark(tmp_path / "b", *texts)
    out = tmp_path / "out"
    config = EvalConfig(
        model=str(sources["xlm-roberta"]), benchmarks=(str(benchmark),), out=str(out), mesh_data=1,
        quantization="binary", truncate_dim=6,
    )  # fmt: skip
    evaluate_command(config, StopRequest())
    settings = json.loads((out / "b" / "results.json").read_text())["settings"]
    assert (settings["quantization"], settings["truncate_dim"]) == ("binary", 6)
    whole = json.loads((out / "uncompressed" / "b" / "results.json").read_text())
    assert "quantization" not in whole["settings"]
    assert "uncompressed" in (out / "report.html").read_text(encoding="utf-8")
