"""One's own question-answer pairs as a TensorFlow Datasets builder: a folder of JSON lines, one file a split.

INPUT_DIR holds train.jsonl, validation.jsonl, test.jsonl, or some of them; data_prep/jsonl_rows.py says what a line is.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from data_prep.file_digests import digest
from data_prep.jsonl_rows import Row, item_id, rows
from data_prep.sources import table_features
from data_prep.unchanged import check_unchanged
from hbt_jax.errors import InputError

FILES = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
_DESCRIPTION = """
Question-answer pairs from JSON lines.  Rows with the same query share one query item, rows with the same passage share
one passage item; negatives are passages like the others.
"""


class Jsonl(tfds.core.GeneratorBasedBuilder):
    """Pairs of texts in one or more languages, from the files of `input_dir`.

    The tables remember the SHA-256 of the files that they were made from: with others the constructor raises.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Rows with query, passage, negatives, group and id."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="queries", description="One record for each different query and language."),
        tfds.core.BuilderConfig(name="passages", description="The same of passages, negatives among them."),
        tfds.core.BuilderConfig(name="pairs", description="One record for each row: its query, passage and negatives."),
    ]
    url_infos = {}  # nothing is downloaded: no checksums to look for beside this file

    def __init__(self, *, input_dir: str | os.PathLike, **kwargs):
        self._files = _files(Path(input_dir))
        self._digests = {path.name: digest(path) for path in self._files.values()}
        super().__init__(**kwargs)
        if self.is_prepared():
            other = "other files than those of --input_dir"
            check_unchanged(self.data_dir, other, self.info.metadata["files"], self._digests)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=_DESCRIPTION,
            features=table_features(self.builder_config.name),
            disable_shuffling=True,  # records keep the order of the rows
            metadata=tfds.core.MetadataDict(files=self._digests),
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {split: self._generate_examples(path) for split, path in self._files.items()}

    def _generate_examples(self, path: Path):
        """Yields (position, record) of one file, in the order of its rows."""
        read = tqdm(rows(path), desc=f"{path.name}, {self.builder_config.name}", unit=" rows", disable=None)
        yield from enumerate(_pairs(read) if self.builder_config.name == "pairs" else self._records(read))

    def _records(self, read: Iterator[Row]) -> Iterator[dict]:
        seen: set[str] = set()
        for row in read:
            for texts in [row.query] if self.builder_config.name == "queries" else [row.passage, *row.negatives]:
                name = item_id(texts)
                if name not in seen:
                    seen.add(name)
                    yield from ({"id": name, "language": code, "text": text} for code, text in sorted(texts.items()))


def _pairs(read: Iterator[Row]) -> Iterator[dict]:
    for row in read:
        yield {
            "query": item_id(row.query),
            "passage": item_id(row.passage),
            "group": row.group,
            "negatives": list(dict.fromkeys(map(item_id, row.negatives))),
        }


def _files(input_dir: Path) -> dict[str, Path]:
    """The file of each split that there is; raises InputError for none of them and for a file of another name."""
    known = ", ".join(FILES.values())
    if not input_dir.is_dir():
        raise InputError(f"--input_dir={input_dir}: no such folder: expected one that holds {known} or some of them")
    for path in sorted(input_dir.glob("*.jsonl*")):
        if path.name not in FILES.values():
            raise InputError(f"{path}: unexpected file: --input_dir holds {known} or some of them; rename or move it")
    found = {split: input_dir / name for split, name in FILES.items() if (input_dir / name).is_file()}
    if not found:
        raise InputError(f"--input_dir={input_dir} holds no data: expected {known} or some of them")
    return found
