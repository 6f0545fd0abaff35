"""The three-file benchmark layout, for `facts` and for anybody's own data.

    queries.jsonl     {"id": "currency/FR:de", "item": "currency/FR", "language": "de", "text": "..."}   one a line
    candidates.jsonl  the same fields
    qrels.trec        QUERY_ID 0 CANDIDATE_ID RELEVANCE    relevant where RELEVANCE is above 0

`item` joins the languages; where it is absent it is the part of the id before its last ":".  Fields besides these four
are ignored.  Ids are unique within a file and hold no white space.  Every query has at least one relevant candidate.
"""

import json
import os
from collections.abc import Iterator

import numpy as np

from hbt_jax import languages
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, Texts, pad_relevant

QUERIES, CANDIDATES, QRELS = "queries.jsonl", "candidates.jsonl", "qrels.trec"
LAYOUT = f"a benchmark folder holds {QUERIES}, {CANDIDATES} and {QRELS} (hbt_jax/evaluation/benchmarks/folder.py)"


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: a file is missing, empty or not UTF-8, or a line is wrong; the message names file and line.
    """
    queries = _read_texts(os.path.join(path, QUERIES))
    candidates = _read_texts(os.path.join(path, CANDIDATES))
    relevant_QG = _read_qrels(os.path.join(path, QRELS), queries, candidates)
    return Benchmark(name, queries, candidates, relevant_QG)


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Yields ("PATH:LINE", line) for each line that is not blank."""
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file: {LAYOUT}")
    found = False
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found = True
                    yield f"{path}:{number}", line
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}): save it as UTF-8") from error
    if not found:
        raise InputError(f"{path}: the file is empty: expected at least one line")


def _read_texts(path: str) -> Texts:
    ids, items, codes, texts = [], [], [], []
    first_place = {}
    for place, line in _lines(path):
        id_, item, code, text = _parse_text(place, line)
        if id_ in first_place:
            raise InputError(
                f"{place}: duplicate id {id_!r}, first at {first_place[id_]}: ids must be unique in a file"
            )
        first_place[id_] = place
        ids.append(id_)
        items.append(item)
        codes.append(code)
        texts.append(text)
    return Texts(ids, items, codes, texts)


def _parse_text(place: str, line: str) -> tuple[str, str, str, str]:
    """Returns (id, item, language code, text) of one JSON line."""
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}: not JSON ({error.msg} at column {error.colno}): expected one object a line"
        ) from error
    if not isinstance(fields, dict):
        raise InputError(f"{place}: expected a JSON object with id, language and text, got {type(fields).__name__}")
    for field in ("id", "language", "text"):
        if field not in fields:
            raise InputError(f"{place}: missing field {field!r}: a line has id, language, text and, if wanted, item")
    for field in ("id", "language", "text", "item"):
        if field in fields and not isinstance(fields[field], str):
            raise InputError(f"{place}: field {field!r} is {json.dumps(fields[field])[:40]}: expected a string")
    id_, code, text = fields["id"], fields["language"], fields["text"]
    if not id_ or id_.split() != [id_]:
        raise InputError(f"{place}: id {id_!r} is empty or holds white space, which TREC files cannot carry")
    if code not in languages.LANGUAGES:
        raise InputError(f"{place}: unknown language {code!r}: the known codes are {' '.join(languages.LANGUAGES)}")
    if not text.strip():
        raise InputError(f"{place}: the text of {id_!r} is empty: drop the line or give the text")
    return id_, fields.get("item", id_.rpartition(":")[0] or id_), code, text


def _read_qrels(path: str, queries: Texts, candidates: Texts) -> np.ndarray:
    """Returns relevant_QG of the benchmark."""
    query_index = {id_: index for index, id_ in enumerate(queries.ids)}
    candidate_index = {id_: index for index, id_ in enumerate(candidates.ids)}
    relevant = [[] for _ in query_index]
    judged = set()
    for place, line in _lines(path):
        fields = line.split()
        if len(fields) != 4:
            raise InputError(f"{place}: {len(fields)} fields: expected 4, QUERY_ID 0 CANDIDATE_ID RELEVANCE")
        query_id, _, candidate_id, grade = fields
        if query_id not in query_index:
            raise InputError(f"{place}: unknown query id {query_id!r}: it is not in {QUERIES}")
        if candidate_id not in candidate_index:
            raise InputError(f"{place}: unknown candidate id {candidate_id!r}: it is not in {CANDIDATES}")
        if (query_id, candidate_id) in judged:
            raise InputError(
                f"{place}: query {query_id!r} and candidate {candidate_id!r} are judged twice: keep one line"
            )
        judged.add((query_id, candidate_id))
        try:
            is_relevant = int(grade) > 0
        except ValueError as error:
            raise InputError(f"{place}: relevance {grade!r}: expected a whole number, above 0 if relevant") from error
        if is_relevant:
            relevant[query_index[query_id]].append(candidate_index[candidate_id])
    without = [id_ for id_, indexes in zip(queries.ids, relevant, strict=True) if not indexes]
    if without:
        raise InputError(
            f"{path}: {len(without)} of {len(queries)} queries have no relevant candidate, the first is {without[0]!r}:"
            f" judge one or drop them from {QUERIES}"
        )
    return pad_relevant(relevant)
