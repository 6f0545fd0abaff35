"""The three-file benchmark layout, for `facts` and for your own data.

    queries.jsonl     {"id": "currency/FR:de", "item": "currency/FR", "language": "de", "text": "..."}   one per line
    candidates.jsonl  the same fields
    qrels.trec        QUERY_ID 0 CANDIDATE_ID GRADE        relevant where GRADE is above 0

`language` may be any code of the language: texts in "tl" and in "fil" count as one language, and the notes say so.
`item` connects translations; if it is absent, the item is the part of the id before the last ":".  Other fields are
ignored.  Ids are unique within a file and contain no white space.  Every query has at least one relevant candidate.
made_from.json, which data_prep/write_benchmark.py also writes, may say what the texts were made from.
Each file may be gzipped (queries.jsonl.gz).

Relevance is yes or no; the results say how many grades are above 1.  Measures chosen by --measures and written files
have the grades themselves.  A candidate without a judgement is not relevant, unless it is a copy of a relevant one:
copies are judged alike (judged_alike.py), except where a judgement says "not relevant".  Queries that share a text
share an item in the results, so that bootstrap samples draw them together.
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hbt_jax import languages
from hbt_jax.data.manifest import data_release
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark, BenchmarkTexts, pad_relevant
from hbt_jax.evaluation.benchmarks.copies import Same, joined_items, not_joined_note, said
from hbt_jax.evaluation.benchmarks.judged_alike import Alike, judge_alike
from hbt_jax.evaluation.reading.qrels import KnownIds, read_qrels
from hbt_jax.evaluation.reading.text_lines import check_id, check_text, json_object, read_lines, shown
from hbt_jax.models.huggingface.json_files import read_json

QUERIES, CANDIDATES, QRELS = "queries.jsonl", "candidates.jsonl", "qrels.trec"
MADE_FROM = "made_from.json"
LAYOUT = f"a benchmark folder holds {QUERIES}, {CANDIDATES} and {QRELS} (hbt_jax/evaluation/benchmarks/folder.py)"


def read(path: str, name: str) -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: a file is missing, empty, damaged or not UTF-8, or a line is wrong; the message names file and line.
    """
    respelled: Counter = Counter()  # (code in the files, canonical code) -> texts
    queries = _read_texts(os.path.join(path, QUERIES), respelled)
    candidates = _read_texts(os.path.join(path, CANDIDATES), respelled)
    judged = _read_judgements(os.path.join(path, QRELS), queries, candidates)
    alike = judge_alike(queries, candidates, judged.relevant, judged.rejected)
    _check_answered(os.path.join(path, QRELS), queries, alike)
    spelt = (
        f"{count:,} texts in {written!r}, counted as {code}, the same language"
        for (written, code), count in sorted(respelled.items())
    )
    notes = (*_notes(queries, candidates, judged.grades), *spelt, *_copy_notes(queries, candidates, alike))
    return Benchmark(
        name,
        dataclasses.replace(queries, items=joined_items(queries.items, alike.queries)),
        candidates,
        pad_relevant(alike.relevant),
        judged=_grades(judged, alike),
        counts={"judgements": judged.grades, "copies": _copy_counts(alike)},
        notes=notes,
        release=_release(Path(path) / MADE_FROM),
    )


def _check_answered(path: str, queries: BenchmarkTexts, alike: Alike) -> None:
    without = [id_ for id_, indexes in zip(queries.ids, alike.relevant, strict=True) if not indexes]
    if without:
        raise InputError(
            f"{path}: {len(without)} of {len(queries)} queries have no relevant candidate, the first is {without[0]!r}:"
            f" judge one or drop them from {QUERIES}"
        )


def _copy_counts(alike: Alike) -> dict[str, int]:
    return {
        "queries": int(alike.queries.is_copy_N.sum()),
        "candidates": int(alike.candidates.is_copy_N.sum()),
        "added_judgements": alike.added,
        "kept_not_relevant": len(alike.kept),
        "groups_not_joined": len(alike.queries.not_joined) + len(alike.candidates.not_joined),
    }


def _copy_notes(queries: BenchmarkTexts, candidates: BenchmarkTexts, alike: Alike) -> Iterator[str]:
    """Sentences about copies and about the judgements that they change, each with an example."""
    for side, texts, same in _sides(queries, candidates, alike):
        copies = np.flatnonzero(same.is_copy_N)
        if copies.size:
            first = int(same.first_N[copies[0]])
            yield f"{said(side, copies.size, texts.ids, int(copies[0]), first)}: they are judged alike"
    if alike.added:
        yield f"{alike.added:,} judgements were added, for copies of judged texts"
    if alike.kept:
        query, n = alike.kept[0]
        yield (
            f"{len(alike.kept):,} judgements call copies of relevant candidates not relevant, such as that of"
            f" query {queries.ids[query]} and candidate {candidates.ids[n]}: they are kept"
        )
    for side, texts, same in _sides(queries, candidates, alike):
        yield from not_joined_note(side, texts, same)


