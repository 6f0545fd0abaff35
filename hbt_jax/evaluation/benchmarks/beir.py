"""BEIR's layout (Thakur et al. 2021, arXiv 2104.08663), found by its files, in one language or several.

    corpus.jsonl      {"_id", "title", "text"} per line, or corpus.jsonl.gz
    queries.jsonl     {"_id", "text"} per line
    qrels/SPLIT.tsv   query-id, corpus-id and score, separated by tabs; the first line is a header with these names

The text of a candidate is its title, a space and its text; if the title is empty, the text alone.  The language of a
line is its field `language`, or --language if it has none.  If there are several splits, test is read.
"""

import csv
import re
from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.benchmarks.judged_rows import Rows, benchmark_of, check_language
from hbt_jax.evaluation.reading.text_lines import check_id, check_text, json_object, read_lines, shown

_LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv"
_HEAD = ["query-id", "corpus-id", "score"]


def is_beir(path: str) -> bool:
    """Whether a folder is in this layout."""
    return any((Path(path) / f"corpus.jsonl{end}").is_file() for end in ("", ".gz"))


def read(path: str, name: str, language: str = "") -> Benchmark:
    """Reads the folder `path` as the benchmark `name`.

    Raises:
      InputError: a file is missing or damaged, or a line is wrong; the message names file and line.
    """
    queries, corpus = (_read_texts(f"{path}/{side}.jsonl", language) for side in ("queries", "corpus"))
    split = _split(Path(path) / "qrels")
    grades = _read_grades(split, queries, corpus)
    return benchmark_of(name, queries, corpus, grades, (f"judgements of {split.name}",))


def _split(folder: Path) -> Path:
    found = sorted(folder.glob("*.tsv"))
    chosen = [path for path in found if path.stem == "test"] or found
    if len(chosen) != 1:
        held = ", ".join(path.name for path in found) or "no .tsv file"
        raise InputError(f"{folder}: {held}: expected test.tsv, or one file; {_LAYOUT}")
    return chosen[0]


def _read_texts(path: str, language: str) -> Rows:
    rows: dict[str, tuple[str, str]] = {}
    may_be_empty = Path(path).name == "corpus.jsonl"
    for place, line in read_lines(path, _LAYOUT):
        if not line.strip():
            continue
        fields = json_object(place, line, "_id and text")
        for field in ("_id", "text"):
            if not isinstance(fields.get(field), str):
                held = f"{field!r} is {shown(fields[field])}" if field in fields else f"only {', '.join(fields)}"
                raise InputError(f"{place}: {held}: expected the string {field!r}; {_LAYOUT}")
        id_, title, text = fields["_id"], fields.get("title"), fields["text"]
        if not isinstance(title, str | None):
            raise InputError(f"{place}: 'title' is {shown(title)}: expected a string, or null for no title")
        check_id(place, "_id", id_)
        if id_ in rows:
            raise InputError(f"{place}: duplicate _id {id_!r}: ids must be unique in a file")
        if "language" not in fields and not language:
            raise InputError(f"{place}: no field 'language': give the language of all texts as --language, such as en")
        if not may_be_empty:
            check_text(place, f"the text of {id_!r}", text)
        if not fields.get("language", language):
            held = shown(fields["language"])
            raise InputError(f"{place}: 'language' is {held}: expected a code; or leave it out and use --language")
        rows[id_] = check_language(place, fields.get("language", language)), f"{title or ''} {text}".strip()
    return rows


def _read_grades(path: Path, queries: Rows, corpus: Rows) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for number, (place, line) in enumerate(read_lines(str(path), _LAYOUT)):
        fields = next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE), [])
        if fields == _HEAD and not number or not line.strip():
            continue
        if len(fields) != 3 or not re.fullmatch(r"\s*-?[0-9]{1,9}\s*", fields[2]):
            raise InputError(
                f"{place}: {line[:60]!r}: expected {', '.join(_HEAD)}, separated by tabs, the last a whole number"
            )
        query, candidate, grade = fields
        for side, id_, known in (("query-id", query, queries), ("corpus-id", candidate, corpus)):
            if id_ not in known:
                raise InputError(f"{place}: unknown {side} {id_!r}: no line of the folder's files has this _id")
        if candidate in grades.setdefault(query, {}):
            raise InputError(f"{place}: query {query!r} and candidate {candidate!r} are judged twice: keep one line")
        grades[query][candidate] = int(grade)
    return grades
