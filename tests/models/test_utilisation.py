"""Counted operations against the compiler's own count, and peaks that are never guessed."""

import jax
import pytest

from hbt_jax.mesh import make_mesh
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.utilisation import peak_flops, update_flops
from hbt_jax.training import step as steps
from tests.training import toy


def test_operations_are_those_that_the_compiler_counts():
    """For an encoder wide enough that products of matrices are nearly all there is."""
    encoder = EncoderConfig(300, width=256, layers=2, heads=4, feed_forward=1024, max_positions=16)
    step_config, mesh = toy.step_config(encoder=encoder), make_mesh(1, 1, jax.devices()[:1])
    batch = toy.batch(0, 1, pairs=64)
    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), batch)
    compiled = steps.make_train_step(step_config, mesh).lower(steps.abstract_state(step_config, mesh), shapes).compile()
    counted = update_flops(encoder, *batch["tokens"].shape[1:], queries=64, passages=64)
    assert counted == pytest.approx(compiled.cost_analysis()["flops"], rel=0.1)


def test_a_row_twice_as_long_costs_twice_as_much_but_for_attention():
    encoder = EncoderConfig(300, width=256, layers=2, heads=4, feed_forward=1024)
    assert update_flops(encoder, 8, 128, 1, 1) > update_flops(encoder, 16, 64, 1, 1)
    assert update_flops(encoder, 8, 128, 1, 1) == pytest.approx(update_flops(encoder, 16, 64, 1, 1), rel=0.1)


@pytest.mark.parametrize(("kind", "dtype"), [("TPU v9", "bfloat16"), ("cpu", "bfloat16"), ("TPU v4", "float32")])
def test_unknown_peaks_are_not_guessed(kind, dtype):
    assert peak_flops(kind, dtype) is None


def test_a_known_peak():
    assert peak_flops("TPU v4", "bfloat16") == 275e12
