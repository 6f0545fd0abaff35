"""Benchmarks evaluated while a model trains: all that training uses of this package.

Every process embeds; the first one ranks, and all of them get its numbers.  Nothing is written: the metrics go to the
log of the run.  Only benchmarks whose candidates fit in memory can be evaluated this way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.config.values import STREAMED, VALIDATION_LOSS
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.benchmarks.registry import check_known, load_benchmark, read_folder
from hbt_jax.evaluation.measures.metrics import (
    FURTHER_METRICS,
    METRICS,
    ONE_LANGUAGE_MAP,
    RANK_DISTANCE,
    SETTINGS,
    STRONG_ALIGNMENT,
    query_metrics,
)

_OF_ALL_CANDIDATES = (RANK_DISTANCE, STRONG_ALIGNMENT, ONE_LANGUAGE_MAP)  # metrics of the multilingual setting alone
_LOWER_IS_BETTER = {RANK_DISTANCE}


def check_names(dev_benchmarks: Sequence[str], data_dir: str, best_metric: str) -> None:
    """Checks what can be checked without reading a file.

    Args:
      dev_benchmarks: NAME, NAME:FOLDER or a path each.
      data_dir: the folder with one folder per named benchmark.
      best_metric: `validation_loss`, or NAME/SETTING/METRIC.

    Raises:
      InputError: a benchmark is unknown, is given twice or cannot be evaluated during training, or there is no such
        metric.
    """
    names = [_split(text) for text in dev_benchmarks]
    for text, (name, folder) in zip(dev_benchmarks, names, strict=True):
        flag = f"--dev_benchmarks={text}"
        check_known(text if _is_path(text) else name, "--dev_benchmarks")
        if name in STREAMED:
            raise InputError(f"{flag}: its passages are read as a stream, so it cannot be evaluated during training")
        if not (folder or _is_path(text) or data_dir):
            raise InputError(f"{flag}: give the folder that holds {name}/ as --data_dir, or write {name}:FOLDER")
    called = [name for name, _ in names]
    if len(set(called)) < len(called):
        raise InputError(f"--dev_benchmarks={','.join(dev_benchmarks)}: two have the same name")
    _check_metric(best_metric, called)


def _check_metric(best_metric: str, names: Sequence[str]) -> None:
    if best_metric == VALIDATION_LOSS:
        return
    name, setting, metric = ["", "", *best_metric.rsplit("/", 2)][-3:]
    if name not in names:
        expected = " or ".join([VALIDATION_LOSS, *(f"{one}/multilingual/map" for one in names)])
        raise InputError(
            f"--best_metric={best_metric}: expected {expected}, the metric of a benchmark in --dev_benchmarks"
        )
    known = [*METRICS, *FURTHER_METRICS, *(_OF_ALL_CANDIDATES if setting == "multilingual" else ())]
    if setting not in SETTINGS or metric not in known:
        raise InputError(
            f"--best_metric={best_metric}: expected {name}/SETTING/METRIC, SETTING one of {', '.join(SETTINGS)} and"
            f" METRIC one of {', '.join(known)}"
        )


def _is_path(text: str) -> bool:
    """Whether a benchmark is given by a path, and not by NAME or NAME:FOLDER."""
    return "/" in text.partition(":")[0]


def _split(text: str) -> tuple[str, str]:
    """The name of a benchmark and its folder; no folder if it is in --data_dir or given by a path."""
    if _is_path(text):
        return text.rstrip("/").rpartition("/")[2], ""
    name, _, folder = text.partition(":")
    return name, folder


class DevEvaluation:
    """Evaluates the model in training on benchmarks, which are read when this is made.

    Args:
      dev_benchmarks, data_dir, best_metric: as for `check_names`.
      is_stopping: whether this process has been asked to stop.

    Attributes:
      metrics: name of each metric, NAME/SETTING/METRIC -> whether higher is better.

    Raises:
      InputError: as `check_names`; or a benchmark cannot be read or does not have the metric.
    """

    def __init__(self, dev_benchmarks: Sequence[str], data_dir: str, best_metric: str, is_stopping: Callable[[], bool]):
        check_names(dev_benchmarks, data_dir, best_metric)
        self._benchmarks = [_read(text, data_dir) for text in dev_benchmarks]
        self._is_stopping = is_stopping
        self.metrics: Mapping[str, bool] = {
            name: name.rpartition("/")[2] not in _LOWER_IS_BETTER
            for benchmark in self._benchmarks
            for name in _possible_metrics(benchmark)
        }
        if best_metric not in (VALIDATION_LOSS, *self.metrics):
            raise InputError(
                f"--best_metric={best_metric}: no query of this benchmark counts in that setting; it has"
                f" {', '.join(self.metrics)}"
            )

    def __call__(self, model, mesh, poll: Callable[[], None]) -> dict[str, float]:
        """The metrics by name, the same on every process.

        Args:
          model: a hbt_jax.models.model.Model; of the same architecture each time.
          mesh: where its parameters are; the same each time.
          poll: called between blocks of texts, equally often on every process; raises Interrupted on all of them.

        Raises:
          InputError: an embedding is not finite.
        """
        import jax  # only here: names are checked before anything heavy is imported

        from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
        from hbt_jax.evaluation.in_memory import InMemoryEvaluator
        from hbt_jax.evaluation.processes import Processes
        from hbt_jax.mesh import any_process, from_first_process

        processes = Processes(jax.process_index(), jax.process_count(), any_process)
        context = EvaluationContext(EvalConfig(), mesh, processes, Path(), self._poll, poll)
        found = {}
        for benchmark in self._benchmarks:
            evaluator = InMemoryEvaluator(benchmark)
            evaluator.prepare(context)
            result = evaluator.run(EvaluatedModel(model, "in training"))
            if result is not None:
                found |= {name: value for name, value in _metrics(result) if name in self.metrics}
        return from_first_process(found)

    def _poll(self) -> None:
        if self._is_stopping():
            raise Interrupted("during the evaluation of the model in training")


def _read(text: str, data_dir: str) -> Benchmark:
    name, folder = _split(text)
    return read_folder(name, folder) if folder else load_benchmark(text, data_dir)


def _possible_metrics(benchmark: Benchmark) -> list[str]:
    """Names of the metrics that a benchmark has, found with every relevant candidate before all others."""
    from hbt_jax.evaluation.results.of_ranks import result_of
    from hbt_jax.evaluation.results.result import Described

    is_relevant_QG = benchmark.relevant_QG != NO_CANDIDATE
    rank_QG = np.where(is_relevant_QG, np.cumsum(is_relevant_QG, axis=1), 0).astype(np.int32)
    sides = (benchmark.queries.languages, benchmark.candidates.languages)
    values = query_metrics(rank_QG, rank_QG, benchmark.relevant_QG, *sides, benchmark.languages)
    return [name for name, _ in _metrics(result_of(benchmark, values, Described("", {}, {})))]


def _metrics(result) -> Iterator[tuple[str, float]]:
    """The name and value of each metric of a Result."""
    for setting, block in result.averages.metrics.items():
        for metric, value in block.items():
            yield f"{result.benchmark}/{setting}/{metric}", value
