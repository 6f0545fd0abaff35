"""Questions of SQuAD-layout files (hbt_jax/data/squad_layout.py), joined over languages into pairs.

A passage is the sentence in which the answer starts, or the whole paragraph.  What a store wants of it:

- Query item: the question id, which its translations share.
- Passage item: the passages of a question id, one in each language that has the id.  Questions with the same passages
  in the same languages share one item, named by the first of them.  Sentence boundaries differ between languages, so
  two questions may share their English sentence but not their Thai one: then each keeps a passage item of its own, and
  the English sentence stands in both.
- Group: questions that share a passage in at least one language, directly or over others, so that a passage is never a
  negative of a question that it answers.  Groups can be a little too wide (at most 15 of XQuAD-R's 1,190 questions):
  that costs a few negatives, whereas narrower ones would let wrong ones through.
"""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from hbt_jax.data import squad_layout
from hbt_jax.errors import InputError

NO_ANSWER = "questions without an answer, counted in each language"


@dataclasses.dataclass(frozen=True)
class Joined:
    """How the questions of some files belong together.

    Attributes:
      passage: question id -> id of its passage item, in the order of the first file that has the question.
      group: question id -> its group.
      dropped: reason -> number of questions left out.
    """

    passage: dict[str, str]
    group: dict[str, str]
    dropped: dict[str, int]


def join(files: Mapping[str, Path], passage: str) -> Joined:
    """Joins the questions of one file a language.

    Args:
      files: language code -> file.
      passage: `sentence` or `paragraph`.

    Raises:
      InputError: a file is wrong, no question has an answer, or a language shares no question with another one.
    """
    places_of: dict[str, dict[str, tuple]] = {}  # question -> language -> paragraph and sentence of its passage
    without = 0
    for code, path in files.items():
        for paragraph in squad_layout.read(path):
            without += sum(question.answer is None for question in paragraph.questions)
            for question in _answered(paragraph):
                place = paragraph.number, _position(paragraph, question, passage)
                places_of.setdefault(question.id, {})[code] = place
    _check_joined(files, places_of)
    first: dict[tuple, str] = {}
    named = {id_: first.setdefault(tuple(places.items()), id_) for id_, places in places_of.items()}
    groups = squad_layout.connected({id_: places.items() for id_, places in places_of.items()})
    return Joined(named, groups, {NO_ANSWER: without} if without else {})


def queries(files: Mapping[str, Path]) -> Iterator[dict]:
    """Yields the record of each question that has an answer, language by language."""
    for code, path in files.items():
        for paragraph in squad_layout.read(path):
            for question in _answered(paragraph):
                yield {"id": question.id, "language": code, "text": question.text}


def passages(files: Mapping[str, Path], joined: Joined, passage: str) -> Iterator[dict]:
    """Yields the record of each passage item in each of its languages, language by language."""
    for code, path in files.items():
        for paragraph in squad_layout.read(path):
            for question in _answered(paragraph):
                if joined.passage[question.id] == question.id:
                    position = _position(paragraph, question, passage)
                    text = paragraph.context if position is None else paragraph.sentences[position]
                    yield {"id": question.id, "language": code, "text": text}


def pairs(joined: Joined) -> Iterator[dict]:
    """Yields the record of each question and its passage."""
    for question, passage in joined.passage.items():
        yield {"query": question, "passage": passage, "group": joined.group[question], "negatives": []}


def _answered(paragraph: squad_layout.Paragraph) -> Iterator[squad_layout.Question]:
    return (question for question in paragraph.questions if question.answer is not None)


def _position(paragraph: squad_layout.Paragraph, question: squad_layout.Question, passage: str) -> int | None:
    if passage == "paragraph":
        return None
    if paragraph.sentences is None:
        raise InputError(
            f"{paragraph.place}: no sentence_breaks and sentences, which --passage=sentence needs; set"
            " --passage=paragraph"
        )
    return squad_layout.gold_sentence(paragraph, question)


def _check_joined(files: Mapping[str, Path], places_of: dict[str, dict[str, tuple]]) -> None:
    """Every language has an answered question, and where there are several languages, one in common with another."""
    answered, shared = (
        collections.Counter(code for places in places_of.values() if len(places) >= least for code in places)
        for least in (1, 2)
    )
    for code, path in files.items():
        if not answered[code]:
            raise InputError(f"{path}: no question with an answer: expected at least one; leave the file out")
        if len(files) > 1 and not shared[code]:
            others = " ".join(other for other in files if other != code)
            raise InputError(
                f"{path}: no question id in common with the other languages ({others}):"
                " translations of a question have the same id in every file; correct the ids, or prepare this language"
                " as a source of its own, with another --input_dir"
            )
