"""What one CPU device computes in its own way equals the plain form, values and gradients, element by element."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.models import on_cpu
from hbt_jax.models.encoder import Encoder, EncoderConfig

CONFIG = EncoderConfig(300, width=16, layers=2, heads=2, feed_forward=32, max_positions=16)
ROUNDING = {"float32": 2e-6, "bfloat16": 2e-2}  # of the largest number of an array


def drawn(*shape, dtype="float32", seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def same(own, plain, dtype):
    for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(plain), strict=True):
        assert one.dtype == other.dtype
        one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
        np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING[dtype] * np.abs(other).max())


def with_gradients(function, *arguments):
    """The value, and the gradients of its inner product with random numbers."""
    value, backward = jax.vjp(function, *arguments)
    return value, backward(drawn(*value.shape, dtype=value.dtype, seed=9))


def of_module(make, inputs, seed=1):
    """The output of a module with random parameters, and the gradients of both."""
    graph, parameters = nnx.split(make(rngs=nnx.Rngs(0)))
    leaves, tree = jax.tree.flatten(parameters)
    parameters = tree.unflatten([drawn(*leaf.shape, seed=seed + n) for n, leaf in enumerate(leaves)])
    return with_gradients(lambda given, x: nnx.merge(graph, given)(x), parameters, inputs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", ROUNDING)
def test_a_linear_layer(dtype, bias):
    own, plain = (
        of_module(functools.partial(parts.Linear, 8, 6, use_bias=bias, dtype=jnp.dtype(dtype)), drawn(3, 5, 8))
        for parts in (on_cpu, nnx)
    )
    same(own, plain, dtype)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_norm(bias):
    own, plain = (
        of_module(
            functools.partial(parts.LayerNorm, 8, epsilon=1e-5, use_bias=bias, dtype=jnp.float32),
            drawn(3, 5, 8) * 3 + 1,
        )
        for parts in (on_cpu, nnx)
    )
    same(own, plain, "float32")


@pytest.mark.parametrize("dtype", ROUNDING)
def test_attention_inside_segments(dtype):
    segments = jnp.array([[1, 1, 1, 2, 2, 0], [1, 2, 3, 3, 3, 3]])
    mask = segments[:, :, None] == segments[:, None, :]
    parts = [drawn(2, 6, 4, 8, dtype=dtype, seed=seed) for seed in range(3)]
    own = with_gradients(lambda *given: on_cpu.attention(*given, mask), *parts)
    plain = with_gradients(lambda *given: jax.nn.dot_product_attention(*given, mask=mask[:, None]), *parts)
    same(own, plain, dtype)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_gelu(dtype):
    values = jnp.concatenate([jnp.linspace(-12, 12, 241), jnp.array([-1e4, 0.0, 1e4])]).astype(dtype)
    own, plain = (
        with_gradients(function, values) for function in (on_cpu.gelu, lambda x: jax.nn.gelu(x, approximate=False))
    )
    same(own, plain, dtype)
    assert np.isfinite(np.asarray(own[1][0], np.float32)).all()


@pytest.mark.parametrize("remat", ["none", "dots", "full"])
def test_an_encoder(remat):
    tokens, segments = jnp.array([[5, 6, 7, 8, 9, 0]]), jnp.array([[1, 1, 2, 2, 2, 0]])
    positions = jnp.array([[0, 1, 0, 1, 2, 0]])

    def gradients(one_cpu):
        encoder = Encoder(CONFIG, remat=remat, one_cpu=one_cpu, rngs=nnx.Rngs(0))
        graph, parameters = nnx.split(encoder)
        loss = jax.jit(lambda given: jnp.square(nnx.merge(graph, given)(tokens, segments, positions)[:, :5] - 1).sum())
        return jax.value_and_grad(loss)(parameters)

    own, plain = gradients(True), gradients(False)
    for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
