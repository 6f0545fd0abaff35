"""Questions and paragraphs in SQuAD's layout as a TensorFlow Datasets builder: a folder with one file a language.

INPUT_DIR holds LANG.json files, which are the split `train`; or folders train, validation, test of them, or some of
these.  MLQA-R and XQuAD-R are such folders.  hbt_jax/data/squad_layout.py says what a file is, data_prep/squad_join.py
how questions become pairs.  With --on_bad_row=skip a paragraph with a wrong field is left out with all its questions,
and so is a question whose answer is not where the file says; what is wrong with a whole file still ends the build.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from data_prep import squad_join
from data_prep.keys import in_order
from data_prep.source_builder import SourceBuilder
from data_prep.source_files import SPLITS, folders_by_split
from data_prep.sources import PASSAGES
from hbt_jax.data.squad_layout import language_files
from hbt_jax.errors import InputError


class Squad(SourceBuilder):
    """Questions and the sentences or paragraphs that answer them, in one or more languages, joined by their ids."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sentences or paragraphs as passages."}
    FILES = f"LANG.json files, such as en.json, or folders of them named {', '.join(SPLITS)}"

    def __init__(self, *, input_dir: str | os.PathLike, passage: str = "sentence", **kwargs):
        """As SourceBuilder's; `passage` is what answers a question, one of sources.PASSAGES."""
        if passage not in PASSAGES:
            raise InputError(f"--passage={passage}: expected one of {', '.join(PASSAGES)}")
        self._passage = passage
        super().__init__(input_dir=input_dir, **kwargs)

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The files of each split; raises InputError for a folder without them or with files of both kinds."""
        for folder in (input_dir, *(input_dir / split for split in SPLITS)):
            language_files(folder)  # all are named by a language
        return folders_by_split(input_dir, "*.json", cls.FILES)

    def _settings(self) -> dict[str, str]:
        return {"passage": self._passage}

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """Yields (key, record) of one split: texts language by language, pairs in the order of the questions."""
        by_code, table = {path.stem: path for path in files}, self.builder_config.name
        with self._left_out(split) as left_out:
            joined = squad_join.join(by_code, self._passage, left_out.add)
        made = {
            "queries": lambda: squad_join.queries(by_code, self._passage),
            "passages": lambda: squad_join.passages(by_code, self._passage, joined),
            "pairs": lambda: squad_join.pairs(joined),
        }[table]()
        yield from in_order(tqdm(made, desc=f"{split}, {table}", unit=" records", disable=None))
