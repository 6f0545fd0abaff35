"""EntityQuestions: questions made from Wikidata's facts, and passages of Wikipedia as DPR split it.

INPUT_DIR holds the folders train, dev (validation) and test, or some of them, with P17.train.json and so on, and DPR's
psgs_w100.tsv, plain or .gz.  The questions come with answers but without passages; questions for which no passage is
found are left out and counted.  The questions about an entity share a group.  A malformed line of psgs_w100.tsv counts
in each split.

The questions of a relation share one wording around the entity, so removing the wording leaves the entity.  A question
gets a passage from the article whose title is the entity's name (ignoring case and a bracketed addition such as
`(film)`), if the passage holds an answer as whole words, ignoring case:

- of several answers, the first listed one that any such passage holds;
- of several passages with it, the first from an article of exactly that title, otherwise the first from any.

DPR's 21 million passages are read once, sequentially; memory holds the chosen ones and the entities asked about.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, read_each, titled
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import needed, no_data
from data_prep.reading.fields import field, shown, text, text_field
from data_prep.reading.json_list import elements
from data_prep.reading.line_files import check_header, columns, lines
from hbt_jax.text_identity import caseless_text, identity_text

# The wording of each relation, with [E] for the entity (Sciavolino et al. 2021, arXiv 2109.08535).
WORDINGS = {
    "P106": "What kind of work does [E] do?",
    "P112": "Who founded [E]?",
    "P127": "Who owns [E]?",
    "P131": "Where is [E] located?",
    "P136": "What type of music does [E] play?",
    "P159": "Where is the headquarter of [E]?",
    "P17": "Which country is [E] located in?",
    "P170": "Who was [E] created by?",
    "P175": "Who performed [E]?",
    "P176": "Which company is [E] produced by?",
    "P19": "Where was [E] born?",
    "P20": "Where did [E] die?",
    "P26": "Who is [E] married to?",
    "P264": "What music label is [E] represented by?",
    "P276": "Where is [E] located?",
    "P36": "What is the capital of [E]?",
    "P40": "Who is [E]'s child?",
    "P407": "Which language was [E] written in?",
    "P413": "What position does [E] play?",
    "P495": "Which country was [E] created in?",
    "P50": "Who is the author of [E]?",
    "P69": "Where was [E] educated?",
    "P740": "Where was [E] founded?",
    "P800": "What is [E] famous for?",
}
COLUMNS = ("id", "text", "title")
_ADDITION = re.compile(r"\s+\([^()]*\)$")


@dataclasses.dataclass(frozen=True)
class Asked:
    """One question.

    Attributes:
      text: the question.
      entity: what it asks about.
      answers: at least one, in the order of the file.
    """

    text: str
    entity: str
    answers: tuple[str, ...]


def asked(place: str, path: Path, fields: object) -> Asked:
    """The question in an element of P17.train.json and the like; raises BadRow for a malformed one."""
    relation = path.name.partition(".")[0]
    if relation not in WORDINGS:
        raise BadRow(f"{place}: unknown relation {relation!r}: expected a file named after one of {' '.join(WORDINGS)}")
    question = text_field(place, fields, "question")
    before, _, after = WORDINGS[relation].partition("[E]")
    entity = question.removeprefix(before).removesuffix(after).strip()
    if not (question.startswith(before) and question.endswith(after) and entity):
        raise BadRow(f"{place}: question is {shown(question)}: expected the wording {WORDINGS[relation]!r}")
    listed = field(place, fields, "answers", list)
    if not listed:
        raise BadRow(f"{place}: answers is empty: expected at least one")
    answers = tuple(text(place, f"answers[{index}]", answer) for index, answer in enumerate(listed))
    return Asked(question, entity, answers)


def key(name: str) -> str:
    """A key that a title and the name of the same entity share.

    >>> key("Casablanca (film)")
    'casablanca'
    """
    return caseless_text(_ADDITION.sub("", identity_text(name)))


@functools.lru_cache(maxsize=1)
def passages(
    corpus: Path, files: tuple[Path, ...], changed: int
) -> tuple[dict[tuple[str, str], str], tuple[BadRow, ...]]:
    """For each entity and answer its passage with title, if found; and the malformed lines of the corpus.

    All splits and tables share one pass over the corpus.

    Args:
      corpus: DPR's psgs_w100.tsv, with the header `id text title`.
      files: files of questions; malformed questions are left to the caller to report.
      changed: modification time of the corpus, part of the cache's key.

    Returns:
      (`key` of the entity, answer) -> passage; the malformed lines, each a BadRow.

    Raises:
      InputError: the corpus has another header.
    """
    del changed
    wanted = _wanted(files)
    exact: dict[tuple[str, str], str] = {}
    other: dict[tuple[str, str], str] = {}
    wrong, last, entity, answers, kept = [], None, "", (), other
    for place, line in lines(corpus):
        try:
            _, passage, title = found = columns(place, line, COLUMNS)
            if place == f"{corpus}:1":
                check_header(place, found, COLUMNS)
                continue
            if title != last:  # the passages of an article are consecutive
                last, title_said = title, _unquoted(title)
                entity = key(title_said)
                answers = wanted.get(entity, ())
                exactly = entity == caseless_text(title_said)
                kept = exact if exactly else other
            for answer in answers:
                if (entity, answer) not in kept and holds(passage, answer):
                    kept[entity, answer] = titled(title_said, text(place, "text", _unquoted(passage)))
        except BadRow as bad:
            wrong.append(bad)
    return other | exact, tuple(wrong)


def holds(passage: str, answer: str) -> bool:
    """Whether a passage contains an answer as whole words, ignoring case.

    >>> holds("He moved to Rome.", "rome"), holds("A Roman villa", "Roma")
    (True, False)
    """
    where, what = f" {caseless_text(passage)} ", caseless_text(answer)
    start = where.find(what)
    while start >= 0:
        if not (where[start - 1].isalnum() or where[start + len(what)].isalnum()):
            return True
        start = where.find(what, start + 1)
    return False


def _wanted(files: tuple[Path, ...]) -> dict[str, tuple[str, ...]]:
    """`key` of an entity -> the distinct answers to the questions about it."""
    wanted: dict[str, tuple[str, ...]] = {}
    for path in files:
        for place, fields in elements(path):
            try:
                question = asked(place, path, fields)
            except BadRow:
                continue  # the builder reads the question again, and reports it
            name = key(question.entity)
            wanted[name] = tuple(dict.fromkeys((*wanted.get(name, ()), *question.answers)))
    return wanted


def _unquoted(value: str) -> str:
    """A column of psgs_w100.tsv without the quotes that DPR put around some; doubled quotes inside become single."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('""', '"')
    return value


