"""InfoNCE against a plain numpy version, worked masks, and every gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hbt_jax.training import losses


def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def ids_of(query, passage, *, group=None, passage_group=None, shares=1):
    query, passage = np.array(query, np.int32), np.array(passage, np.int32)
    group = np.arange(len(query), dtype=np.int32) + 100 if group is None else np.array(group, np.int32)
    passage_group = np.full(len(passage), -1, np.int32) if passage_group is None else np.array(passage_group, np.int32)
    return losses.Ids(*(jnp.asarray(array.reshape(shares, -1)) for array in (query, group, passage, passage_group)))


def reference(query, passage, allowed, temperature):
    """Loss of queries against positives 0..B-1 and negatives behind them, in float64, with excluded columns removed."""
    logits = query.astype(np.float64) @ passage.astype(np.float64).T / temperature
    rows = [np.log(np.exp(logits[i][allowed[i]]).sum()) - logits[i, i] for i in range(len(query))]
    return np.mean(rows)


def test_equals_the_formula_with_in_batch_and_explicit_negatives():
    rng = np.random.default_rng(0)
    query, passage = unit(rng, 4, 8), unit(rng, 8, 8)
    loss, metrics = losses.info_nce(
        jnp.asarray(query)[None], jnp.asarray(passage)[None], ids_of(range(4), range(8)), temperature=0.1
    )
    assert float(loss) == pytest.approx(reference(query, passage, np.ones((4, 8), bool), 0.1), abs=1e-5)
    assert int(metrics["false_negatives"]) == 0


def test_a_shared_query_masks_both_passages_as_in_the_docstring():
    masked, count = losses.masked_columns(ids_of([0, 0, 1], [0, 1, 2]))
    assert np.array_equal(masked, [[False, True, False], [True, False, False], [False, False, False]])
    assert int(count) == 2


def test_a_shared_passage_is_masked_among_positives_and_negatives():
    masked, count = losses.masked_columns(ids_of([0, 1], [7, 8, 8, 7]))
    assert np.array_equal(masked, [[False, False, False, True], [False, False, True, False]])
    assert int(count) == 2


def test_a_shared_translation_group_is_masked_and_an_unknown_group_is_not():
    masked, count = losses.masked_columns(ids_of([0, 1], [0, 1, 5, 6], group=[9, 9], passage_group=[9, 9, -1, -1]))
    assert np.array_equal(masked, [[False, True, False, False], [True, False, False, False]])
    assert int(count) == 2


def test_an_absent_passage_is_masked_for_all_and_not_counted():
    masked, count = losses.masked_columns(ids_of([0, 1], [0, 1, -1, 3]))
    assert np.array_equal(masked, [[False, False, True, False]] * 2)
    assert int(count) == 0


def test_masked_columns_leave_the_sum():
    rng = np.random.default_rng(1)
    query, passage = unit(rng, 3, 8), unit(rng, 3, 8)
    loss, _ = losses.info_nce(
        jnp.asarray(query)[None], jnp.asarray(passage)[None], ids_of([0, 0, 1], [0, 1, 2]), temperature=0.05
    )
    allowed = ~np.array([[False, True, False], [True, False, False], [False, False, False]])
    assert float(loss) == pytest.approx(reference(query, passage, allowed, 0.05), abs=1e-5)


def test_shares_change_nothing_but_the_order_of_columns():
    rng = np.random.default_rng(2)
    query, positive, negative = unit(rng, 4, 8), unit(rng, 4, 8), unit(rng, 4, 8)
    whole = losses.info_nce(
        jnp.asarray(query)[None],
        jnp.asarray(np.concatenate([positive, negative]))[None],
        ids_of(range(4), range(8)),
        temperature=0.05,
    )
    passage_PcD = np.concatenate([positive.reshape(2, 2, 8), negative.reshape(2, 2, 8)], axis=1)
    passages = np.array([[0, 1, 4, 5], [2, 3, 6, 7]]).reshape(-1)
    split = losses.info_nce(
        jnp.asarray(query.reshape(2, 2, 8)),
        jnp.asarray(passage_PcD),
        ids_of(range(4), passages, shares=2),
        temperature=0.05,
    )
    assert float(whole[0]) == pytest.approx(float(split[0]), abs=1e-6)
    assert float(whole[1]["accuracy"]) == float(split[1]["accuracy"])


def test_symmetric_is_the_mean_of_both_directions():
    rng = np.random.default_rng(3)
    query, passage = unit(rng, 4, 8), unit(rng, 4, 8)
    arguments = {"ids": ids_of(range(4), range(4)), "temperature": 0.1}
    forward = float(losses.info_nce(jnp.asarray(query)[None], jnp.asarray(passage)[None], **arguments)[0])
    backward = float(losses.info_nce(jnp.asarray(passage)[None], jnp.asarray(query)[None], **arguments)[0])
    both = losses.info_nce(jnp.asarray(query)[None], jnp.asarray(passage)[None], symmetric=True, **arguments)[0]
    assert float(both) == pytest.approx((forward + backward) / 2, abs=1e-5)
    assert abs(forward - backward) > 1e-3


def test_every_gradient_equals_that_of_the_formula():
    rng = np.random.default_rng(4)
    query, passage = unit(rng, 4, 6), unit(rng, 8, 6)
    ids = ids_of([0, 0, 1, 2], [0, 1, 2, 3, 0, -1, 5, 6])

    def ours(pair):
        return losses.info_nce(pair[0][None], pair[1][None], ids, temperature=0.1)[0]

    allowed = ~np.asarray(losses.masked_columns(ids)[0])

    def numeric(array, index, pair):
        step, totals = 1e-5, []
        for sign in (1, -1):
            moved = [part.astype(np.float64) for part in pair]
            moved[array][index] += sign * step
            totals.append(reference(*moved, allowed, 0.1))
        return (totals[0] - totals[1]) / (2 * step)

    gradients = jax.grad(ours)((jnp.asarray(query), jnp.asarray(passage)))
    for array, gradient in enumerate(gradients):
        expected = np.array([numeric(array, index, (query, passage)) for index in np.ndindex(gradient.shape)])
        np.testing.assert_allclose(np.asarray(gradient).reshape(-1), expected, atol=2e-5)
