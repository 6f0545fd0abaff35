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
        "devices over which texts are split (mesh axis `data`); 0: all; in training, those that --mesh_fsdp leaves",
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
    """Memory and time of an update; apart from rounding, none of this changes what is learnt."""

    title: ClassVar[str] = "Memory and speed"

    encode_chunk: int = option(
        0,
        "packed rows a device encodes at a time, recomputed in the backward pass; 0: all rows at once, nothing"
        " recomputed",
        minimum=0,
    )
    loss_tile: int = option(
        0,
        "passages scored at a time, recomputed in the backward pass; 0: all at once up to 2^26 scores per device,"
        " otherwise tiles of 2^22 scores",
        minimum=0,
    )
    remat: str = option(
        "none",
        "which activations of an encoder layer the backward pass recomputes: none, dots (all but matrix products with"
        " parameters) or full (all); on CPU it needs --scan_layers",
        choices=REMATS,
    )
    attention: str = option(
        "auto",
        "attention kernel: xla; splash (TPU) or cudnn (GPU), which need less memory for long rows; auto: splash on a"
        " TPU for rows of 512 tokens or more, otherwise xla",
        choices=ATTENTIONS,
    )
    scan_layers: bool | None = option(
        None, "compile one encoder layer and loop over all of them; unset: on TPU and GPU, not on CPU"
    )
    split_optimizer: bool = option(
        True, "split optimizer state over all devices, even if each holds all parameters (ZeRO-1)"
    )
    gradient_dtype: str = option(
        "bfloat16",
        "dtype in which the devices' gradients of the layers' weight matrices are summed with --compute_dtype=bfloat16;"
        " float32 moves twice as many bytes; matrix products accumulate in float32 either way",
        choices=DTYPES,
    )
    profile_steps: str = option(
        "", "FIRST:LAST, such as 5:8: write a trace of these steps, for TensorBoard and Perfetto, to WORKDIR/profile"
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
