"""BM25 on every benchmark of an evaluation: OUT/bm25/X beside the model's OUT/X."""

from collections.abc import Callable, Sequence

from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.lexical import NAME, evaluate_bm25
from hbt_jax.evaluation.run import format_table
from hbt_jax.evaluation.sharing import Processes, on_first_process


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
      out_dir, run_depth, run_settings, poll: as of `lexical.evaluate_bm25`.

    Returns:
      Contents of results.json, printed as they come; none on processes but the first.

    Raises:
      Interrupted: on every process, where `poll` raised it on the first.
    """
    results = []

    def rank() -> None:
        options = {"out_dir": out_dir, "run_depth": run_depth, "run_settings": run_settings, "poll": poll}
        for benchmark, own in zip(benchmarks, settings, strict=True):
            results.append(evaluate_bm25(benchmark, settings=own, **options))
            print(f"{NAME}, {format_table(results[-1])}", flush=True)

    on_first_process(processes, rank)
    return results
