"""TPU chips and slices: what each has, and devices to compile for without any hardware.

Peak rates are those of Google's data sheets as collected in the chapter on TPUs of "How to Scale Your Model"
(https://jax-ml.github.io/scaling-book/tpus).  Usable memory is what libtpu 0.0.42 states when a program is too large.
"""

import contextlib
import dataclasses
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping

from hbt_jax.errors import InputError

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """One chip, which JAX shows as one device.

    Attributes:
      hbm: usable bytes.
      flops: bfloat16 floating-point operations a second.
      hbm_rate: bytes a second between HBM and the cores.
      link_rate: bytes a second in one direction of one link to a neighbour.
      ring: smallest number of chips along a dimension whose links close into a ring.
      options: what libtpu needs beside the topology's name.
      shapes: usual topologies.
    """

    hbm: int
    flops: float
    hbm_rate: float
    link_rate: float
    ring: int
    shapes: tuple[str, ...]
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


_CUBES = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x2", "4x4x4", "4x4x8", "4x8x8", "8x8x8")
_SQUARES = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
CHIPS = {
    "v4": Chip(int(30.75 * _GIB), 275e12, 1.2e12, 4.5e10, 4, _CUBES, {"chip_config_name": "megacore"}),
    "v5e": Chip(int(15.75 * _GIB), 197e12, 8.1e11, 4.5e10, 16, _SQUARES),
    "v5p": Chip(int(95.73 * _GIB), 459e12, 2.8e12, 9e10, 4, _CUBES),
    "v6e": Chip(int(31.24 * _GIB), 918e12, 1.6e12, 9e10, 16, _SQUARES),
}
SLICES = {  # Cloud TPU's names: v4 and v5p count cores, of which a chip has two
    "v4-8": "v4:2x2x1",
    "v4-32": "v4:2x2x4",
    "v5e-16": "v5e:4x4",
    "v5e-256": "v5e:16x16",
    "v6e-16": "v6e:4x4",
}


@dataclasses.dataclass(frozen=True)
class Slice:
    """Chips that work together.

    Attributes:
      topology: its name, such as "v5e:4x4".
      chip: what each chip has.
      sides: chips along each dimension.
      devices: one device a chip, for jax.sharding.Mesh; programs can be compiled for them, not run.
      cache: folder in which compiled programs are kept; empty for none.
    """

    topology: str
    chip: Chip
    sides: tuple[int, ...]
    devices: tuple
    cache: str = ""


def known_topologies() -> str:
    """Every usual topology and slice, in words."""
    kinds = "; ".join(
        f"{kind}: {', '.join(f'{kind}:{shape}' for shape in chip.shapes)}" for kind, chip in CHIPS.items()
    )
    slices = ", ".join(f"{name} ({topology})" for name, topology in SLICES.items())
    return f"known topologies are {kinds}; known slices are {slices}"


def open_slice(name: str, cache: str = "") -> Slice:
    """The slice of a topology ("v5e:4x4") or of Cloud TPU's name for one ("v5e-16"); `cache` as in Slice.

    Raises:
      InputError: there is no such topology, or libtpu is not installed.
    """
    topology = SLICES.get(name, name)
    found = re.fullmatch(r"(\w+):(\d+(?:x\d+)+)", topology)
    if not found or found[1] not in CHIPS:
        raise InputError(f"--topology={name}: unknown; {known_topologies()}")
    if importlib.util.find_spec("libtpu") is None:
        raise InputError("libtpu, the compiler for TPUs, is not installed: pip install -c constraints.txt -e '.[tpu]'")
    import jax.errors
    from jax.experimental import topologies

    chip = CHIPS[found[1]]
    try:
        with quiet():
            devices = topologies.get_topology_desc(topology, "tpu", **chip.options).devices
    except (jax.errors.JaxRuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--topology={name}: refused by libtpu ({reason}); {known_topologies()}") from error
    return Slice(topology, chip, tuple(map(int, found[2].split("x"))), tuple(devices), cache)


def set_environment() -> None:
    """Variables that libtpu reads when it is loaded; must be called before that.

    They let several processes compile at a time, and keep it from asking Google Cloud what machine this is.
    """
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "true"
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what libtpu writes to standard error, such as that it found no TPU; errors are raised, not written."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
