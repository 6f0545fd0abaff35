"""MIRACL (Zhang et al. 2022, arXiv 2210.09984): find passages of Wikipedia in 18 languages; the dev split.

DATA_DIR/miracl/ holds the two official repositories of the Hugging Face hub in one folder, with all or some languages:

    miracl-v1.0-LANG/topics/topics.miracl-v1.0-LANG-dev.tsv    miracl/miracl: QID, tab, query
    miracl-v1.0-LANG/qrels/qrels.miracl-v1.0-LANG-dev.tsv      miracl/miracl: QID Q0 DOCID GRADE
    miracl-corpus-v1.0-LANG/docs-N.jsonl.gz                    miracl/miracl-corpus: {"docid", "title", "text"} per line

- The text of a passage is its title, a space and its text; if the title is empty, the text alone.
- Ids are unique within a language but not across languages; a docid is ARTICLE#PASSAGE.
- A grade of 0 means that a passage was judged not relevant.
- Passages are judged in the query's language only: in the pool of all languages, passages in other languages count as
  not relevant.
- The files of a corpus are numbered from 0 without gaps, so a missing one is noticed.
"""

import os
import re
from collections.abc import Iterator

from hbt_jax import languages
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.benchmarks.streamed import Shard, StreamedBenchmark, joint_id, own_id
from hbt_jax.evaluation.reading.qrels import KnownIds, read_qrels
from hbt_jax.evaluation.reading.text_lines import read_lines
from hbt_jax.text_identity import is_blank

SPLIT = "dev"
_TOPICS, _CORPUS = "miracl-v1.0-", "miracl-corpus-v1.0-"
_LAYOUT = "hbt_jax/evaluation/benchmarks/miracl.py shows the layout"
_NOTE = (
    "passages are judged in the query's language only: in the multilingual pool those of other languages count as not"
    " relevant"
)


def read(folder: str, name: str, miracl_languages: tuple[str, ...] = ()) -> StreamedBenchmark:
    """Reads topics and qrels, and lists the shards; no passage is read.

    Args:
      folder: as described above.
      name: names the folder of the results.
      miracl_languages: codes of those to read; none: all that the folder has.

    Raises:
      InputError: a language lacks topics, qrels or corpus, a shard is missing, or a line is wrong.
    """
    texts, grades, shards = BenchmarkTexts([], [], [], []), [], []
    for code in _languages(folder, miracl_languages):
        shards += _shards(folder, code)
        topics = os.path.join(folder, f"{_TOPICS}{code}", "topics", f"topics.miracl-v1.0-{code}-{SPLIT}.tsv")
        queries = _read_topics(topics, code)
        for id_, text in queries.items():
            for column, value in ((texts.ids, id_), (texts.items, id_), (texts.languages, code), (texts.texts, text)):
                column.append(value)
        qrels = os.path.join(folder, f"{_TOPICS}{code}", "qrels", f"qrels.miracl-v1.0-{code}-{SPLIT}.tsv")
        grades += _read_grades(qrels, topics, queries)
    settings = {"split": SPLIT, "candidate_text": "title, space, text", "languages": sorted({*texts.languages})}
    return StreamedBenchmark(name, texts, grades, tuple(shards), _passage, settings, (_NOTE,))


def _passage(fields: dict) -> tuple[str, str]:
    for field in ("docid", "title", "text"):
        if field not in fields:
            raise ValueError(f"missing field {field!r}: a line has docid, title, text")
        if not isinstance(fields[field], str):
            found = "null" if fields[field] is None else repr(fields[field])
            raise ValueError(f"field {field!r} is {found}: expected a text; a line has docid, title, text")
    id_, title, text = fields["docid"], fields["title"], fields["text"]
    if id_.split() != [id_]:
        raise ValueError(f"docid {id_!r} is empty or holds white space, which TREC files cannot carry")
    return id_, f"{title} {text}" if title else text


