"""WikiQA: questions of Bing's users and sentences of a Wikipedia article, judged by people.

INPUT_DIR holds WikiQA-train.tsv, WikiQA-dev.tsv (validation) and WikiQA-test.tsv, or some of them.  A row is a question
and a sentence that answers it; the other sentences of its article are the negatives.
"""

import collections
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.reading.fields import text
from data_prep.reading.line_files import check_header, columns, lines
from hbt_jax.text_identity import identity_text

COLUMNS = ("QuestionID", "Question", "DocumentID", "DocumentTitle", "SentenceID", "Sentence", "Label")
NO_POSITIVE = "questions without a sentence that answers them"
BOTH = "judgements that a sentence does not answer its question, although another one says that it does"


class Wikiqa(RowsBuilder):
    """Questions of Bing's users and the sentences of a Wikipedia article, in English, judged by people."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {
        "1.0.0": "Sentences that answer as passages, the others of the article as negatives.",
        "1.1.0": ONE_TEXT,
    }
    HOMEPAGE = "https://www.microsoft.com/en-us/download/details.aspx?id=52419"
    LICENSE = "Microsoft Research Data License Agreement (LICENSE.pdf in WikiQACorpus.zip)"
    CITATION = """@inproceedings{yang-etal-2015-wikiqa,
  title = {{WikiQA}: A Challenge Dataset for Open-Domain Question Answering},
  author = {Yang, Yi and Yih, Wen-tau and Meek, Christopher},
  booktitle = {Proceedings of EMNLP}, year = {2015}}"""
    FILE_NAMES = {"train": ("WikiQA-train.tsv",), "validation": ("WikiQA-dev.tsv",), "test": ("WikiQA-test.tsv",)}
    FILES = (
        "WikiQA-train.tsv, WikiQA-dev.tsv, WikiQA-test.tsv or some of them, unpacked from WikiQACorpus.zip"
        f" ({HOMEPAGE})"
    )

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each sentence that answers its question, in the order of the questions."""
        for path in files:
            judged: dict[tuple[str, str], dict[str, set[str]]] = collections.defaultdict(
                lambda: collections.defaultdict(set)
            )  # id and text of the question -> sentence -> labels
            typed: dict[str, str] = {}  # identity text -> the text as it was first typed
            for place, line in lines(path):
                try:
                    found = columns(place, line, COLUMNS)
                    if place == f"{path}:1":
                        check_header(place, found, COLUMNS)
                        continue
                    question_id, question, _, _, _, sentence, label = found
                    if label not in ("0", "1"):
                        raise BadRow(f"{place}: Label is {label!r}: expected 0 or 1")
                    key, question, sentence = (
                        _first(typed, text(place, name, value))
                        for name, value in (
                            ("QuestionID", question_id), ("Question", question), ("Sentence", sentence),
                        )
                    )  # fmt: skip
                    judged[key, question][sentence].add(label)
                except BadRow as bad:
                    yield bad
            for (question_id, question), labels in judged.items():
                yield from _rows(question_id, question, labels)


def _first(typed: dict[str, str], value: str) -> str:
    """The first of the texts that equal a text."""
    return typed.setdefault(identity_text(value), value)


def _rows(question_id: str, question: str, labels: dict[str, set[str]]) -> Iterator[Row | Dropped]:
    """Yields the rows of one question; a sentence with both labels is not a negative."""
    positives = [sentence for sentence, found in labels.items() if "1" in found]
    negatives = tuple({"en": sentence} for sentence, found in labels.items() if found == {"0"})
    if not positives:
        yield Dropped(NO_POSITIVE)
    both = sum(len(found) == 2 for found in labels.values())
    if both:
        yield Dropped(BOTH, both)
    for sentence in positives:
        yield Row({"en": question}, {"en": sentence}, negatives, f"question {question_id}")
