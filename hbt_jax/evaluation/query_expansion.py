"""Query expansion: texts made beforehand for each query, by a language model say, that go with it (arXiv 2511.19325).

    FILE.jsonl    {"id": QUERY_ID, "texts": ["...", "..."]}   one a line; other fields are ignored

One file serves all benchmarks of an evaluation.  A query without a line is ranked as it is, and counted.

    concat           the query, then its texts, with spaces between them, as one text with the query prefix; cut at the
                     longest text of either side (--max_length, or the longer of the query and passage lengths)
    mean-embedding   the mean of the query's embedding (query prefix, query length) and those of its texts (passage
                     prefix, passage length: they stand for passages), scaled to unit length
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hbt_jax.config import CONCAT, EXPANSION_COMBINATIONS
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embed import Embedder

_LAYOUT = 'expected one {"id": QUERY_ID, "texts": ["...", ...]} a line'

Expansions = Mapping[int, Sequence[str]]  # index of a query -> its texts, in ascending order of the indexes


def read_expansions(path: str, benchmarks: Sequence[Benchmark]) -> dict[str, Expansions]:
    """Reads the expansions of the queries of some benchmarks: name of a benchmark -> its expansions.

    Raises:
      InputError: the file is missing, empty or not UTF-8, a line is wrong, an id occurs twice or is of no query, or a
        benchmark has none of the ids; the message names file and line.
    """
    place = {benchmark.name: {id_: n for n, id_ in enumerate(benchmark.queries.ids)} for benchmark in benchmarks}
    found: dict[str, dict[int, list[str]]] = {name: {} for name in place}
    first_line: dict[str, int] = {}
    for number, line in _lines(path):
        try:
            id_, texts = _parse(line)
            if id_ in first_line:
                raise ValueError(f"duplicate id {id_!r}, first at line {first_line[id_]}: expected one line a query")
            holders = [name for name, queries in place.items() if id_ in queries]
            if not holders:
                raise ValueError(f"unknown id {id_!r}: no query of {', '.join(place)} has it")
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        first_line[id_] = number
        for name in holders:
            found[name][place[name][id_]] = texts
    for name, expansions in found.items():
        if not expansions:
            raise InputError(f"{path}: it has no query of {name}: leave {name} out of --benchmarks, or add its queries")
    return {name: dict(sorted(expansions.items())) for name, expansions in found.items()}


def _lines(path: str) -> Iterator[tuple[int, str]]:
    """Yields number and content of each line that is not blank."""
    if not os.path.isfile(path):
        raise InputError(f"--query_expansions={path}: no such file: {_LAYOUT}")
    found = False
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found = True
                    yield number, line
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}): save it as UTF-8") from error
    if not found:
        raise InputError(f"{path}: the file is empty: {_LAYOUT}")


def _parse(line: str) -> tuple[str, list[str]]:
    """The id and texts of one line; raises ValueError that says what is wrong with it."""
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno}): {_LAYOUT}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"got {type(fields).__name__}: {_LAYOUT}")
    for field in ("id", "texts"):
        if field not in fields:
            raise ValueError(f"missing field {field!r}: {_LAYOUT}")
    id_, texts = fields["id"], fields["texts"]
    if not isinstance(id_, str):
        raise ValueError(f"id is {json.dumps(id_)[:40]}: expected a string, the id of a query")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"texts of {id_!r} are {json.dumps(texts)[:40]}: expected a list of strings")
    if not texts:
        raise ValueError(f"texts of {id_!r} are an empty list: give a text, or leave the line out")
    for n, text in enumerate(texts, start=1):
        if not text.strip():
            raise ValueError(f"text {n} of {id_!r} is empty: leave it out")
    return id_, texts


def embed_expanded(
    embedder: Embedder, queries: Sequence[str], query_QD: np.ndarray, expansions: Expansions, combination: str
) -> np.ndarray:
    """The embeddings of the queries with their expansions; those of queries without any are not changed.

    Args:
      embedder: of the model.
      queries: Q texts.
      query_QD: float32, their embeddings without expansions.
      expansions: of some of them.
      combination: one of config.EXPANSION_COMBINATIONS.

    Returns:
      float32 [Q, D].

    Raises:
      ValueError: an unknown combination.
    """
    if combination not in EXPANSION_COMBINATIONS:
        raise ValueError(f"combination {combination!r}: expected one of {', '.join(EXPANSION_COMBINATIONS)}")
    rows = list(expansions)
    expanded_QD = query_QD.copy()
    if combination == CONCAT:
        texts = [" ".join([queries[row], *expansions[row]]) for row in rows]
        expanded_QD[rows] = embedder(texts, "query", longest=embedder.model.text.longest)
        return expanded_QD
    texts_ED = embedder(list(itertools.chain.from_iterable(expansions.values())), "passage")
    count_q = np.array([len(texts) for texts in expansions.values()])
    expanded_QD[rows] = mean_of(query_QD[rows], texts_ED, count_q)
    return expanded_QD


def mean_of(query_qD: np.ndarray, texts_ED: np.ndarray, count_q: np.ndarray) -> np.ndarray:
    """The mean of each query's embedding and those of its texts, scaled to unit length.

    Args:
      query_qD: float32.
      texts_ED: float32, the texts of the first query, those of the second, and so on.
      count_q: int, how many texts each query has, at least one.

    >>> mean_of(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([2, 1]))
    array([[0.89442719, 0.4472136 ],
           [0.70710678, 0.70710678]])
    """
    sum_qD = query_qD + np.add.reduceat(texts_ED, np.cumsum(count_q) - count_q, axis=0)
    mean_qD = sum_qD / (1 + count_q)[:, None].astype(query_qD.dtype)
    length_q1 = np.linalg.norm(mean_qD, axis=1, keepdims=True)
    return mean_qD / np.maximum(length_q1, np.finfo(query_qD.dtype).tiny)
