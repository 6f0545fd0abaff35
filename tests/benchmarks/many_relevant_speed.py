#!/usr/bin/env python3
"""Times two ways to rank many relevant candidates on a CPU: a counting pass for each of them, and sorting the scores.

    python tests/benchmarks/many_relevant_speed.py [--queries=112] [--candidates=261375] [--relevant=72]

Random unit vectors in the shape of XM3600, whose captions have about 71 relevant others among 261,375.  Both ways rank
the same queries, in turns, product of embeddings included; the ranks must be equal.
"""

import pathlib
import sys
import time

import numpy as np
from absl import flags

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from hbt_jax.evaluation.ranking import (
    counts,  # noqa: E402
    rank,
)
from hbt_jax.evaluation.ranking.layout import make_layout
from hbt_jax.output import escape_what_cannot_be_shown  # noqa: E402

_WIDTH = 384
_TURNS = 3


def main(queries: int, candidates: int, relevant: int, languages: int) -> float:
    """Prints the time of a query both ways, and returns how many times as fast sorting is."""
    rng = np.random.default_rng(0)
    candidate_ND = rng.standard_normal((candidates, _WIDTH), dtype=np.float32)
    candidate_ND /= np.linalg.norm(candidate_ND, axis=1, keepdims=True)
    query_Q = np.arange(queries)
    relevant_QG = np.sort(rng.integers(queries, candidates, (queries, relevant)).astype(np.int32), axis=1)
    layout = make_layout(
        [f"{n:08}" for n in range(candidates)], [f"language {n % languages}" for n in range(candidates)]
    )
    taken, ranks = {0: [], relevant + 1: []}, {}  # by the fewest relevant candidates that are sorted
    for _ in range(_TURNS):
        for fewest in taken:
            counts.MANY_RELEVANT = fewest
            start = time.perf_counter()
            blocks = rank.rank_blocks(candidate_ND[query_Q], candidate_ND, relevant_QG, layout)
            ranks[fewest] = np.concatenate([block.rank_qG for block in blocks])
            taken[fewest].append(time.perf_counter() - start)
    by_sorting, by_passes = (np.median(seconds) / queries * 1e3 for seconds in taken.values())
    np.testing.assert_array_equal(*ranks.values())
    print(f"a query among {candidates:,} candidates with {relevant} relevant ones, product included, medians:")
    print(
        f"  one pass for each {by_passes:.2f} ms, sorted {by_sorting:.2f} ms:"
        f" {by_passes / by_sorting:.1f} times as fast"
    )
    return by_passes / by_sorting


if __name__ == "__main__":
    flags.DEFINE_integer("queries", 112, "queries", lower_bound=1)
    flags.DEFINE_integer("candidates", 261_375, "candidates", lower_bound=1)
    flags.DEFINE_integer("relevant", 72, "relevant candidates of a query", lower_bound=1)
    flags.DEFINE_integer("languages", 36, "languages, each with a pool of its own", lower_bound=1)
    given = flags.FLAGS
    escape_what_cannot_be_shown()
    given(sys.argv)
    main(given.queries, given.candidates, given.relevant, given.languages)
