"""The benchmarks by name.  Each file layout has one module here with a function `read(folder, name)`.

It returns a Benchmark, or a StreamedBenchmark where the candidates are too many to hold.
"""

import os
from collections.abc import Callable

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import bitext, folder, miracl, squad_r, xm3600
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark

_READERS: dict[str, Callable[..., Benchmark | StreamedBenchmark]] = {
    "facts": folder.read,
    "xquad-r": squad_r.read,
    "mlqa-r": squad_r.read,
    "xm3600": xm3600.read,
    "bitext": bitext.read,
    "miracl": miracl.read,
}

NAMES = tuple(_READERS)
STREAMED = "miracl"
WITH_CONTEXT = tuple(squad_r.PUBLISHED)  # the benchmarks whose candidates stand in a context


def check_known(name: str, flag: str = "--benchmarks") -> None:
    """Raises InputError unless a benchmark's name, given by this flag, is one of NAMES or a path."""
    if not _is_own(name) and name not in _READERS:
        raise InputError(
            f"{flag}={name}: unknown benchmark: the known ones are {', '.join(NAMES)};"
            " a benchmark of your own is given as a path with a '/', such as ./mine"
        )


def _is_own(name: str) -> bool:
    return "/" in name or os.sep in name


def benchmark_folder(name: str, data_dir: str) -> str:
    """The folder of a benchmark; arguments as for `load_benchmark`.

    Raises:
      InputError: the name is unknown, or the folder is missing.
    """
    check_known(name)
    if _is_own(name):
        if not os.path.isdir(name):
            raise InputError(f"--benchmarks={name}: no such folder: {folder.LAYOUT}")
        return name
    if not data_dir:
        raise InputError(f"--benchmarks={name} needs --data_dir, the folder that holds {name}/")
    path = os.path.join(data_dir, name)
    if not os.path.isdir(path):
        raise InputError(f"{path}: no such folder: --data_dir must hold one folder a benchmark, here {name}/")
    return path


def read_folder(name: str, path: str) -> Benchmark | StreamedBenchmark:
    """Reads a benchmark by its name, of NAMES, from any folder; raises InputError if a file there is wrong."""
    if not os.path.isdir(path):
        raise InputError(f"{path}: no such folder: expected the files of {name}")
    return _READERS[name](path, name)


def load_benchmark(
    name: str, data_dir: str, *, candidate_text: str = "sentence", miracl_languages: tuple[str, ...] = ()
) -> Benchmark | StreamedBenchmark:
    """Reads a benchmark by its name, or one's own in the three-file layout by its path.

    Args:
      name: one of NAMES, read from `data_dir`/name; or a path (it contains a "/") to a folder with queries.jsonl,
        candidates.jsonl and qrels.trec, as `benchmarks/folder.py` describes them.
      data_dir: the folder that holds one folder per named benchmark; not used for a path.
      candidate_text: what is embedded of a candidate, one of config.CANDIDATE_TEXTS; `sentence` is its whole text where
        candidates have no context.
      miracl_languages: the languages of miracl to read; none: all that are there.

    Raises:
      InputError: the name is unknown, the folder is missing, a file in it is wrong, or the benchmark's candidates have
        no context to add.
    """
    check_known(name)
    own = _is_own(name)
    if candidate_text != "sentence" and (own or name not in WITH_CONTEXT):
        raise InputError(
            f"--candidate_text={candidate_text}: the candidates of {name} have no context, only those of"
            f" {', '.join(WITH_CONTEXT)} have: leave it at sentence"
        )
    path = benchmark_folder(name, data_dir)
    if own:
        return folder.read(path, os.path.basename(os.path.abspath(path)))
    options = {"candidate_text": candidate_text} if name in WITH_CONTEXT else {}
    if name == STREAMED:
        options["chosen"] = miracl_languages
    return _READERS[name](path, name, **options)
