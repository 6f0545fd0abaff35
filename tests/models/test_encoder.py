"""Pooling by the example in its docstring; the encoder keeps texts apart, and counts its parameters without padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.models.encoder import Encoder, EncoderConfig, padded_vocabulary, parameter_count, preset
from hbt_jax.models.pooling import normalize, pool

CONFIG = EncoderConfig(
    300, width=16, layers=2, heads=2, feed_forward=32, max_positions=8, position_offset=2, token_types=2
)


def test_pooling_means_and_first_tokens():
    a, b, c, d = np.eye(4, dtype=np.float32)
    hidden = jnp.asarray(np.stack([a, b, c, d])[None])
    segments, positions = jnp.array([[1, 1, 2, 0]]), jnp.array([[0, 1, 0, 0]])
    mean = pool(hidden, segments, positions, segments=3, mode="mean")
    np.testing.assert_allclose(mean[0], [(a + b) / 2, c, np.zeros(4)])
    first = pool(hidden, segments, positions, segments=3, mode="cls")
    np.testing.assert_allclose(first[0], [a, c, np.zeros(4)])


def test_normalize_keeps_zero_vectors_and_their_gradient_finite():
    vectors = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(normalize(vectors), [[0.6, 0.8], [0.0, 0.0]], atol=1e-7)
    gradient = jax.grad(lambda x: normalize(x).sum())(vectors)
    assert np.isfinite(gradient).all()


def test_a_text_is_encoded_alike_alone_and_beside_others():
    encoder = Encoder(CONFIG, rngs=nnx.Rngs(0))
    text, other = [5, 6, 7], [9, 8, 7, 6, 5]
    alone = encoder(jnp.array([text + [0] * 5]), jnp.array([[1] * 3 + [0] * 5]), jnp.array([[0, 1, 2] + [0] * 5]))
    beside = encoder(jnp.array([other + text]), jnp.array([[1] * 5 + [2] * 3]), jnp.array([[0, 1, 2, 3, 4, 0, 1, 2]]))
    np.testing.assert_allclose(alone[0, :3], beside[0, 5:], atol=1e-5)
    assert np.abs(np.asarray(alone[0, :3] - beside[0, :3])).max() > 0.1


def test_positions_and_their_offset_matter():
    encoder = Encoder(CONFIG, rngs=nnx.Rngs(0))
    tokens, segments = jnp.full((1, 8), 5), jnp.ones((1, 8), jnp.int32)
    here, there = (encoder(tokens, segments, jnp.arange(8)[None] + shift) for shift in (0, -1))
    assert encoder.position_table.embedding.shape == (10, 16)
    assert np.abs(np.asarray(here - there)).max() > 1e-3


def test_parameters_are_counted_without_the_padding_of_the_vocabulary():
    table, width, feed_forward = 300 * 16 + 10 * 16 + 2 * 16, 16, 32
    layer = 4 * width * width + 4 * width + 2 * width * feed_forward + feed_forward + width + 4 * width
    assert parameter_count(CONFIG) == table + 2 * width + 2 * layer
    assert padded_vocabulary(300) == 384
    assert padded_vocabulary(384) == 384


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(InputError, match=r"--model=huge: unknown preset, expected one of tiny, small"):
        preset("huge", vocab_size=10, max_positions=8, dropout=0.0, pad_id=0)
