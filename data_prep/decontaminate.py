#!/usr/bin/env python3
"""Finds texts of a store that are, or nearly are, texts of a benchmark, and writes a copy of the store without them.

    python data_prep/decontaminate.py STORE --benchmarks=xquad-r,mlqa-r --data_dir=DIR
    python data_prep/decontaminate.py STORE --benchmarks=mlqa-r,DIR/mine --data_dir=DIR --drop=CLEAN_STORE

Prints a table per benchmark and writes OUT_DIR/overlap.txt and OUT_DIR/overlap.json, with a verdict:

    OVERLAPS    something was found
    CLEAN       nothing was found, and everything was compared
    NOT KNOWN   nothing was found, but not everything was compared: the store has no text in a language of the
                benchmark (it may hold translations of it in other languages), the tokenizer does not know a language
                or so many characters of a text that a copy could be missed, or the benchmark has too many candidates
                to hold in memory

Letters are compared: data_prep/overlap/comparable.py defines what a letter is, data_prep/overlap/shingles.py what near
means.  Translations of a benchmark's text are found only through other languages: --drop leaves out an item in all its
languages if its text in one of them overlaps.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_prep.overlap.compare import Comparison, Overlap  # noqa: E402
from data_prep.overlap.report import lines, report, verdict_lines  # noqa: E402
from data_prep.scratch.whole_folder import whole_folder  # noqa: E402
from data_prep.store.clean_copy import clean_copy_lines, write_clean_copy  # noqa: E402
from data_prep.store.rows import OpenOptions, open_with_tokenizer  # noqa: E402
from data_prep.upload_store import check_absent, local_output  # noqa: E402
from hbt_jax.config.option import Part, option
from hbt_jax.data.manifest import SIDES  # noqa: E402
from hbt_jax.data.remote import RemoteFolder  # noqa: E402
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.evaluation.benchmarks.registry import load_benchmark  # noqa: E402
from hbt_jax.files import utf8  # noqa: E402
from hbt_jax.places import check_local, is_remote  # noqa: E402

FILES = ("overlap.json", "overlap.txt")
SHINGLE, NEAR = 40, 0.8


def decontaminate(
    store_path: str | os.PathLike,
    benchmarks: list[str],
    data_dir: str,
    *,
    out_dir: str | os.PathLike = "",
    drop: str = "",
    tokenizer_path: str = "",
    shingle: int = SHINGLE,
    near: float = NEAR,
    cache_dir: str = "",
) -> dict:
    """Compares a store with benchmarks, prints tables and writes the report.

    Args:
      store_path: the store's folder, or gs://BUCKET/FOLDER.
      benchmarks, data_dir: names and paths, as `load_benchmark` takes them.
      out_dir: folder of the report, replaced if it exists; empty: STORE-overlap, beside the store.
      drop: folder, or gs://BUCKET/FOLDER, of a copy of the store without what overlaps; must not exist; empty: no copy.
      tokenizer_path: the store's tokenizer; empty: the one that the store's manifest names.
      shingle, near: see data_prep/overlap/shingles.py.
      cache_dir: folder into which stores in a bucket are copied.

    Returns:
      what overlap.json holds (data_prep/overlap/report.py).

    Raises:
      InputError: before anything is written: the store, its tokenizer or a benchmark cannot be read, or an output
        folder is in use; after the report is written: nothing would be left of the store.
    """
    out_dir = _report_dir(os.fspath(store_path), os.fspath(out_dir))
    if drop and is_remote(drop):
        check_absent(RemoteFolder(drop), "--drop")
    elif drop and (Path(drop).exists() or os.path.abspath(drop) == out_dir):
        taken = "already exists: remove it, or" if Path(drop).exists() else "is the folder of the report:"
        raise InputError(f"--drop={drop} {taken} name another folder")
    store, tokenizer = open_with_tokenizer(store_path, tokenizer_path, cache_dir)
    loaded = _load(benchmarks, data_dir)
    comparison = Comparison(tokenizer, shingle, near)
    masks = {side: np.zeros(getattr(store, side).rows, np.uint64) for side in SIDES}
    overlaps: list[Overlap] = []
    settings = {"benchmarks": benchmarks, "shingle": shingle, "near": near}
    with whole_folder(out_dir, FILES) as folder:
        written: list[str] = []
        for benchmark in loaded:
            overlap = comparison.compare(store, benchmark)
            for side in SIDES:
                masks[side] |= overlap.masks.pop(side)  # only one set of masks is held
            overlaps.append(overlap)
            written += _printed(lines(store, overlap))
        result = report(store, settings, overlaps)
        (folder / FILES[0]).write_bytes(utf8(json.dumps(result, indent=1, ensure_ascii=False) + "\n"))
        (folder / FILES[1]).write_bytes(utf8("\n".join(written) + "\n"))
    if len(overlaps) > 1:
        _printed(line for overlap in overlaps for line in verdict_lines(overlap))
    print(f"report: {', '.join(os.path.join(out_dir, name) for name in FILES)}")
    if drop:
        verdicts = {overlap.benchmark: overlap.verdict for overlap in overlaps}
        record = {**settings, "verdicts_before": verdicts}
        with local_output(drop, "--drop") as folder:
            _printed(clean_copy_lines(write_clean_copy(store, masks, folder, record, tokenizer)))
    return result


def _report_dir(store_path: str, out_dir: str) -> str:
    """The absolute path of the report's folder."""
    check_local("--out_dir", out_dir, remote=("STORE", "--drop"))
    if is_remote(store_path) and not out_dir:
        raise InputError(f"--out_dir is needed for the store {store_path}: a local folder for the report")
    return os.path.abspath(out_dir or f"{os.path.abspath(store_path)}-overlap")


