"""Matrix products are counted in loops, branches and derivatives."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from hbt_jax.compile_check.flops import matmul_flops
from hbt_jax.mesh import make_mesh
from hbt_jax.models.attention import Attention, seen_of

A, B = jnp.ones((3, 5)), jnp.ones((5, 7))
ONE = 2 * 3 * 5 * 7
HIGHEST = jax.lax.Precision.HIGHEST


def scanned(a, b):
    return jax.lax.scan(lambda carry, _: (carry, a @ b), 0.0, None, length=11)[1]


def branched(a, b):
    return jax.lax.cond(a[0, 0] > 0, lambda: (a @ b).sum() + (a @ b).sum(), lambda: 0.0)


@pytest.mark.parametrize(
    ("function", "products"),
    [
        (lambda a, b: a @ b, 1),
        (jax.jit(lambda a, b: a @ b + a @ (2 * b)), 2),
        (scanned, 11),
        (branched, 2),
        (jax.checkpoint(lambda a, b: a @ b), 1),
        (jax.grad(lambda a, b: jnp.sum(jnp.sin(a @ b)), argnums=(0, 1)), 3),
        (jax.grad(jax.checkpoint(lambda a, b: jnp.sum(jnp.sin(a @ b))), argnums=(0, 1)), 4),
    ],
)
def test_counted(function, products):
    assert matmul_flops(function, A, B).counted == products * ONE


def test_every_device_of_a_shard_map_counts():
    mesh = make_mesh(4, 2, jax.devices()[:8])
    rows, whole = PartitionSpec("data"), PartitionSpec()
    mapped = jax.shard_map(jnp.matmul, mesh=mesh, in_specs=(rows, whole), out_specs=rows, axis_names={"data"})
    assert matmul_flops(mapped, jnp.ones((12, 5)), B).counted == 4 * ONE


@pytest.mark.parametrize(("mesh", "length"), [((1, 1), 384), ((2, 2), 1024)])
def test_a_kernel_counts_for_each_part_of_its_grid(mesh, length):
    attention = Attention("splash", make_mesh(*mesh, jax.devices()[: mesh[0] * mesh[1]]), interpret=True)
    rows, heads, width = 4, 2, 32
    values = jnp.ones((rows, length, heads, width))
    seen = seen_of(*jnp.ones((2, rows, length), jnp.int32))
    product = 2 * rows * heads * length * length * width
    assert matmul_flops(lambda x: attention(x, x, x, seen), values).counted == 2 * product
    gradient = jax.grad(lambda x: attention(x, x, x, seen).sum())  # computes the scores again
    along_width = 2 * rows * heads * length * width  # of what came out and its gradient
    assert matmul_flops(gradient, values).counted == (2 + 5) * product + along_width


def test_a_batched_product():
    flops = matmul_flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), jnp.ones((4, 3, 5)), jnp.ones((4, 5, 7)))
    assert flops.counted == 4 * ONE


def test_float32_at_the_highest_precision_is_six_products():
    flops = matmul_flops(lambda a, b: jnp.matmul(a, b, precision=HIGHEST) + a @ b, A, B)
    assert (flops.counted, flops.on_the_unit) == (2 * ONE, 7 * ONE)
    half = [array.astype(jnp.bfloat16) for array in (A, B)]
    assert matmul_flops(lambda a, b: jnp.matmul(a, b, precision=HIGHEST), *half).on_the_unit == ONE
