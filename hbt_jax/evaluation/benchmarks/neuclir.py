"""NeuCLIR 1 (Lawrie et al. 2023, arXiv 2304.12367): find news in Persian, Russian and Chinese, each by its queries.

    data/LANG-00000-of-00001.jsonl.gz   of neuclir/neuclir1 on the hub: {"id", "title", "text"} per line; fas, rus, zho
    *topics*.jsonl                      {"topic_id", "topics": [{"lang", "source", "topic_title", "topic_description"}]}
    *qrels*                             TOPIC LANG DOCID GRADE; both as trec.nist.gov/data/neuclir has them

A query is a topic in the language of the documents, if the topic is judged in that language; a human translation is
preferred to a machine translation.  Or, as in the track's main tasks, all queries are in English: each searches the
documents of every language in which it is judged, one language at a time, and all documents together.
"""

import re
from pathlib import Path

from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark, joint_id, passage_reader
from hbt_jax.evaluation.reading.text_lines import id_field, json_object, read_lines, shown, text_field

_DOCUMENT = passage_reader("id", "title", "text")
LANGUAGES = {"fas": "fa", "rus": "ru", "zho": "zh"}
OWN, ENGLISH = "own", "en"
_VERSIONS = {**LANGUAGES, "eng": ENGLISH}
_HUMAN = ("original", "human translation")
_LAYOUT = "a neuclir folder holds data/LANG-00000-of-00001.jsonl.gz, *topics*.jsonl and *qrels*"
_NOTE_ACROSS = (
    "queries are in English; in the multilingual pool the documents relevant to a topic in any language count"
)
_NOTE = "documents are judged in the query's language only: in the multilingual pool, all others count as not relevant"


def read(path: str, name: str, neuclir_queries: str = OWN) -> StreamedBenchmark:
    """Reads topics and judgements.

    Args:
      path: the folder.
      name: names the folder of the results.
      neuclir_queries: "own", queries in the language of the documents; or "en", in English.

    Raises:
      InputError: a file is missing, there several times, or wrong.
    """
    shards = [
        Shard(LANGUAGES[code], f"{LANGUAGES[code]}-{file.name.partition('.')[0]}", str(file))
        for code in LANGUAGES
        for file in sorted((Path(path) / "data").glob(f"{code}-[0-9]*.jsonl*"))
    ]
    if not shards:
        raise InputError(f"{path}/data: no corpus in it: {_LAYOUT}")
    graded, rows, grades, machine = _judgements(path), [], [], 0
    for place, line in read_lines(str(_only(path, "*topics*.jsonl")), _LAYOUT):
        if line.strip():
            topic = json_object(place, line, "topic_id and topics")
            id_ = id_field(place, topic, "topic_id")
            for code in sorted({shard.language for shard in shards}):
                if graded.get((id_, code)):
                    text, is_machine = _text(place, topic, code if neuclir_queries == OWN else neuclir_queries)
                    rows.append((joint_id(code, id_), id_, code, text))
                    grades.append(graded[id_, code])
                    machine += is_machine
    if not rows:
        raise InputError(f"{path}: no topic is judged in a language of data/: fetch topics and qrels of one year")
    said = [f"{machine:,} queries are machine translations"] if machine else []
    texts, settings = BenchmarkTexts.of_rows(rows), {"query_text": "title, space, description"}
    asked_in = "" if neuclir_queries == OWN else neuclir_queries
    settings |= {"query_language": asked_in} if asked_in else {}
    notes = (_NOTE_ACROSS if asked_in else _NOTE, *said)
    return StreamedBenchmark(name, texts, grades, tuple(shards), _DOCUMENT, settings, notes, asked_in=asked_in)


def _only(path: str, pattern: str) -> Path:
    found = sorted(Path(path).glob(pattern))
    if len(found) != 1:
        raise InputError(f"{path}: {len(found)} files {pattern}: expected one, of one year; {_LAYOUT}")
    return found[0]


def _judgements(path: str) -> dict[tuple[str, str], dict[str, int]]:
    """(topic, language) -> document -> grade."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for place, line in read_lines(str(_only(path, "*qrels*")), _LAYOUT):
        fields = line.split()
        if len(fields) != 4 or fields[1] not in LANGUAGES or not re.fullmatch(r"[0-9]{1,9}", fields[3]):
            raise InputError(f"{place}: {line[:60]!r}: expected TOPIC LANG DOCID GRADE, LANG of {' '.join(LANGUAGES)}")
        judged = found.setdefault((fields[0], LANGUAGES[fields[1]]), {})
        if fields[2] in judged:
            raise InputError(f"{place}: topic {fields[0]!r} and document {fields[2]!r} are judged twice: keep one line")
        judged[fields[2]] = int(fields[3])
    return found


def _text(place: str, topic: dict, code: str) -> tuple[str, bool]:
    """A topic in one language, and whether a machine translated it."""
    versions = topic.get("topics")
    if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
        raise InputError(f"{place}: topics is {shown(versions)}: expected a list of versions, which are objects")
    mine = [one for one in versions if _VERSIONS.get(text_field(place, one, "lang")) == code]
    if not mine:
        what = (
            "is judged but has no version in English"
            if code == ENGLISH
            else f"is judged in {code!r} but has no version in it"
        )
        raise InputError(f"{place}: topic {topic['topic_id']!r} {what}")
    best = min(mine, key=lambda one: one.get("source") not in _HUMAN)
    parts = [text_field(place, best, field) for field in ("topic_title", "topic_description")]
    return " ".join(parts), best.get("source") not in _HUMAN
