"""Texts by the ids that a file gives them, on disk: whether an id stands for one text, and which."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.scratch.growing_array import GrowingArray
from data_prep.scratch.id_index import IdIndex
from data_prep.store.encoding import ids
from hbt_jax.files import named_errors
from hbt_jax.text_identity import identity_keys

_LINE_BITS = 40  # of a place's number; the rest numbers the file


class TextsById:
    """Ids of texts, numbered in the order of their first appearance.

    Args:
      scratch: existing folder for what grows with the ids.
      name: beginning of the names of the files there.
    """

    def __init__(self, scratch: Path, name: str):
        self._index = IdIndex(scratch, name)
        self._key, self._place, self._start, self._size = (
            GrowingArray(scratch / f"{name}.{column}", kind)
            for column, kind in (("key", np.uint64), ("place", np.int64), ("start", np.int64), ("size", np.int64))
        )
        self._files: dict[str, int] = {}  # what a place begins with -> its number
        self._texts_path = scratch / f"{name}.texts"
        self._texts = self._texts_path.open("w+b", buffering=0)
        self._end = 0

    def close(self) -> None:
        """Closes the file of the texts."""
        self._texts.close()

    def add(
        self, names: Sequence[str], texts: Sequence[str], places: Sequence[str], kept: Sequence[bool] | None = None
    ) -> list[str]:
        """For each id, the place where it first stood for another text; empty if it did not.

        Equal texts are those of hbt_jax/text_identity.py.

        Args:
          names, texts, places: of each text its id, and where it is as FILE:LINE or FILE: row NUMBER.
          kept: which texts `text` must return later; None: none of them.
        """
        if not names:
            return []
        before, number_N, key_N = len(self._index), self._index.add(ids(names)), identity_keys(texts)
        place_N = np.array([self._numbered(place) for place in places], np.int64)
        key, place, start, size = (
            column.rows(len(self._index)) for column in (self._key, self._place, self._start, self._size)
        )
        _, first_N = np.unique(number_N, return_index=True)
        first_N = first_N[number_N[first_N] >= before]
        key[number_N[first_N]], place[number_N[first_N]] = key_N[first_N], place_N[first_N]
        if kept is not None:
            wanted_N = first_N[np.asarray(kept, bool)[first_N]]
            start[number_N[wanted_N]], size[number_N[wanted_N]] = self._write([texts[i] for i in wanted_N.tolist()])
        other_N = key[number_N] != key_N
        return [
            self._shown(int(at)) if other else ""
            for at, other in zip(place[number_N].tolist(), other_N.tolist(), strict=True)
        ]

    def find(self, names: Sequence[str]) -> np.ndarray:
        """int64 [N]: the number of each id, -1 for unknown ids."""
        return self._index.find(ids(names)) if names else np.zeros(0, np.int64)

    def text(self, number: int) -> str:
        """The text of an id that was added as kept."""
        count = len(self._index)
        size, start = int(self._size.rows(count)[number]), int(self._start.rows(count)[number])
        return os.pread(self._texts.fileno(), size, start).decode()

    def _write(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Appends texts to the file; returns where each begins, and its bytes."""
        encoded = [text.encode() for text in texts]
        with named_errors(self._texts_path):
            self._texts.write(b"".join(encoded))
        sizes = np.array([len(one) for one in encoded], np.int64)
        ends = self._end + np.cumsum(sizes)
        self._end += int(sizes.sum())
        return ends - sizes, sizes

    def _numbered(self, place: str) -> int:
        beginning, line = re.fullmatch(r"(.*?)(\d+)", place, re.DOTALL).groups()
        return self._files.setdefault(beginning, len(self._files)) << _LINE_BITS | int(line)

    def _shown(self, place: int) -> str:
        beginnings = list(self._files)
        return f"{beginnings[place >> _LINE_BITS]}{place & (1 << _LINE_BITS) - 1}"
