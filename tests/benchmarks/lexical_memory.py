#!/usr/bin/env python3
"""Memory of the BM25 indexes of a benchmark of many languages, and the time of a query.

    python tests/benchmarks/lexical_memory.py [--texts=261375] [--languages=36] [--terms=10]

The default is the size of XM3600.  The texts are made of words whose frequencies follow Zipf's law, up to 20,000 a
language.  Memory is the growth of the process while it indexes: at its peak, and at the end.
"""

import pathlib
import resource
import sys
import time

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts  # noqa: E402
from hbt_jax.evaluation.ranking.bm25 import PoolScores  # noqa: E402

_WORDS = 20_000
_QUERIES = 64


def made_up(texts: int, languages: int, terms: int) -> Benchmark:
    """Texts that search one another, language after language."""
    codes = [f"l{number % languages}" for number in range(texts)]
    words_NT = np.minimum(np.random.default_rng(0).zipf(1.3, (texts, terms)), _WORDS).tolist()
    rows = [" ".join(f"{code}w{word}" for word in words) for code, words in zip(codes, words_NT, strict=True)]
    ids = list(map(str, range(texts)))
    side = BenchmarkTexts(ids, ids, codes, rows)
    return Benchmark("made up", side, side, np.arange(texts, dtype=np.int32)[:, None])


def resident() -> float:
    """MiB of this process that are in memory now."""
    pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def most_resident() -> float:
    """The most MiB of this process that were in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main(_: list[str]) -> None:
    import bm25s  # noqa: F401 - its own memory and that of jax is not the index's

    given = flags.FLAGS
    benchmark = made_up(given.texts, given.languages, given.terms)
    before, start = resident(), time.perf_counter()
    scores = PoolScores(benchmark)
    seconds = time.perf_counter() - start
    print(
        f"{given.texts:,} texts of {given.terms} terms in {given.languages} languages: indexed in {seconds:.1f} s;"
        f" memory grew by {resident() - before:,.0f} MiB, at most {most_resident() - before:,.0f} MiB"
    )
    queries, start = min(_QUERIES, given.texts), time.perf_counter()
    for query in range(queries):
        scores(query, query + 1)
    print(f"a query, in both its pools: {(time.perf_counter() - start) / queries * 1e3:.1f} ms")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("texts", 261_375, "texts, each a query and a candidate", lower_bound=1)
    flags.DEFINE_integer("languages", 36, "languages over which they are spread", lower_bound=1)
    flags.DEFINE_integer("terms", 10, "terms of a text", lower_bound=1)
    run_command(main)
