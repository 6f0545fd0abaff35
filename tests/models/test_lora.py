"""Adapters: none of their own at the start, merged exactly, and only where the flags say."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.learning import ModelConfig
from hbt_jax.errors import InputError
from hbt_jax.models.encoder import Encoder, EncoderConfig
from hbt_jax.models.lora import TARGETS, LoraConfig, layer_numbers, lora_config, merged

CONFIG = EncoderConfig(50, width=16, layers=3, heads=2, feed_forward=24, max_positions=8)
LORA = LoraConfig(rank=3, alpha=6.0, layers=(0, 2), targets=TARGETS)
ROW = (
    jnp.array([[5, 6, 7, 8, 9, 5, 6, 0]]),
    jnp.array([[1, 1, 1, 2, 2, 2, 2, 0]]),
    jnp.array([[0, 1, 2, 0, 1, 2, 3, 0]]),
)


def adapted_encoder(lora: LoraConfig) -> Encoder:
    """An encoder whose adapters are not zero."""
    encoder = Encoder(CONFIG, lora=lora, rngs=nnx.Rngs(0))
    for number, layer in enumerate(encoder.layers):
        for target in lora.on(number):
            matrix = layer.adapters[target].lora_b
            matrix[...] = 0.3 * jnp.sin(jnp.arange(matrix.size, dtype=jnp.float32) + number).reshape(matrix.shape)
    return encoder


def flat(encoder: Encoder) -> dict[tuple, np.ndarray]:
    return {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(nnx.state(encoder, nnx.Param))}


def with_parameters(parameters: dict[tuple, np.ndarray]) -> Encoder:
    encoder = Encoder(CONFIG, rngs=nnx.Rngs(1))
    state = nnx.state(encoder, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        leaf[...] = jnp.asarray(parameters[path])
    nnx.update(encoder, state)
    return encoder


def test_new_adapters_change_nothing():
    encoder = Encoder(CONFIG, lora=LORA, rngs=nnx.Rngs(0))
    plain = with_parameters(merged(flat(encoder), LORA))
    np.testing.assert_array_equal(encoder(*ROW), plain(*ROW))


def test_merged_adapters_compute_the_same():
    encoder = adapted_encoder(LORA)
    parameters = flat(encoder)
    plain = with_parameters(merged(parameters, LORA))
    np.testing.assert_allclose(encoder(*ROW), plain(*ROW), atol=2e-6)
    without = with_parameters({path: value for path, value in parameters.items() if "adapters" not in path})
    assert np.abs(np.asarray(encoder(*ROW) - without(*ROW))).max() > 0.1


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_changes_its_own_product_alone(target):
    lora = LoraConfig(rank=2, alpha=2.0, layers=(1,), targets=(target,))
    parameters = flat(adapted_encoder(lora))
    after = merged(parameters, lora)
    fused = target in ("query", "key", "value")
    path = ("layers", 1, "query_key_value" if fused else target, "kernel")
    assert [p for p in after if not np.array_equal(after[p], parameters[p])] == [path]
    if fused:
        columns = np.flatnonzero(np.abs(after[path] - parameters[path]).max(0)) // CONFIG.width
        assert set(columns) == {("query", "key", "value").index(target)}


def test_layers_and_targets_come_from_flags():
    assert lora_config(4, 8.0, ("0-1", "2"), ("value", "query"), 3) == LoraConfig(4, 8.0, (0, 1, 2), ("query", "value"))
    assert lora_config(4, 8.0, (), ("key",), 3).layers == (0, 1, 2)
    assert lora_config(0, 8.0, (), ("key",), 3) is None
    assert layer_numbers("7", 12, "--x=7") == (7,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 1.0, ("3",), ("query",), 3), "--lora_layers=3: '3' does not fit an encoder with layers 0 to 2"),
        ((2, 1.0, ("2-1",), ("query",), 3), "'2-1' does not fit"),
        ((2, 1.0, ("early",), ("query",), 3), "'early' names no layers; expected a number or a range such as 0-2"),
        ((2, 1.0, (), ("pooler",), 3), "--lora_targets=pooler: expected some of query, key, value"),
        ((2, 1.0, (), (), 3), "--lora_targets=: expected some of"),
    ],
)
def test_wrong_flags_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        lora_config(*arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lora_layers": ("0-2", "5")}, "--lora_layers=0-2,5 needs --lora_rank, the rank of the adapters"),
        ({"lora_targets": ("key",)}, "--lora_targets=key needs --lora_rank"),
        ({"lora_alpha": 8.0}, "--lora_alpha=8.0 needs --lora_rank"),
    ],
)
def test_flags_of_adapters_need_a_rank(given, message):
    with pytest.raises(InputError, match=message):
        ModelConfig(**given)
    ModelConfig(lora_rank=2, **given)
