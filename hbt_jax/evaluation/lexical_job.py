"""BM25 on every benchmark of an evaluation: OUT/bm25/X beside the model's OUT/X."""

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.processes import Processes, on_first_process
from hbt_jax.evaluation.ranking import bm25, rank
from hbt_jax.evaluation.ranking.layout import Layout
from hbt_jax.evaluation.run import evaluate_ranked, format_table


def lexical_baseline(
    benchmarks: Sequence[Benchmark],
    settings: Sequence[dict],
    processes: Processes,
    *,
    out_dir: str,
    run_depth: int,
    run_settings: tuple[str, ...],
    poll: Callable[[], None],
) -> list[dict]:
    """Ranks every benchmark by BM25, on the first process; the others wait for it.

    Args:
      benchmarks: what to rank.
      settings: of each benchmark, how its texts were prepared.
      processes: of this job.
      out_dir, run_depth, run_settings, poll: as of `evaluate_bm25`.

    Returns:
      Contents of results.json, printed as they come; none on processes but the first.

    Raises:
      Interrupted: on every process, where `poll` raised it on the first.
    """
    results = []

    def rank_all() -> None:
        options = {"out_dir": out_dir, "run_depth": run_depth, "run_settings": run_settings, "poll": poll}
        for benchmark, own in zip(benchmarks, settings, strict=True):
            results.append(evaluate_bm25(benchmark, settings=own, **options))
            print(f"{bm25.NAME}, {format_table(results[-1])}", flush=True)

    on_first_process(processes, rank_all)
    return results


def evaluate_bm25(
    benchmark: Benchmark,
    *,
    out_dir: str,
    settings: dict,
    run_depth: int,
    run_settings: tuple[str, ...],
    poll: Callable[[], None],
) -> dict:
    """Ranks by BM25, measures and writes one benchmark, as `run.evaluate` does by embeddings.

    No similarity gap: the scores of different pools are on different scales.

    Args:
      benchmark, out_dir, run_depth, run_settings, poll: as of `run.evaluate_ranked`.
      settings: how the texts were prepared, beside what is said here of BM25.

    Returns:
      The content of results.json.
    """
    scores = bm25.PoolScores(benchmark)

    def ranked(layout: Layout) -> Iterator[rank.RankedQueries]:
        return rank.rank_score_blocks(scores, benchmark.relevant_QG, layout, excluded_QX=benchmark.excluded_QX)

    return evaluate_ranked(
        benchmark,
        ranked,
        out_dir=out_dir,
        model_name=bm25.NAME,
        settings={
            "similarity": f"BM25, Lucene's variant, by bm25s {importlib.metadata.version('bm25s')}",
            "k1": bm25.K1,
            "b": bm25.B,
            "terms": bm25.TERMS,
            "statistics": bm25.STATISTICS,
            **settings,
        },
        counts={"queries_without_match": scores.queries_without_match},
        run_depth=run_depth,
        run_settings=run_settings,
        poll=poll,
    )
