"""The benchmarks and evaluators that the options of an evaluation ask for."""

import functools
import types
from collections.abc import Mapping, Sequence

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.banked import BankedEvaluator
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.registry import load_benchmark
from hbt_jax.evaluation.benchmarks.streamed import StreamedBenchmark
from hbt_jax.evaluation.embedding.query_expansion import Expansions, read_expansions
from hbt_jax.evaluation.evaluator import Evaluator
from hbt_jax.evaluation.expanded import ExpandedEvaluator
from hbt_jax.evaluation.in_memory import InMemoryEvaluator
from hbt_jax.evaluation.measures.chosen import check_measures
from hbt_jax.evaluation.others import sentence_model
from hbt_jax.evaluation.others.runs import RunEvaluator
from hbt_jax.evaluation.others.vectors import VectorEvaluator
from hbt_jax.evaluation.probed import ProbedEvaluator
from hbt_jax.evaluation.streamed.evaluate import StreamedEvaluator


def read_benchmarks(config: EvalConfig, reserved: Sequence[str]) -> list[Benchmark | StreamedBenchmark]:
    """Reads every benchmark that is asked for.

    Args:
      config: names and folders.
      reserved: names of folders in OUT that hold other results, which no benchmark may have.

    Raises:
      InputError: a benchmark cannot be read, two share a name, or an option is not supported by one
        of them.
    """
    check_measures(config.measures)
    options = {
        name: getattr(config, name) for name in ("candidate_text", "miracl_languages", "neuclir_queries", "language")
    }
    benchmarks = [load_benchmark(name, config.data_dir, **options) for name in config.benchmarks]
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise InputError(
            f"--benchmarks={','.join(config.benchmarks)}: two have the same name and would share a results folder"
        )
    for name in sorted({*names} & {*reserved}):
        raise InputError(
            f"--benchmarks: {config.out}/{name} is reserved for other results: rename the folder of this benchmark"
        )
    _check_streamed(config, benchmarks)
    return benchmarks


def _check_streamed(config: EvalConfig, benchmarks: Sequence[Benchmark | StreamedBenchmark]) -> None:
    """Raises InputError if an option needs all candidates of a benchmark in memory and they are not."""
    streamed = [benchmark.name for benchmark in benchmarks if benchmark.is_streamed]
    for flag in ("lexical_baseline", "fusion", "measures", "query_expansions", "layer_probe", "query_bank"):
        if getattr(config, flag) and streamed:
            raise InputError(
                f"--{flag} is not supported by {streamed[0]}, whose passages are read as a stream: leave out"
                f" --{flag} or {streamed[0]}"
            )
    if config.is_other and streamed:
        system = (*config.other, f"--model={config.model}")[0]
        raise InputError(
            f"{system} is not supported by {streamed[0]}, whose passages are read as a stream: leave {streamed[0]} out"
        )
    if config.cross_lingual_runs and len(streamed) == len(benchmarks):
        raise InputError(
            f"--cross_lingual_runs: {streamed[0]} is judged in the query's language only and has no cross-lingual"
            " pools: leave it out"
        )


def make_evaluators(
    config: EvalConfig,
    benchmarks: Sequence[Benchmark | StreamedBenchmark],
    texts: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
) -> list[Evaluator]:
    """An evaluator for each benchmark; `texts` by language are those of --language_texts.

    Raises:
      InputError: the file of query expansions is wrong.
    """
    if config.is_other:
        return _others(config, benchmarks)
    expansions = read_expansions(config.query_expansions, benchmarks) if config.query_expansions else {}
    return [_evaluator(config, benchmark, expansions.get(benchmark.name), texts) for benchmark in benchmarks]


def _others(config: EvalConfig, benchmarks: Sequence[Benchmark]) -> list[Evaluator]:
    """Evaluators of a system that is no model of this package."""
    if config.run:
        return [RunEvaluator(benchmark, path) for benchmark, path in zip(benchmarks, config.run, strict=True)]
    if config.embeddings:
        return [VectorEvaluator(benchmark, config.embeddings, bool(config.normalize)) for benchmark in benchmarks]
    load = functools.cache(lambda: sentence_model.load(config))
    return [sentence_model.SentenceModelEvaluator(benchmark, load, config) for benchmark in benchmarks]


def _evaluator(
    config: EvalConfig,
    benchmark: Benchmark | StreamedBenchmark,
    expansions: Expansions | None,
    texts: Mapping[str, Sequence[str]],
) -> Evaluator:
    if benchmark.is_streamed:
        return StreamedEvaluator(benchmark)
    plain = ProbedEvaluator(benchmark, config.layer_probe) if config.layer_probe else InMemoryEvaluator(benchmark)
    if config.query_bank:
        return BankedEvaluator(plain, texts)
    return plain if expansions is None else ExpandedEvaluator(plain, expansions)
