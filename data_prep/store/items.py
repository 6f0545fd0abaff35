"""The items of one side of a store while it is built, kept on disk: the row of each id, its languages and contents."""

import pathlib

import numpy as np

from data_prep.scratch.growing_array import GrowingArray
from data_prep.scratch.id_index import IdIndex
from data_prep.store.encoding import LanguageTexts
from hbt_jax.data.permutation import mix
from hbt_jax.data.store import MOST_LANGUAGES
from hbt_jax.errors import InputError


class Items:
    """The items of one side: their rows by id, the languages they came in, and the languages in which they have tokens.

    Attributes:
      side: queries or passages.
      languages: code -> bit, in the order of appearance, shared by both sides.
      identity: code -> text_identity.identity_keys of the kept texts by row, 0 for none.
      read: code -> encoding.token_keys of the same texts.

    Args:
      side, languages: as above; new languages are added.
      scratch: existing folder for what does not fit in memory.
    """

    def __init__(self, side: str, languages: dict[str, int], scratch: pathlib.Path):
        self.side, self.languages = side, languages
        self._scratch, self._index = scratch, IdIndex(scratch, side)
        self._seen, self._kept, self._texts = (
            GrowingArray(scratch / f"{side}.{name}", np.uint64) for name in ("seen", "kept", "texts")
        )
        self.identity: dict[str, GrowingArray] = {}
        self.read: dict[str, GrowingArray] = {}
        self._content: dict[str, GrowingArray] = {}

    def __len__(self) -> int:
        return len(self._index)

    def add(self, id_N2: np.ndarray) -> np.ndarray:
        """int64 [N]: the row of each id; new ids get new rows."""
        return self._index.add(id_N2)

    def find(self, id_N2: np.ndarray) -> np.ndarray:
        """int64 [N]: the row of each id, -1 for unknown ids."""
        return self._index.find(id_N2)

    def mark(self, row_N: np.ndarray, texts: LanguageTexts) -> int | None:
        """Notes texts of one language, some of them kept; returns the place of a text whose row already had one."""
        bit = np.uint64(1 << self._bit(texts.code))
        kept_N = texts.count_N > 0
        seen, kept = self._seen.rows(len(self)), self._kept.rows(len(self))
        again = seen[row_N] & bit != 0
        _, first = np.unique(row_N, return_index=True)
        again[np.setdiff1d(np.arange(len(row_N)), first)] = True
        if again.any():
            return int(again.argmax())
        seen[row_N] |= bit
        kept[row_N[kept_N]] |= bit
        self._column(self.identity, texts.code, "identity")[row_N] = texts.identity_N
        self._column(self.read, texts.code, "read")[row_N] = texts.read_N
        self._texts.rows(len(self))[row_N[kept_N]] += mix(mix(texts.identity_N[kept_N]) ^ bit)
        if texts.content_N.any():
            self._column(self._content, texts.code, "content")[row_N] = texts.content_N
        return None

    def _column(self, columns: dict[str, GrowingArray], code: str, name: str) -> np.ndarray:
        path = self._scratch / f"{self.side}-{code}.{name}"
        return columns.setdefault(code, GrowingArray(path, np.uint64)).rows(len(self))

    def present(self, row_N: np.ndarray) -> np.ndarray:
        """bool [N]: whether items have tokens in some language."""
        return self._kept.rows(len(self))[row_N] != 0

    def content(self, code: str, row_N: np.ndarray) -> np.ndarray | None:
        """uint64 [N]: text_identity.caseless_keys of the texts of rows, 0 for none; None if the language has none."""
        column = self._content.get(code)
        return None if column is None else column.rows(len(self))[row_N]

    def texts(self) -> np.ndarray:
        """uint64 [rows]: equal for items with the same texts in the same languages; 0 for items without text."""
        return self._texts.rows(len(self))

    def _bit(self, code: str) -> int:
        """The language's bit, assigned at its first text."""
        if code not in self.languages and len(self.languages) == MOST_LANGUAGES:
            raise InputError(
                f"{self.side}: language {code!r} is one too many: a store holds at most {MOST_LANGUAGES}; split the"
                " source"
            )
        return self.languages.setdefault(code, len(self.languages))
