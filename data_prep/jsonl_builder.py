"""One's own question-answer pairs: a folder of JSON lines, one file a split.

INPUT_DIR holds train.jsonl, validation.jsonl, test.jsonl, or some of them; data_prep/jsonl_rows.py says what a line is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from data_prep.jsonl_rows import rows
from data_prep.row import BadRow, Dropped, Row
from data_prep.rows_builder import ONE_TEXT, RowsBuilder
from hbt_jax.errors import InputError

_NAMES = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}


class Jsonl(RowsBuilder):
    """Pairs of texts in one or more languages, from JSON lines."""

    VERSION = tfds.core.Version("1.2.0")
    RELEASE_NOTES = {
        "1.0.0": "Rows with query, passage, negatives, group and id.",
        "1.1.0": "Rows of one language, which their group joins.",
        "1.2.0": ONE_TEXT,
    }
    FILES = f"{', '.join(_NAMES.values())} or some of them"

    @classmethod
    def find_files(cls, input_dir: Path) -> dict[str, Sequence[Path]]:
        """The file of each split that there is; raises InputError for none of them and for a file of another name."""
        for path in sorted(input_dir.glob("*.jsonl*")):
            if path.name not in _NAMES.values():
                raise InputError(f"{path}: unexpected file: --input_dir holds {cls.FILES}; rename or move it")
        found = {split: (input_dir / name,) for split, name in _NAMES.items() if (input_dir / name).is_file()}
        if not found:
            raise InputError(f"--input_dir={input_dir} holds no data: expected {cls.FILES}")
        return found

    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields the rows of a file, see data_prep/jsonl_rows.py."""
        for path in files:
            yield from rows(path)
