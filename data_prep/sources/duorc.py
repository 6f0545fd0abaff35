"""DuoRC: questions about films and the part of the plot that answers them.

INPUT_DIR holds SelfRC_train.json, SelfRC_dev.json (validation), SelfRC_test.json and the same files of ParaphraseRC, or
some of them.  A passage is not the whole plot, which is longer than an encoder's input, but about 100 words of it
(answer_window.py) around the first listed answer that occurs in the plot word for word, where they share the most words
with the question.  Questions without an answer, or whose answers do not occur in the plot, are left out and counted.
The questions of a film share a group.
"""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, read_each
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.reading.fields import field, shown, text_field
from data_prep.reading.json_list import elements
from data_prep.sources.answer_window import best_window

NO_ANSWER = "questions without an answer"
NOT_THERE = "questions whose answers do not occur in the plot"


class Duorc(RowsBuilder):
    """Questions about films and the part of the plot that answers them, in English."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "About 100 words of the plot as the passage.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://duorc.github.io/"
    LICENSE = "MIT (https://raw.githubusercontent.com/duorc/duorc/master/LICENSE)"
    CITATION = """@inproceedings{saha-etal-2018-duorc,
  title = {{DuoRC}: Towards Complex Language Understanding with Paraphrased Reading Comprehension},
  author = {Saha, Amrita and Aralikatte, Rahul and Khapra, Mitesh M. and Sankaranarayanan, Karthik},
  booktitle = {Proceedings of ACL}, year = {2018}}"""
    FILE_NAMES = {
        split: (f"SelfRC_{part}.json", f"ParaphraseRC_{part}.json")
        for split, part in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    FILES = (
        "SelfRC_train.json, SelfRC_dev.json, SelfRC_test.json, ParaphraseRC_train.json, ... or some of them, from"
        " https://github.com/duorc/duorc/tree/master/dataset"
    )

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question that has an answer in its plot."""
        for path in files:
            for place, film in elements(path):
                try:
                    name, plot = text_field(place, film, "id"), text_field(place, film, "plot")
                    questions = field(place, film, "qa", list)
                except BadRow as bad:
                    yield bad
                    continue
                units = ((f"{place}: qa[{index}]", asked) for index, asked in enumerate(questions))
                yield from read_each(units, functools.partial(_row, film=name, plot=plot))


def _row(place: str, asked: object, film: str, plot: str) -> Row | Dropped:
    question = text_field(place, asked, "question")
    answers = field(place, asked, "answers", list)
    if field(place, asked, "no_answer", bool) or not answers:
        return Dropped(NO_ANSWER)
    for index, answer in enumerate(answers):
        if not isinstance(answer, str):
            raise BadRow(f"{place}: answers[{index}] is {shown(answer)}: expected a string")
        passage = best_window(plot, question, answer) if answer.strip() else None
        if passage:
            return Row({"en": question}, {"en": passage}, (), f"film {film}")
    return Dropped(NOT_THERE)
