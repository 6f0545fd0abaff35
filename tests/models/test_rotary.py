"""Rotary positions, windows and gates by hand, and what packed rows, remat and scan must not change."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec

from hbt_jax.compile_check.flops import matmul_flops
from hbt_jax.compile_check.stand_in import ARCHITECTURES
from hbt_jax.mesh import batch_sharding, make_mesh, replicated, state_shardings
from hbt_jax.models import rotary
from hbt_jax.models.encoder import Encoder, EncoderConfig, parameter_count
from hbt_jax.models.rotary import LAST, RotaryConfig
from hbt_jax.models.utilisation import update_flops

MODERN = EncoderConfig(
    61, width=16, layers=3, heads=2, feed_forward=24, max_positions=40,
    rotary=RotaryConfig(160_000.0, local_layers=(1, 2), local_theta=10_000.0, window=2, pre_norm=True, norm_bias=False),
)  # fmt: skip
GTE = dataclasses.replace(
    MODERN, rotary=RotaryConfig(160_000.0, 1.3, biases=("query_key_value", "contract"), activated=LAST)
)
SILU = dataclasses.replace(MODERN, token_types=2, activation="silu", rotary=RotaryConfig(1000.0))
KINDS = {"modernbert": MODERN, "gte": GTE, "nomic": SILU}


def test_angles_grow_with_the_position_and_products_depend_on_distances_alone():
    theta, stretch = 100.0, 2.0
    query, key = np.random.default_rng(0).normal(size=(2, 1, 1, 1, 4)).astype(np.float32)

    def turned(values, position):
        return np.asarray(rotary.rotated(jnp.asarray(values), jnp.array([[position]]), theta, stretch))[0, 0, 0]

    first, second, third, fourth = query[0, 0, 0]
    fast, slow = 3 / 2.0, 3 / 10 / 2.0  # radians at position 3
    np.testing.assert_allclose(
        turned(query, 3),
        [
            first * np.cos(fast) - third * np.sin(fast),
            second * np.cos(slow) - fourth * np.sin(slow),
            third * np.cos(fast) + first * np.sin(fast),
            fourth * np.cos(slow) + second * np.sin(slow),
        ],
        rtol=1e-5,
    )
    np.testing.assert_allclose(turned(query, 9) @ turned(key, 4), turned(query, 5) @ turned(key, 0), rtol=1e-4)
    np.testing.assert_array_equal(turned(query, 0), query[0, 0, 0])


def test_a_window_counts_positions_to_either_side():
    everything = jnp.ones((1, 4, 4), bool)
    found = rotary.within(everything, jnp.array([[0, 1, 2, 3]]), 1)[0]
    np.testing.assert_array_equal(found, [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]])
    assert not rotary.within(~everything, jnp.array([[0, 1, 2, 3]]), 9).any()


def test_one_half_is_activated():
    halves = jnp.array([1.0, -2.0, 3.0, 5.0])
    np.testing.assert_array_equal(rotary.gated(halves, jax.nn.relu, "first"), [3.0, 0.0])
    np.testing.assert_array_equal(rotary.gated(halves, jax.nn.relu, LAST), [3.0, -10.0])


def rows():
    """Texts of 5, 9 and 3 tokens in one row with two of padding, and each in a row of its own."""
    lengths, tokens = (5, 9, 3), np.random.default_rng(1).integers(1, 61, 17)
    packed = np.zeros((3, 1, 19), np.int32)
    single = np.zeros((3, 3, 19), np.int32)
    start = 0
    for text, length in enumerate(lengths):
        here = slice(start, start + length)
        filling = tokens[here], text + 1, np.arange(length)
        packed[0, 0, here], packed[1, 0, here], packed[2, 0, here] = filling
        single[0, text, :length], single[1, text, :length], single[2, text, :length] = filling
        start += length
    return packed, single, lengths


@pytest.mark.parametrize("kind", KINDS)
def test_packed_rows_equal_single_texts_under_remat_and_scan_and_on_one_cpu(kind):
    packed, single, lengths = rows()
    models = {
        name: Encoder(KINDS[kind], rngs=nnx.Rngs(0), **settings)
        for name, settings in (
            ("plain", {}),
            ("full", {"remat": "full"}),
            ("scan", {"scan_layers": True}),
            ("cpu", {"one_cpu": True}),
        )
    }
    assert models["scan"].scan_layers == (kind != "modernbert")  # its layers differ
    found = {name: np.asarray(nnx.jit(model)(*map(jnp.asarray, packed))) for name, model in models.items()}
    alone = np.asarray(models["plain"](*map(jnp.asarray, single)))
    expected = np.concatenate([alone[text, :length] for text, length in enumerate(lengths)])
    for name, hidden in found.items():
        np.testing.assert_allclose(hidden[0, :17], expected, atol=2e-6, err_msg=name)
        assert np.isfinite(hidden).all()
    *_, last = models["plain"].states(*map(jnp.asarray, packed))
    np.testing.assert_allclose(last, found["plain"], atol=2e-6)


def test_a_local_layer_does_not_see_beyond_its_window_and_a_global_one_does():
    packed, _, _ = rows()
    tokens, segments, positions = map(jnp.asarray, packed)
    other = tokens.at[0, 13].set((tokens[0, 13] + 7) % 61)  # the last token of the second text, positions 0 to 8

    def changed(config):
        model = Encoder(config, rngs=nnx.Rngs(0))
        before, after = model(tokens, segments, positions), model(other, segments, positions)
        return {int(place) - 5 for place in np.flatnonzero(np.abs(before - after)[0].max(-1) > 1e-7)}

    assert changed(dataclasses.replace(MODERN, layers=1)) == set(range(9))
    only_local = dataclasses.replace(MODERN.rotary, local_layers=(0, 1))
    assert changed(dataclasses.replace(MODERN, layers=1, rotary=only_local)) == {6, 7, 8}
    assert changed(dataclasses.replace(MODERN, layers=2, rotary=only_local)) == {4, 5, 6, 7, 8}


@pytest.mark.parametrize("name", ["mmbert-base", "gte-multilingual-base"])
def test_kernels_and_tables_are_split_over_fsdp(name):
    shapes = nnx.state(nnx.eval_shape(lambda: Encoder(ARCHITECTURES[name], rngs=nnx.Rngs(0))), nnx.Param)
    shardings = dict(nnx.to_flat_state(state_shardings(shapes, make_mesh(2, 4))))
    for path, leaf in nnx.to_flat_state(shapes):
        split = shardings[path].get_value().spec == PartitionSpec("fsdp")
        assert split == (len(leaf.shape) == 2 and leaf.shape[0] >= 4), path


def test_rows_split_over_devices_give_the_same():
    packed, _, _ = rows()
    mesh = make_mesh(4, 2)
    graph, state = nnx.split(Encoder(MODERN, rngs=nnx.Rngs(0)))
    many = [np.repeat(array, 8, axis=0) for array in packed]

    def forward(state, *arrays):
        return nnx.merge(graph, state)(*arrays)

    split = jax.jit(forward, in_shardings=(replicated(mesh), *[batch_sharding(mesh)] * 3))(state, *many)
    one = jax.jit(forward)(state, *packed)
    assert len(split.sharding.device_set) == 8
    np.testing.assert_allclose(split, np.repeat(one, 8, axis=0), atol=2e-6)


def test_the_configuration_comes_back_from_json_and_others_are_written_as_before():
    assert all(EncoderConfig(**config.values()) == config for config in KINDS.values())
    assert "rotary" not in dataclasses.replace(MODERN, rotary=None).values()


def test_parameters_and_operations_are_counted():
    layer = 16 * 3 * 16 + 16 * 16 + 16 * 48 + 24 * 16
    assert parameter_count(MODERN) == 61 * 16 + 16 + 3 * layer + (2 + 3) * 16 + 16
    wider = dataclasses.replace(MODERN, rotary=None)
    packed, _, _ = rows()
    model = nnx.eval_shape(lambda: Encoder(MODERN, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(model)
    traced = matmul_flops(lambda state, *arrays: nnx.merge(graph, state)(*arrays), state, *packed)
    assert 3 * traced.counted == update_flops(MODERN, 1, 19, 0, 0)
    gate = update_flops(MODERN, 2, 8, 4, 4) - update_flops(wider, 2, 8, 4, 4)
    assert gate == 3 * 2 * 2 * 8 * 3 * 16 * 24