NO_PASSAGE = "questions without a passage: no article with the name of their entity holds an answer"
_PARTS = {"train": "train", "validation": "dev", "test": "test"}
_PASSAGES = "psgs_w100.tsv"


class Entityquestions(RowsBuilder):
    """Questions made from Wikidata's facts, and 100-word passages of Wikipedia that hold the answer, in English."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "The first passage of the entity's article that holds an answer.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://github.com/princeton-nlp/EntityQuestions"
    LICENSE = "MIT; DPR's passages of Wikipedia: CC BY-SA 3.0"
    CITATION = """@inproceedings{sciavolino-etal-2021-simple,
  title = {Simple Entity-Centric Questions Challenge Dense Retrievers},
  author = {Sciavolino, Christopher and Zhong, Zexuan and Lee, Jinhyuk and Chen, Danqi},
  booktitle = {Proceedings of EMNLP}, year = {2021}}"""
    FILES = (
        "folders train, dev and test with P17.train.json and so on, unpacked from"
        " https://nlp.cs.princeton.edu/projects/entity-questions/dataset.zip, and psgs_w100.tsv, plain or .gz, from"
        " https://dl.fbaipublicfiles.com/dpr/wikipedia_split/psgs_w100.tsv.gz"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The passages and the questions of each split; raises InputError if either is missing."""
        found = {split: tuple(sorted((input_dir / part).glob(f"P*.{part}.json"))) for split, part in _PARTS.items()}
        found = {split: paths for split, paths in found.items() if paths}
        if not found:
            raise no_data(input_dir, cls.FILES)
        corpus = needed(input_dir, _PASSAGES, cls.FILES)
        return {split: (corpus, *paths) for split, paths in found.items()}

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question that has a passage, relation by relation."""
        corpus = files[0]
        every = tuple(dict.fromkeys(path for paths in self._files.values() for path in paths[1:]))
        chosen, wrong = passages(corpus, every, corpus.stat().st_mtime_ns)
        yield from wrong
        for path in files[1:]:
            yield from read_each(elements(path), functools.partial(_row, path=path, chosen=chosen))


def _row(place: str, fields: object, path: Path, chosen: dict[tuple[str, str], str]) -> Row | Dropped:
    question = asked(place, path, fields)
    found = (chosen.get((key(question.entity), answer)) for answer in question.answers)
    passage = next(filter(None, found), None)
    if passage is None:
        return Dropped(NO_PASSAGE)
    return Row({"en": question.text}, {"en": passage}, (), f"entity {key(question.entity)}")
