"""Questions and paragraphs in the layout of SQuAD, one file per language: LANG.json.

    {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}]}],
                                        "sentence_breaks": [[start, end], ...], "sentences": [...]}]}]}

Offsets count Unicode code points; ends are exclusive.  XQuAD-R and MLQA-R (Roy et al. 2020, arXiv 2004.05484) add
`sentence_breaks` and `sentences`.  The text of a sentence is taken from `sentences`; it is the slice of the context
except for two Turkish sentences of XQuAD-R, where the context is damaged.  Questions with the same `id` in different
languages are translations of each other.  Other fields are ignored.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from hbt_jax import json_text
from hbt_jax.errors import InputError
from hbt_jax.languages import by_language
from hbt_jax.text_identity import identity_text, is_blank

_SHOWN = 40  # characters of a wrong value that a message repeats
_NAMES = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


@dataclasses.dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
      id: the same in every language.
      text: the question.
      answer: start and text of the first answer; None for a question without one (`is_impossible`, or none listed).
    """

    id: str
    text: str
    answer: tuple[int, str] | None


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """One paragraph and its questions.

    Attributes:
      place: file and number, for messages.
      number: from 1, counted through the file.
      context: its text.
      breaks: start and end of each sentence, ascending; None if the file has no `sentence_breaks`.
      sentences: their texts; None in the same case.
      questions: in the order of the file.
    """

    place: str
    number: int
    context: str
    breaks: tuple[tuple[int, int], ...] | None
    sentences: tuple[str, ...] | None
    questions: tuple[Question, ...]


def language_files(folder: Path) -> dict[str, Path]:
    """The files LANG.json of a folder, by code in alphabetical order; there may be none.

    Raises:
      InputError: a .json file is not named by a known language, or two are of one.
    """
    named = "a file is named by the language of its texts, such as en.json"
    return by_language({path: path.stem for path in sorted(folder.glob("*.json"))}, named)


def read(path: Path, set_aside: Callable[[InputError], None] | None = None) -> list[Paragraph]:
    """The paragraphs of a file, in order.

    Args:
      path: the file.
      set_aside: called with the error of a wrong paragraph, which is then left out; None: the error is raised.

    Raises:
      InputError: the file is not JSON in this layout, has no paragraph, or has two questions of one id; the message
        names the file and the line, paragraph or question.
    """
    found, number = [], 0
    for place, number, fields in parts(path):
        try:
            found.append(paragraph(place, number, fields))
        except InputError as error:
            if set_aside is None:
                raise
            set_aside(error)
    if not number:
        raise InputError(f"{path}: no paragraph in the file: expected at least one")
    _check_ids(found)
    return found


def parts(path: Path) -> Iterator[tuple[str, int, dict]]:
    """Yields place, number from 1 and unchecked fields of each paragraph of a file, as `paragraph` takes them.

    Raises:
      InputError: the file is not JSON in this layout.
    """
    content, number = _json(path), 0
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {_shown(content)}: expected an object with the field data")
    for index, article in enumerate(_objects(str(path), content, "data")):
        for fields in _objects(f"{path}: data[{index}]", article, "paragraphs"):
            number += 1
            yield f"{path}: paragraph {number}", number, fields


def paragraph(place: str, number: int, fields: dict) -> Paragraph:
    """Makes a paragraph from its fields; raises InputError, naming the place or the question, if they are wrong."""
    context = _text(place, fields, "context")
    questions = tuple(_question(place, qa) for qa in _objects(place, fields, "qas"))
    breaks, sentences = _sentences(place, fields, context)
    return Paragraph(place, number, context, breaks, sentences, questions)


def gold_sentence(paragraph: Paragraph, question: Question) -> int:
    """Position (from 0) of the sentence in which the question's first answer starts; the paragraph must have sentences.

    Raises:
      InputError: the answer is not where `answer_start` says, or is in no sentence.
    """
    start, text = question.answer
    there = paragraph.context[start : start + len(text)]
    if start < 0 or there != text:
        raise InputError(
            f"{paragraph.place}, question {question.id!r}: the context has {_shown(there)} at answer_start {start},"
            f" expected the answer {_shown(text)}: offsets count Unicode code points from 0; correct answer_start"
        )
    for position, (first, end) in enumerate(paragraph.breaks):
        if first <= start < end:
            return position
    raise InputError(
        f"{paragraph.place}, question {question.id!r}: answer_start {start} is in no sentence: expected one of"
        " sentence_breaks with start <= answer_start < end; correct them"
    )


