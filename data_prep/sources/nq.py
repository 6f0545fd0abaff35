"""Natural Questions as DPR prepared them: questions of Google's users and passages of Wikipedia.

INPUT_DIR holds biencoder-nq-train.json and biencoder-nq-dev.json (validation), plain or .gz, or one of them.  As in
DPR's own training, the passage is the first of `positive_ctxs`; the negatives are all `hard_negative_ctxs` that are not
among the positive ones.  A passage is the article's title, if there is one, an empty line and the text.  Files are read
element by element: memory holds one question and the ids of the items.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Row, item_id, read_each, titled
from data_prep.builders.rows import ONE_TEXT, RowsBuilder
from data_prep.reading.fields import field, text_field
from data_prep.reading.json_list import elements
from hbt_jax.text_identity import identity_text

NO_PASSAGE = "questions without a passage that answers them"


class Nq(RowsBuilder):
    """Questions of Google's users and 100-word passages of Wikipedia, in English, as DPR prepared them."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "The first positive passage and all hard negatives of DPR's files.", "1.1.0": ONE_TEXT}
    HOMEPAGE = "https://github.com/facebookresearch/DPR"
    LICENSE = "Natural Questions: CC BY-SA 3.0; DPR's files: CC BY-NC 4.0"
    CITATION = """@article{kwiatkowski-etal-2019-natural,
  title = {Natural Questions: A Benchmark for Question Answering Research},
  author = {Kwiatkowski, Tom and others},
  journal = {Transactions of the Association for Computational Linguistics}, year = {2019}}
@inproceedings{karpukhin-etal-2020-dense,
  title = {Dense Passage Retrieval for Open-Domain Question Answering},
  author = {Karpukhin, Vladimir and others},
  booktitle = {Proceedings of EMNLP}, year = {2020}}"""
    FILE_NAMES = {"train": ("biencoder-nq-train.json",), "validation": ("biencoder-nq-dev.json",)}
    FILES = (
        "biencoder-nq-train.json, biencoder-nq-dev.json or one of them, plain or .gz, from"
        " https://dl.fbaipublicfiles.com/dpr/data/retriever/biencoder-nq-train.json.gz and"
        " .../biencoder-nq-dev.json.gz"
    )

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields a row for each question that has a passage."""
        for path in files:
            yield from read_each(elements(path), _row)


def _row(place: str, asked: object) -> Row | Dropped:
    query = {"en": text_field(place, asked, "question")}
    positives, negatives = (_passages(place, asked, name) for name in ("positive_ctxs", "hard_negative_ctxs"))
    if not positives:
        return Dropped(NO_PASSAGE)
    right = set(map(identity_text, positives))
    wrong = tuple({"en": passage} for passage in negatives if identity_text(passage) not in right)
    return Row(query, {"en": positives[0]}, wrong, f"query {item_id(query)}")


def _passages(place: str, asked: object, name: str) -> list[str]:
    found = []
    for index, context in enumerate(field(place, asked, name, list)):
        here = f"{place}: {name}[{index}]"
        title = field(here, context, "title", str)
        found.append(titled(title and text_field(here, context, "title"), text_field(here, context, "text")))
    return found
