"""NewsQA: questions about CNN's news stories and the part of the story that answers them.

INPUT_DIR holds, of https://github.com/Maluuba/newsqa,

    combined-newsqa-data-v1.csv or .json    what its tool makes of the questions and CNN's stories
    train_story_ids.csv, dev_story_ids.csv, test_story_ids.csv or some of them      the stories of each split

data_prep/newsqa_rows.py says which answer counts and what the passage is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.newsqa_rows import rows
from data_prep.row import BadRow, Dropped, Row
from data_prep.rows_builder import ONE_TEXT, RowsBuilder
from data_prep.source_files import by_split
from hbt_jax.errors import InputError

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
        """Stories and story ids of each split that has ids; raises InputError when either are missing."""
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
