"""What a guide masks, by brute force, on one device and on many; a masked negative leaves the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hbt_jax.config.learning import TeachingConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.data.false_negatives import words
from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.mining.guide import GuideModel
from hbt_jax.training import losses
from hbt_jax.training import step as steps
from hbt_jax.training.teaching.guide import guided_words, with_guide
from tests.training import toy


def vectors(shares: int, queries: int, passages: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(queries)
    return tuple(rng.standard_normal((shares, n, 5)).astype(np.float32) for n in (queries, passages))


@pytest.mark.parametrize(("shares", "queries", "passages"), [(1, 4, 4), (2, 3, 9), (4, 10, 30)])
@pytest.mark.parametrize("margin", [-1.0, 0.0, 0.5])
def test_columns_above_the_own_passage_and_the_margin_are_masked(shares, queries, passages, margin):
    query, passage = vectors(shares, queries, passages)
    passage[-1, -1] = 0  # absent
    scores = np.einsum("pbd,qcd->pbqc", query, passage).reshape(shares * queries, -1)
    label = np.asarray(losses.positive_columns(shares, queries, passages))
    wanted = scores > scores[np.arange(len(label)), label][:, None] + margin
    wanted[np.arange(len(label)), label] = False
    wanted[:, -1] = False
    found = guided_words(jnp.asarray(query), jnp.asarray(passage), words(shares * passages), margin)
    assert np.array_equal(losses.masked_columns(found, shares * passages), wanted)
    assert wanted.any()


def guided(batch: dict, shares: int, pairs: int = 16) -> dict:
    """The toy batch with a guide that finds query 3 close to the passage of query 5."""
    query, passage = np.eye(pairs, dtype=np.float32), np.eye(pairs, dtype=np.float32)
    query[3, 5] = 2.0
    split = (shares, pairs // shares, pairs)
    return batch | {"guide_queries": query.reshape(split), "guide_passages": passage.reshape(split)}


def test_the_update_is_that_of_a_batch_with_these_columns_masked_and_counts_them():
    config, found = toy.step_config(), []
    for shares in (1, 8):
        mesh = make_mesh(shares, 1, jax.devices()[:shares])
        batch = toy.batch(0, shares)
        masked = np.array(batch["masked"]).reshape(16, -1)
        masked[3, 0] |= 1 << 5
        by_hand = batch | {"masked": masked.reshape(shares, -1, 1)}
        update = steps.make_train_step(config, mesh)
        for given in (guided(batch, shares), by_hand):
            _, metrics = update(steps.sharded_initial_state(config, mesh), put_batch(given, mesh))
            found.append((float(metrics["loss"]), float(metrics["gradient_norm"])))
            assert int(metrics.get("guide_masked", 1)) == 1
            assert ("guide_masked" in metrics) == ("guide_queries" in given)
    np.testing.assert_allclose(found, [found[0]] * 4, rtol=1e-5)


def test_a_batch_without_a_guide_stays_as_it_is():
    batch = {"masked": jnp.zeros((1, 2, 1), jnp.int32)}
    assert with_guide(batch, 0.0)[0] is batch


@pytest.mark.parametrize("flags", [{"guide_margin": 0.1}, {"distillation_weight": 1.0}, {"teacher_temperature": 2.0}])
def test_flags_that_need_another(flags):
    with pytest.raises(InputError, match=f"--{next(iter(flags))}=.* needs --(guide_model|distillation)"):
        TeachingConfig(**flags)


def test_a_guide_that_is_not_there_is_reported_under_its_own_flag():
    config = TrainConfig(teaching=TeachingConfig(guide_model="no/such/guide"))
    with pytest.raises(InputError, match="^--guide_model=no/such/guide: no such folder"):
        GuideModel(config, lambda: None)([], None)
