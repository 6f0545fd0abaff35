#!/usr/bin/env python3
"""Ranking all candidates and measuring: seconds of this package, pytrec_eval and ranx, from the same scores.

    python tests/benchmarks/ranking_speed.py [--queries=13090] [--candidates=13014] [--width=384] [--relevant=11]
        [--peer_queries=1190] [--peers=pytrec_eval,ranx] [--rounds=3] [--threads=2]

Needs the extra `speed`.  The sizes are XQuAD-R's: random unit vectors in 11 languages, a query near its 11 relevant
candidates.  Each measurement is a process of its own on `--threads` cores, with the same allocator settings; they take
turns.  Each is timed from the scores to mAP.  The scores are ready in the form that the package takes: blocks of an
array for this package, dictionaries for the others.  This package also ranks within languages in that time.
Dictionaries of all queries would not fit in memory, so the others measure the first `--peer_queries` queries, and are
compared with this package's time for these.  This package is also timed from embeddings to all of its metrics in every
pool, for these and for all queries.  Prints seconds, ratios, the difference in mAP, and this package's peak memory over
all queries.
"""

import json
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.languages import XQUAD_R  # noqa: E402
from tests.benchmarks import apart  # noqa: E402

_LANGUAGES = tuple(XQUAD_R)
_NOISE = 2.0  # norm of what tells a query from the centre of its relevant candidates, which are of norm 1
_MIB = 2**20


def case(given) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """float32 queries [Q, D] and candidates [N, D], int32 relevant candidates [Q, G] of each query; always the same."""
    rng = np.random.default_rng(0)
    items = given.candidates // given.relevant
    centre_ID = rng.standard_normal((items, given.width), np.float32) / given.width**0.5
    sides = []
    for count in (given.queries, given.candidates):
        noise_ND = rng.standard_normal((count, given.width), np.float32) * (_NOISE / given.width**0.5)
        sides.append(noise_ND + centre_ID[np.arange(count) % items])
        sides[-1] /= np.linalg.norm(sides[-1], axis=1, keepdims=True)
    relevant_QG = np.arange(given.queries)[:, None] % items + items * np.arange(given.relevant)
    return *sides, relevant_QG.astype(np.int32)


def ours(given, scores: pathlib.Path) -> dict:
    """Seconds from scores, and from embeddings for the peers' queries and for all; mAP; peak memory in MiB."""
    import jax
    import jax.numpy as jnp

    from hbt_jax.evaluation.measures import metrics
    from hbt_jax.evaluation.ranking import counts, rank
    from hbt_jax.evaluation.ranking.layout import make_layout

    query_QD, candidate_ND, relevant_QG = case(given)
    ids = [f"c{number}" for number in range(given.candidates)]
    languages = [_LANGUAGES[number % len(_LANGUAGES)] for number in range(given.candidates)]
    layout = make_layout(ids, languages)

    def from_embeddings(count: int) -> float:
        """Seconds to rank and to measure everything."""
        start = time.perf_counter()
        blocks = rank.rank_blocks(query_QD[:count], candidate_ND, relevant_QG[:count], layout)
        ranks = [(block.rank_qG, block.own_rank_qG) for block in blocks]
        rank_QG, own_rank_QG = (np.concatenate(part) for part in zip(*ranks, strict=True))
        query_languages = [_LANGUAGES[number % len(_LANGUAGES)] for number in range(count)]
        metrics.query_metrics(rank_QG, own_rank_QG, relevant_QG[:count], query_languages, languages, _LANGUAGES)
        return time.perf_counter() - start

    some = given.peer_queries
    from_embeddings(some)  # compiles
    embeddings_seconds = min(from_embeddings(some) for _ in range(3))
    from_embeddings(given.queries)
    all_seconds = from_embeddings(given.queries)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB

    blocks = list(rank.rank_blocks(query_QD[:some], candidate_ND, relevant_QG[:some], layout))
    np.save(scores, np.concatenate([block.score_qM for block in blocks])[:, layout.slot_N])
    parts = [(jnp.asarray(block.score_Mq), layout.slot_N[relevant_QG[block.start : block.stop]]) for block in blocks]
    count = counts.counter(layout.tie_M, layout.pool_T, list(layout.slots.values()), given.relevant)

    def from_scores() -> tuple[float, float]:
        """Seconds to rank and to take mAP among all candidates, and mAP."""
        start = time.perf_counter()
        before = jax.device_get([count(score_Mq, slot_qG) for score_Mq, slot_qG in parts])
        rank_QG = 1 + np.concatenate([before_qG for before_qG, _ in before])
        mean = float(metrics.average_precision(rank_QG).mean())
        return time.perf_counter() - start, mean

    from_scores()  # compiles
    seconds, mean = min(from_scores() for _ in range(3))
    found = {"seconds": seconds, "embeddings_seconds": embeddings_seconds, "all_seconds": all_seconds}
    return found | {"map": mean, "peak": peak}


