"""What the options of an evaluation ask for: which benchmarks, which texts and which runs."""

from collections.abc import Sequence

from hbt_jax.config import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.registry import WITH_CONTEXT, load_benchmark
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.measures.metrics import SETTINGS

_USUAL_RUNS = ("monolingual", "multilingual")


def read_benchmarks(config: EvalConfig, reserved: Sequence[str]) -> list[Benchmark | StreamedBenchmark]:
    """Reads every benchmark that is asked for.

    Args:
      config: names and folders.
      reserved: names of folders in OUT that hold other results, which no benchmark may have.

    Raises:
      InputError: a benchmark cannot be read, two have one name, or an option is not for one of them.
    """
    benchmarks = [
        load_benchmark(
            name,
            config.data_dir,
            candidate_text=config.candidate_text,
            miracl_languages=config.miracl_languages,
        )
        for name in config.benchmarks
    ]
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise InputError(f"--benchmarks={','.join(config.benchmarks)}: two have the same name, and so the same results")
    for name in sorted({*names} & {*reserved}):
        raise InputError(f"--benchmarks: {config.out}/{name} is for other results: rename the folder of this benchmark")
    _check_streamed(config, benchmarks)
    return benchmarks


def _check_streamed(config: EvalConfig, benchmarks: list[Benchmark | StreamedBenchmark]) -> None:
    """Raises InputError where an option needs all candidates of a benchmark in memory and they are not."""
    given = {"lexical_baseline": config.lexical_baseline, "query_expansions": config.query_expansions}
    for benchmark in benchmarks:
        for flag, value in given.items():
            if value and isinstance(benchmark, StreamedBenchmark):
                raise InputError(
                    f"--{flag} is not for {benchmark.name}, whose passages are read as a stream: leave {flag} out, or"
                    f" {benchmark.name}"
                )
    if config.cross_lingual_runs and all(isinstance(benchmark, StreamedBenchmark) for benchmark in benchmarks):
        raise InputError(
            f"--cross_lingual_runs: {benchmarks[0].name} is judged in the query's language only and has no"
            " cross-lingual pools: leave it out"
        )


def run_settings(config: EvalConfig) -> tuple[str, ...]:
    """The settings whose TREC runs are written."""
    return SETTINGS if config.cross_lingual_runs else _USUAL_RUNS


def candidate_text(config: EvalConfig, benchmark: Benchmark) -> dict[str, str]:
    """The setting that says what is ranked of a candidate, of benchmarks that have a choice."""
    return {"candidate_text": config.candidate_text} if benchmark.name in WITH_CONTEXT else {}
