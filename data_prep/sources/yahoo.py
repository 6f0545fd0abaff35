"""Yahoo Answers: questions of its users and the best answer to each.

INPUT_DIR holds one of

    nfL6.json                           [{"question", "answer", "nbestanswers"}, ...], the non-factoid ones of L6
    yahoo_answers_title_answer.jsonl    ["title", "answer"] per line

The passage is the best answer.  Other answers to a question may or may not answer it, so they are neither passages nor
negatives; they are counted.  Rows with the same question share a group.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, item_id, read_each
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.reading.fields import field, shown, text
from data_prep.reading.json_list import elements
from data_prep.reading.line_files import json_value, lines
from hbt_jax.errors import InputError
from hbt_jax.text_identity import identity_text, is_blank

EMPTY = "rows without a question or an answer"
OTHERS = "answers other than the best one"


class Yahoo(RowsBuilder):
    """Questions of the users of Yahoo Answers and the best answer to each, in English."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "The best answer as the passage.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://ciir.cs.umass.edu/downloads/nfL6/"
    LICENSE = "Yahoo Webscope L6: for research that is not commercial, not to be passed on"
    CITATION = """@inproceedings{cohen-croft-2016-end,
  title = {End to End Long Short Term Memory Networks for Non-Factoid Question Answering},
  author = {Cohen, Daniel and Croft, W. Bruce},
  booktitle = {Proceedings of ICTIR}, year = {2016}}"""
    FILE_NAMES = {"train": ("nfL6.json", "yahoo_answers_title_answer.jsonl")}
    FILES = (
        f"nfL6.json ({HOMEPAGE}) or yahoo_answers_title_answer.jsonl"
        " (https://huggingface.co/datasets/sentence-transformers/embedding-training-data), which form the split train"
    )

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The file, plain or .gz; raises InputError if there is none, or both, which hold the same questions."""
        found = super().find_files(input_dir)
        if len(found["train"]) > 1:
            raise InputError(f"--input_dir={input_dir} holds two files with the same questions: expected {cls.FILES}")
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question and its best answer."""
        for path in files:
            yield from read_each(lines(path), _of_title) if ".jsonl" in path.suffixes else _of_questions(path)


def _of_questions(path: Path) -> Iterator[Row | BadRow | Dropped]:
    for place, asked in elements(path):
        try:
            answer = field(place, asked, "answer", str)
            listed = map(str, field(place, asked, "nbestanswers", list))
            others = set(map(identity_text, listed)) - {identity_text(answer)}
            if others:
                yield Dropped(OTHERS, len(others))
            yield _row(place, field(place, asked, "question", str), answer)
        except BadRow as bad:
            yield bad


def _of_title(place: str, line: bytes) -> Row | Dropped:
    pair = json_value(place, line, kind="list")
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
        raise BadRow(f'{place}: found {shown(pair)}: expected ["title", "answer"]')
    return _row(place, *pair)


def _row(place: str, question: str, answer: str) -> Row | Dropped:
    if is_blank(question) or is_blank(answer):
        return Dropped(EMPTY)
    query = {"en": text(place, "question", question)}
    return Row(query, {"en": text(place, "answer", answer)}, (), f"query {item_id(query)}")
