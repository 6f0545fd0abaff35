"""Chunks, tiles, layers in a loop and layers computed again: the same update, in less memory or a smaller program."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from hbt_jax.compile_check import hlo
from hbt_jax.compile_check.collectives import collectives
from hbt_jax.config.devices import MemoryConfig
from hbt_jax.config.learning import LearningConfig
from hbt_jax.mesh import make_mesh, put_batch
from hbt_jax.models.attention import Attention
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.models.lora import LoraConfig
from hbt_jax.training import step as steps
from tests.training import toy

pytestmark = pytest.mark.slow

WAYS = {
    "chunks": {"encode_chunk": 1},
    "chunks that do not divide": {"encode_chunk": 3},
    "tiles": {"loss_tile": 5},
    "layers in a loop": {"scan_layers": True},
    "layers again": {"remat": "full"},
    "but for products": {"remat": "dots"},
    "all": {"encode_chunk": 2, "loss_tile": 4, "remat": "dots", "scan_layers": True},
}
MESHES = [(1, 1), (8, 1), (4, 2), (1, 8)]


def one_device():
    return make_mesh(1, 1, jax.devices()[:1])


def gradients_of(step_config, mesh, batch):
    """(loss, {parameter: gradient}) of one batch, dropout included."""
    graph = step_config.graph(mesh)
    key = jax.random.key(7) if step_config.encoder.dropout else None

    def loss_of(parameters, arrays):
        return steps.batch_loss(step_config, graph, parameters, arrays, dropout_key=key, **steps.on_mesh(mesh))[0]

    state = steps.sharded_initial_state(step_config, mesh)
    loss, gradients = jax.jit(jax.value_and_grad(loss_of))(state.parameters, put_batch(batch, mesh))
    return float(loss), {path: np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)}


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    largest = max(np.abs(gradient).max() for gradient in expected[1].values())
    for path, gradient in expected[1].items():
        np.testing.assert_allclose(found[1][path], gradient, rtol=1e-5, atol=1e-6 * largest, err_msg=str(path))


@functools.cache
def plain_gradients(symmetric: bool, dropout: float):
    learning = LearningConfig(temperature=0.1, symmetric=symmetric)
    return gradients_of(toy.step_config(dropout=dropout, learning=learning), one_device(), toy.batch(0, 1))


@pytest.mark.parametrize(("symmetric", "dropout"), [(False, 0.0), (True, 0.2)])
@pytest.mark.parametrize("way", WAYS)
def test_equals_the_plain_update(way, symmetric, dropout):
    learning, memory = LearningConfig(temperature=0.1, symmetric=symmetric), MemoryConfig(**WAYS[way])
    step_config = toy.step_config(dropout=dropout, learning=learning, memory=memory)
    assert_same(gradients_of(step_config, one_device(), toy.batch(0, 1)), plain_gradients(symmetric, dropout))


@pytest.mark.parametrize("way", ["chunks", "tiles", "all"])
def test_on_every_mesh(way):
    plain = gradients_of(toy.step_config(), one_device(), toy.batch(0, 1))
    step_config = toy.step_config(memory=MemoryConfig(**WAYS[way]))
    for data, fsdp in MESHES:
        mesh = make_mesh(data, fsdp, jax.devices()[: data * fsdp])
        assert_same(gradients_of(step_config, mesh, toy.batch(0, mesh.size)), plain)


@pytest.mark.parametrize("way", [{}, WAYS["all"]])
def test_the_attention_kernel_on_a_mesh(way, monkeypatch):
    plain = gradients_of(toy.step_config(), one_device(), toy.batch(0, 1))
    monkeypatch.setattr(steps, "attention_on", lambda mesh, *_: Attention("splash", mesh, interpret=True))
    mesh, step_config = make_mesh(4, 2), toy.step_config(memory=MemoryConfig(**way))
    assert step_config.attention(mesh).kind == "splash" and "'splash'" in str(step_config.graph(mesh))
    assert_same(gradients_of(step_config, mesh, toy.batch(0, mesh.size)), plain)


@pytest.mark.parametrize("split", [True, False])
def test_optimizer_state_in_parts_gives_the_same_training(split):
    tables = []
    for data, fsdp in MESHES:
        mesh = make_mesh(data, fsdp, jax.devices()[: data * fsdp])
        step_config = toy.step_config(memory=MemoryConfig(split_optimizer=split))
        state, update = steps.sharded_initial_state(step_config, mesh), steps.make_train_step(step_config, mesh)
        for step in range(3):
            state, _ = update(state, put_batch(toy.batch(step, mesh.size), mesh))
        tables.append(np.asarray(state.parameters["token_table"]["embedding"][...]))
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], atol=1e-4)


def compiled(mesh, pairs=64, **changes):
    """The compiled update of a batch of `pairs`, not run."""
    memory = MemoryConfig(**changes.pop("memory", {}))
    step_config = toy.step_config(memory=memory, **changes)
    state = steps.abstract_state(step_config, mesh)
    batch = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), toy.batch(0, mesh.size, pairs))
    return steps.make_train_step(step_config, mesh).lower(state, batch).compile()


def encoder_of(layers: int) -> EncoderConfig:
    return dataclasses.replace(toy.step_config().encoder, layers=layers)


def temporaries(mesh, **memory) -> int:
    return compiled(mesh, 256, encoder=encoder_of(8), memory=memory).memory_analysis().temp_size_in_bytes


def test_memory_falls():
    mesh = one_device()
    plain, chunked = temporaries(mesh), temporaries(mesh, encode_chunk=8)
    assert chunked < 0.5 * plain
    loop, dots, again = (temporaries(mesh, scan_layers=True, remat=remat) for remat in ("none", "dots", "full"))
    assert again < dots < loop  # outside of a loop XLA undoes it on a CPU


def test_what_a_batch_adds_in_chunks_is_its_embeddings_and_its_tokens():
    mesh = one_device()
    memory = {"encode_chunk": 8, "loss_tile": 128}
    small, large = (compiled(mesh, pairs, memory=memory).memory_analysis().temp_size_in_bytes for pairs in (256, 1024))
    whole = [compiled(mesh, pairs).memory_analysis().temp_size_in_bytes for pairs in (256, 1024)]
    assert large - small < 0.1 * (whole[1] - whole[0])


@pytest.mark.parametrize("axes", [(8, 1), (4, 2)])
def test_chunks_move_gradients_between_devices_once(axes):
    """What is moved over the data axis does not grow with the number of chunks."""
    mesh = make_mesh(*axes)

    def moved(chunk: int) -> float:
        program = hlo.parse(compiled(mesh, memory={"encode_chunk": chunk}).as_text())
        assert not program.unknown_loops
        return sum(one.bytes for one in collectives(program, mesh.shape) if one.axis != "fsdp")

    assert moved(1) <= 1.05 * moved(0)


def test_a_loop_is_compiled_once_for_all_layers():
    mesh = one_device()

    def products(layers: int, scan: bool) -> int:
        return compiled(mesh, encoder=encoder_of(layers), memory={"scan_layers": scan}).as_text().count(" dot(")

    assert products(4, scan=True) == products(2, scan=True)
    assert products(4, scan=False) > products(2, scan=False)


def test_layers_that_differ_are_not_looped_over():
    lora = LoraConfig(rank=2, alpha=2.0, layers=(0,), targets=("query",))
    step_config = toy.step_config(lora=lora, memory=MemoryConfig(scan_layers=True))
    mesh, batch = one_device(), toy.batch(0, 1)
    plain = gradients_of(toy.step_config(lora=lora), mesh, batch)
    assert_same(gradients_of(step_config, mesh, batch), plain)


@pytest.mark.parametrize(
    ("given", "queries", "passages", "expected"),
    [
        (0, 128, 65_536, 0),
        (0, 65_536, 65_536, 128),
        (0, 8192, 32_768, 512),
        (256, 128, 1024, 256),
        (2048, 128, 1024, 0),
    ],
)
def test_the_tile_follows_from_what_a_device_would_hold(given, queries, passages, expected):
    assert steps.loss_tile(given, queries, passages) == expected