def _sides(
    queries: BenchmarkTexts, candidates: BenchmarkTexts, alike: Alike
) -> tuple[tuple[str, BenchmarkTexts, Same], ...]:
    return ("queries", queries, alike.queries), ("candidates", candidates, alike.candidates)


def _release(file: Path) -> str:
    """The release of public data that made_from.json names; empty if there is no such file."""
    return data_release(read_json(file)) if file.is_file() else ""


def _notes(queries: BenchmarkTexts, candidates: BenchmarkTexts, grades: dict[str, int]) -> tuple[str, ...]:
    """What the files contain that does not count, or not in full."""
    notes = []
    if grades["not_relevant"]:
        notes.append(f"{grades['not_relevant']:,} judgements of {QRELS} say not relevant, the same as no judgement")
    if grades["above_1"]:
        notes.append(f"{grades['above_1']:,} judgements of {QRELS} are above 1: they count as 1, relevant")
    asked, found = queries.count_by_language(), candidates.count_by_language()
    for file, counts, other, others in ((CANDIDATES, found, QUERIES, asked), (QUERIES, asked, CANDIDATES, found)):
        alone = [f"{code} ({count:,})" for code, count in counts.items() if code not in others]
        if alone:
            notes.append(f"languages of {file} that {other} lacks: {', '.join(alone)}")
    return tuple(notes)


def _read_texts(path: str, respelled: Counter) -> BenchmarkTexts:
    """The texts of a file, in its order; counts those whose language is written as another code of it."""
    ids, items, codes, texts = [], [], [], []
    first_place = {}
    for place, line in read_lines(path, LAYOUT):
        if not line.strip():
            continue
        id_, item, written, code, text = _parse_text(place, line)
        if id_ in first_place:
            raise InputError(
                f"{place}: duplicate id {id_!r}, first at {first_place[id_]}: ids must be unique in a file"
            )
        first_place[id_] = place
        if code != written:
            respelled[written, code] += 1
        ids.append(id_)
        items.append(item)
        codes.append(code)
        texts.append(text)
    return BenchmarkTexts(ids, items, codes, texts)


def _parse_text(place: str, line: str) -> tuple[str, str, str, str, str]:
    """Returns (id, item, language as written, its canonical code, text) of one JSON line."""
    fields = json_object(place, line, "id, language and text")
    for field in ("id", "language", "text"):
        if field not in fields:
            raise InputError(f"{place}: missing field {field!r}: a line has id, language, text and, if wanted, item")
    for field in ("id", "language", "text", "item"):
        if field in fields and not isinstance(fields[field], str):
            raise InputError(f"{place}: field {field!r} is {shown(fields[field])}: expected a string")
    id_, written, text = fields["id"], fields["language"], fields["text"]
    check_id(place, "id", id_)
    try:
        code = languages.canonical(written)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    check_text(place, f"the text of {id_!r}", text)
    return id_, fields.get("item", id_.rpartition(":")[0] or id_), written, code, text


@dataclasses.dataclass(frozen=True)
class _Judged:
    """The judgements of the file.

    Attributes:
      relevant: for each query, the indexes of the candidates judged relevant.
      rejected: query -> indexes of the candidates judged not relevant.
      graded: for each query, candidate index -> grade.
      grades: how many judgements there are of each kind.
    """

    relevant: list[set[int]]
    rejected: dict[int, set[int]]
    graded: list[dict[int, int]]
    grades: dict[str, int]


def _read_judgements(path: str, queries: BenchmarkTexts, candidates: BenchmarkTexts) -> _Judged:
    """Reads the judgements and looks their ids up."""
    candidate_index = {id_: index for index, id_ in enumerate(candidates.ids)}
    graded = read_qrels(path, LAYOUT, KnownIds(set(queries.ids), QUERIES), KnownIds(candidate_index, CANDIDATES))
    relevant: list[set[int]] = [set() for _ in queries.ids]
    rejected: dict[int, set[int]] = {}
    by_query: list[dict[int, int]] = [{} for _ in queries.ids]
    counts = Counter(relevant=0, not_relevant=0, above_1=0)
    for query, id_ in enumerate(queries.ids):
        for candidate, grade in graded.get(id_, {}).items():
            counts["relevant" if grade > 0 else "not_relevant"] += 1
            counts["above_1"] += grade > 1
            of_query = relevant[query] if grade > 0 else rejected.setdefault(query, set())
            of_query.add(candidate_index[candidate])
            by_query[query][candidate_index[candidate]] = grade
    return _Judged(relevant, rejected, by_query, dict(counts))


def _grades(judged: _Judged, alike: Alike) -> list[dict[int, int]]:
    """For each query, candidate index -> grade; a judgement added for a copy has the best grade of its text, else 1."""
    first_N, found = alike.candidates.first_N.tolist(), []
    for own, relevant in zip(judged.graded, alike.relevant, strict=True):
        best: dict[int, int] = {}
        for n, grade in own.items():
            best[first_N[n]] = max(grade, best.get(first_N[n], 1))
        found.append(own | {n: best.get(first_N[n], 1) for n in sorted(relevant - own.keys())})
    return found
