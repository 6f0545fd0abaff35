"""Mr. TyDi: questions by native speakers and passages of Wikipedia in 11 languages.

INPUT_DIR holds the unpacked folders, named mrtydi-v1.1-LANGUAGE or LANGUAGE, the English name in lower case (arabic,
..., thai).  Each has topic.SPLIT.tsv and qrels.SPLIT.txt for train, dev (validation) and test, or some of them, and
collection/docs.jsonl.gz or docs.jsonl.  A row is a question and a passage judged relevant to it; passages judged not
relevant are the negatives.  The passages of a question share a group.  A collection is read once, sequentially, and
only its judged passages are kept; a malformed line of it counts in each split.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import no_data
from data_prep.reading.fields import text, text_field
from data_prep.reading.line_files import columns, json_value, lines
from hbt_jax.errors import InputError
from hbt_jax.languages import unknown_language

_BY_NAME = {
    "arabic": "ar", "bengali": "bn", "english": "en", "finnish": "fi", "indonesian": "id", "japanese": "ja",
    "korean": "ko", "russian": "ru", "swahili": "sw", "telugu": "te", "thai": "th",
}  # fmt: skip
NOT_JUDGED = "questions without a passage judged relevant"
_PARTS = {"train": "train", "validation": "dev", "test": "test"}
_QRELS = ("question", "Q0", "passage", "relevance")


class Mrtydi(RowsBuilder):
    """Questions by native speakers and passages of Wikipedia, in 11 languages; a pair has one language."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "The judged passages.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://github.com/castorini/mr.tydi"
    LICENSE = "Apache-2.0; passages of Wikipedia: CC BY-SA 3.0"
    CITATION = """@inproceedings{zhang-etal-2021-mr,
  title = {Mr. {TyDi}: A Multi-lingual Benchmark for Dense Retrieval},
  author = {Zhang, Xinyu and Ma, Xueguang and Shi, Peng and Lin, Jimmy},
  booktitle = {Proceedings of the 1st Workshop on Multilingual Representation Learning}, year = {2021}}"""
    FILES = (
        "folders such as mrtydi-v1.1-arabic with topic.train.tsv, qrels.train.txt and collection/docs.jsonl.gz,"
        f" unpacked from the archives that {HOMEPAGE} lists"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """By split: topics, judgements and collection of each language, one after the other.

        Raises:
          InputError: no folder has topics, a folder has an unknown language, or a file is missing.
        """
        found: dict[str, tuple[Path, ...]] = {split: () for split in _PARTS}
        for folder in sorted({path.parent for path in input_dir.glob("*/topic.*.tsv")}):
            _code(folder)
            for split, part in _PARTS.items():
                topics, judgements = folder / f"topic.{part}.tsv", folder / f"qrels.{part}.txt"
                if topics.is_file():
                    if not judgements.is_file():
                        raise InputError(f"{judgements}: no such file: expected the judgements of {topics.name}")
                    found[split] += (topics, judgements, _collection(folder))
        found = {split: paths for split, paths in found.items() if paths}
        if not found:
            raise no_data(input_dir, cls.FILES)
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question and relevant passage, by language, in the order of the questions."""
        for topics, judgements, collection in zip(files[::3], files[1::3], files[2::3], strict=True):
            yield from _rows(_code(topics.parent), topics, judgements, collection)


def _code(folder: Path) -> str:
    name = folder.name.rpartition("-")[2]
    if name not in _BY_NAME:
        expected = (
            f"expected a folder mrtydi-v1.1-LANGUAGE or LANGUAGE with one of {' '.join(_BY_NAME)}; rename or move it"
        )
        raise InputError(f"{folder}: {unknown_language(name, expected, _BY_NAME)}")
    return _BY_NAME[name]


def _collection(folder: Path) -> Path:
    for name in ("docs.jsonl.gz", "docs.jsonl"):
        if (path := folder / "collection" / name).is_file():
            return path
    raise InputError(f"{folder / 'collection' / 'docs.jsonl.gz'}: no such file: expected the passages of the language")


def _rows(code: str, topics: Path, judgements: Path, collection: Path) -> Iterator[Row | BadRow | Dropped]:
    passages, wrong_lines = _judged_passages(topics.parent, collection, collection.stat().st_mtime_ns)
    yield from wrong_lines
    questions: dict[str, str] = {}
    for place, line in lines(topics):
        try:
            name, question = columns(place, line, ("id", "question"))
            questions[name] = text(place, "question", question)
        except BadRow as bad:
            yield bad
    relevant: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    for place, line in lines(judgements):
        try:
            name, passage, positive = _judgement(place, line)
            if name not in questions:
                raise BadRow(f"{place}: no question {name!r} in {topics.name}: expected the id of one")
            if passage not in passages:
                raise BadRow(f"{place}: no passage {passage!r} in {collection.name}: expected the id of one")
            (relevant if positive else wrong).setdefault(name, []).append(passages[passage])
        except BadRow as bad:
            yield bad
    for name, question in questions.items():
        if name not in relevant:
            yield Dropped(NOT_JUDGED)
        negatives = tuple({code: passage} for passage in wrong.get(name, []))
        for passage in relevant.get(name, []):
            yield Row({code: question}, {code: passage}, negatives, f"question {code} {name}")


def _judgement(place: str, line: bytes) -> tuple[str, str, bool]:
    name, _, passage, relevance = columns(place, line, _QRELS, None)
    if not relevance.isdecimal():
        raise BadRow(f"{place}: relevance is {relevance!r}: expected a whole number from 0")
    return name, passage, relevance != "0"


@functools.lru_cache(maxsize=len(_BY_NAME))
def _judged_passages(folder: Path, collection: Path, changed: int) -> tuple[dict[str, str], list[BadRow]]:
    """Id -> text of the passages that a judgement of any split names; and the malformed lines.

    All splits and tables share one pass over the collection.
    """
    del changed  # part of the cache's key
    judged = set()
    for path in folder.glob("qrels.*.txt"):
        for place, line in lines(path):
            try:
                judged.add(_judgement(place, line)[1])
            except BadRow:
                continue  # `_rows` reads the line again, and reports it
    found, wrong = {}, []
    for place, line in lines(collection):
        try:
            passage = json_value(place, line)
            name = text_field(place, passage, "id")
            if name in judged:
                found[name] = text_field(place, passage, "contents")
        except BadRow as bad:
            wrong.append(bad)
    return found, wrong
