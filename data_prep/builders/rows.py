"""The TensorFlow Datasets builder of every source whose files are rows of queries and passages.

A source finds its files and reads their rows; this class makes the three tables from them, records what they were made
from, and stops at a malformed row or skips it (data_prep/builders/base.py).
"""

import abc
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.builders.base import SourceBuilder
from data_prep.builders.keys import in_order
from data_prep.builders.row import BadRow, Dropped, Respelled, Row, item_id, typed_id
from data_prep.scratch.id_index import IdIndex

ONE_TEXT = "Texts that differ only in normal form, spaces or invisible characters are one item."  # a release note
NEGATIVES_AGAIN = "negatives that their row has already"
_BATCH = 4096  # rows whose items are looked up together


class RowsBuilder(SourceBuilder, skip_registration=True):
    """Pairs of texts from the files in `input_dir`.

    Rows with the same query share one query item, rows with the same passage share one passage item; the item has the
    texts of the first of these rows.  Negatives are passages like any other.  Texts that differ only in normal form,
    spaces or invisible characters are the same (hbt_jax/text_identity.py); the metadata of the tables `queries` and
    `passages` count the items that were merged for this reason: {"merged": {split: items}}.

    A source is a subclass with `read` and what SourceBuilder asks for.
    """

    @abc.abstractmethod
    def read(self, files: Sequence[Path]) -> Iterator[Row | BadRow | Dropped | Respelled]:
        """Yields the rows of the files of one split, their languages by canonical codes.

        It yields a BadRow in place of a malformed row, a Dropped in place of what the source leaves out, and a
        Respelled for each code in the files that is not canonical.
        """

    def _generate_examples(self, split: str, files: Sequence[Path]):
        """Yields (key, record) of one split, in the order of its rows."""
        table = self.builder_config.name
        read = tqdm(self._usable(split, files), desc=f"{self.name} {split}, {table}", unit=" rows", disable=None)
        if table == "pairs":
            yield from in_order(pairs(read, self.SCORES))
            return
        with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch:
            items = DistinctItems(table, Path(scratch))
            yield from in_order(items.records(read))
        if items.merged:
            self.info.metadata.setdefault("merged", {})[split] = items.merged

    def _usable(self, split: str, files: Sequence[Path]) -> Iterator[Row]:
        """Yields the rows; counts what is left out, and skips malformed rows or raises the first."""
        empty = True
        with self._left_out(split) as left_out:
            for row in self.read(files):
                if isinstance(row, Row):
                    empty = False
                    if again := _repeated(row.negatives):
                        left_out.add(Dropped(NEGATIVES_AGAIN, again))
                    yield row
                else:
                    left_out.add(row)
            if empty:
                raise self._nothing_left(split, left_out.counts)


def _repeated(negatives: Sequence[dict[str, str]]) -> int:
    """How many of them are the same item as an earlier one."""
    return len(negatives) - len(set(map(item_id, negatives))) if len(negatives) > 1 else 0


class DistinctItems:
    """The distinct items of one side.

    Attributes:
      merged: items that are the same text as an earlier one, typed differently.

    Args:
      table: `queries` or `passages`.
      scratch: existing folder for the ids of the items seen so far.
    """

    def __init__(self, table: str, scratch: Path):
        self._table = table
        self._seen, self._typed = IdIndex(scratch, table), IdIndex(scratch, f"{table}-typed")

    @property
    def merged(self) -> int:
        """See the class's docstring."""
        return len(self._typed) - len(self._seen)

    def records(self, rows: Iterable[Row]) -> Iterator[dict]:
        """Yields the records of the table, each distinct item once, as it was first typed."""
        iterator = iter(rows)
        while batch := list(itertools.islice(iterator, _BATCH)):
            of_rows = ([row.query] if self._table == "queries" else [row.passage, *row.negatives] for row in batch)
            items = list(itertools.chain.from_iterable(of_rows))
            named: dict[str, dict[str, str]] = {}
            for item in items:
                named.setdefault(item_id(item), item)
            self._typed.add(_halves(map(typed_id, items)))
            before = len(self._seen)
            for (name, item), number in zip(named.items(), self._seen.add(_halves(named)).tolist(), strict=True):
                if number >= before:
                    yield from ({"id": name, "language": code, "text": text} for code, text in sorted(item.items()))


def _halves(ids: Iterable[str]) -> np.ndarray:
    """uint64 [N, 2] from 128-bit ids in hexadecimal."""
    return np.frombuffer(bytes.fromhex("".join(ids)), ">u8").astype(np.uint64).reshape(-1, 2)


def pairs(rows: Iterable[Row], scores: bool = False) -> Iterator[dict]:
    """Yields the records of the table `pairs`, one per row; of equal negatives the first counts, with its score."""
    for row in rows:
        negatives: dict[str, int] = {}
        for index, negative in enumerate(row.negatives):
            negatives.setdefault(item_id(negative), index)
        record = {
            "query": item_id(row.query),
            "passage": item_id(row.passage),
            "group": row.group,
            "negatives": list(negatives),
        }
        if scores:
            record["score"] = [] if row.score is None else [row.score]
            listed = negatives.values() if row.negative_scores else ()
            record["negative_scores"] = [row.negative_scores[index] for index in listed]
        yield record