def _load(names: list[str], data_dir: str) -> list:
    """The benchmarks, each with a name of its own."""
    loaded = [load_benchmark(name, data_dir) for name in names]
    called = [benchmark.name for benchmark in loaded]
    twice = [name for name in called if called.count(name) > 1]
    if twice:
        raise InputError(
            f"--benchmarks={','.join(names)}: two are called {twice[0]!r}: name each benchmark once, and rename your"
            " own folder if it has the name of another benchmark"
        )
    return loaded


def _printed(some: Iterable[str]) -> list[str]:
    kept = list(some)
    print("\n".join(kept))
    return kept


@dataclasses.dataclass(frozen=True)
class CompareOptions(Part):
    """What is compared, how, and what is written."""

    title: ClassVar[str] = "Comparison"

    benchmarks: tuple[str, ...] = option(
        (), "benchmarks, comma-separated: names, or paths of folders, which contain a '/'"
    )
    data_dir: str = option("", "folder that holds one folder per benchmark")
    shingle: int = option(
        SHINGLE,
        "shortest run of letters that two near texts share; a third of it in short texts; an ideograph counts as three"
        " letters, a kana syllable as two",
        minimum=16,
    )
    near: float = option(
        NEAR, "share of a text that shared runs must cover for two texts to be near", minimum=0.1, maximum=1.0
    )
    out_dir: str = option("", "folder of the report; empty: STORE-overlap, beside the store")
    drop: str = option(
        "", "folder, or gs://BUCKET/FOLDER, of a copy of the store without what overlaps; must not exist", remote=True
    )


def main(arguments: list[str]) -> None:
    """Compares what the arguments and flags name."""
    require(("benchmarks",))
    compared, opened = values(CompareOptions), values(OpenOptions)
    require_data_dir(compared.benchmarks, compared.data_dir)
    decontaminate(
        arguments[1], list(compared.benchmarks), compared.data_dir, out_dir=compared.out_dir, drop=compared.drop,
        tokenizer_path=opened.tokenizer, shingle=compared.shingle, near=compared.near, cache_dir=opened.store_cache,
    )  # fmt: skip


if __name__ == "__main__":
    from hbt_jax.flags import define, require, require_data_dir, run_command, values

    define(CompareOptions, OpenOptions)
    store = {"STORE": "folder of a store, as data_prep/build_store.py writes it, or gs://BUCKET/FOLDER"}
    run_command(main, store, remote=("STORE",))
