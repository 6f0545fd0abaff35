"""Chunks, tiles, layers in a loop and layers computed again: the same update, in less memory or a smaller program."""

import dataclasses
import functools
import itertools

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


def assert_close(found: dict, expected: dict, matrix: float, vector: float, rtol: float = 0.0):
    """Compares arrays element by element; the tolerances are relative to the largest value of an array.

    The gradient of a bias or of a norm's scale is a sum over all tokens of terms that cancel, so the order of the sum
    shows: rows in another order change that of the last norm's bias by 3e-6 on the plain path, too.
    """
    for path, array in expected.items():
        atol = (matrix if array.ndim > 1 else vector) * np.abs(array).max()
        np.testing.assert_allclose(found[path], array, rtol=rtol, atol=atol, err_msg=str(path))


def assert_same(found, expected, matrix=1e-6):
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    assert_close(found[1], expected[1], matrix, vector=5e-6, rtol=1e-5)


@functools.cache
def plain_gradients(symmetric: bool, dropout: float):
    learning = LearningConfig(temperature=0.1, symmetric=symmetric)
    return gradients_of(toy.step_config(dropout=dropout, learning=learning), one_device(), toy.batch(0, 1, negatives=2))


@pytest.mark.parametrize(
    ("way", "symmetric", "dropout"),
    [
        (way, symmetric, dropout)
        for way, memory in WAYS.items()
        for symmetric, dropout in itertools.product((False, True), (0.0, 0.2))
        if "encode_chunk" in memory or symmetric == bool(dropout)  # each compiles; dropout is hardest for chunks
    ],
)
def test_equals_the_plain_update(way, symmetric, dropout):
    """Also with explicit negatives, some of them absent or false."""
    learning, memory = LearningConfig(temperature=0.1, symmetric=symmetric), MemoryConfig(**WAYS[way])
    step_config = toy.step_config(dropout=dropout, learning=learning, memory=memory)
    batch = toy.batch(0, 1, negatives=2)
    assert_same(gradients_of(step_config, one_device(), batch), plain_gradients(symmetric, dropout))


def first_updates(step_config, mesh, batch):
    """(metrics, moments) after one update, and the token table after three.

    The first moment is a tenth of the clipped gradient, the second a thousandth of its square.
    """
    state, update = steps.sharded_initial_state(step_config, mesh), steps.make_train_step(step_config, mesh)
    batch = put_batch(batch, mesh)
    state, metrics = update(state, batch)
    optimizer = jax.tree_util.tree_leaves_with_path(state.optimizer)
    moments = {path: np.asarray(leaf) for path, leaf in optimizer if leaf.ndim}  # without the numbers of steps
    for _ in range(2):
        state, _ = update(state, batch)
    table = np.array(state.parameters["token_table"]["embedding"][...])
    return {name: float(value) for name, value in metrics.items()}, moments, table


@pytest.mark.parametrize(
    ("memory", "symmetric", "batch", "compute_dtype"),
    [
        (WAYS["all"], True, {"negatives": 2}, "float32"),
        ({"remat": "full", "scan_layers": True, "split_optimizer": False}, False, {"positives": 2}, "float32"),
        ({"gradient_dtype": "float32"}, False, {}, "bfloat16"),
    ],
    ids=["chunks, tiles and symmetric", "layers again, joint and one optimizer state", "wide gradients agree"],
)
def test_on_every_mesh(memory, symmetric, batch, compute_dtype):
    """Every option against the plain update of one device; the options on one device are tested above.

    Without dropout: its keys follow the packed rows, and other shares are packed in other rows.  With bfloat16, a text
    in another row is rounded differently, by up to 1 in 256 in each product; small gradients show that most, so all are
    measured by the largest.
    """
    learning = dataclasses.replace(toy.step_config().learning, symmetric=symmetric)
    positives = batch.get("positives", 1)
    plain = toy.step_config(learning=learning, positives=positives, compute_dtype=compute_dtype)
    step_config = dataclasses.replace(plain, memory=MemoryConfig(**memory))
    metrics, moments, table = first_updates(plain, one_device(), toy.batch(0, 1, **batch))
    is_exact = compute_dtype == "float32"
    of_loss, of_table = (1e-6, 1e-4) if is_exact else (1e-4, 2e-3)
    for data, fsdp in MESHES[1:]:
        mesh = make_mesh(data, fsdp, jax.devices()[: data * fsdp])
        found = first_updates(step_config, mesh, toy.batch(0, mesh.size, **batch))
        for name in metrics.keys() - {"row_fill"}:
            assert found[0][name] == pytest.approx(metrics[name], rel=of_loss), name
        if is_exact:
            assert_close(found[1], moments, matrix=5e-6, vector=5e-6)
        else:
            largest = max(np.abs(moment).max() for moment in moments.values())
            for path, moment in moments.items():
                np.testing.assert_allclose(found[1][path], moment, rtol=0, atol=largest / 128, err_msg=str(path))
        np.testing.assert_allclose(found[2], table, rtol=0, atol=of_table)


@pytest.mark.parametrize("way", [{}, WAYS["all"]])
def test_the_attention_kernel_on_a_mesh(way, monkeypatch):
    plain = gradients_of(toy.step_config(), one_device(), toy.batch(0, 1))
    monkeypatch.setattr(steps, "attention_on", lambda mesh, *_: Attention("splash", mesh, interpret=True))
    mesh, step_config = make_mesh(4, 2), toy.step_config(memory=MemoryConfig(**way))
    assert step_config.attention(mesh).kind == "splash" and "'splash'" in str(step_config.graph(mesh))
    assert_same(gradients_of(step_config, mesh, toy.batch(0, mesh.size)), plain, matrix=5e-6)


def test_the_state_is_donated():
    """The update writes the new state over the old one: no second copy of parameters and moments."""
    mesh = make_mesh(4, 2)
    state = steps.abstract_state(toy.step_config(), mesh)
    held = sum(
        leaf.dtype.itemsize * int(np.prod(leaf.sharding.shard_shape(leaf.shape))) for leaf in jax.tree.leaves(state)
    )
    assert compiled(mesh, 16).memory_analysis().alias_size_in_bytes >= held > 100_000


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
