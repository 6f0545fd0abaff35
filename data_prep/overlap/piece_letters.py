"""The letters of token ids, looked up per piece of the vocabulary instead of decoding each text."""

import numpy as np

from data_prep.overlap.comparable import (
    UNKNOWN,
    Letters,
    codes_of,
    fold,
    fold_letters,
    mixed,
    needs_order,
    without_holes,
)
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import offsets_of, spread


class PieceLetters:
    """Reads token ids as letters: the same letters that `comparable.fold` finds in the decoded text.

    The letters of a text are those of its pieces, concatenated, except in three kinds of texts, which are decoded:
    those with a piece that is part of a character's bytes; those with two marks in another order than that of
    `comparable.needs_order`; and those without letters, whose other characters count.
    """

    def __init__(self, tokenizer: Tokenizer):
        """Reads every piece of the vocabulary; raises InputError if none can be read as text."""
        self._tokenizer = tokenizer
        ids = np.arange(tokenizer.vocab_size, dtype=np.int32)
        texts = tokenizer.decode(ids, np.arange(len(ids) + 1))
        folded = ["" if UNKNOWN in text else fold_letters(text) for text in texts]
        folded[tokenizer.unk_id] = ""
        if not any(folded):
            raise InputError(
                f"tokenizer {tokenizer.path}: none of its {len(ids):,} pieces can be read as text, so a store of its"
                " tokens cannot be compared; build the store with another tokenizer"
            )
        self._part_V = np.array([UNKNOWN in text for text in texts])
        folded[tokenizer.unk_id], self._part_V[tokenizer.unk_id] = UNKNOWN, False
        self._has_parts = bool(self._part_V.any())
        self._lengths_V = np.array(list(map(len, folded)), np.int32)
        self._starts_V = np.cumsum(self._lengths_V) - self._lengths_V
        codes = codes_of("".join(folded))
        self._values, self._order = mixed(codes), needs_order(codes)
        self._begins_with_mark_V = np.zeros(len(ids), bool)
        there = np.flatnonzero(self._lengths_V)
        self._begins_with_mark_V[there] = self._order[self._starts_V[there]] > 0

    def letters(self, tokens: np.ndarray, offsets: np.ndarray) -> Letters:
        """The letters of N texts, text i being `tokens[offsets[i]:offsets[i + 1]]`, offsets from 0; see `Letters`."""
        lengths_T = self._lengths_V[tokens]
        ends_T = offsets_of(lengths_T)
        places = spread(self._starts_V[tokens], lengths_T)
        values, ends = self._values[places], ends_T[offsets]
        again = self._must_be_decoded(tokens, offsets, places, ends_T, ends)
        if not len(again):
            return without_holes(values, ends)
        return self._with(values, ends, again, self.decoded(tokens, offsets, again))

    def decoded(self, tokens: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> list[str]:
        """`comparable.fold` of some of the texts, decoded; U+FFFD stands for each unknown token."""
        runs, counts = [], []
        for row in rows.tolist():
            own = tokens[offsets[row] : offsets[row + 1]]
            parts = np.split(own, np.flatnonzero(own == self._tokenizer.unk_id))
            runs += [parts[0], *(part[1:] for part in parts[1:])]
            counts.append(len(parts))
        ends = offsets_of(list(map(len, runs)))
        texts = iter(self._tokenizer.decode(np.concatenate(runs), ends)) if runs else iter(())
        return [fold(UNKNOWN.join(next(texts) for _ in range(count))) for count in counts]

    def _must_be_decoded(
        self,
        tokens: np.ndarray,
        offsets: np.ndarray,
        places: np.ndarray,
        ends_T: np.ndarray,
        ends: np.ndarray,
    ) -> np.ndarray:
        """int64: the texts whose letters are not those of their pieces, concatenated."""
        chosen = np.diff(ends) == 0
        if self._has_parts:
            chosen[_rows(offsets, np.flatnonzero(self._part_V[tokens]))] = True
        marks = ends_T[np.flatnonzero(self._begins_with_mark_V[tokens])]
        if len(marks):
            rows = _rows(ends, marks)
            inside = marks > ends[rows]
            marks, rows = marks[inside], rows[inside]
            chosen[rows[self._order[places[marks - 1]] > self._order[places[marks]]]] = True
        return np.flatnonzero(chosen)

    def _with(self, values: np.ndarray, ends: np.ndarray, rows: np.ndarray, folded: list[str]) -> Letters:
        """The letters, with those of some texts replaced."""
        parts, first = [], 0
        lengths = np.diff(ends)
        lengths[rows] = [len(text) for text in folded]
        other = mixed(codes_of("".join(folded)))
        others = np.split(other, np.cumsum(lengths[rows])[:-1])
        for row, instead in zip(rows.tolist(), others, strict=True):
            parts += [values[first : ends[row]], instead]
            first = ends[row + 1]
        return without_holes(np.concatenate([*parts, values[first:]]), offsets_of(lengths))


def _rows(ends: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The text that each place is in."""
    return np.searchsorted(ends, places, side="right") - 1
