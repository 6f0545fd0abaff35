"""Frozen parts and adapters: what trains changes, the rest keeps its bits and has no optimizer state."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.models.encoder import EncoderConfig, padded_vocabulary
from hbt_jax.models.lora import LoraConfig
from hbt_jax.training import step as steps
from hbt_jax.training.freezing import count_line, frozen_parts, trainable
from tests.training import toy

ENCODER = EncoderConfig(300, width=32, layers=2, heads=2, feed_forward=64, max_positions=16)
LORA = LoraConfig(rank=2, alpha=4.0, layers=(1,), targets=("query", "expand"))


def trained(step_config, mesh, updates=2):
    """Host copies of the parameters by path before and after some updates, and the numbers of the optimizer."""
    state = steps.sharded_initial_state(step_config, mesh)
    before = {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(state.parameters)}
    update = steps.make_train_step(step_config, mesh)
    for step in range(1, 1 + updates):  # step 0 has the learning rate 0
        state, _ = update(state._replace(step=jax.numpy.int32(step)), put_batch(toy.batch(step, mesh.size), mesh))
    after = {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(state.parameters)}
    return before, after, sum(leaf.size for leaf in jax.tree.leaves(state.optimizer))


@pytest.mark.parametrize(
    ("changes", "trains"),
    [
        ({"frozen": frozen_parts(("embeddings", "layers:0"), ENCODER, None)}, lambda path: path[:2] == ("layers", 1)),
        ({"frozen": frozen_parts(("tokens",), ENCODER, None)}, lambda path: path[0] != "token_table"),
        ({"lora": LORA}, lambda path: "adapters" in path),
    ],
)
def test_only_what_trains_changes_and_has_optimizer_state(changes, trains):
    before, after, optimizer = trained(toy.step_config(**changes), make_mesh(2, 4))
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    keys = {path for path in before if path[-1] == "bias" and "query_key_value" in path}  # a key's bias has no gradient
    assert changed | keys == {path for path in before if trains(path)} | keys
    moments = 2 * sum(value.size for path, value in before.items() if trains(path))
    assert moments <= optimizer <= moments + 4  # and the counters of steps


def test_adapters_train_alike_on_every_mesh():
    results = [
        trained(toy.step_config(lora=LORA), mesh)[1] for mesh in (make_mesh(1, 1, jax.devices()[:1]), make_mesh(2, 4))
    ]
    for path, values in results[0].items():
        np.testing.assert_allclose(results[1][path], values, atol=2e-4, err_msg=str(path))


def test_frozen_parts_give_the_same_updates_to_the_rest():
    """The gradient of what trains does not depend on what is frozen."""
    _, whole, _ = trained(toy.step_config(learning=_unclipped()), make_mesh(1, 1, jax.devices()[:1]), updates=1)
    frozen = frozen_parts(("embeddings",), ENCODER, None)
    step_config = toy.step_config(frozen=frozen, learning=_unclipped())
    _, part, _ = trained(step_config, make_mesh(1, 1, jax.devices()[:1]), updates=1)
    path = ("layers", 1, "expand", "kernel")
    np.testing.assert_allclose(part[path], whole[path], atol=1e-6)


def _unclipped():
    return dataclasses.replace(toy.step_config().learning, clip_norm=0.0)


def test_given_weights_take_their_places_and_adapters_come_from_the_seed():
    mesh, step_config = make_mesh(2, 4), toy.step_config(lora=LORA)
    drawn = steps.sharded_initial_state(step_config, mesh)
    given = {
        path: np.asarray(leaf[...]) + 1.0
        for path, leaf in nnx.to_flat_state(drawn.parameters)
        if "adapters" not in path
    }
    wanted = dict(given)
    state = steps.sharded_initial_state(step_config, mesh, given)
    assert not given  # so that the host's copy can go
    assert jax.tree.structure(state) == jax.tree.structure(drawn)
    for (path, leaf), (_, before) in zip(
        nnx.to_flat_state(state.parameters), nnx.to_flat_state(drawn.parameters), strict=True
    ):
        assert leaf[...].sharding == before[...].sharding
        np.testing.assert_array_equal(leaf[...], wanted.get(path, before[...]))
    steps.make_train_step(step_config, mesh)(state, put_batch(toy.batch(0, mesh.size), mesh))


def test_given_weights_must_fit():
    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), toy.step_config()
    flat = {p: np.asarray(leaf[...]) for p, leaf in nnx.to_flat_state(step_config.initial_state().parameters)}
    with pytest.raises(ValueError, match="does not have.*('pooler',)"):
        steps.sharded_initial_state(step_config, mesh, flat | {("pooler",): np.zeros(3, np.float32)})
    path = ("embedding_norm", "scale")
    with pytest.raises(ValueError, match="has shape \\(3,\\), expected \\(32,\\)"):
        steps.sharded_initial_state(step_config, mesh, flat | {path: np.zeros(3, np.float32)})


def test_trained_parameters_are_counted_without_padding():
    shapes = {("token_table", "embedding"): (padded_vocabulary(300), 32), ("layers", 0, "expand", "bias"): (400,)}
    assert count_line(shapes, ENCODER, trainable((), None)) == "training: 10,000 of 10,000 parameters (100.00%)"
    line = count_line(shapes, ENCODER, trainable(frozen_parts(("embeddings",), ENCODER, None), None))
    assert line == "training: 400 of 10,000 parameters (4.00%)"


@pytest.mark.parametrize(
    ("expressions", "lora", "message"),
    [
        (
            ("head",),
            None,
            "--freeze=head: 'head' matches nothing in this encoder; expected some of embeddings, tokens,",
        ),
        (("dense",), None, "'dense' matches nothing in this encoder"),
        (("layers:2",), None, "--freeze=layers:2: '2' does not fit an encoder with layers 0 to 1"),
        (("embeddings", "layers:0-1"), None, "--freeze=embeddings,layers:0-1 leaves nothing to train"),
        (("embeddings",), LORA, "--freeze=embeddings is not supported by --lora_rank=2"),
    ],
)
def test_wrong_expressions_are_named(expressions, lora, message):
    with pytest.raises(InputError, match=message):
        frozen_parts(expressions, ENCODER, lora)


def test_the_dense_layer_can_be_frozen_where_there_is_one():
    encoder = dataclasses.replace(ENCODER, dense=8)
    assert frozen_parts(("dense",), encoder, None) == ("dense",)
    assert frozen_parts(("embeddings", "layers:0-1"), encoder, None)  # the dense layer is left
