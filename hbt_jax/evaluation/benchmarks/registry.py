"""The benchmarks by name, one line each: a new one is a reader beside this file and a line in BENCHMARKS."""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import (
    beir,
    belebele,
    bitext,
    folder,
    irds,
    miracl,
    mkqa,
    mldr,
    neuclir,
    squad_r,
    xm3600,
)
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark


class Entry(NamedTuple):
    """How a benchmark is read.

    Attributes:
      read: makes the benchmark from its folder, its name and its own options.
      options: names of these options, which are fields of EvalConfig.
    """

    read: Callable[..., Benchmark | StreamedBenchmark]
    options: tuple[str, ...] = ()


BENCHMARKS = {
    "facts": Entry(folder.read),
    "xquad-r": Entry(squad_r.read, ("candidate_text",)),
    "mlqa-r": Entry(squad_r.read, ("candidate_text",)),
    "belebele": Entry(belebele.read),
    "xm3600": Entry(xm3600.read),
    "bitext": Entry(bitext.read),
    "mkqa": Entry(mkqa.read),
    "miracl": Entry(miracl.read, ("miracl_languages",)),
    "mldr": Entry(mldr.read),
    "neuclir": Entry(neuclir.read, ("neuclir_queries",)),
}
SQUAD_R = Entry(functools.partial(squad_r.read, official=False), ("candidate_text",))
BEIR, IRDS = (Entry(reader.read, ("language",)) for reader in (beir, irds))
NAMES = tuple(BENCHMARKS)
WITH_CONTEXT = tuple(name for name, entry in BENCHMARKS.items() if "candidate_text" in entry.options)


def check_known(name: str, flag: str = "--benchmarks") -> None:
    """Raises InputError unless a benchmark's name, given by this flag, is one of NAMES or a path."""
    if not _is_path(name) and name not in BENCHMARKS and not name.startswith(irds.PREFIX):
        raise InputError(
            f"{flag}={name}: unknown benchmark: the known ones are {', '.join(NAMES)};"
            " a benchmark of your own is given as a path with a '/', such as ./mine"
        )


def _is_path(name: str) -> bool:
    return ("/" in name or os.sep in name) and not name.startswith(irds.PREFIX)


def benchmark_folder(name: str, data_dir: str) -> str:
    """The folder of a benchmark, or its id in ir_datasets; arguments as for `load_benchmark`.

    Raises:
      InputError: the name is unknown, or the folder is missing.
    """
    check_known(name)
    if name.startswith(irds.PREFIX):
        return name.removeprefix(irds.PREFIX)
    if _is_path(name):
        if not os.path.isdir(name):
            raise InputError(f"--benchmarks={name}: no such folder: {folder.LAYOUT}")
        return name
    if not data_dir:
        raise InputError(f"--benchmarks={name} needs --data_dir, the folder that holds {name}/")
    path = os.path.join(data_dir, name)
    if not os.path.isdir(path):
        raise InputError(f"{path}: no such folder: --data_dir must hold one folder per benchmark, in this case {name}/")
    return path


def read_folder(name: str, path: str) -> Benchmark | StreamedBenchmark:
    """Reads a benchmark by its name, of NAMES, from any folder; raises InputError if a file there is wrong."""
    if not os.path.isdir(path):
        raise InputError(f"{path}: no such folder: expected the files of {name}")
    return BENCHMARKS[name].read(path, name)


def load_benchmark(name: str, data_dir: str, **options) -> Benchmark | StreamedBenchmark:
    """Reads a benchmark by its name, or your own by its path.

    Args:
      name: one of NAMES, read from `data_dir`/name; or a path (it contains a "/") to a folder with queries.jsonl,
        candidates.jsonl and qrels.trec, see folder.py, or in the layout of BEIR or of XQuAD-R, see beir.py and
        squad_r.py; or "irds:" and an id of ir_datasets, see irds.py.
      data_dir: the folder that holds one folder for each named benchmark; not used for a path.
      options: fields of EvalConfig that some readers take; each reader gets its own ones.

    Raises:
      InputError: the name is unknown, the folder is missing, a file in it is wrong, or `candidate_text` asks for a
        context that the benchmark's candidates do not have.
    """
    check_known(name)
    entry = _entry(name)
    text = options.get("candidate_text", "sentence")
    if text != "sentence" and "candidate_text" not in entry.options:
        raise InputError(
            f"--candidate_text={text}: the candidates of {name} have no context, only those of"
            f" {', '.join(WITH_CONTEXT)} do: use --candidate_text=sentence"
        )
    path = benchmark_folder(name, data_dir)
    own = {option: value for option, value in options.items() if option in entry.options}
    called = path.replace("/", "-") if entry is IRDS else os.path.basename(os.path.abspath(path))
    return entry.read(path, called, **own)


def _entry(name: str) -> Entry:
    if name.startswith(irds.PREFIX):
        return IRDS
    if not _is_path(name):
        return BENCHMARKS[name]
    if beir.is_beir(name):
        return BEIR
    return SQUAD_R if squad_r.is_squad_r(name) else Entry(folder.read)
