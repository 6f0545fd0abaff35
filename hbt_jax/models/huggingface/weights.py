"""Weights in one or several safetensors files: what they hold, and their tensors, read piece by piece.

A safetensors file consists of the length of its header (8 bytes), the header (JSON: dtype, shape and place of each
tensor) and the tensors.  safetensors checks the file; the tensors are read here, because its own reader for numpy would
hold the largest one, the token table, in memory twice.
"""

import collections
import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import safetensors

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.models.huggingface.json_files import read_json

SINGLE, INDEX, PICKLE = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype(jnp.bfloat16)}  # float32 holds them exactly

_BLOCK = 1 << 22  # numbers read at a time


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    """Where a tensor is stored: name, file, first byte, dtype (as the file names it) and shape."""

    name: str
    file: Path
    start: int
    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of one model: `source`, the only file or the index, and the files that hold tensors."""

    source: Path
    files: tuple[Path, ...]

    def tensors(self) -> dict[str, StoredTensor]:
        """The tensors by name.

        Raises:
          InputError: a file is damaged or lacks a tensor that the index says it has, or two files hold the same one.
        """
        found = {file.name: _header(file) for file in self.files}
        if self.source.name == INDEX:
            lacking = [f"{n} ({file})" for n, file in _weight_map(self.source).items() if n not in found[file]]
            if lacking:
                raise InputError(
                    f"{self.source} names tensors that their files lack: {_some(lacking)}; copy or download it again"
                )
        holders = collections.Counter(name for tensors in found.values() for name in tensors)
        repeated = [name for name, files in holders.items() if files > 1]
        if repeated:
            raise InputError(
                f"{self.source}: several of the files it names hold {_some(repeated)}: they are of different models;"
                " copy or download the folder again"
            )
        return {name: tensor for tensors in found.values() for name, tensor in tensors.items()}


def find_weights(folder: Path) -> Weights | None:
    """The weights in a folder; None if there are none.

    Raises:
      InputError: the index of several files is malformed, or names a file that does not exist.
    """
    single, index = folder / SINGLE, folder / INDEX
    if single.is_file():
        return Weights(single, (single,))
    if not index.is_file():
        return None
    files = tuple(folder / name for name in sorted(set(_weight_map(index).values())))
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise InputError(f"{index} names files that are not there: {_some(absent)}; copy or download the folder again")
    return Weights(index, files)


def _weight_map(index: Path) -> dict[str, str]:
    """The file of each tensor."""
    files = read_json(index).get("weight_map")
    if (
        not isinstance(files, dict)
        or not files
        or not all(type(n) is str and Path(n).name == n for n in files.values())
    ):
        raise InputError(f"{index}: expected weight_map, an object of tensor names to names of files beside it")
    return files


def _header(file: Path) -> dict[str, StoredTensor]:
    try:
        with safetensors.safe_open(file, framework="numpy"):  # checks that header and length fit
            pass
        with file.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            header = json_text.parsed(content.read(length))
    except (safetensors.SafetensorError, json_text.NotJson, OSError) as error:
        raise InputError(
            f"{file}: not a whole safetensors file ({error}): damaged, cut short, or a Git LFS pointer in its place;"
            " copy or download it again"
        ) from error
    return {
        name: StoredTensor(name, file, 8 + length + entry["data_offsets"][0], entry["dtype"], tuple(entry["shape"]))
        for name, entry in header.items()
        if name != "__metadata__"
    }


def fill(tensor: StoredTensor, target: np.ndarray) -> None:
    """Reads a tensor into an array of its shape, which may be a view, a few rows at a time.

    Raises:
      InputError: a number is not finite; the message names the file and the tensor.
    """
    dtype, (rows, *rest) = DTYPES[tensor.dtype], tensor.shape
    row_numbers = int(np.prod(rest))
    step = max(1, _BLOCK // row_numbers)
    with tensor.file.open("rb") as content:
        content.seek(tensor.start)
        for row in range(0, rows, step):
            block = np.fromfile(content, dtype, min(step, rows - row) * row_numbers).astype(np.float32, copy=False)
            _check_finite(tensor, block, row * row_numbers)
            target[row : row + step] = block.reshape(-1, *rest)


def _check_finite(tensor: StoredTensor, block: np.ndarray, start: int) -> None:
    """Raises InputError if a number of a tensor is not finite; `block` is its numbers from number `start` on."""
    finite = np.isfinite(block)
    if not finite.all():
        first = int(np.argmin(finite))
        place = ", ".join(map(str, np.unravel_index(start + first, tensor.shape)))
        raise InputError(
            f"{tensor.file}: the weights are not finite: tensor {tensor.name} holds {block[first]} at [{place}]; take"
            " another checkpoint of the model, or download it again"
        )


def mismatch(found: dict[str, StoredTensor], expected: dict[str, tuple[int, ...]]) -> str:
    """What is missing, left over, of another shape or of an unsupported dtype, in words; empty if all is well."""
    both = [name for name in expected if name in found]
    shapes = [f"{n} {found[n].shape} for {expected[n]}" for n in both if found[n].shape != expected[n]]
    dtypes = [f"{n} {found[n].dtype}" for n in both if found[n].dtype not in DTYPES]
    kinds = {
        "missing": [name for name in expected if name not in found],
        "left over": [name for name in found if name not in expected],
        "of another shape": shapes,
        f"of another dtype than {', '.join(DTYPES)}": dtypes,
    }
    return "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds.items() if names)


def _some(names: list[str], most: int = 6) -> str:
    """The first names, and the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
