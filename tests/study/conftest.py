"""A study of finished runs, whose evaluations are real but of made-up embeddings."""

from pathlib import Path

import pytest

from hbt_jax.config.training import TrainConfig
from hbt_jax.study import grid
from hbt_jax.study.pairing import pairings
from hbt_jax.study.runs import StudyRun, runs
from hbt_jax.study.study import study
from tests.evaluation.make_outcomes import evaluated

GRID = "batching=x-x-mono,x-y,hybrid; mono_probability=0.25,0.75"
NOISE = {"x-x-mono": 1.5, "x-y": 1.5, "hybrid, mono_probability=0.25": 0.4, "hybrid, mono_probability=0.75": 0.6}
TOLD = TrainConfig().options() | {"benchmarks": ("made",)}


def made_runs(root: Path, text: str = GRID) -> tuple[dict, list[grid.Variant], list[StudyRun]]:
    axes = grid.parse_grid(text)
    variants = grid.variants(axes, TOLD)
    return axes, variants, runs(variants, 2, TOLD, root)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The workdir of a sweep whose eight runs are finished."""
    root = tmp_path_factory.mktemp("studied")
    for number, run in enumerate(made_runs(root)[2]):
        evaluated(run.workdir / "evaluation", NOISE[run.variant.label], number)
        evaluated(run.workdir / "evaluation" / "untrained", 4.0, 50 + run.seed)
    return root


@pytest.fixture(scope="session")
def studied(finished) -> dict:
    """The content of study.json, each configuration compared with x-x-mono and with the initial weights."""
    axes, variants, wanted = made_runs(finished)
    pairs = pairings(["batching=x-x-mono", "untrained"], variants, list(axes), TOLD)
    return study(wanted, ["made"], axes, pairs, samples=400)
