"""The TensorFlow Datasets builder of every source whose files are rows of queries and passages.

A source gives its files and reads their rows; this class makes the three tables of them, remembers what they were made
from, and stops at a row that cannot be used or sets it aside:

    --on_bad_row=stop   the build ends with file, line and reason (the default)
    --on_bad_row=skip   the row is left out, counted in the metadata as "dropped", and listed in rejects-SPLIT.jsonl
                        beside the table `pairs`: {"row": FILE:LINE and the reason}

What a source leaves out by its own rule is counted in the same place, whatever --on_bad_row is.
"""

import abc
import collections
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from data_prep.file_digests import digest
from data_prep.row import BadRow, Dropped, Row, item_id
from data_prep.sources import ON_BAD_ROW, table_features
from data_prep.unchanged import check_unchanged
from hbt_jax.errors import InputError

BAD_ROWS = "rows that cannot be used"
REJECTS = "rejects-{split}.jsonl"


class RowsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Pairs of texts from the files of `input_dir`.

    The tables remember the SHA-256 of the files that they were made from: with others the constructor raises.  Rows
    with the same query share one query item, rows with the same passage share one passage item; negatives are passages
    like the others.

    A source is a subclass with a docstring, which becomes its description, and

      VERSION, RELEASE_NOTES: as TensorFlow Datasets wants them.
      CITATION, HOMEPAGE, LICENSE: of the data; empty for one's own.
      ALIKE: whether a query is its own passage by design, so that build_store.py leaves no such pair out.
      find_files, read: see there.

    Args:
      input_dir: folder of the source's files.
      on_bad_row: one of sources.ON_BAD_ROW.
    """

    CITATION = HOMEPAGE = LICENSE = ""
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="queries", description="One record for each different query and language."),
        tfds.core.BuilderConfig(name="passages", description="The same of passages, negatives among them."),
        tfds.core.BuilderConfig(name="pairs", description="One record for each row: its query, passage and negatives."),
    ]
    url_infos = {}  # nothing is downloaded: no checksums to look for beside this file

    def __init__(self, *, input_dir: str | os.PathLike, on_bad_row: str = "stop", **kwargs):
        if on_bad_row not in ON_BAD_ROW:
            raise InputError(f"--on_bad_row={on_bad_row}: expected one of {', '.join(ON_BAD_ROW)}")
        self._input_dir, self._on_bad_row = Path(input_dir), on_bad_row
        if not self._input_dir.is_dir():
            raise InputError(f"--input_dir={input_dir}: no such folder: expected one that holds {self.FILES}")
        self._files = self.find_files(self._input_dir)
        super().__init__(**kwargs)
        if self.is_prepared():
            self._check_unchanged()

    FILES = ""  # what messages say the folder holds
    ALIKE = False

    @classmethod
    @abc.abstractmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """Split -> its files, in the order they are read; raises InputError for a folder without them."""

    @abc.abstractmethod
    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields the rows of the files of one split.

        In the place of a row that cannot be used it yields a BadRow, of what the source leaves out a Dropped.
        """

    def _check_unchanged(self) -> None:
        prepared = self.info.metadata
        before, now = dict(prepared["files"]), self._digests()
        if any(reason.startswith(BAD_ROWS) for counts in prepared["dropped"].values() for reason in counts):
            before["--on_bad_row"], now["--on_bad_row"] = prepared["on_bad_row"], self._on_bad_row
        check_unchanged(self.data_dir, "other files than those of --input_dir, or another way", before, now)

    def _digests(self) -> dict[str, str]:
        paths = [path for files in self._files.values() for path in files]
        return {path.relative_to(self._input_dir).as_posix(): digest(path) for path in paths}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=type(self).__doc__,
            features=table_features(self.builder_config.name),
            citation=self.CITATION,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            disable_shuffling=True,  # records keep the order of the rows
            metadata=tfds.core.MetadataDict(files=self._digests(), on_bad_row=self._on_bad_row, dropped={}),
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {split: self._generate_examples(split, files) for split, files in self._files.items()}

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """Yields (position, record) of one split, in the order of its rows."""
        table = self.builder_config.name
        read = tqdm(self._usable(split, files), desc=f"{self.name} {split}, {table}", unit=" rows", disable=None)
        yield from enumerate(pairs(read) if table == "pairs" else texts(read, table))

    def _usable(self, split: str, files: Sequence[Path]) -> Iterator[Row]:
        """Yields the rows; counts what is left out, and sets the bad rows aside or raises the first."""
        counts = collections.Counter()
        rejects_name = REJECTS.format(split=split)
        empty = True
        with contextlib.ExitStack() as closing:
            rejects = None
            for row in self.read(files):
                if isinstance(row, Row):
                    empty = False
                    yield row
                    continue
                if isinstance(row, Dropped):
                    counts[row.reason] += row.count
                    continue
                if self._on_bad_row == "stop":
                    raise row
                counts[f"{BAD_ROWS}, listed in {rejects_name}"] += 1
                if rejects is None:
                    path = Path(self.data_dir) / rejects_name  # a folder that is renamed when whole
                    rejects = closing.enter_context(path.open("w", encoding="utf-8"))
                rejects.write(json.dumps({"row": str(row)}, ensure_ascii=False) + "\n")
        if empty:
            left_out = "; ".join(f"{count:,} {reason}" for reason, count in counts.items()) or "nothing"
            raise InputError(
                f"--input_dir={self._input_dir}: no row of {split} can be used (left out: {left_out}): expected at"
                " least one; correct the files, or remove those of this split"
            )
        if counts:
            self.info.metadata["dropped"][split] = dict(counts)


def texts(rows: Iterable[Row], table: str) -> Iterator[dict]:
    """Yields the records of the table `queries` or `passages`, each different item once."""
    seen: set[str] = set()
    for row in rows:
        for item in [row.query] if table == "queries" else [row.passage, *row.negatives]:
            name = item_id(item)
            if name not in seen:
                seen.add(name)
                yield from ({"id": name, "language": code, "text": text} for code, text in sorted(item.items()))


def pairs(rows: Iterable[Row]) -> Iterator[dict]:
    """Yields the records of the table `pairs`, one a row."""
    for row in rows:
        yield {
            "query": item_id(row.query),
            "passage": item_id(row.passage),
            "group": row.group,
            "negatives": list(dict.fromkeys(map(item_id, row.negatives))),
        }
