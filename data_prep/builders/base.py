"""What every source made of files needs: the user's folder, digests of its files, and a record of what is left out.

    --on_bad_row=stop   a malformed row ends the build with file, line and reason (the default)
    --on_bad_row=skip   it is left out, counted in the metadata as "dropped", and listed in rejects-SPLIT.jsonl beside
                        the table `pairs`: {"row": place and reason}

Whatever a source leaves out by its own rules is counted there too, with either value of the flag.
"""

import collections
import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import tensorflow_datasets as tfds

from data_prep.builders.row import BadRow, Dropped, Respelled
from data_prep.builders.source_files import by_split
from data_prep.builders.tables import ON_BAD_ROW, table_features
from data_prep.builders.unchanged import check_unchanged, digest
from hbt_jax.errors import InputError

BAD_ROWS = "rows that cannot be used"
REJECTS = "rejects-{split}.jsonl"


class LeftOut:
    """Counts what one split leaves out, and lists malformed rows or raises the first.

    Attributes:
      counts: reason -> how many.
      respelled: code in the files -> {"language": its code here, "rows": how many}.
    """

    def __init__(self, rejects: Path, on_bad_row: str):
        self.counts: collections.Counter = collections.Counter()
        self.respelled: dict[str, dict] = {}
        self._path, self._stop = rejects, on_bad_row == "stop"
        self._file: TextIO | None = None

    def add(self, value: BadRow | Dropped | Respelled) -> None:
        """Counts one; raises a BadRow if that is to stop the build."""
        if isinstance(value, Respelled):
            self.respelled.setdefault(value.written, {"language": value.code, "rows": 0})["rows"] += value.count
            return
        if isinstance(value, Dropped):
            self.counts[value.reason] += value.count
            return
        if self._stop:
            raise value
        self.counts[f"{BAD_ROWS}, listed in {self._path.name}"] += 1
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace")
        self._file.write(json.dumps({"row": str(value)}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Closes the list of malformed rows, if there is one."""
        if self._file is not None:
            self._file.close()


def reasons(counts: Mapping[str, int]) -> str:
    """What was left out, for a message."""
    return "; ".join(f"{count:,} {reason}" for reason, count in counts.items() if count) or "nothing"


class SourceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The three tables of a source, made from the files of `input_dir`.

    The tables record the SHA-256 of the files that they were made from; with other files the constructor raises.

    A source is a subclass of one of this class's subclasses.  Its docstring becomes its description.  It has

      VERSION, RELEASE_NOTES: as TensorFlow Datasets wants them.
      CITATION, HOMEPAGE, LICENSE: of the data; empty for the user's own.
      FILES: what the folder holds, for messages.
      FLAG: the flag that names the files.
      SCORES: whether rows may have a teacher's scores.
      ALIKE: whether a query is its own passage by design, so that build_store.py keeps such pairs.
      FILE_NAMES: split -> names of its files; or it overrides find_files, where names alone do not tell the split.

    Args:
      input_dir: folder with the source's files.
      on_bad_row: one of tables.ON_BAD_ROW.
    """

    CITATION = HOMEPAGE = LICENSE = FILES = ""
    FILE_NAMES: Mapping[str, Sequence[str]] = {}
    ALIKE = SCORES = False
    FLAG = "--input_dir"
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="queries", description="One record per distinct query and language."),
        tfds.core.BuilderConfig(
            name="passages", description="One record per distinct passage and language, negatives included."
        ),
        tfds.core.BuilderConfig(name="pairs", description="One record per row: its query, passage and negatives."),
    ]
    url_infos = {}  # nothing is downloaded, so there is no file of checksums to look for

    def __init__(self, *, input_dir: str | os.PathLike, on_bad_row: str = "stop", **kwargs):
        if on_bad_row not in ON_BAD_ROW:
            raise InputError(f"--on_bad_row={on_bad_row}: expected one of {', '.join(ON_BAD_ROW)}")
        self._on_bad_row = on_bad_row
        self._files = self._found(input_dir)
        super().__init__(**kwargs)
        if self.is_prepared():
            self._check_unchanged()

    def _found(self, input_dir: str | os.PathLike) -> Mapping[str, Sequence[Path]]:
        """Split -> its files."""
        self.named, self._input_dir = input_dir, Path(input_dir)
        if not self._input_dir.is_dir():
            raise InputError(f"--input_dir={input_dir}: no such folder: expected one that holds {self.FILES}")
        return self.find_files(self._input_dir)

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """Split -> its files, in the order in which they are read: those of FILE_NAMES that exist, plain or packed.

        Raises:
          InputError: the folder has none of them.
        """
        return by_split(input_dir, cls.FILE_NAMES, cls.FILES)

    def _settings(self) -> dict[str, str]:
        """Values of further flags that the tables depend on, by flag."""
        return {}

    def _check_unchanged(self) -> None:
        prepared = self.info.metadata
        settings = self._settings()
        before = {**{f"--{name}": prepared[name] for name in settings}, **prepared["files"]}
        now = {**{f"--{name}": value for name, value in settings.items()}, **self._digests()}
        if any(reason.startswith(BAD_ROWS) for counts in prepared["dropped"].values() for reason in counts):
            before["--on_bad_row"], now["--on_bad_row"] = prepared["on_bad_row"], self._on_bad_row
        check_unchanged(self.data_dir, f"other files than those in {self.FLAG}, or with other flags", before, now)

    def _digests(self) -> dict[str, str]:
        paths = [path for files in self._files.values() for path in files]
        return {path.relative_to(self._input_dir).as_posix(): digest(path) for path in paths}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=type(self).__doc__,
            features=table_features(self.builder_config.name, self.SCORES),
            citation=self.CITATION,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            disable_shuffling=True,  # records keep the order of the rows
            metadata=tfds.core.MetadataDict(
                files=self._digests(), on_bad_row=self._on_bad_row, dropped={}, **self._settings()
            ),
        )

    def _split_generators(self, dl_manager) -> dict:
        del dl_manager
        return {split: self._generate_examples(split, files) for split, files in self._files.items()}

    @contextlib.contextmanager
    def _left_out(self, split: str) -> Iterator[LeftOut]:
        """Yields a LeftOut for a split; its counts become metadata when the block ends."""
        left_out = LeftOut(Path(self.data_dir) / REJECTS.format(split=split), self._on_bad_row)
        with contextlib.closing(left_out):
            yield left_out
        if counts := dict(+left_out.counts):
            self.info.metadata["dropped"][split] = counts
        if left_out.respelled:
            self.info.metadata.setdefault("respelled", {})[split] = left_out.respelled

    def _nothing_left(self, split: str, left_out: Mapping[str, int]) -> InputError:
        """The error for a split without a usable row."""
        return InputError(
            f"{self.FLAG}={self.named}: {split} has no usable row (left out: {reasons(left_out)}): expected at"
            " least one; correct the files, or remove those of this split"
        )
