"""One update on any mesh, with any packing, is the same update."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.devices import MemoryConfig
from hbt_jax.config.learning import LearningConfig
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.models.model import embed_slots
from hbt_jax.training import step as steps
from hbt_jax.training.optimizer import decayed, learning_rate
from tests.training import toy

MESHES = [(1, 1), (8, 1), (2, 4)]


def mesh_of(data, fsdp):
    return make_mesh(data, fsdp, jax.devices()[: data * fsdp])


def loss_and_gradients(step_config, mesh, batch):
    graph = step_config.graph(mesh)

    def loss_of(parameters, arrays):
        return steps.batch_loss(step_config, graph, parameters, arrays)[0]

    state = steps.sharded_initial_state(step_config, mesh)
    loss, gradients = jax.jit(jax.value_and_grad(loss_of))(state.parameters, put_batch(batch, mesh))
    return float(loss), [np.asarray(leaf) for leaf in jax.tree.leaves(gradients)]


def test_meshes_give_the_same_loss_and_gradients():
    step_config = toy.step_config()
    loss, gradients = loss_and_gradients(step_config, mesh_of(1, 1), toy.batch(0, 1))
    assert loss > 1.0
    for data, fsdp in MESHES[1:]:
        other_loss, others = loss_and_gradients(step_config, mesh_of(data, fsdp), toy.batch(0, 8))
        assert other_loss == pytest.approx(loss, abs=2e-6)
        for ours, theirs in zip(gradients, others, strict=True):
            np.testing.assert_allclose(theirs, ours, atol=2e-6)


def test_meshes_give_the_same_training():
    results = []
    for data, fsdp in MESHES:
        mesh, step_config = mesh_of(data, fsdp), toy.step_config()
        state, update = steps.sharded_initial_state(step_config, mesh), steps.make_train_step(step_config, mesh)
        for step in range(4):
            state, metrics = update(state, put_batch(toy.batch(step, mesh.size), mesh))
        results.append(
            (
                float(metrics["loss"]),
                int(metrics["false_negatives"]),
                np.asarray(state.parameters["token_table"]["embedding"][...]),
            )
        )
    for loss, false_negatives, table in results:
        assert loss == pytest.approx(results[0][0], abs=1e-4)
        assert false_negatives == 2
        np.testing.assert_allclose(table, results[0][2], atol=1e-4)


def test_fsdp_splits_the_token_table_and_its_moments():
    state = steps.sharded_initial_state(toy.step_config(), mesh_of(2, 4))
    tables = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (384, 32)]
    held = sorted(leaf.addressable_shards[0].data.shape for leaf in tables)
    assert held == [(48, 32), (48, 32), (96, 32)]  # AdamW's two moments over all devices, the table over `fsdp`


def test_optimizer_state_lies_as_the_parameters_where_it_is_not_split():
    state = steps.sharded_initial_state(toy.step_config(memory=MemoryConfig(split_optimizer=False)), mesh_of(2, 4))
    tables = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (384, 32)]
    assert [leaf.addressable_shards[0].data.shape for leaf in tables] == [(96, 32)] * 3


def test_the_mesh_and_not_this_machine_decides_whether_layers_are_scanned():
    """As where a program is compiled for a TPU on a machine without one."""
    config = toy.step_config()
    devices = {name: np.array([SimpleNamespace(platform=name)]) for name in ("cpu", "gpu", "tpu")}

    def scans(config):
        parameters = config.initial_state().parameters
        meshes = [SimpleNamespace(devices=found, local_devices=list(found.flat)) for found in devices.values()]
        return [nnx.merge(config.graph(mesh), parameters).scan_layers for mesh in meshes]

    assert scans(config) == [False, True, True]
    for told in (False, True):
        assert scans(dataclasses.replace(config, memory=MemoryConfig(scan_layers=told))) == [told] * 3


def test_packed_rows_and_one_text_a_row_give_the_same_vectors():
    step_config = toy.step_config()
    parameters = step_config.initial_state().parameters
    words = toy.texts(9, 12)
    packed = [toy.packed_rows([words], max_segments=segments) for segments in (toy.SEGMENTS, 1)]
    assert packed[0][0]["tokens"].shape[1] < packed[1][0]["tokens"].shape[1]
    vectors = []
    for (arrays, slots), segments in zip(packed, (toy.SEGMENTS, 1), strict=True):
        for pooling in ("mean", "cls"):
            embedded = embed_slots(
                step_config.graph(mesh_of(1, 1)), parameters, arrays, segments=segments, pooling=pooling
            )
            vectors.append(np.asarray(embedded)[0, slots[0]])
    np.testing.assert_allclose(vectors[0], vectors[2], atol=2e-6)
    np.testing.assert_allclose(vectors[1], vectors[3], atol=2e-6)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-2
    np.testing.assert_allclose(np.linalg.norm(vectors[0], axis=1), 1.0, atol=1e-5)


def test_what_stands_in_padding_changes_nothing():
    step_config = toy.step_config()
    parameters = step_config.initial_state().parameters
    arrays, slots = toy.packed_rows([toy.texts(5, 7)])
    other = dict(arrays, tokens=np.where(arrays["segments"] == 0, 77, arrays["tokens"]))
    embedded = [
        np.asarray(embed_slots(step_config.graph(mesh_of(1, 1)), parameters, each, segments=4, pooling="mean"))[
            0, slots[0]
        ]
        for each in (arrays, other)
    ]
    np.testing.assert_array_equal(*embedded)


def test_padding_rows_of_the_vocabulary_get_no_gradient():
    mesh = mesh_of(1, 1)
    step_config = toy.step_config(learning=LearningConfig(learning_rate=1e-2, weight_decay=0.0))
    state, update = steps.sharded_initial_state(step_config, mesh), steps.make_train_step(step_config, mesh)
    before = np.asarray(state.parameters["token_table"]["embedding"][...]).copy()
    state, _ = update(state, put_batch(toy.batch(0, 1), mesh))
    after = np.asarray(state.parameters["token_table"]["embedding"][...])
    assert np.array_equal(before[toy.VOCABULARY :], after[toy.VOCABULARY :])
    assert not np.array_equal(before[: toy.VOCABULARY], after[: toy.VOCABULARY])


def test_dropout_depends_on_seed_and_step_alone():
    mesh, step_config = mesh_of(1, 1), toy.step_config(dropout=0.2)
    update = steps.make_train_step(step_config, mesh)

    def loss_at(step):
        state = steps.sharded_initial_state(step_config, mesh)._replace(step=jnp.int32(step))
        return float(update(state, put_batch(toy.batch(0, 1), mesh))[1]["loss"])

    assert loss_at(1) == loss_at(1)
    assert loss_at(1) != loss_at(2)


def test_bfloat16_is_close_and_keeps_float32_parameters():
    losses = []
    for dtype in ("float32", "bfloat16"):
        step_config = toy.step_config(compute_dtype=dtype)
        losses.append(loss_and_gradients(step_config, mesh_of(1, 1), toy.batch(0, 1))[0])
        leaves = jax.tree.leaves(step_config.initial_state().parameters)
        assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_schedule_and_decay_mask():
    rate = learning_rate(LearningConfig(learning_rate=1.0, warmup_steps=10, schedule="linear"), 110)
    assert [float(rate(step)) for step in (0, 5, 10, 60, 110)] == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])
    cosine = learning_rate(LearningConfig(learning_rate=1.0, schedule="cosine"), 100)
    assert [float(cosine(step)) for step in (0, 50, 100)] == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)
    mask = jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(decayed(toy.step_config().initial_state().parameters)))
    assert {path[-1].key for path, decays in mask if not decays} == {"bias", "scale"}
    assert {path[-1].key for path, decays in mask if decays} == {"kernel", "embedding"}
