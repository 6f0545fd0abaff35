"""Questions and paragraphs in SQuAD's layout as a TensorFlow Datasets builder: a folder with one file per language.

INPUT_DIR holds LANG.json files, which form the split `train`; or subfolders train, validation, test of such files, or
some of these.  MLQA-R and XQuAD-R are such folders; hbt_jax/evaluation/reading/squad_layout.py describes a file.
With --on_bad_row=skip, a paragraph with a wrong field is left out with all its questions, and so is a question whose
answer is not where the file says; an error in a whole file still ends the build.

A passage is the sentence in which the answer starts, or the whole paragraph.  How questions become pairs:

- Query item: the question id, which its translations share.
- Passage item: the passages of a question id, one in each language that has the id.  Questions with the same passages
  in the same languages share one item, named after the first of them.  Sentence boundaries differ between languages, so
  two questions may share their English sentence but not their Thai one: then each keeps its own passage item, and the
  English sentence is in both.
- Group: questions that share a passage in at least one language, directly or transitively, so that a passage is never a
  negative of a question that it answers.  Groups can be slightly too large (at most 15 of XQuAD-R's 1,190 questions),
  which costs a few negatives; smaller ones would allow false negatives.
"""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from data_prep.builders.base import SourceBuilder
from data_prep.builders.keys import in_order
from data_prep.builders.row import BadRow, Dropped
from data_prep.builders.source_files import SPLITS, folders_by_split
from data_prep.sources.registry import PASSAGES
from hbt_jax import connected
from hbt_jax.errors import InputError
from hbt_jax.evaluation.reading import squad_layout
from hbt_jax.evaluation.reading.squad_layout import language_files

NO_ANSWER = "questions without an answer, counted per language"


@dataclasses.dataclass(frozen=True)
class Answered:
    """A question in one language that has an answer.

    Attributes:
      language: code.
      id, query: the question's id and text.
      place: paragraph, and sentence if passages are sentences; equal for questions with the same passage.
      passage: text of the sentence or paragraph.
    """

    language: str
    id: str
    query: str
    place: tuple[int, int | None]
    passage: str


@dataclasses.dataclass(frozen=True)
class Joined:
    """How the questions of some files belong together.

    Attributes:
      passage: question id -> id of its passage item, in the order of the first file that has the question.
      group: question id -> its group.
    """

    passage: dict[str, str]
    group: dict[str, str]


def answered(
    files: Mapping[str, Path], passage: str, set_aside: Callable[[BadRow | Dropped], None]
) -> Iterator[Answered]:
    """Yields the questions that have an answer, language by language.

    Args:
      files: language code -> file.
      passage: `sentence` or `paragraph`.
      set_aside: called with each malformed paragraph or question, and each question without an answer; may raise a
        BadRow.

    Raises:
      InputError: a file is not in the layout, or has no sentences although passages are sentences.
    """
    for code, path in files.items():
        for paragraph in squad_layout.read(path, lambda error: set_aside(BadRow(str(error)))):
            for question in paragraph.questions:
                if question.answer is None:
                    set_aside(Dropped(NO_ANSWER))
                    continue
                try:
                    place, text = _passage(paragraph, question, passage)
                except BadRow as bad:
                    set_aside(bad)
                else:
                    yield Answered(code, question.id, question.text, place, text)


def join(files: Mapping[str, Path], passage: str, set_aside: Callable[[BadRow | Dropped], None]) -> Joined:
    """Joins the questions of all languages; arguments as for `answered`.

    Raises:
      InputError: a file is malformed, has no usable question, or shares no question with another language.
    """
    places_of: dict[str, dict[str, tuple]] = {}  # question -> language -> paragraph and sentence of its passage
    for code, path in files.items():
        for question in _answered_of(code, path, passage, set_aside):
            places_of.setdefault(question.id, {})[code] = question.place
    _check_joined(files, places_of)
    first: dict[tuple, str] = {}
    named = {id_: first.setdefault(tuple(places.items()), id_) for id_, places in places_of.items()}
    return Joined(named, connected.groups({id_: places.items() for id_, places in places_of.items()}))


