"""Both losses against their formulas; absent negatives do not count; the step mixes them with the batch's loss."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from hbt_jax.config.learning import TeachingConfig
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.training import step as steps
from hbt_jax.training.teaching.distillation import distilled
from tests.training import toy


@pytest.fixture(scope="module")
def given() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two shares of three queries with two negatives each; one negative is absent, and both of one query."""
    rng = np.random.default_rng(0)
    query, passage = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 9, 4))
    teacher = rng.standard_normal((2, 3, 3))
    teacher[0, 1, 2] = teacher[1, 2, 1] = teacher[1, 2, 2] = np.nan
    return tuple(array.astype(np.float32) for array in (query, passage, teacher))


def reference(kind, query, passage, teacher, temperature, teacher_temperature) -> float:
    found = []
    for share in range(2):
        for i in range(3):
            group = [passage[share, i], *passage[share, 3 + 2 * i : 5 + 2 * i]]
            there = [m for m in range(3) if np.isfinite(teacher[share, i, m])]
            if len(there) == 1:
                continue
            student = np.array([query[share, i].astype(np.float64) @ group[m] for m in there])
            wanted = teacher[share, i, there].astype(np.float64) / teacher_temperature
            if kind == "kl":
                p = log_softmax(wanted)
                found.append((np.exp(p) * (p - log_softmax(student / temperature))).sum())
            else:
                found.append((((student[0] - student[1:]) - (wanted[0] - wanted[1:])) ** 2).mean())
    return float(np.mean(found))


@pytest.mark.parametrize("kind", ["kl", "margin_mse"])
def test_the_loss_is_that_of_the_formula_and_has_a_finite_gradient(kind, given):
    value, gradient = jax.value_and_grad(lambda query: distilled(kind, query, *map(jnp.asarray, given[1:]), 0.5, 2.0))(
        jnp.asarray(given[0])
    )
    assert float(value) == pytest.approx(reference(kind, *given, 0.5, 2.0), rel=1e-5)
    assert np.isfinite(gradient).all() and not np.asarray(gradient)[1, 2].any() and np.asarray(gradient)[0].any()


def test_without_any_negative_it_is_0(given):
    teacher = np.where(np.arange(3) == 0, given[2], np.nan)
    assert float(distilled("kl", *map(jnp.asarray, (*given[:2], teacher)), 0.5, 1.0)) == 0.0


def test_the_step_mixes_both_losses_by_weight():
    mesh, batch = make_mesh(1, 1, jax.devices()[:1]), toy.batch(0, 1)
    batch["passage_slots"] = np.concatenate([batch["passage_slots"], batch["passage_slots"][:, ::-1]], axis=1)
    scores = np.random.default_rng(0).random((1, 16, 2)).astype(np.float32)
    found = {}
    for weight in (None, 0.25, 1.0):
        teaching = TeachingConfig(distillation="kl", distillation_weight=weight) if weight else TeachingConfig()
        config = dataclasses.replace(toy.step_config(), teaching=teaching)
        extra = {"teacher_scores": scores} if weight else {}
        graph = config.graph(mesh)
        state = steps.sharded_initial_state(config, mesh)
        found[weight] = float(steps.batch_loss(config, graph, state.parameters, put_batch(batch | extra, mesh))[0])
    assert found[0.25] == pytest.approx(0.75 * found[None] + 0.25 * found[1.0], rel=1e-5)
    assert found[1.0] != found[None]
