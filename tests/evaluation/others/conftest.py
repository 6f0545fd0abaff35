"""A benchmark folder, and a way to evaluate other systems on it within this process."""

import dataclasses
import json
import types

import jax
import numpy as np
import pytest

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.evaluation.benchmarks import folder
from hbt_jax.evaluation.evaluate import evaluate_model
from hbt_jax.evaluation.others.texts import write_texts
from hbt_jax.mesh import make_mesh


@pytest.fixture(scope="session")
def benchmark_folder(small_benchmark, tmp_path_factory):
    """Folder of the small benchmark in the three-file layout, with a text of its own for each id."""
    out = tmp_path_factory.mktemp("written")
    sides = {
        name: dataclasses.replace(side, texts=[f"text {id_}" for id_ in side.ids])
        for name, side in (("queries", small_benchmark.queries), ("candidates", small_benchmark.candidates))
    }
    write_texts(out, dataclasses.replace(small_benchmark, **sides))
    return out / "small"


@pytest.fixture(scope="session")
def benchmark(benchmark_folder):
    """The same, read."""
    return folder.read(str(benchmark_folder), "small")


@pytest.fixture(scope="session")
def vectors(small_embeddings, tmp_path_factory):
    """The files --embeddings=QUERIES.npy,CANDIDATES.npy."""
    place = tmp_path_factory.mktemp("vectors")
    paths = tuple(str(place / f"{side}.npy") for side in ("queries", "candidates"))
    for path, vectors in zip(paths, small_embeddings, strict=True):
        np.save(path, vectors)
    return paths


@pytest.fixture(scope="session")
def evaluate(benchmark_folder):
    """Evaluates by launch/eval.py's function; options are those of EvalConfig.  Gives the content of results.json."""

    def evaluated(out, **options) -> dict:
        given = {"benchmarks": (str(benchmark_folder),), "out": str(out)} | options
        mesh = make_mesh(1, 1, jax.devices()[:1])
        evaluate_model(EvalConfig(**given), mesh, types.SimpleNamespace(requested=False))
        return json.loads((out / "small" / "results.json").read_text(encoding="utf-8"))

    return evaluated


@pytest.fixture(scope="session")
def by_vectors(evaluate, vectors, tmp_path_factory):
    """(OUT, content of results.json) of the vectors, with whole runs."""
    out = tmp_path_factory.mktemp("by_vectors")
    return out, evaluate(out, embeddings=vectors, run_depth=0)
