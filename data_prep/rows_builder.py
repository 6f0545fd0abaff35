"""The TensorFlow Datasets builder of every source whose files are rows of queries and passages.

A source gives its files and reads their rows; this class makes the three tables of them, remembers what they were made
from, and stops at a row that cannot be used or sets it aside (data_prep/source_builder.py).
"""

import abc
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.id_index import IdIndex
from data_prep.keys import in_order
from data_prep.row import BadRow, Dropped, Row, item_id
from data_prep.source_builder import SourceBuilder

_BATCH = 4096  # rows whose items are looked up at a time


class RowsBuilder(SourceBuilder, skip_registration=True):
    """Pairs of texts from the files of `input_dir`.

    Rows with the same query share one query item, rows with the same passage share one passage item; negatives are
    passages like the others.  A source is a subclass with what SourceBuilder asks for and `read`.
    """

    @abc.abstractmethod
    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped]:
        """Yields the rows of the files of one split.

        In the place of a row that cannot be used it yields a BadRow, of what the source leaves out a Dropped.
        """

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """Yields (key, record) of one split, in the order of its rows."""
        table = self.builder_config.name
        read = tqdm(self._usable(split, files), desc=f"{self.name} {split}, {table}", unit=" rows", disable=None)
        if table == "pairs":
            yield from in_order(pairs(read))
            return
        with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch:
            yield from in_order(texts(read, table, Path(scratch)))

    def _usable(self, split: str, files: Sequence[Path]) -> Iterator[Row]:
        """Yields the rows; counts what is left out, and sets the bad rows aside or raises the first."""
        empty = True
        with self._left_out(split) as left_out:
            for row in self.read(files):
                if isinstance(row, Row):
                    empty = False
                    yield row
                else:
                    left_out.add(row)
            if empty:
                raise self._nothing_left(split, left_out.counts)


def texts(rows: Iterable[Row], table: str, scratch: Path) -> Iterator[dict]:
    """Yields the records of the table `queries` or `passages`, each different item once.

    Args:
      scratch: existing folder, for the ids of the items that were met.
    """
    seen, iterator = IdIndex(scratch, table), iter(rows)
    while batch := list(itertools.islice(iterator, _BATCH)):
        of_rows = ([row.query] if table == "queries" else [row.passage, *row.negatives] for row in batch)
        named = {item_id(item): item for item in itertools.chain.from_iterable(of_rows)}
        before = len(seen)
        number_N = seen.add(np.frombuffer(bytes.fromhex("".join(named)), ">u8").astype(np.uint64).reshape(-1, 2))
        for (name, item), number in zip(named.items(), number_N.tolist(), strict=True):
            if number >= before:
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
