"""Evaluates vectors that any system has made: `--embeddings=QUERIES.npy,CANDIDATES.npy`.

Each file is a numeric array [texts, D].  Its rows stand in the order of the benchmark's texts, which --write_texts
writes; or X.ids beside X.npy names the id of each row, one per line, and the rows may stand in any order.
"""

from pathlib import Path

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts
from hbt_jax.evaluation.evaluator import EvaluatedModel, EvaluationContext
from hbt_jax.evaluation.fused import evaluate_with_fusions
from hbt_jax.evaluation.processes import on_first_process
from hbt_jax.evaluation.ranked import ByEmbedding
from hbt_jax.evaluation.reading.text_lines import read_lines
from hbt_jax.evaluation.results.result import Described, Result


class VectorEvaluator:
    """An `Evaluator` of vectors in files, by their inner product; the first process reads, ranks and writes.

    Args:
      benchmark: what the vectors are of.
      paths: files of the queries and of the candidates.
      normalize: scale the vectors to unit length.
    """

    def __init__(self, benchmark: Benchmark, paths: tuple[str, str], normalize: bool):
        self._benchmark, self._paths, self._normalize = benchmark, paths, normalize

    def prepare(self, context: EvaluationContext) -> None:
        """See `Evaluator`; reads the vectors."""
        self._context = context
        self._vectors = on_first_process(context.processes, self._read)

    def run(self, evaluated: EvaluatedModel | None = None) -> Result | None:
        """See `Evaluator`; there is no model."""
        return on_first_process(self._context.processes, self._evaluate)

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        benchmark, (queries, candidates) = self._benchmark, self._paths
        query_QD = read_vectors(queries, benchmark.queries, f"queries of {benchmark.name}")
        candidate_ND = read_vectors(candidates, benchmark.candidates, f"candidates of {benchmark.name}")
        if query_QD.shape[1] != candidate_ND.shape[1]:
            raise InputError(
                f"{queries} has vectors of {query_QD.shape[1]} numbers but {candidates} of {candidate_ND.shape[1]}:"
                " expected vectors of one model"
            )
        if self._normalize:
            return tuple(map(_scaled, (query_QD, candidate_ND)))
        return query_QD, candidate_ND

    def _evaluate(self) -> Result:
        benchmark, context = self._benchmark, self._context
        scaled = "cosine" if self._normalize else "inner product"
        settings = {**benchmark.settings, "similarity": scaled, "embeddings": list(self._paths)}
        described = Described(self._paths[1], settings, {"width": self._vectors[0].shape[1]})
        return evaluate_with_fusions(ByEmbedding(benchmark, *self._vectors), described, context, context.out)


def read_vectors(path: str, side: BenchmarkTexts, what: str) -> np.ndarray:
    """float32 [texts, D]: the vectors of one side in the order of its texts.

    Args:
      path: .npy file; beside it may be the ids of its rows.
      side: the texts.
      what: names the side, for messages.

    Raises:
      InputError: no such file, not an array of numbers [texts, D], a number that is not finite, or ids that are not
        those of the texts.
    """
    try:
        vectors_ND = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file: --embeddings takes two .npy files: queries, candidates") from error
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not an array that numpy.load reads ({error}): write it by numpy.save") from error
    if not isinstance(vectors_ND, np.ndarray) or vectors_ND.ndim != 2 or vectors_ND.dtype.kind not in "fiu":
        found = f"{vectors_ND.dtype} {vectors_ND.shape}" if isinstance(vectors_ND, np.ndarray) else "several arrays"
        raise InputError(f"{path}: {found}: expected numbers [texts, D]")
    if len(vectors_ND) != len(side):
        raise InputError(
            f"{path}: {len(vectors_ND):,} rows, but there are {len(side):,} {what}: expected one row for each;"
            " --write_texts writes them in the order of the rows"
        )
    vectors_ND = vectors_ND[_order(Path(path).with_suffix(".ids"), side, what)].astype(np.float32)
    broken = np.flatnonzero(~np.isfinite(vectors_ND).all(axis=1))
    if broken.size:
        raise InputError(
            f"{path}: {broken.size:,} rows are not finite in float32, the first is that of {side.ids[broken[0]]!r}:"
            " expected finite numbers only"
        )
    return vectors_ND


def _order(path: Path, side: BenchmarkTexts, what: str) -> np.ndarray | slice:
    """The row of each text, from the file of ids; the rows as they are if there is none."""
    if not path.is_file():
        return slice(None)
    known, row_of = set(side.ids), {}
    for place, line in read_lines(str(path), ""):
        id_ = line.strip()
        if id_ not in known:
            raise InputError(f"{place}: unknown id {id_!r}: it is not among the {what}")
        if id_ in row_of:
            raise InputError(f"{place}: id {id_!r} occurs twice, first in line {row_of[id_] + 1}: keep one row")
        row_of[id_] = len(row_of)
    missing = [id_ for id_ in side.ids if id_ not in row_of]
    if missing:
        raise InputError(f"{path}: {len(missing):,} {what} have no row, the first is {missing[0]!r}: expected all")
    return np.array([row_of[id_] for id_ in side.ids])


def _scaled(vectors_ND: np.ndarray) -> np.ndarray:
    return vectors_ND / np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), np.finfo(np.float32).tiny)