def _json(path: Path) -> object:
    try:
        return json_text.parsed(path.read_text(encoding="utf-8-sig"), lambda pairs: _object(path, pairs))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file: expected questions and paragraphs in SQuAD's layout") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}): save the file as UTF-8, or download it again") from error
    except json_text.NotJson as error:
        raise InputError(
            f"{path}:{error.line}: not JSON ({error.reason} at column {error.column}): expected one object in SQuAD's"
            " layout; download or write the file again"
        ) from error


def _object(path: Path, pairs: list[tuple[str, object]]) -> dict:
    return json_text.object_of(
        pairs,
        lambda name: InputError(f"{path}: {name!r} occurs twice in the object {_shown(dict(pairs))}: keep one of them"),
    )


def _question(place: str, fields: dict) -> Question:
    id_ = _text(place, fields, "id")
    if id_.split() != [id_]:
        raise InputError(f"{place}: id {id_!r} holds white space, which TREC files cannot carry: rename it")
    id_ = identity_text(id_)
    place = f"{place}, question {id_!r}"
    text = _text(place, fields, "question")
    impossible = fields.get("is_impossible", False)
    if not isinstance(impossible, bool):
        raise InputError(f"{place}: is_impossible is {_shown(impossible)}: expected true or false")
    answers = _objects(place, fields, "answers")
    if impossible or not answers:
        return Question(id_, text, None)
    return Question(id_, text, (_field(place, answers[0], "answer_start", int), _text(place, answers[0], "text")))


def _sentences(place: str, fields: dict, context: str) -> tuple[tuple, tuple] | tuple[None, None]:
    if "sentence_breaks" not in fields and "sentences" not in fields:
        return None, None
    breaks, sentences = (_field(place, fields, name, list) for name in ("sentence_breaks", "sentences"))
    if len(breaks) != len(sentences):
        raise InputError(
            f"{place}: {len(breaks)} sentence_breaks and {len(sentences)} sentences: expected the same number of each"
        )
    before = 0
    for index, (pair, text) in enumerate(zip(breaks, sentences, strict=True)):
        if not isinstance(text, str):
            raise InputError(f"{place}: sentences[{index}] is {_shown(text)}: expected a string")
        _check_whole(place, f"sentences[{index}]", text)
        whole = isinstance(pair, list) and len(pair) == 2 and all(type(offset) is int for offset in pair)
        if not (whole and before <= pair[0] < pair[1] <= len(context)):
            raise InputError(
                f"{place}: sentence_breaks[{index}] is {_shown(pair)}: expected [start, end) with {before} <= start <"
                f" end <= {len(context)}, after the sentence before it and within the context"
            )
        before = pair[1]
    return tuple((start, end) for start, end in breaks), tuple(sentences)


def _check_ids(paragraphs: list[Paragraph]) -> None:
    first: dict[str, Paragraph] = {}
    for paragraph in paragraphs:
        for question in paragraph.questions:
            if question.id in first:
                raise InputError(
                    f"{paragraph.place}: duplicate id {question.id!r}, first in paragraph {first[question.id].number}:"
                    " ids are unique in a file; rename or leave out one of them"
                )
            first[question.id] = paragraph


def _objects(place: str, fields: dict, name: str) -> list[dict]:
    listed = _field(place, fields, name, list)
    for index, value in enumerate(listed):
        if not isinstance(value, dict):
            raise InputError(f"{place}: {name}[{index}] is {_shown(value)}: expected an object")
    return listed


def _text(place: str, fields: dict, name: str) -> str:
    text = _field(place, fields, name, str)
    if is_blank(text):
        raise InputError(f"{place}: {name} is empty: expected a text")
    _check_whole(place, name, text)
    return text


def _check_whole(place: str, name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: {name} holds {text[error.start]!r}: expected whole characters") from error


def _field(place: str, fields: dict, name: str, kind: type):
    if name not in fields:
        raise InputError(
            f"{place}: missing field {name!r}: expected {_NAMES[kind]} (hbt_jax/evaluation/reading/squad_layout.py)"
        )
    if type(fields[name]) is not kind:
        raise InputError(f"{place}: {name} is {_shown(fields[name])}: expected {_NAMES[kind]}")
    return fields[name]


def _shown(value: object) -> str:
    return json_text.shown(value, _SHOWN, ascii_only=False)
