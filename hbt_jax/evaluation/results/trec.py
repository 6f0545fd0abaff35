"""Writes TREC run and qrels files, with the grades of the benchmark's files; where all grades are 1, trec_eval and
similar tools compute the same metrics from them.

    qrels.trec                     every judgement: the qrels of the multilingual run
    runs/multilingual.trec         pool = all candidates
    runs/monolingual.trec          pool = candidates in the query's language
    runs/cross_lingual-CODE.trec   pool = candidates in language CODE, for queries in all other languages
    runs/NAME.qrels                the judgements within the pool of runs/NAME.trec, for the last two

A run line is `QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG`.  Scores have nine digits, which restore the float32 exactly, so
a reader that breaks ties by descending id gets our order.  Queries that do not count in a pool are left out of its run,
and so are candidates that a query does not search.  A run that is cut below the size of the pool gives a mean average
precision that is slightly too low.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TextIO

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.ranking.layout import PoolLayout, top_slots
from hbt_jax.evaluation.ranking.rank import RankedQueries
from hbt_jax.files import atomic_file

TAG = "hbt_jax"


def write_qrels(path: str, benchmark: Benchmark) -> None:
    """Writes every judgement of the benchmark."""
    with atomic_file(path) as file:
        for query in range(len(benchmark.queries)):
            file.writelines(map(str.encode, _judgements(benchmark, query, _relevant(benchmark, query))))


def _relevant(benchmark: Benchmark, query: int) -> list[int]:
    return [n for n in benchmark.relevant_QG[query].tolist() if n != NO_CANDIDATE]


def _judgements(benchmark: Benchmark, query: int, relevant: Sequence[int]) -> Iterator[str]:
    """The qrels lines of one query and some of its relevant candidates."""
    grades = benchmark.grades(query)
    return (f"{benchmark.queries.ids[query]} 0 {benchmark.candidates.ids[n]} {grades[n]}\n" for n in relevant)


class RunWriter(contextlib.AbstractContextManager):
    """Writes the runs of the chosen settings block by block; a context manager that closes the files.

    Args:
      folder: an existing temporary folder, renamed into place when the runs are complete (files.atomic_folder).
      benchmark: queries and candidates.
      layout: of its candidates.
      depth: candidates per query; 0 for all.
      settings: which of `metrics.SETTINGS` to write.  At full depth the cross-lingual runs have Q x N lines in all, as
        many as the multilingual one, so they are written only on request.
    """

    def __init__(self, folder: str, benchmark: Benchmark, layout: PoolLayout, depth: int, settings: tuple[str, ...]):
        if set(settings) - set(SETTINGS):
            raise ValueError(f"settings {settings}: expected some of {SETTINGS}")
        self._folder, self._benchmark, self._layout = folder, benchmark, layout
        self._depth, self._settings = depth, settings
        self._tie_M = layout.tie_M
        self._id_M = [benchmark.candidates.ids[n] if n != NO_CANDIDATE else None for n in layout.candidate_M.tolist()]
        self._pools = benchmark.candidate_pools
        self._files: dict[str, TextIO] = {}
        self._closing = contextlib.ExitStack()

    def __exit__(self, *error) -> None:
        self._closing.close()

    def write(self, block: RankedQueries) -> None:
        """Appends the rankings of the queries of one block to the runs."""
        for row, query in enumerate(range(block.start, block.stop)):
            score_M = block.score_qM[row]
            relevant = _relevant(self._benchmark, query)
            if "multilingual" in self._settings:
                self._append("multilingual", query, score_M, slice(0, len(score_M)))
            by_pool: dict[str, list[int]] = {}
            for n in relevant:
                by_pool.setdefault(self._pools[n], []).append(n)
            for pool, within in by_pool.items():
                code = self._benchmark.candidates.languages[within[0]]
                setting = "monolingual" if code == self._benchmark.queries.languages[query] else "cross_lingual"
                if setting in self._settings:
                    name = setting if setting == "monolingual" else f"{setting}-{code}"
                    self._append(name, query, block.own_score_qM[row], self._layout.slots[pool])
                    self._file(f"{name}.qrels").writelines(_judgements(self._benchmark, query, within))

    def _file(self, name: str) -> TextIO:
        if name not in self._files:
            path = os.path.join(self._folder, name)
            self._files[name] = self._closing.enter_context(open(path, "w", encoding="utf-8"))  # noqa: SIM115 - closed with self
        return self._files[name]

    def _append(self, name: str, query: int, score_M: np.ndarray, searched: slice) -> None:
        """Appends the ranking of one query over the slots `searched` to the run `name`."""
        slots = searched.start + top_slots(score_M[searched], self._tie_M[searched], self._depth)
        head = f"{self._benchmark.queries.ids[query]} Q0 "
        ranked = enumerate(zip(slots.tolist(), score_M[slots].tolist(), strict=True), start=1)
        self._file(f"{name}.trec").writelines(
            f"{head}{self._id_M[slot]} {rank} {score:.9g} {TAG}\n" for rank, (slot, score) in ranked
        )
