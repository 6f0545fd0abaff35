"""TREC run and qrels files, from which trec_eval and its relatives take the same numbers.

    qrels.trec                     every judgement: the qrels of the multilingual run
    runs/multilingual.trec         pool = all candidates
    runs/monolingual.trec          pool = candidates of the query's language
    runs/cross_lingual-CODE.trec   pool = candidates of language CODE, queries of every other language
    runs/NAME.qrels                the judgements within the pool of runs/NAME.trec, for the last two

A run line is `QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG`.  Scores have the nine digits that give the float32 back
exactly, so a reader that breaks ties by id, descending, finds our order.  Queries that do not count in a pool are left
out of its run.  A run cut at a depth below the pool's size gives a mean average precision that is a little too low.
"""

import contextlib
import os

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.metrics import SETTINGS
from hbt_jax.evaluation.ranking import Block, Layout

TAG = "hbt_jax"


def top_slots(score_S: np.ndarray, tie_S: np.ndarray, depth: int) -> np.ndarray:
    """The best-placed slots in order: by score, descending, then by tie order.

    Args:
      score_S: float32 scores.
      tie_S: int32 tie order, smaller first.
      depth: how many; 0 for all.

    Returns:
      int indexes into `score_S`.
    """
    chosen = np.arange(len(score_S))
    if 0 < depth < len(score_S):
        threshold = np.partition(score_S, len(score_S) - depth)[len(score_S) - depth]
        chosen = np.flatnonzero(score_S >= threshold)
    order = chosen[np.lexsort((tie_S[chosen], -score_S[chosen]))]
    return order[:depth] if depth else order


def write_qrels(path: str, benchmark: Benchmark, pairs: list[tuple[int, int]] | None = None) -> None:
    """Writes (query index, candidate index) judgements, all of the benchmark's when `pairs` is None."""
    if pairs is None:
        pairs = [(q, n) for q, row in enumerate(benchmark.relevant_QG.tolist()) for n in row if n != NO_CANDIDATE]
    query_ids, candidate_ids = benchmark.queries.ids, benchmark.candidates.ids
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{query_ids[q]} 0 {candidate_ids[n]} 1\n" for q, n in pairs)


class RunWriter(contextlib.AbstractContextManager):
    """Writes the runs of the chosen settings block by block; a context manager that closes the files.

    Args:
      folder: an existing folder.
      benchmark: queries and candidates.
      layout: of its candidates.
      depth: candidates per query; 0 for all.
      settings: which of `metrics.SETTINGS` to write.  All cross-lingual runs at full depth hold Q x N lines together,
        as many as the multilingual one, so they are written only when asked for.
    """

    def __init__(self, folder: str, benchmark: Benchmark, layout: Layout, depth: int, settings: tuple[str, ...]):
        if set(settings) - set(SETTINGS):
            raise ValueError(f"settings {settings}: expected some of {SETTINGS}")
        self._folder, self._benchmark, self._layout = folder, benchmark, layout
        self._depth, self._settings = depth, settings
        self._tie_M = layout.tie_M
        self._id_M = [benchmark.candidates.ids[n] if n != NO_CANDIDATE else None for n in layout.candidate_M.tolist()]
        self._used = np.flatnonzero(layout.candidate_M != NO_CANDIDATE)
        self._files = {}
        self._judged = {}
        self._closing = contextlib.ExitStack()

    def __exit__(self, *error) -> None:
        self._closing.close()
        if error[0] is None:
            for name in set(self._judged) - {"multilingual"}:  # its judgements are all of them: qrels.trec
                write_qrels(os.path.join(self._folder, f"{name}.qrels"), self._benchmark, self._judged[name])

    def write(self, block: Block) -> None:
        """Appends the runs of the queries of one block."""
        candidate_languages = self._benchmark.candidates.languages
        for row, query in enumerate(range(block.start, block.stop)):
            relevant = [n for n in self._benchmark.relevant_QG[query].tolist() if n != NO_CANDIDATE]
            if "multilingual" in self._settings:
                self._append("multilingual", query, relevant, block.score_qM[row], self._used)
            mine = self._benchmark.queries.languages[query]
            for code in sorted({candidate_languages[n] for n in relevant}):
                setting = "monolingual" if code == mine else "cross_lingual"
                if setting in self._settings:
                    slots = self._layout.slots[code]
                    within = [n for n in relevant if candidate_languages[n] == code]
                    self._append(
                        setting if code == mine else f"{setting}-{code}",
                        query,
                        within,
                        block.score_qM[row],
                        np.arange(slots.start, slots.stop),
                    )

    def _append(self, name: str, query: int, relevant: list[int], score_M: np.ndarray, pool: np.ndarray) -> None:
        """Appends the ranking of one query over the slots `pool` to the run `name`."""
        if name not in self._files:
            path = os.path.join(self._folder, f"{name}.trec")
            self._files[name] = self._closing.enter_context(open(path, "w", encoding="utf-8"))  # noqa: SIM115 - closed with self
            self._judged[name] = []
        self._judged[name] += [(query, n) for n in relevant]
        slots = pool[top_slots(score_M[pool], self._tie_M[pool], self._depth)]
        head = f"{self._benchmark.queries.ids[query]} Q0 "
        ranked = enumerate(zip(slots.tolist(), score_M[slots].tolist(), strict=True), start=1)
        self._files[name].writelines(
            f"{head}{self._id_M[slot]} {rank} {score:.9g} {TAG}\n" for rank, (slot, score) in ranked
        )
