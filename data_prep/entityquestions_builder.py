"""EntityQuestions: questions made of Wikidata's facts, and passages of Wikipedia as DPR cut it.

INPUT_DIR holds the folders train, dev (validation) and test, or some of them, with P17.train.json and so on, and
DPR's psgs_w100.tsv, plain or .gz.  The questions come with answers but without passages:
data_prep/entityquestions_passages.py says which passage a question gets.  Questions without one are left out and
counted.  The questions about an entity share a group.  A line of psgs_w100.tsv that cannot be used counts in each
split.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.entityquestions_passages import Asked, asked, key, passages
from data_prep.json_list import elements
from data_prep.row import BadRow, Dropped, Row
from data_prep.rows_builder import ONE_TEXT, RowsBuilder
from data_prep.source_files import needed, no_data

NO_PASSAGE = "questions without a passage: no article is called like their entity and has an answer"
_PARTS = {"train": "train", "validation": "dev", "test": "test"}
_PASSAGES = "psgs_w100.tsv"


class Entityquestions(RowsBuilder):
    """Questions made of Wikidata's facts, and 100-word passages of Wikipedia that hold the answer, in English."""

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
        """The passages and the questions of each split; raises InputError when either are missing."""
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
            for place, fields in elements(path):
                try:
                    yield _row(asked(place, path, fields), chosen)
                except BadRow as bad:
                    yield bad


def _row(question: Asked, chosen: dict[tuple[str, str], str]) -> Row | Dropped:
    found = (chosen.get((key(question.entity), answer)) for answer in question.answers)
    passage = next(filter(None, found), None)
    if passage is None:
        return Dropped(NO_PASSAGE)
    return Row({"en": question.text}, {"en": passage}, (), f"entity {key(question.entity)}")
