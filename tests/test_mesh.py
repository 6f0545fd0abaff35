"""Meshes that do not fit are refused with the flags to turn; shares follow the devices of a process."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from hbt_jax.errors import InputError
from hbt_jax.mesh import host_shares, keep_compiled, make_mesh, own_mesh, put_batch, split_shardings


def test_shapes():
    assert dict(make_mesh(0, 1).shape) == {"data": 8, "fsdp": 1}
    assert dict(make_mesh(0, 4).shape) == {"data": 2, "fsdp": 4}
    assert dict(make_mesh(2, 2, jax.devices()[:4]).shape) == {"data": 2, "fsdp": 2}


@pytest.mark.parametrize(("data", "fsdp"), [(9, 1), (4, 4), (2, 2), (0, 3), (0, 16)])
def test_a_mesh_that_does_not_fit(data, fsdp):
    with pytest.raises(InputError, match=rf"--mesh_data={data} x --mesh_fsdp={fsdp} does not fit 8 device"):
        make_mesh(data, fsdp)


def test_host_shares_follow_the_mesh():
    processes = np.array([[0, 0], [1, 1], [0, 1]])
    devices = np.vectorize(lambda process: SimpleNamespace(process_index=int(process)))(processes)
    mesh = SimpleNamespace(devices=devices)
    assert host_shares(mesh, 0) == [0, 1, 4]
    assert host_shares(mesh, 1) == [2, 3, 5]


def test_a_share_lies_on_its_device():
    mesh = make_mesh(2, 4)
    batch = put_batch({"x": np.arange(24, dtype=np.int32).reshape(8, 3)}, mesh)
    for share, device in enumerate(mesh.devices.flat):
        (piece,) = [piece for piece in batch["x"].addressable_shards if piece.device == device]
        np.testing.assert_array_equal(piece.data, [[3 * share, 3 * share + 1, 3 * share + 2]])
    assert batch["x"].shape == (8, 3)
    assert len(jax.devices()) == 8


def test_optimizer_state_is_split_where_parts_have_enough_rows():
    """Otherwise it lies as its parameter."""
    shapes = {"table": (800, 16), "few": (248, 64), "odd": (804, 16), "bias": (4096,), "small": (256, 8)}
    state = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}
    whole, split = PartitionSpec(), PartitionSpec(("fsdp", "data"))
    found = {name: sharding.spec for name, sharding in split_shardings(state, make_mesh(8, 1)).items()}
    assert found == {"table": split, "few": whole, "odd": whole, "bias": whole, "small": whole}
    found = {name: sharding.spec for name, sharding in split_shardings(state, make_mesh(4, 2)).items()}
    assert found["few"] == PartitionSpec("fsdp") and found["table"] == split


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_process_without_devices_is_an_error_on_every_process(asked):
    devices = np.array([SimpleNamespace(process_index=index) for index in (0, 0, 2)])
    mesh = SimpleNamespace(devices=devices, shape={"data": 3})
    with pytest.raises(InputError, match="--mesh_data=3: process 1 has none of these devices: expected at least one"):
        own_mesh(mesh, asked, 3)


def test_a_process_that_has_the_whole_mesh_works_on_it():
    mesh = make_mesh(0, 1)
    assert own_mesh(mesh, 0, 1) is mesh


@pytest.mark.parametrize(
    ("flag", "variable", "expected"),
    [("", None, "HOME/hbt_jax/compiled"), ("", "/kept", "/kept"), ("/mine", "/kept", "/mine"), ("none", None, None)],
)
def test_where_compiled_programs_are_kept(monkeypatch, tmp_path, flag, variable, expected):
    settings = {"jax_compilation_cache_dir": variable}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    if variable:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", variable)
    keep_compiled(flag)
    if expected is None:
        assert settings["jax_enable_compilation_cache"] is False
    else:
        assert settings["jax_compilation_cache_dir"] == expected.replace("HOME", str(tmp_path))
