"""The benchmarks by name.  Each file layout has one module here with a function `read(folder, name) -> Benchmark`."""

import os
from collections.abc import Callable

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import folder
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark

_READERS: dict[str, Callable[[str, str], Benchmark]] = {"facts": folder.read}

NAMES = tuple(_READERS)


def load_benchmark(name: str, data_dir: str) -> Benchmark:
    """Reads a benchmark by its name, or one's own in the three-file layout by its path.

    Args:
      name: one of NAMES, read from `data_dir`/name; or a path (it contains a "/") to a folder with queries.jsonl,
        candidates.jsonl and qrels.trec, as `benchmarks/folder.py` describes them.
      data_dir: the folder that holds one folder per named benchmark; not used for a path.

    Raises:
      InputError: the name is unknown, the folder is missing, or a file in it is wrong.
    """
    if "/" in name or os.sep in name:
        if not os.path.isdir(name):
            raise InputError(f"--benchmarks={name}: no such folder: {folder.LAYOUT}")
        return folder.read(name, os.path.basename(os.path.abspath(name)))
    if name not in _READERS:
        raise InputError(
            f"--benchmarks={name}: unknown benchmark: the known ones are {', '.join(NAMES)};"
            " a benchmark of your own is given as a path with a '/', such as ./mine"
        )
    if not data_dir:
        raise InputError(f"--benchmarks={name} needs --data_dir, the folder that holds {name}/")
    path = os.path.join(data_dir, name)
    if not os.path.isdir(path):
        raise InputError(f"{path}: no such folder: --data_dir must hold one folder a benchmark, here {name}/")
    return _READERS[name](path, name)
