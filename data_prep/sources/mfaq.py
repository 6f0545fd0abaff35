"""MFAQ: questions and answers from FAQ pages of the web, in 21 languages.

INPUT_DIR holds LANG/train.jsonl and LANG/valid.jsonl (validation), or some of them; LANG is a language code.  A line is
a page or, in the flat form, a pair:

    {"id", "language", "num_pairs", "domain", "qa_pairs": [{"question", "answer", "language"}, ...]}
    {"domain_id", "pair_id", "language", "domain", "question", "answer"}

The language of a pair is that of its page.  Rows with the same question share a group.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, item_id, read_each
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.builders.source_files import no_data
from data_prep.reading.fields import field, language, text
from data_prep.reading.line_files import json_value, lines
from hbt_jax.text_identity import is_blank

EMPTY = "pairs without a question or an answer"
_NAMES = {"train": "train.jsonl", "validation": "valid.jsonl"}


class Mfaq(RowsBuilder):
    """Questions and answers from FAQ pages of the web, in 21 languages; a pair has one language."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "The nested and the flat form.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://huggingface.co/datasets/clips/mfaq"
    LICENSE = "CC0 1.0"
    CITATION = """@inproceedings{de-bruyn-etal-2021-mfaq,
  title = {{MFAQ}: a Multilingual {FAQ} Dataset},
  author = {De Bruyn, Maxime and Lotfi, Ehsan and Buhmann, Jeska and Daelemans, Walter},
  booktitle = {Proceedings of the 3rd Workshop on Machine Reading for Question Answering}, year = {2021}}"""
    FILES = f"LANG/train.jsonl and LANG/valid.jsonl, such as cs/train.jsonl, from the folder data of {HOMEPAGE}"

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The files of each split, ordered by language code; raises InputError if there are none."""
        found = {split: tuple(sorted(input_dir.glob(f"*/{name}"))) for split, name in _NAMES.items()}
        found = {split: paths for split, paths in found.items() if paths}
        if not found:
            raise no_data(input_dir, cls.FILES)
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each pair, language by language."""
        for path in files:
            for place, line in lines(path):
                try:
                    page = json_value(place, line)
                    nested = isinstance(page, dict) and "qa_pairs" in page
                    pairs = field(place, page, "qa_pairs", list) if nested else [page]
                    code = language(place, "language", field(place, page, "language", str))
                except BadRow as bad:
                    yield bad
                    continue
                places = (f"{place}: qa_pairs[{index}]" if nested else place for index in itertools.count())
                yield from read_each(zip(places, pairs, strict=False), functools.partial(_row, code=code))


def _row(place: str, pair: object, code: str) -> Row | Dropped:
    question, answer = (field(place, pair, name, str) for name in ("question", "answer"))
    if is_blank(question) or is_blank(answer):
        return Dropped(EMPTY)
    query = {code: text(place, "question", question)}
    return Row(query, {code: text(place, "answer", answer)}, (), f"query {item_id(query)}")
