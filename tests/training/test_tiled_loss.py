"""The tiled loss equals the plain one, value and every gradient, on one device and on eight, and stays small."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from hbt_jax import mesh as meshes
from hbt_jax.training import losses
from tests.training.test_losses import unit, words_of

QUERIES, PASSAGES, WIDTH = 3, 5, 16  # of a share


def case(shares: int, seed: int = 0):
    """(queries [P, b, D], passages [P, c, D], masks): a third masked, never a query's own; two passages are equal."""
    rng = np.random.default_rng(seed)
    query, passage = unit(rng, shares, QUERIES, WIDTH), unit(rng, shares, PASSAGES, WIDTH)
    passage[0, 1] = passage[0, 0]
    masked = rng.random((shares * QUERIES, shares * PASSAGES)) < 0.3
    own = np.asarray(losses.positive_columns(shares, QUERIES, PASSAGES))
    masked[np.arange(len(masked)), own] = False
    words = np.asarray(words_of(masked)).reshape(shares, QUERIES, -1)
    return jnp.asarray(query), jnp.asarray(passage), jnp.asarray(words)


def with_gradients(given, constrain=lambda x: x, **options):
    """((loss, accuracy), gradients by queries and passages), compiled."""

    @jax.jit
    def compute(query, passage, masked):
        loss = functools.partial(losses.info_nce, masked_PbW=masked, constrain=constrain, **options)
        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(query, passage)

    return compute(*given)


def assert_equal(found, expected):
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    for mine, plain in zip(found[1], expected[1], strict=True):
        scale = np.abs(plain).max()
        np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-6 * scale)  # number by number, not by norm


@pytest.mark.parametrize("temperature", [1.0, 0.05, 0.01])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("tile", [1, 4, 8, 20, 64])
@pytest.mark.parametrize("shares", [1, 4])
def test_equals_the_plain_loss(shares, tile, symmetric, temperature):
    given, options = case(shares), {"temperature": temperature, "symmetric": symmetric}
    assert_equal(with_gradients(given, tile=tile, **options), with_gradients(given, **options))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("data", "fsdp"), [(8, 1), (4, 2), (1, 8)])
def test_on_a_mesh(data, fsdp, symmetric):
    mesh = meshes.make_mesh(data, fsdp)
    rows = NamedSharding(mesh, PartitionSpec(meshes.BATCH_AXES))
    given = case(8)
    placed = jax.device_put(given, meshes.batch_sharding(mesh))
    options = {"temperature": 0.05, "symmetric": symmetric}
    split = with_gradients(placed, lambda values: jax.lax.with_sharding_constraint(values, rows), tile=16, **options)
    assert_equal(split, with_gradients(given, **options))


def test_a_tie_goes_to_the_first_column_as_in_the_plain_loss():
    query = jnp.asarray([[[1.0, 0.0], [1.0, 0.0]]])
    passage = jnp.asarray([[[1.0, 0.0], [1.0, 0.0]]])
    none = jnp.zeros((1, 2, 1), jnp.int32)
    plain, tiled = (losses.info_nce(query, passage, none, temperature=1.0, tile=tile) for tile in (0, 1))
    assert float(plain[1]) == float(tiled[1]) == 0.5


@pytest.mark.parametrize("symmetric", [False, True])
def test_no_array_of_all_scores(symmetric):
    """65,536 x 65,536 scores of width 768 need 16 GiB at once, and under 2 GiB in tiles, inputs and results apart."""
    queries, width = 65_536, 768
    given = (
        jax.ShapeDtypeStruct((1, queries, width), jnp.float32),
        jax.ShapeDtypeStruct((1, queries, width), jnp.float32),
        jax.ShapeDtypeStruct((1, queries, queries // 32), jnp.int32),
    )

    def temporaries(tile: int) -> int:
        def compute(query, passage, masked):
            loss = functools.partial(
                losses.info_nce, masked_PbW=masked, temperature=0.05, symmetric=symmetric, tile=tile
            )
            return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(query, passage)

        return jax.jit(compute).lower(*given).compile().memory_analysis().temp_size_in_bytes

    assert temporaries(1024) < 2**31
    assert temporaries(0) > 2**34
