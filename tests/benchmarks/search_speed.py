#!/usr/bin/env python3
"""The exact best candidates of many queries: seconds of this package and of FAISS's IndexFlatIP, on this machine's CPU.

    python tests/benchmarks/search_speed.py [--queries=2000] [--candidates=500000] [--width=384] [--depth=100]
        [--data=random,clustered] [--methods=auto] [--rounds=3] [--threads=2]

Needs the extra `speed`.  FAISS's wheels carry an OpenBLAS that uses only instructions of 2004 on a processor that it
does not know.  So FAISS first searches a part of the candidates twice with the kernel of its own choice and with each
that this processor can run, and keeps the fastest; all are printed.

The data are random unit vectors, or `--clusters` clusters of them in one corner of the sphere, as encoders' embeddings
lie.  Each measurement is a process of its own on `--threads` cores; the two packages take turns, with the same
allocator settings.  A process searches a part of the candidates to warm up (and to compile), then is timed once over
all of them; everything is timed, fallbacks included, except making the data and FAISS's copy of them.  Prints the
seconds, the queries that fell back, each process's peak memory, data included (FAISS keeps a copy of its own), and how
the indexes agree: two that differ at one place are a tie of float32 if their scores are within 1e-6.
"""

import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.benchmarks import apart  # noqa: E402

_TIE = 1e-6
_MIB = 2**20
_ROWS = 8192
_KERNELS = {"avx512f": "SkylakeX", "avx2": "Haswell"}  # what a processor can do -> OPENBLAS_CORETYPE, best first
_TRIED = 100_000  # candidates with which kernels are tried


def embeddings(given) -> tuple[np.ndarray, np.ndarray]:
    """float32 unit vectors [queries, width] and [candidates, width], always the same."""
    rng = np.random.default_rng(0)
    sides = [rng.standard_normal((count, given.width), np.float32) for count in (given.queries, given.candidates)]
    centres = 1.0 + 0.7 * rng.standard_normal((given.clusters, given.width), np.float32)
    for side in sides:
        for start in range(0, len(side), _ROWS):  # in place, so that the peak memory is the search's
            part = side[start : start + _ROWS]
            if given.kind == "clustered":
                part *= 0.4
                part += centres[rng.integers(0, given.clusters, len(part))]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
    return tuple(sides)


def ours(given, query_QD: np.ndarray, candidate_ND: np.ndarray):
    """A function that searches, by the method given, the first n candidates: scores, indexes, fallbacks."""
    from hbt_jax.evaluation.search.first_pass import FirstPass
    from hbt_jax.evaluation.search.search import top_candidates

    def search(count: int):
        found = top_candidates(query_QD, candidate_ND[:count], given.depth, how=FirstPass(given.child))
        return found.score_QK, found.index_QK, found.fallbacks

    return search


def theirs(given, query_QD: np.ndarray, candidate_ND: np.ndarray):
    """The same by FAISS; it searches all candidates whatever n is."""
    import faiss

    faiss.omp_set_num_threads(given.threads)
    index = faiss.IndexFlatIP(given.width)
    index.add(candidate_ND)
    return lambda count: (*index.search(query_QD[: 8 if count < len(candidate_ND) else None], given.depth), 0)


def kernel_of_faiss() -> str:
    """What the OpenBLAS in FAISS's wheel calls the kernel that it computes by."""
    import threadpoolctl

    loaded = [one for one in threadpoolctl.threadpool_info() if one["internal_api"] == "openblas"]
    found = [f"{one['version']} {one['architecture']}" for one in loaded if "faiss" in one["filepath"]]
    return found[0] if found else "unknown"