def _languages(folder: str, chosen: tuple[str, ...]) -> list[str]:
    """The languages to evaluate; each is known and has topics and a corpus."""
    with_topics, with_corpus = (_found(folder, prefix) for prefix in (_TOPICS, _CORPUS))
    wrong = [code for code in (*chosen, *sorted(with_topics | with_corpus)) if code not in languages.MIRACL]
    if wrong:
        where = "--miracl_languages" if wrong[0] in chosen else folder
        listed = f"MIRACL has {' '.join(languages.MIRACL)}"
        raise InputError(f"{where}: {languages.unknown_language(wrong[0], listed, languages.MIRACL)}")
    codes = sorted(set(chosen) or with_topics | with_corpus)
    if not codes:
        raise InputError(f"{folder}: no folder {_TOPICS}LANG or {_CORPUS}LANG in it: {_LAYOUT}")
    for what, found, prefix in (("corpus", with_corpus, _CORPUS), ("topics", with_topics, _TOPICS)):
        missing = [code for code in codes if code not in found]
        if missing:
            complete = sorted(with_topics & with_corpus)
            hint = f"; --miracl_languages={','.join(complete)} takes those that are complete" if complete else ""
            raise InputError(
                f"{folder}: no {what} of {' '.join(missing)}: expected {prefix}{missing[0]}: fetch it{hint}"
            )
    return codes


def _found(folder: str, prefix: str) -> set[str]:
    """Language codes of the subfolders whose names begin with `prefix`."""
    return {
        entry.name.removeprefix(prefix)
        for entry in os.scandir(folder)
        if entry.is_dir() and entry.name.startswith(prefix)
    }


def _shards(folder: str, code: str) -> list[Shard]:
    """The shards of a language, by number; raises InputError for a gap in the numbers."""
    path = os.path.join(folder, f"{_CORPUS}{code}")
    numbers = sorted(
        int(match[1]) for name in os.listdir(path) if (match := re.fullmatch(r"docs-(0|[1-9]\d*)\.jsonl\.gz", name))
    )
    if not numbers:
        raise InputError(f"{path}: no docs-0.jsonl.gz in it: fetch the corpus; {_LAYOUT}")
    gaps = sorted({*range(numbers[-1])} - {*numbers})
    if gaps:
        raise InputError(
            f"{path}: docs-{gaps[0]}.jsonl.gz is missing, though docs-{numbers[-1]}.jsonl.gz is there"
            f" ({len(gaps)} missing in all): fetch it"
        )
    return [Shard(code, f"{code}-docs-{number}", os.path.join(path, f"docs-{number}.jsonl.gz")) for number in numbers]


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Yields "PATH:LINE" and text of each line that is not blank."""
    return ((place, line) for place, line in read_lines(path, _LAYOUT) if line.strip())


def _read_topics(path: str, code: str) -> dict[str, str]:
    """Joint id -> query text, in the order of the file."""
    queries = {}
    for place, line in _lines(path):
        id_, tab, text = line.partition("\t")
        if not tab or id_.split() != [id_] or is_blank(text):
            raise InputError(f"{place}: {line.strip()[:60]!r}: expected an id without white space, a tab, a query")
        if joint_id(code, id_) in queries:
            raise InputError(f"{place}: query id {id_!r} occurs twice: ids must be unique in a file")
        queries[joint_id(code, id_)] = text
    return queries


def _read_grades(path: str, topics: str, queries: dict[str, str]) -> list[dict[str, int]]:
    """Of each query, docid -> grade; every query has at least one judgement."""
    own = [own_id(id_) for id_ in queries]
    graded = read_qrels(path, _LAYOUT, KnownIds(set(own), topics))
    without = [id_ for id_ in own if id_ not in graded]
    if without:
        raise InputError(
            f"{topics}: {len(without)} of {len(queries)} queries have no judgement in {path}, the first is"
            f" {without[0]!r}: fetch both files of one version"
        )
    return [graded[id_] for id_ in own]
