"""Query expansion: texts added to each query that were made beforehand, say by a language model (arXiv 2511.19325).

    FILE.jsonl    {"id": QUERY_ID, "texts": ["...", "..."]}   one per line; other fields are ignored

One file serves all benchmarks of an evaluation.  Queries without a line are ranked as they are, and counted.

    concat           the query and its texts, joined by spaces, as one text with the query prefix; truncated to
                     --max_length, or to the longer of the query and passage lengths
    mean-embedding   the mean of the embeddings of the query (query prefix, query length) and of its texts (passage
                     prefix, passage length, as they resemble passages), scaled to unit length
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.config.values import CONCAT, EXPANSION_COMBINATIONS
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.reading.text_lines import check_text, json_object, read_lines, shown

_LAYOUT = 'expected one {"id": QUERY_ID, "texts": ["...", ...]} per line'

Expansions = Mapping[int, Sequence[str]]  # index of a query -> its texts, in ascending order of the indexes


def read_expansions(path: str, benchmarks: Sequence[Benchmark]) -> dict[str, Expansions]:
    """Reads the expansions of the benchmarks' queries: name of a benchmark -> its expansions.

    Raises:
      InputError: the file is missing, empty or not UTF-8, a line is wrong, an id occurs twice or belongs to no query,
        or a benchmark has none of the ids; the message names file and line.
    """
    place = {benchmark.name: {id_: n for n, id_ in enumerate(benchmark.queries.ids)} for benchmark in benchmarks}
    found: dict[str, dict[int, list[str]]] = {name: {} for name in place}
    first_place: dict[str, str] = {}
    for where, line in read_lines(path, f"--query_expansions is a file of JSON lines, {_LAYOUT}"):
        if not line.strip():
            continue
        id_, texts = _parse(where, line)
        if id_ in first_place:
            raise InputError(f"{where}: duplicate id {id_!r}, first at {first_place[id_]}: expected one line per query")
        first_place[id_] = where
        holders = [name for name, queries in place.items() if id_ in queries]
        if not holders:
            raise InputError(f"{where}: unknown id {id_!r}: no query of {', '.join(place)} has it")
        for name in holders:
            found[name][place[name][id_]] = texts
    for name, expansions in found.items():
        if not expansions:
            raise InputError(f"{path}: it has no query of {name}: leave {name} out of --benchmarks, or add its queries")
    return {name: dict(sorted(expansions.items())) for name, expansions in found.items()}


def _parse(where: str, line: str) -> tuple[str, list[str]]:
    """The id and texts of one line."""
    fields = json_object(where, line, "id and texts")
    for field in ("id", "texts"):
        if field not in fields:
            raise InputError(f"{where}: missing field {field!r}: {_LAYOUT}")
    id_, texts = fields["id"], fields["texts"]
    if not isinstance(id_, str):
        raise InputError(f"{where}: id is {shown(id_)}: expected a string, the id of a query")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: texts of {id_!r} are {shown(texts)}: expected a list of strings")
    if not texts:
        raise InputError(f"{where}: texts of {id_!r} are an empty list: give a text, or leave the line out")
    for number, text in enumerate(texts, start=1):
        check_text(where, f"text {number} of {id_!r}", text)
    return id_, texts


def embed_expanded(
    embedder: Embedder, queries: Sequence[str], query_QD: np.ndarray, expansions: Expansions, combination: str
) -> np.ndarray:
    """The embeddings of the queries with their expansions; queries without any keep theirs.

    Args:
      embedder: of the model.
      queries: Q texts.
      query_QD: float32, their embeddings without expansions.
      expansions: of some of the queries.
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
      texts_ED: float32, the texts of the first query, then of the second, and so on.
      count_q: int, how many texts each query has, at least one.

    >>> mean_of(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([2, 1]))
    array([[0.89442719, 0.4472136 ],
           [0.70710678, 0.70710678]])
    """
    sum_qD = query_qD + np.add.reduceat(texts_ED, np.cumsum(count_q) - count_q, axis=0)
    mean_qD = sum_qD / (1 + count_q)[:, None].astype(query_qD.dtype)
    length_q1 = np.linalg.norm(mean_qD, axis=1, keepdims=True)
    return mean_qD / np.maximum(length_q1, np.finfo(query_qD.dtype).tiny)
