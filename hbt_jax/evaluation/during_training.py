"""Benchmarks evaluated while a model trains: all that training uses of this package.

Every process embeds; the first one ranks, and all of them get its numbers.  Nothing is written: the metrics go to the
log of the run.  Only benchmarks whose candidates fit in memory can be evaluated this way.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hbt_jax.config import VALIDATION_LOSS
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.benchmarks import STREAMED, check_known, load_benchmark, read_folder
from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import (
    FURTHER_METRICS,
    METRICS,
    RANK_DISTANCE,
    SETTINGS,
    STRONG_ALIGNMENT,
    query_metrics,
)

_OF_ALL_CANDIDATES = (RANK_DISTANCE, STRONG_ALIGNMENT)  # metrics of the multilingual setting alone
_LOWER_IS_BETTER = {RANK_DISTANCE}
_TEXTS_PER_DEVICE = 256  # of 64 tokens, as launch/eval.py embeds them


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
        if name == STREAMED:
            raise InputError(f"{flag}: its passages are read as a stream; during training only others can be evaluated")
        if not (folder or _is_path(text) or data_dir):
            raise InputError(f"{flag} needs --data_dir, the folder that holds {name}/, or is written {name}:FOLDER")
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
        self._is_stopping, self._embedder, self._poll = is_stopping, None, lambda: None
        self.metrics: Mapping[str, bool] = {
            name: name.rpartition("/")[2] not in _LOWER_IS_BETTER
            for benchmark in self._benchmarks
            for name in _metrics(benchmark, *_perfect_ranks(benchmark))
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
        import jax  # only here and below: names are checked before anything heavy is imported

        from hbt_jax.evaluation.streamed.processes import Processes, on_first_process
        from hbt_jax.mesh import any_process, from_first_process

        processes, found = Processes(jax.process_index(), jax.process_count(), any_process), {}
        self._poll = poll
        for benchmark in self._benchmarks:
            query_QD, candidate_ND = self._embedded(benchmark, model, mesh)
            rank = functools.partial(self._ranked, benchmark, query_QD, candidate_ND)
            on_first_process(processes, lambda rank=rank: found.update(rank()))
        return from_first_process(found)

    def _embedded(self, benchmark: Benchmark, model, mesh) -> tuple[np.ndarray, np.ndarray]:
        """float32 embeddings of queries and candidates."""
        from hbt_jax.evaluation.embedding.embed import Embedder, check_finite

        if self._embedder is None:  # kept: a new one would compile again
            self._embedder = Embedder(
                model, mesh, texts_per_device=_TEXTS_PER_DEVICE, poll=lambda: self._poll(), shown=False
            )
        self._embedder.model = model
        vectors = []
        for side, texts in (("query", benchmark.queries), ("passage", benchmark.candidates)):
            vectors.append(self._embedder(texts.texts, side))
            check_finite(vectors[-1], model, lambda n, side=side, ids=texts.ids: f"{benchmark.name}, {side} {ids[n]!r}")
        return vectors[0], vectors[1]

    def _ranked(self, benchmark: Benchmark, query_QD: np.ndarray, candidate_ND: np.ndarray) -> dict[str, float]:
        """The metrics of one benchmark."""
        from hbt_jax.evaluation.ranking.layout import make_layout
        from hbt_jax.evaluation.ranking.rank import rank_blocks

        relevant_QG = benchmark.relevant_QG
        rank_QG, own_rank_QG = np.zeros(relevant_QG.shape, np.int32), np.zeros(relevant_QG.shape, np.int32)
        layout = make_layout(benchmark.candidates.ids, benchmark.candidate_pools)
        for block in rank_blocks(query_QD, candidate_ND, relevant_QG, layout, excluded_QX=benchmark.excluded_QX):
            if self._is_stopping():
                raise Interrupted("during the evaluation of the model in training")
            rank_QG[block.start : block.stop] = block.rank_qG
            own_rank_QG[block.start : block.stop] = block.own_rank_qG
        return _metrics(benchmark, rank_QG, own_rank_QG)


def _read(text: str, data_dir: str) -> Benchmark:
    name, folder = _split(text)
    return read_folder(name, folder) if folder else load_benchmark(text, data_dir)


def _perfect_ranks(benchmark: Benchmark) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of relevant candidates that stand before all others: they show which metrics a benchmark has."""
    is_relevant_QG = benchmark.relevant_QG != NO_CANDIDATE
    rank_QG = np.where(is_relevant_QG, np.cumsum(is_relevant_QG, axis=1), 0).astype(np.int32)
    return rank_QG, rank_QG


def _metrics(benchmark: Benchmark, rank_QG: np.ndarray, own_rank_QG: np.ndarray) -> dict[str, float]:
    """The metrics of results.json, by name, from the ranks of the relevant candidates."""
    from hbt_jax.evaluation.results.results import summarise

    values = query_metrics(
        rank_QG,
        own_rank_QG,
        benchmark.relevant_QG,
        benchmark.queries.languages,
        benchmark.candidates.languages,
        benchmark.languages,
    )
    settings = summarise(benchmark, values, model="", settings={}, counts={})["metrics"]
    return {
        f"{benchmark.name}/{setting}/{metric}": value
        for setting, block in settings.items()
        for metric, value in block.items()
    }
