"""Questions and paragraphs in SQuAD's layout as a TensorFlow Datasets builder: a folder with one file a language.

INPUT_DIR holds LANG.json files, which are the split `train`; or folders train, validation, test of them, or some of
these.  MLQA-R and XQuAD-R are such folders.  hbt_jax/data/squad_layout.py says what a file is, data_prep/squad_join.py
how questions become pairs.
"""

import os
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from data_prep import squad_join
from data_prep.file_digests import digest
from data_prep.sources import PASSAGES, table_features
from data_prep.unchanged import check_unchanged
from hbt_jax.data.squad_layout import language_files
from hbt_jax.errors import InputError

SPLITS = ("train", "validation", "test")
_DESCRIPTION = """
Questions and the sentences or paragraphs that answer them, in one or more languages, from files in SQuAD's layout.
Translations of a question join by its id; questions that share a passage in any language share a group.
"""


class Squad(tfds.core.GeneratorBasedBuilder):
    """Pairs of question and passage from the files of `input_dir`; `passage` is `sentence` (default) or `paragraph`.

    The tables remember the SHA-256 of the files and the kind of passage that they were made from: with others the
    constructor raises.  Their metadata counts the questions left out, by split and reason, as `dropped`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Sentences or paragraphs as passages."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="queries", description="One record for each question and language."),
        tfds.core.BuilderConfig(name="passages", description="One record for each passage and language."),
        tfds.core.BuilderConfig(name="pairs", description="One record for each question: its passage and group."),
    ]
    url_infos = {}  # nothing is downloaded: no checksums to look for beside this file

    def __init__(self, *, input_dir: str | os.PathLike, passage: str = "sentence", **kwargs):
        if passage not in PASSAGES:
            raise InputError(f"--passage={passage}: expected one of {', '.join(PASSAGES)}")
        self._passage, self._input_dir = passage, Path(input_dir)
        self._files = _files(self._input_dir)
        super().__init__(**kwargs)
        if self.is_prepared():
            other = "other files than those of --input_dir, or for another --passage"
            prepared = self.info.metadata
            before = {"passage": prepared["passage"], **prepared["files"]}
            check_unchanged(self.data_dir, other, before, {"passage": passage, **self._digests()})

    def _digests(self) -> dict[str, str]:
        paths = [path for files in self._files.values() for path in files.values()]
        return {path.relative_to(self._input_dir).as_posix(): digest(path) for path in paths}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=table_features(self.builder_config.name),
            disable_shuffling=True,  # records keep the order of the files
            metadata=tfds.core.MetadataDict(files=self._digests(), passage=self._passage),
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        joined = {split: squad_join.join(files, self._passage) for split, files in self._files.items()}
        self.info.metadata["dropped"] = {split: made.dropped for split, made in joined.items()}
        return {split: self._generate_examples(split, made) for split, made in joined.items()}

    def _generate_examples(self, split: str, joined: squad_join.Joined):
        """Yields (position, record) of one split: texts language by language, pairs in the order of the questions."""
        files, table = self._files[split], self.builder_config.name
        made = {
            "queries": lambda: squad_join.queries(files),
            "passages": lambda: squad_join.passages(files, joined, self._passage),
            "pairs": lambda: squad_join.pairs(joined),
        }[table]()
        yield from enumerate(tqdm(made, desc=f"{split}, {table}", unit=" records", disable=None))


def _files(input_dir: Path) -> dict[str, dict[str, Path]]:
    """Split -> language -> file; raises InputError for a folder without files or with files of both kinds."""
    expected = f"expected LANG.json files, such as en.json, or folders of them named {', '.join(SPLITS)}"
    if not input_dir.is_dir():
        raise InputError(f"--input_dir={input_dir}: no such folder: {expected}")
    found = {split: language_files(input_dir / split) for split in SPLITS if (input_dir / split).is_dir()}
    files = {split: languages for split, languages in found.items() if languages}
    here = language_files(input_dir)
    if here and files:
        raise InputError(
            f"--input_dir={input_dir} holds {next(iter(here))}.json beside the folder {next(iter(files))}: {expected},"
            " not both"
        )
    if not here and not files:
        raise InputError(f"--input_dir={input_dir} holds no data: {expected}")
    return files or {"train": here}