def child(given) -> None:
    """One measurement: seconds, fallbacks, MiB and FAISS's kernel as a line of JSON; scores, indexes to a file."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    query_QD, candidate_ND = embeddings(given)
    search = (theirs if given.child == "faiss" else ours)(given, query_QD, candidate_ND)
    search(min(given.candidates - 1, 20_000))
    start = time.perf_counter()
    score_QK, index_QK, fallbacks = search(given.candidates)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB
    np.savez(given.found, score_QK=score_QK, index_QK=index_QK)
    kernel = kernel_of_faiss() if given.child == "faiss" else ""
    print(json.dumps([seconds, fallbacks, peak, kernel]))


def measured(
    given, who: str, kind: str, found: pathlib.Path, kernel: str | None = None, candidates: int = 0
) -> tuple[float, int, float, str]:
    """The result of a child process for one method, or for "faiss" with a kernel; None: the kernel that it chooses."""
    names = ("queries", "width", "depth", "clusters", "threads")
    variables = {f"{library}_NUM_THREADS": str(given.threads) for library in ("OMP", "OPENBLAS")}
    variables |= {"OPENBLAS_CORETYPE": kernel}
    own = {"child": who, "found": found, "kind": kind, "candidates": candidates or given.candidates}
    return tuple(apart.said_by_child(__file__, given, names, own, variables))


def best_kernel(given, found: pathlib.Path) -> str | None:
    """OPENBLAS_CORETYPE with which FAISS is fastest here; None: its own choice."""
    abilities = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    tried = [None, *[kernel for ability, kernel in _KERNELS.items() if ability in abilities]]
    part = min(_TRIED, given.candidates)

    def best_of_two(kernel: str | None) -> tuple:
        return min(measured(given, "faiss", given.data[0], found, kernel, part) for _ in range(2))

    timed = [(best_of_two(kernel), kernel) for kernel in tried]
    print(
        f"FAISS's OpenBLAS, {part:,} candidates:",
        "; ".join(f"{one[3]}{'' if kernel else ' (its own choice)'} {one[0]:.2f} s" for one, kernel in timed),
        flush=True,
    )
    return min(timed, key=lambda one: one[0][0])[1]


def agreement(ours_file: pathlib.Path, faiss_file: pathlib.Path) -> tuple[float, int, int]:
    """Share of places with the same index; places that differ but tie; places that differ and do not."""
    with np.load(ours_file) as ours_found, np.load(faiss_file) as faiss_found:
        is_same_QK = ours_found["index_QK"] == faiss_found["index_QK"]
        is_tied_QK = np.abs(ours_found["score_QK"] - faiss_found["score_QK"]) <= _TIE
    return is_same_QK.mean(), int((~is_same_QK & is_tied_QK).sum()), int((~is_same_QK & ~is_tied_QK).sum())


def compare(given, method: str, kind: str, kernel: str | None, folder: pathlib.Path) -> None:
    """Both packages in turn on one kind of data; prints every round and the medians."""
    ours_file, faiss_file = folder / "ours.npz", folder / "faiss.npz"
    rounds = []
    for turn in range(given.rounds):
        mine = measured(given, method, kind, ours_file)
        faiss = measured(given, "faiss", kind, faiss_file, kernel)
        rounds.append((mine[0], faiss[0], mine[0] / faiss[0]))
        print(
            f"{kind}, {method}, round {turn + 1}: hbt_jax {mine[0]:.2f} s ({mine[1]} of {given.queries} queries fell"
            f" back; peak {mine[2]:,.0f} MiB), FAISS {faiss[0]:.2f} s (OpenBLAS {faiss[3]}; peak {faiss[2]:,.0f} MiB):"
            f" {rounds[-1][2]:.2f}",
            flush=True,
        )
    same, tied, wrong = agreement(ours_file, faiss_file)
    mine, faiss, ratio = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"{kind}, {method}, median: hbt_jax {mine:.2f} s, FAISS {faiss:.2f} s, ratio {ratio:.2f}; {same:.4%} of the"
        f" places have the same candidate, {tied} others tie within {_TIE:g}, {wrong} others differ"
    )


def main(_: list[str]) -> None:
    """Runs one child's part, or all children in turn."""
    given = flags.FLAGS
    if given.child:
        child(given)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kernel = best_kernel(given, folder / "tried.npz")
        for kind in given.data:
            for method in given.methods:
                compare(given, method, kind, kernel, folder)


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("queries", 2000, "queries")
    flags.DEFINE_integer("candidates", 500_000, "candidates")
    flags.DEFINE_integer("width", 384, "numbers of an embedding")
    flags.DEFINE_integer("depth", 100, "candidates that each query asks for")
    flags.DEFINE_integer("clusters", 1000, "clusters of the clustered data")
    flags.DEFINE_list("data", ["random", "clustered"], "kinds of data to search")
    flags.DEFINE_list(
        "methods", ["auto"], "methods of hbt_jax to time: auto, or those of hbt_jax/evaluation/search/first_pass.py"
    )
    flags.DEFINE_integer("rounds", 3, "measurements of each")
    flags.DEFINE_integer("threads", 2, "cores that a measurement may use")
    flags.DEFINE_string("child", "", "used by the script itself: faiss, or the method to time")
    flags.DEFINE_string("kind", "", "used by the script itself: the kind of data")
    flags.DEFINE_string("found", "", "used by the script itself: where scores and indexes go")
    run_command(main)
