"""NewsQA: questions about CNN's news stories and the part of the story that answers them.

INPUT_DIR holds, from https://github.com/Maluuba/newsqa,

    combined-newsqa-data-v1.csv or .json    made by its tool from the questions and CNN's stories
    train_story_ids.csv, dev_story_ids.csv, test_story_ids.csv or some of them      the stories of each split

A row of the .csv file is a question with the answers that several people marked, as character ranges of the story:

    answer_char_ranges      196:228|196:202,217:228|None    answers of several people, ranges between commas
    validated_answers       {"196:228": 2, "none": 1}       votes of further people, if the first ones disagreed

The .json file has one element per story, with one agreed answer per question:

    {"data": [{"storyId", "text", "questions": [{"q", "consensus": {"s", "e"} or {"noAnswer"} or {"badQuestion"}}]}]}

- Answer: the one with the most votes by validators, or if there are none by the people who marked it; on a tie, the
  first.  The .json file's `consensus` is used as it is.  A question that most people called unanswerable or senseless
  is left out and counted.
- Passage: about 100 words of the story around the answer's first range (data_prep/sources/answer_window.py).
- Group: the story, so that overlapping passages are never negatives of each other's questions.
"""

import collections
import functools
import re
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, read_each
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import by_split
from data_prep.reading.fields import field, shown, text, text_field
from data_prep.reading.json_list import elements
from data_prep.reading.line_files import check_header, csv_rows
from data_prep.sources.answer_window import sentences, window
from hbt_jax import json_text
from hbt_jax.errors import InputError

NEEDED = ("story_id", "question", "answer_char_ranges", "validated_answers", "story_text")
NO_ANSWER = "questions to which most people found no answer"
BLANK = "questions whose answer is only white space"
_RANGES = re.compile(r"\d{1,9}:\d{1,9}(,\d{1,9}:\d{1,9})*")


def rows(combined: Path, ids: Path) -> Iterator[Row | BadRow | Dropped]:
    """Yields the rows of the stories that `ids` lists, in the order of the combined file.

    Raises:
      InputError: a file is not CSV or JSON in UTF-8, or lacks a column.
    """
    chosen = set()
    for found in csv_rows(ids, lambda place, names: check_header(place, names, ["story_id"]), blank=True):
        if isinstance(found, BadRow):
            yield found
        else:
            chosen.add(found[1]["story_id"])
    yield from _of_json(combined, chosen) if combined.suffix == ".json" else _of_csv(combined, chosen)


def _of_csv(combined: Path, chosen: Container[str]) -> Iterator[Row | BadRow | Dropped]:
    for found in csv_rows(combined, _check_names):
        if isinstance(found, BadRow):
            yield found
            continue
        place, row = found
        try:
            if row["story_id"] in chosen:
                ranges = answer(place, row["answer_char_ranges"], row["validated_answers"])
                yield _row(place, row["story_id"], row["story_text"], row["question"], ranges)
        except BadRow as bad:
            yield bad


def _of_json(combined: Path, chosen: Container[str]) -> Iterator[Row | BadRow | Dropped]:
    for place, story in elements(combined, under="data"):
        try:
            if (name := text_field(place, story, "storyId")) not in chosen:
                continue
            written, questions = field(place, story, "text", str), field(place, story, "questions", list)
        except BadRow as bad:
            yield bad
            continue
        units = ((f"{place}: questions[{index}]", asked) for index, asked in enumerate(questions))
        yield from read_each(units, functools.partial(_asked_row, name=name, story=written))


def _asked_row(place: str, asked: object, name: str, story: str) -> Row | Dropped:
    return _row(place, name, story, field(place, asked, "q", str), _consensus(place, asked))


def _consensus(place: str, asked: dict) -> list[tuple[int, int]] | None:
    agreed = field(place, asked, "consensus", dict)
    if any([field(place, agreed, name, bool) for name in ("noAnswer", "badQuestion") if name in agreed]):
        return None
    return [(field(place, agreed, "s", int), field(place, agreed, "e", int))]


