"""Where an encoder runs, in what precision, and what memory and time an update takes."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import Part, option
from hbt_jax.config.values import ATTENTIONS, DTYPES, REMATS
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Devices(Part):
    """Where and in what precision the encoder runs."""

    compute_dtype: str = option("float32", "dtype of matrix products in the encoder", choices=DTYPES)
    mesh_data: int = option(
        0,
        "devices over which texts are split (mesh axis `data`); 0: all, in training those that --mesh_fsdp leaves",
        minimum=0,
    )
    compilation_cache_dir: str = option(
        "",
        "folder that keeps compiled programs for later runs; empty: hbt_jax/compiled in $XDG_CACHE_HOME or ~/.cache;"
        " none: nothing is kept",
    )


@dataclasses.dataclass(frozen=True)
class MeshConfig(Devices):
    """The devices of training."""

    title: ClassVar[str] = "Devices"

    mesh_fsdp: int = option(1, "devices over which both batches and parameters are split (mesh axis `fsdp`)", minimum=1)


@dataclasses.dataclass(frozen=True)
class MemoryConfig(Part):
    """What memory and time an update takes; none of it changes what is learnt, but for rounding."""

    title: ClassVar[str] = "Memory and speed"

    encode_chunk: int = option(
        0, "packed rows a device encodes at a time and re-encodes for the gradient; 0: all of its rows, once", minimum=0
    )
    loss_tile: int = option(
        0,
        "passages whose scores are computed at a time, and again for their gradient; 0: all of them up to 2^26 scores"
        " a device, tiles of 2^22 scores above that",
        minimum=0,
    )
    remat: str = option(
        "none",
        "results of an encoder layer that are computed again for its gradient: none, dots (all but matrix products with"
        " parameters) or full; a CPU needs --scan_layers for it",
        choices=REMATS,
    )
    attention: str = option(
        "auto",
        "form of attention: xla; or splash, a kernel for TPU, or cudnn, one for GPU, which need less memory in long"
        " rows; auto: splash on a TPU for rows of 512 tokens or more, else xla",
        choices=ATTENTIONS,
    )
    scan_layers: bool | None = option(
        None, "compile one encoder layer and loop over all; unset: on TPU and GPU, but not on CPU"
    )
    split_optimizer: bool = option(
        True, "split optimizer state over all devices, even where they hold parameters whole (ZeRO-1)"
    )
    gradient_dtype: str = option(
        "bfloat16",
        "dtype in which devices sum the gradients of layers' kernels with --compute_dtype=bfloat16; float32 moves twice"
        " as many bytes of them; products add up in float32 either way",
        choices=DTYPES,
    )
    profile_steps: str = option(
        "", "FIRST:LAST, steps whose trace for TensorBoard and Perfetto is written to WORKDIR/profile, such as 5:8"
    )

    def __post_init__(self):
        super().__post_init__()
        first, _, last = self.profile_steps.partition(":")
        if self.profile_steps and not (first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            raise InputError(f"--profile_steps={self.profile_steps}: expected two numbers of steps from 1, such as 5:8")


@dataclasses.dataclass(frozen=True)
class ProcessConfig(Part):
    """How several processes find each other; not a property of a run, so not written beside its checkpoints."""

    title: ClassVar[str] = "Several processes"

    coordinator: str = option(
        "", "host:port of process 0 for jax.distributed; auto: JAX finds it (Cloud TPU, Slurm); empty: one process"
    )
    processes: int = option(0, "number of processes; 0 with --coordinator=auto: JAX finds it", minimum=0)
    process: int = option(0, "number of this process, from 0; not used with --coordinator=auto", minimum=0)

    def __post_init__(self):
        super().__post_init__()
        if self.coordinator not in ("", "auto") and not self.process < self.processes:
            raise InputError(
                f"--coordinator={self.coordinator} --processes={self.processes} --process={self.process}:"
                " expected the number of processes, and a smaller number for this process"
            )