def dictionaries(given, scores: pathlib.Path) -> tuple[dict, dict]:
    """Judgements and scores as the peers take them."""
    score_QN, relevant_QG = np.load(scores), case(given)[2]
    ids = [f"c{number}" for number in range(given.candidates)]
    qrels = {f"q{q}": {ids[n]: 1 for n in relevant_QG[q].tolist()} for q in range(len(score_QN))}
    return qrels, {f"q{q}": dict(zip(ids, score_N.tolist(), strict=True)) for q, score_N in enumerate(score_QN)}


def by_pytrec_eval(given, scores: pathlib.Path) -> Callable[[], float]:
    """A function that measures mAP by pytrec_eval."""
    import pytrec_eval

    qrels, run = dictionaries(given, scores)
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"map"})
    return lambda: statistics.fmean(value["map"] for value in evaluator.evaluate(run).values())


def by_ranx(given, scores: pathlib.Path) -> Callable[[], float]:
    """A function that measures mAP by ranx, compiled."""
    import numba
    from ranx import Qrels, Run, evaluate

    numba.set_num_threads(given.threads)
    qrels, run = dictionaries(given, scores)
    few = list(run)[:2]
    evaluate(Qrels({q: qrels[q] for q in few}), Run({q: run[q] for q in few}), "map")
    qrels, run = Qrels(qrels), Run(run)
    return lambda: float(evaluate(qrels, run, "map"))


def peer(given, scores: pathlib.Path) -> dict:
    """Seconds and mAP of a peer."""
    measure = {"pytrec_eval": by_pytrec_eval, "ranx": by_ranx}[given.child](given, scores)
    start = time.perf_counter()
    mean = measure()
    return {"seconds": time.perf_counter() - start, "map": mean}


def measured(given, who: str, scores: pathlib.Path) -> dict:
    """What a child process of its own says."""
    names = ("queries", "candidates", "width", "relevant", "peer_queries", "threads")
    threads = {"NUMBA_NUM_THREADS": str(given.threads)}
    return apart.said_by_child(__file__, given, names, {"child": who, "scores": scores}, threads)


def main(_: list[str]) -> None:
    """Runs one child's part, or all children in turn."""
    given = flags.FLAGS
    if given.child:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
        print(json.dumps((ours if given.child == "ours" else peer)(given, pathlib.Path(given.scores))))
        return
    if not given.relevant <= given.candidates or not given.peer_queries <= given.queries:
        raise InputError("expected --relevant up to --candidates and --peer_queries up to --queries")
    ratios = {name: [] for name in given.peers}
    with tempfile.TemporaryDirectory() as folder:
        scores = pathlib.Path(folder) / "scores.npy"
        for turn in range(given.rounds):
            mine = measured(given, "ours", scores)
            print(
                f"round {turn + 1}: hbt_jax {given.peer_queries:,} queries in {1000 * mine['seconds']:.1f} ms, from"
                f" embeddings to all metrics {mine['embeddings_seconds']:.3f} s; for all {given.queries:,}:"
                f" {mine['all_seconds']:.2f} s, peak {mine['peak']:,.0f} MiB",
                flush=True,
            )
            for name in given.peers:
                theirs = measured(given, name, scores)
                ratios[name].append(theirs["seconds"] / mine["seconds"])
                print(
                    f"  {name} {theirs['seconds']:.2f} s: {ratios[name][-1]:.0f} times as long; mAP differs by"
                    f" {abs(theirs['map'] - mine['map']):.1e}",
                    flush=True,
                )
    for name, found in ratios.items():
        print(f"median: {name} takes {statistics.median(found):.0f} times as long")


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_integer("queries", 13_090, "queries that this package ranks")
    flags.DEFINE_integer("candidates", 13_014, "candidates")
    flags.DEFINE_integer("width", 384, "numbers of an embedding")
    flags.DEFINE_integer("relevant", 11, "relevant candidates of a query")
    flags.DEFINE_integer("peer_queries", 1_190, "queries that the peers measure")
    flags.DEFINE_list("peers", ["pytrec_eval", "ranx"], "packages to compare with")
    flags.DEFINE_integer("rounds", 3, "measurements of each")
    flags.DEFINE_integer("threads", 2, "cores that a measurement may use")
    flags.DEFINE_string("child", "", "used by the script itself: ours, pytrec_eval or ranx")
    flags.DEFINE_string("scores", "", "used by the script itself: where scores go")
    run_command(main)