def _answered_of(
    code: str, path: Path, passage: str, set_aside: Callable[[BadRow | Dropped], None]
) -> Iterator[Answered]:
    """As `answered`, for one file; raises InputError if it has no usable question."""
    left_out: collections.Counter = collections.Counter()

    def counted(found: BadRow | Dropped) -> None:
        left_out["without an answer" if isinstance(found, Dropped) else "malformed"] += 1
        set_aside(found)

    empty = True
    for question in answered({code: path}, passage, counted):
        yield question
        empty = False
    if empty:
        why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "nothing"
        raise InputError(
            f"{path}: no usable question with an answer (left out: {why}): expected at least one; correct the file, or"
            " leave it out"
        )


def queries(files: Mapping[str, Path], passage: str) -> Iterator[dict]:
    """Yields the record of each question of `answered`."""
    for question in answered(files, passage, _again):
        yield {"id": question.id, "language": question.language, "text": question.query}


def passages(files: Mapping[str, Path], passage: str, joined: Joined) -> Iterator[dict]:
    """Yields the record of each passage item in each of its languages, language by language."""
    for question in answered(files, passage, _again):
        if joined.passage[question.id] == question.id:
            yield {"id": question.id, "language": question.language, "text": question.passage}


def pairs(joined: Joined) -> Iterator[dict]:
    """Yields the record of each question and its passage."""
    for question, passage in joined.passage.items():
        yield {"query": question, "passage": passage, "group": joined.group[question], "negatives": []}


def _again(_: BadRow | Dropped) -> None:
    """Ignores what `join` has already counted."""


def _passage(
    paragraph: squad_layout.Paragraph, question: squad_layout.Question, passage: str
) -> tuple[tuple[int, int | None], str]:
    """Place and text of the passage that answers a question."""
    if passage == "paragraph":
        return (paragraph.number, None), paragraph.context
    if paragraph.sentences is None:
        raise InputError(
            f"{paragraph.place}: no sentence_breaks and sentences, which --passage=sentence needs; set"
            " --passage=paragraph"
        )
    try:
        position = squad_layout.gold_sentence(paragraph, question)
    except InputError as error:
        raise BadRow(str(error)) from error
    return (paragraph.number, position), paragraph.sentences[position]


def _check_joined(files: Mapping[str, Path], places_of: dict[str, dict[str, tuple]]) -> None:
    """Checks that, of several languages, each shares an answered question with another."""
    shared = {code for places in places_of.values() if len(places) > 1 for code in places}
    for code, path in files.items():
        if len(files) > 1 and code not in shared:
            others = " ".join(other for other in files if other != code)
            raise InputError(
                f"{path}: no question id in common with the other languages ({others}): translations of a question have"
                " the same id in every file; correct the ids, or prepare this language separately, with another"
                " --input_dir"
            )


class Squad(SourceBuilder):
    """Questions and the sentences or paragraphs that answer them, in one or more languages, joined by their ids."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sentences or paragraphs as passages."}
    FILES = f"LANG.json files, such as en.json, or folders of them named {', '.join(SPLITS)}"

    def __init__(self, *, input_dir: str | os.PathLike, passage: str = "sentence", **kwargs):
        """As SourceBuilder; `passage` is what answers a question, one of registry.PASSAGES."""
        if passage not in PASSAGES:
            raise InputError(f"--passage={passage}: expected one of {', '.join(PASSAGES)}")
        self._passage = passage
        super().__init__(input_dir=input_dir, **kwargs)

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The files of each split; raises InputError if there are none, or both the folder and subfolders have some."""
        for folder in (input_dir, *(input_dir / split for split in SPLITS)):
            language_files(folder)  # checks that all are named after a language
        return folders_by_split(input_dir, "*.json", cls.FILES)

    def _settings(self) -> dict[str, str]:
        return {"passage": self._passage}

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """Yields (key, record) of one split: texts by language, pairs in the order of the questions."""
        by_code, table = {path.stem: path for path in files}, self.builder_config.name
        with self._left_out(split) as left_out:
            joined = join(by_code, self._passage, left_out.add)
        made = {
            "queries": lambda: queries(by_code, self._passage),
            "passages": lambda: passages(by_code, self._passage, joined),
            "pairs": lambda: pairs(joined),
        }[table]()
        yield from in_order(tqdm(made, desc=f"{split}, {table}", unit=" records", disable=None))
