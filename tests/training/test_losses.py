"""InfoNCE against a plain numpy version, bits of masks, and every gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hbt_jax.training import losses


def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def words_of(masked):
    """The words of a mask, bool [B, C], bit by bit: column j is bit j // W of word j % W."""
    rows, columns = masked.shape
    width = -(-columns // 32)
    words = np.zeros((rows, width), np.uint32)
    for row, column in zip(*np.nonzero(masked), strict=True):
        words[row, column % width] |= np.uint32(1) << np.uint32(column // width)
    return jnp.asarray(words.view(np.int32))


def nothing(rows, columns, shares=1):
    return jnp.zeros((shares, rows // shares, -(-columns // 32)), jnp.int32)


def reference(query, passage, allowed, temperature):
    """Loss of queries against positives 0..B-1 and negatives behind them, in float64, with excluded columns removed."""
    logits = query.astype(np.float64) @ passage.astype(np.float64).T / temperature
    rows = [np.log(np.exp(logits[i][allowed[i]]).sum()) - logits[i, i] for i in range(len(query))]
    return np.mean(rows)


def test_equals_the_formula_with_in_batch_and_explicit_negatives():
    rng = np.random.default_rng(0)
    query, passage = unit(rng, 4, 8), unit(rng, 8, 8)
    loss, accuracy = losses.info_nce(
        jnp.asarray(query)[None], jnp.asarray(passage)[None], nothing(4, 8), temperature=0.1
    )
    logits = query @ passage.T
    assert float(loss) == pytest.approx(reference(query, passage, np.ones((4, 8), bool), 0.1), abs=1e-5)
    assert float(accuracy) == np.mean(logits.argmax(axis=1) == np.arange(4))


@pytest.mark.parametrize("columns", [1, 31, 32, 33, 64, 100, 2048])
def test_bits_are_read_as_columns(columns):
    masked = np.random.default_rng(columns).random((3, columns)) < 0.3
    np.testing.assert_array_equal(losses.masked_columns(words_of(masked), columns), masked)


def test_the_docstrings_words_are_its_columns():
    masked = losses.masked_columns(jnp.asarray([[0b101, 0b1]], jnp.int32), 40)
    assert np.flatnonzero(np.asarray(masked)[0]).tolist() == [0, 1, 4]


def test_masked_columns_leave_the_sum_and_the_accuracy():
    rng = np.random.default_rng(1)
    query, passage = unit(rng, 3, 8), unit(rng, 3, 8)
    passage[1] = query[0]  # the best of row 0, and masked there
    masked = np.array([[False, True, False], [True, False, False], [False, False, False]])
    loss, accuracy = losses.info_nce(
        jnp.asarray(query)[None], jnp.asarray(passage)[None], words_of(masked)[None], temperature=0.05
    )
    assert float(loss) == pytest.approx(reference(query, passage, ~masked, 0.05), abs=1e-5)
    best = np.where(masked, -2, query @ passage.T).argmax(axis=1)
    assert float(accuracy) == pytest.approx(np.mean(best == np.arange(3)))


def test_shares_change_nothing_but_the_order_of_columns():
    rng = np.random.default_rng(2)
    query, positive, negative = unit(rng, 4, 8), unit(rng, 4, 8), unit(rng, 4, 8)
    masked = rng.random((4, 8)) < 0.3
    masked[np.arange(4), np.arange(4)] = False
    whole = losses.info_nce(
        jnp.asarray(query)[None],
        jnp.asarray(np.concatenate([positive, negative]))[None],
        words_of(masked)[None],
        temperature=0.05,
    )
    passage_PcD = np.concatenate([positive.reshape(2, 2, 8), negative.reshape(2, 2, 8)], axis=1)
    split = losses.info_nce(
        jnp.asarray(query.reshape(2, 2, 8)),
        jnp.asarray(passage_PcD),
        words_of(masked[:, [0, 1, 4, 5, 2, 3, 6, 7]]).reshape(2, 2, -1),
        temperature=0.05,
    )
    assert float(whole[0]) == pytest.approx(float(split[0]), abs=1e-6)
    assert float(whole[1]) == float(split[1])


def test_symmetric_is_the_mean_of_both_directions_with_the_same_pairs_masked():
    rng = np.random.default_rng(3)
    query, passage = unit(rng, 4, 8), unit(rng, 4, 8)
    masked = np.zeros((4, 4), bool)
    masked[0, 2] = masked[3, 1] = True
    given = {"temperature": 0.1}
    forward, both = (
        float(losses.info_nce(jnp.asarray(query)[None], jnp.asarray(passage)[None], words_of(masked)[None],
                              symmetric=symmetric, **given)[0])
        for symmetric in (False, True)
    )  # fmt: skip
    backward = float(
        losses.info_nce(jnp.asarray(passage)[None], jnp.asarray(query)[None], words_of(masked.T)[None], **given)[0]
    )
    assert both == pytest.approx((forward + backward) / 2, abs=1e-5)
    assert abs(forward - backward) > 1e-3


def test_every_gradient_equals_that_of_the_formula():
    rng = np.random.default_rng(4)
    query, passage = unit(rng, 4, 6), unit(rng, 8, 6)
    masked = np.zeros((4, 8), bool)
    masked[[0, 1, 0, 1], [1, 0, 4, 4]] = masked[:, 5] = True
    words = words_of(masked)[None]

    def ours(pair):
        return losses.info_nce(pair[0][None], pair[1][None], words, temperature=0.1)[0]

    allowed = ~masked

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


def multi_reference(query, passage, masked, positives, temperature):
    """The mean over queries and their positives, each positive against the negatives alone, in float64."""
    logits = query.astype(np.float64) @ passage.astype(np.float64).T / temperature
    found = []
    for i in range(len(query)):
        first = i // positives * positives
        own = range(first, first + positives)
        against = [logits[i, j] for j in range(len(passage)) if j not in own and not masked[i, j]]
        found += [np.log(np.exp([logits[i, p], *against]).sum()) - logits[i, p] for p in own]
    return np.mean(found)


def joint_batch(positives: int):
    """12 queries, 12 positives, 6 explicit negatives; translations of the own passage are masked, and some others."""
    rng = np.random.default_rng(5)
    query, passage = unit(rng, 12, 8), unit(rng, 18, 8)
    pair = np.arange(12) // positives
    masked = np.zeros((12, 18), bool)
    masked[:, :12] = (pair[:, None] == pair) | ((pair[:, None] == 0) & (pair == 1))  # pair 1 answers pair 0 too
    masked[np.arange(12), np.arange(12)] = False
    masked[3, 13] = True
    return query, passage, masked


@pytest.mark.parametrize("tile", [0, 5])
@pytest.mark.parametrize("positives", [2, 3])
def test_every_positive_stands_against_the_negatives_alone(positives, tile):
    query, passage, masked = joint_batch(positives)
    given = (jnp.asarray(query)[None], jnp.asarray(passage)[None], words_of(masked)[None])
    loss, _ = losses.multi_positive(*given, positives, temperature=0.1, tile=tile)
    assert float(loss) == pytest.approx(multi_reference(query, passage, masked, positives, 0.1), abs=1e-5)


def test_one_positive_is_the_plain_loss():
    query, passage, masked = joint_batch(2)
    given = (jnp.asarray(query)[None], jnp.asarray(passage)[None], words_of(masked)[None])
    for symmetric in (False, True):
        plain = losses.info_nce(*given, temperature=0.1, symmetric=symmetric)
        assert losses.multi_positive(*given, 1, temperature=0.1, symmetric=symmetric) == plain


@pytest.mark.parametrize("symmetric", [False, True])
def test_shares_and_tiles_leave_the_loss_of_several_positives_and_its_gradient(symmetric):
    query, passage, masked = joint_batch(3)
    order = np.concatenate([np.r_[0:6, 12:15], np.r_[6:12, 15:18]])  # two shares of 6 pairs and 3 negatives

    def loss(vectors, given, words, tile, shares):
        shaped = [array.reshape(shares, -1, 8) for array in (vectors, given)]
        masks = words.reshape(shares, 12 // shares, -1)
        return losses.multi_positive(*shaped, masks, 3, temperature=0.1, symmetric=symmetric, tile=tile)[0]

    value, gradient = jax.value_and_grad(loss)(jnp.asarray(query), jnp.asarray(passage), words_of(masked), 0, 1)
    split = (jnp.asarray(query), jnp.asarray(passage[order]), words_of(masked[:, order]))
    for tile in (0, 4):
        again, other = jax.value_and_grad(loss)(*split, tile, 2)
        assert float(again) == pytest.approx(float(value), abs=1e-5)
        np.testing.assert_allclose(other, gradient, atol=1e-5)


def test_matryoshka_is_the_weighted_mean_of_the_losses_of_cut_vectors():
    rng = np.random.default_rng(0)
    query, passage = (jnp.asarray(unit(rng, 1, 4, 8)) for _ in range(2))

    def loss(query, passage):
        return losses.info_nce(query, passage, nothing(4, 4), temperature=0.1)

    parts = {}
    for width in (8, 3):
        short = [jnp.asarray(vectors[..., :width]) for vectors in (query, passage)]
        parts[width] = loss(*(vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True) for vectors in short))
    found = losses.at_widths(query, passage, {3: 0.5}, True, loss)
    assert float(found[0]) == pytest.approx((float(parts[8][0]) + 0.5 * float(parts[3][0])) / 1.5, abs=1e-5)
    assert float(found[1]) == float(parts[8][1])
    found = losses.at_widths(query, passage, {8: 3.0, 3: 1.0}, True, loss)
    assert float(found[0]) == pytest.approx((3 * float(parts[8][0]) + float(parts[3][0])) / 4, abs=1e-5)
    raw = losses.at_widths(query, passage, {3: 1.0}, False, loss)
    assert float(raw[0]) == pytest.approx((float(parts[8][0]) + float(loss(query[..., :3], passage[..., :3])[0])) / 2)
    assert losses.at_widths(query, passage, {}, True, loss)[0] == loss(query, passage)[0]
