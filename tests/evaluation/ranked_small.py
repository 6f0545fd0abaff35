"""Evaluates embeddings that a test has made, and gives the content of results.json."""

from pathlib import Path

from hbt_jax.evaluation.evaluator import ResultFiles
from hbt_jax.evaluation.ranked import ByEmbedding
from hbt_jax.evaluation.ranked import evaluate as evaluate_ranked
from hbt_jax.evaluation.results.definitions import LAYER_PROBE_DEFINITION
from hbt_jax.evaluation.results.result import Described


def evaluate(
    benchmark, query_QD, candidate_ND, *, out_dir, model_name="m", settings=(), counts=(), poll=lambda: None, **files
) -> dict:
    """The content of results.json."""
    described = Described(model_name, dict(settings), dict(counts))
    ranking = ByEmbedding(benchmark, query_QD, candidate_ND)
    return evaluate_ranked(ranking, described, ResultFiles(Path(out_dir), **files), poll).json()


def with_layer_probe(summary: dict, probe: dict) -> dict:
    """The content of results.json with a layer probe."""
    definitions = summary["settings"]["definitions"] | {"layer_probe": LAYER_PROBE_DEFINITION}
    return {**summary, "settings": summary["settings"] | {"definitions": definitions}, "layer_probe": probe}
