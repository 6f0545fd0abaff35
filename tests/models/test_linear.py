"""Gradients of kernels keep float32 where that is asked for, on one CPU device and elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.devices import MemoryConfig
from hbt_jax.mesh import make_mesh
from hbt_jax.models import linear, on_cpu
from tests.training import toy


def kernel_gradient(kind, inputs, towards, dtype=jnp.bfloat16):
    graph, parameters = nnx.split(kind(8, 6, dtype=dtype, rngs=nnx.Rngs(0)))
    return jax.grad(lambda given: (nnx.merge(graph, given)(inputs) * towards).sum())(parameters)["kernel"].get_value()


@pytest.mark.parametrize("parts", [linear, on_cpu])
def test_only_the_wide_gradient_keeps_what_bfloat16_rounds_off(parts):
    rng = np.random.default_rng(0)
    inputs, towards = (jnp.asarray(rng.standard_normal(shape), jnp.bfloat16) for shape in ((3, 50, 8), (3, 50, 6)))
    exact = np.einsum("rlk,rln->kn", np.asarray(inputs, np.float64), np.asarray(towards, np.float64))
    plain = on_cpu.Linear if parts is on_cpu else nnx.Linear
    wide, narrow = (kernel_gradient(kind, inputs, towards) for kind in (parts.WideGradientLinear, plain))
    np.testing.assert_allclose(wide, exact, rtol=1e-5, atol=1e-5)
    assert np.abs(narrow - exact).max() > 1e-2


@pytest.mark.parametrize("bias", [True, False])
def test_in_float32_it_is_the_plain_layer(bias):
    inputs = jnp.asarray(np.random.default_rng(1).standard_normal((2, 5, 8)), jnp.float32)
    plain = nnx.Linear(8, 6, use_bias=bias, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(
        linear.WideGradientLinear(8, 6, use_bias=bias, rngs=nnx.Rngs(0))(inputs), plain(inputs)
    )
    gradients = [kernel_gradient(kind, inputs, 1.0, jnp.float32) for kind in (linear.WideGradientLinear, nnx.Linear)]
    np.testing.assert_allclose(*gradients, rtol=1e-6)


@pytest.mark.parametrize(("data", "fsdp"), [(1, 1), (4, 2)])
def test_the_option_chooses_the_layers(data, fsdp):
    mesh = make_mesh(data, fsdp, jax.devices()[: data * fsdp])
    for dtype in ("float32", "bfloat16"):
        graph = toy.step_config(memory=MemoryConfig(gradient_dtype=dtype)).graph(mesh)
        kinds = {
            type(node) for _, node in nnx.iter_graph(nnx.merge(graph, toy.step_config().initial_state().parameters))
        }
        chosen = {on_cpu.WideGradientLinear, linear.WideGradientLinear} & kinds
        assert len(chosen) == (dtype == "float32")
