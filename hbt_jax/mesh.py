"""The device mesh, the sharding of every array, and which shares of a batch a host owns.

The mesh has two axes.  `data` splits batches only; `fsdp` splits batches and also parameters.  Optimizer state is split
over both (`--split_optimizer`), or as the parameters are.  A share is the part of a batch that one device packs and
encodes; there is one per device, in mesh order.
"""

import json
import os
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hbt_jax.config.devices import ProcessConfig
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.files import cache_folder

BATCH_AXES = ("data", "fsdp")
_HEARTBEAT_SECONDS = 50  # after which JAX ends a process that waits for one that is gone; hbt_jax/peers.py is faster
_SMALLEST_SPLIT = 2**12  # elements; splitting smaller arrays costs more than it saves
_FEWEST_ROWS = 32  # of a part of optimizer state; libtpu gathers small parts by an all-reduce, of twice the bytes


def join_processes(config: ProcessConfig) -> None:
    """Makes this process one of several of a job; must run before anything asks JAX for devices.

    JAX's own preemption service is turned off: it would intercept SIGTERM, which training/preemption.py handles.
    """
    if config.coordinator:
        jax.config.update("jax_enable_preemption_service", False)
    if config.coordinator == "auto":
        jax.distributed.initialize(heartbeat_timeout_seconds=_HEARTBEAT_SECONDS)
    elif config.coordinator:
        jax.distributed.initialize(
            config.coordinator, config.processes, config.process, heartbeat_timeout_seconds=_HEARTBEAT_SECONDS
        )


def keep_compiled(folder: str) -> None:
    """Keeps compiled programs on disk for later runs.

    Args:
      folder: of --compilation_cache_dir; empty: the default one, unless JAX_COMPILATION_CACHE_DIR names another;
        "none": nothing is kept.
    """
    if folder == "none":
        jax.config.update("jax_enable_compilation_cache", False)
    elif folder or not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", folder or str(cache_folder("compiled")))


def any_process(flag: bool) -> bool:
    """Whether `flag` is set on any process of the job.  A collective: every process must call it."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.array([flag]), tiled=True).any())


def from_first_process(values):
    """JSON values of process 0, on every process of the job.  A collective: every process must call it."""
    if jax.process_count() == 1:
        return values
    content = np.frombuffer(json.dumps(values).encode(), np.uint8)
    is_first = jax.process_index() == 0
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content)), is_first))
    sent = content if is_first else np.zeros(size, np.uint8)
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(sent, is_first)).astype(np.uint8).tobytes())


def from_each_process(value) -> list:
    """The JSON values of all processes, in order.  A collective: every process must call it."""
    if jax.process_count() == 1:
        return [value]
    content = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.array([len(content)]), tiled=True)
    padded = np.zeros(int(sizes.max()), np.uint8)
    padded[: len(content)] = content
    rows = multihost_utils.process_allgather(padded)
    return [json.loads(row[:size].astype(np.uint8).tobytes()) for row, size in zip(rows, sizes, strict=True)]


def first_process_first(action: Callable[[], None]) -> None:
    """Runs `action` on process 0 only, for files that all processes share; the others wait until it is done.

    Raises:
      InputError: on the other processes, if it failed on process 0.  Process 0 raises the error itself.
    """
    failure = None
    if jax.process_index() == 0:
        try:
            action()
        except (InputError, Interrupted) as error:
            failure = error
    if any_process(failure is not None):
        raise failure or InputError("process 0 failed; see its message")


def make_mesh(data: int, fsdp: int, devices: Sequence | None = None) -> Mesh:
    """The `data` x `fsdp` mesh.

    Args:
      data: devices on the data axis; 0 for all that remain.
      fsdp: devices on the fsdp axis.
      devices: the devices to use; None for all of this job.

    Raises:
      InputError: the product is not the number of devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    wanted = data or max(1, len(devices) // fsdp)
    if wanted * fsdp != len(devices):
        raise InputError(
            f"--mesh_data={data} x --mesh_fsdp={fsdp} does not fit {len(devices)} device(s):"
            " choose factors whose product is the number of devices, or --mesh_data=0 for all that remain"
        )
    grid = np.array(devices).reshape(wanted, fsdp)
    return Mesh(grid, BATCH_AXES, axis_types=(AxisType.Auto, AxisType.Auto))


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Arrays whose first axis counts shares: one share per device."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Arrays of which every device holds a full copy."""
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(state, mesh: Mesh):
    """A sharding for each leaf of parameters, or of optimizer state that is not split further (`split_shardings`).

    The first axis is split over the fsdp axis if its size is divisible; small arrays are replicated.  The first axis of
    a table is its rows, that of a kernel its inputs.  Splitting a table's width instead would make XLA replicate the
    activations in the gradient of the look-up.
    """
    size = mesh.shape["fsdp"]

    def one(leaf) -> NamedSharding:
        divides = leaf.ndim > 1 and leaf.shape[0] % size == 0 and int(np.prod(leaf.shape)) >= _SMALLEST_SPLIT
        return NamedSharding(mesh, PartitionSpec("fsdp")) if size > 1 and divides else replicated(mesh)

    return jax.tree.map(one, state)


def split_shardings(state, mesh: Mesh):
    """As `state_shardings`, but for optimizer state: the first axis is split over all devices if it has enough rows.

    A part of a leaf lies on devices that hold the same part of its parameter, so an update is gathered over the `data`
    axis alone (ZeRO-1, Rajbhandari et al. 2020, arXiv 1910.02054).
    """

    def one(leaf, otherwise: NamedSharding) -> NamedSharding:
        divides = leaf.ndim > 1 and leaf.shape[0] % mesh.size == 0 and int(np.prod(leaf.shape)) >= _SMALLEST_SPLIT
        if mesh.size == 1 or not divides or leaf.shape[0] < _FEWEST_ROWS * mesh.size:
            return otherwise
        return NamedSharding(mesh, PartitionSpec(("fsdp", "data")))

    return jax.tree.map(one, state, state_shardings(state, mesh))


def host_shares(mesh: Mesh, process_index: int) -> list[int]:
    """The indices of the shares whose devices belong to process `process_index`, in mesh order."""
    return [share for share, device in enumerate(mesh.devices.flat) if device.process_index == process_index]


def own_mesh(mesh: Mesh, process_index: int, processes: int) -> Mesh:
    """The devices of one process as a mesh on which it can work without the others; the same mesh if it owns all.

    Raises:
      InputError: a process has no device; raised on every process, so that none waits for another.
    """
    idle = sorted({*range(processes)} - {device.process_index for device in mesh.devices.flat})
    if idle:
        raise InputError(
            f"--mesh_data={mesh.shape['data']}: process {idle[0]} has none of these devices: expected at least one"
            " of every process, or 0 for all"
        )
    own = [device for device in mesh.devices.flat if device.process_index == process_index]
    return mesh if len(own) == mesh.size else make_mesh(0, 1, own)


def put_whole(tree, mesh: Mesh):
    """Arrays of a larger mesh, copied to every device of this process's own mesh.  A collective."""
    whole = multihost_utils.process_allgather(tree, tiled=True)
    return jax.device_put(whole, replicated(mesh))


def put_batch(batch: dict, mesh: Mesh) -> dict:
    """Global arrays [P, ...], one share on each device, from host arrays [shares of this host, ...]."""
    sharding = batch_sharding(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, values, (mesh.size, *values.shape[1:]))
        for name, values in batch.items()
    }