def _check_names(place: str, names: Sequence[str]) -> None:
    for name in NEEDED:
        if name not in names:
            raise InputError(f"{place}: no column {name}: expected a first line with {', '.join(NEEDED)}")


def _row(place: str, name: str, story: str, question: str, ranges: list[tuple[int, int]] | None) -> Row | Dropped:
    """The row of a question about the story `name`, or why there is none; `ranges` is where its answer is."""
    text(place, "the story", story)
    text(place, "the question", question)
    if ranges is None:
        return Dropped(NO_ANSWER)
    start, end = min(ranges)
    if not 0 <= start <= end <= len(story):
        raise BadRow(
            f"{place}: the answer is at {start}:{end} of a story of {len(story)} characters: expected a range inside"
            " the story; make the combined file again"
        )
    if not story[start:end].strip():
        return Dropped(BLANK)
    return Row({"en": question}, {"en": window(story, sentences(story), start, end)}, (), f"story {name}")


def answer(place: str, marked: str, validated: str) -> list[tuple[int, int]] | None:
    """The ranges of the answer with the most votes; None if most voted that there is none.

    >>> answer("file:2", "4:9|None|4:9,12:14", '{"none": 1, "4:9,12:14": 2}')
    [(4, 9), (12, 14)]
    >>> answer("file:3", "4:9|None|None", "")
    """
    votes = _validated(place, validated) or collections.Counter(marked.split("|"))
    most = max(votes, key=votes.__getitem__).strip()
    if most.lower() in ("none", "badquestion"):
        return None
    if not _RANGES.fullmatch(most):
        raise BadRow(f"{place}: the answer is {shown(most)}: expected ranges such as 196:228 or None")
    return [tuple(map(int, part.split(":"))) for part in most.split(",")]


def _validated(place: str, validated: str) -> dict[str, int]:
    if not validated.strip():
        return {}
    try:
        votes = json_text.parsed(validated)
    except json_text.NotJson:
        votes = None
    if not (isinstance(votes, dict) and all(type(count) is int for count in votes.values())):
        raise BadRow(f"{place}: validated_answers is {shown(validated)}: expected an object of votes, or nothing")
    return votes


_COMBINED = ("combined-newsqa-data-v1.csv", "combined-newsqa-data-v1.json")


class Newsqa(RowsBuilder):
    """Questions about CNN's news stories and the part of the story that answers them, in English."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "About 100 words of the story as the passage.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://github.com/Maluuba/newsqa"
    LICENSE = "Microsoft's NewsQA licence for research (LICENSE.txt of the repository); stories: CNN's own terms"
    CITATION = """@inproceedings{trischler-etal-2017-newsqa,
  title = {{NewsQA}: A Machine Comprehension Dataset},
  author = {Trischler, Adam and others},
  booktitle = {Proceedings of the 2nd Workshop on Representation Learning for NLP}, year = {2017}}"""
    FILES = (
        f"{' or '.join(_COMBINED)}, which the tool of {HOMEPAGE} makes, and train_story_ids.csv, dev_story_ids.csv and"
        " test_story_ids.csv or some of them from its folder maluuba/newsqa"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """Stories and story ids of each split that has ids; raises InputError if either is missing."""
        names = {split: (f"{part}_story_ids.csv",) for split, part in
                 (("train", "train"), ("validation", "dev"), ("test", "test"))}  # fmt: skip
        found = by_split(input_dir, names, cls.FILES)
        combined = [path for name in _COMBINED if (path := input_dir / name).is_file()]
        if len(combined) != 1:
            number = "two files" if combined else "no file"
            raise InputError(f"--input_dir={input_dir} holds {number} of questions and stories: expected {cls.FILES}")
        return {split: (*combined, *paths) for split, paths in found.items()}

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question of the split's stories that has an answer."""
        combined, ids = files
        yield from rows(combined, ids)
