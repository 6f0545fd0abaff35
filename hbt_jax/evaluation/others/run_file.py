"""Reads a TREC run: QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG on each line, separated by white space.

As in trec_eval, the score alone orders the candidates of a query and equal scores follow the tie rule; the second,
fourth and last fields are not used.  Lines may stand in any order; candidates that are not listed were not found.
Queries of the benchmark to which nothing is relevant are passed over and counted.
"""

import dataclasses
from array import array

import numpy as np

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.reading.text_lines import read_lines

_LAYOUT = "--run is a TREC run: QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG on each line"
_IDS = "--write_texts shows the ids of a benchmark"


@dataclasses.dataclass(frozen=True)
class TrecRun:
    """The candidates that a run lists, query by query.

    Attributes:
      candidate_E: int32, index of the candidate on each of E lines.
      score_E: float32.
      start_Q: int64 [Q + 1]: query q has the lines start_Q[q] to start_Q[q + 1] - 1.
      unanswered: how many queries to which nothing is relevant were passed over.
    """

    candidate_E: np.ndarray
    score_E: np.ndarray
    start_Q: np.ndarray
    unanswered: int = 0

    def scores(self, start: int, stop: int, candidates: int) -> np.ndarray:
        """float32 [stop - start, candidates]: the scores of some queries; -inf for candidates that are not listed."""
        lines = slice(self.start_Q[start], self.start_Q[stop])
        score_qN = np.full((stop - start, candidates), -np.inf, np.float32)
        rows = np.repeat(np.arange(stop - start), np.diff(self.start_Q[start : stop + 1]))
        score_qN[rows, self.candidate_E[lines]] = self.score_E[lines]
        return score_qN


def read_run(path: str, benchmark: Benchmark) -> TrecRun:
    """Reads a run on a benchmark; PATH.gz is read if that is there instead.

    Raises:
      InputError: the file is missing, damaged or empty, or a line has not six fields, an unknown id, a score that is
        not a finite number, or a query and candidate of an earlier line; the message names file and line.
    """
    query_index = {id_: number for number, id_ in enumerate(benchmark.queries.ids)}
    candidate_index = {id_: number for number, id_ in enumerate(benchmark.candidates.ids)}
    queries, candidates, scores = array("i"), array("i"), array("f")
    unanswered: set[str] = set()
    for place, line in read_lines(path, _LAYOUT):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 6:
            raise InputError(f"{place}: {len(fields)} fields: expected 6, QUERY_ID Q0 CANDIDATE_ID RANK SCORE TAG")
        if fields[0] in benchmark.unanswered:
            unanswered.add(fields[0])
            continue
        queries.append(_index(place, "query", fields[0], query_index, benchmark.name))
        candidates.append(_index(place, "candidate", fields[2], candidate_index, benchmark.name))
        scores.append(_score(place, fields[4]))
    query_E, candidate_E, score_E = np.asarray(queries), np.asarray(candidates), np.asarray(scores)
    order_E = np.argsort(query_E, kind="stable")
    start_Q = np.concatenate([[0], np.cumsum(np.bincount(query_E, minlength=len(query_index)))])
    _check_listed_once(path, benchmark, query_E, candidate_E)
    return TrecRun(candidate_E[order_E], score_E[order_E], start_Q, len(unanswered))


def _index(place: str, side: str, id_: str, known: dict[str, int], name: str) -> int:
    if id_ not in known:
        example = next(iter(known))
        raise InputError(f"{place}: unknown {side} id {id_!r}: {name} has ids such as {example!r}; {_IDS}")
    return known[id_]


def _score(place: str, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = np.nan
    if not abs(score) <= float(np.finfo(np.float32).max):
        raise InputError(f"{place}: score {text!r}: expected a finite number of float32")
    return score


def _check_listed_once(path: str, benchmark: Benchmark, query_E: np.ndarray, candidate_E: np.ndarray) -> None:
    """Raises InputError if two lines have the same query and candidate."""
    pair_E = query_E.astype(np.int64) * len(benchmark.candidates) + candidate_E
    pair_E.sort()
    twice = pair_E[1:][pair_E[1:] == pair_E[:-1]]
    if twice.size:
        query, candidate = divmod(int(twice[0]), len(benchmark.candidates))
        raise InputError(
            f"{path}: query {benchmark.queries.ids[query]!r} lists candidate {benchmark.candidates.ids[candidate]!r}"
            f" twice, one of {twice.size:,} such lines: keep one line for each"
        )
