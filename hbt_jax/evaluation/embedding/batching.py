"""Plans how texts of many lengths are packed into blocks of rows with few shapes; pure numpy, without the tokens.

The cost of attention per token grows with the length of the row, so rows should be short; but rows that hold several
texts are fuller than rows made for one text.  So each text is put into a row of 128, 256, 512 or more tokens, by its
length, and rows of one length are sent to the devices in blocks: first whole blocks, then blocks of a quarter or a
sixteenth of that size for the rest.  That makes at most three shapes for each of at most five row lengths.

    200 texts of 30 tokens and one of 300, with blocks of 2,048 tokens and rows of up to 512:
    3 blocks of 16 rows of 128 tokens, 2 blocks of 1 row of 128, and 1 block of 1 row of 512
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from hbt_jax.data.packing import Placement, pack_shares

_ROW_LENGTHS = (128, 256, 512, 2048)
_TOKENS_A_SLOT = 4  # shorter texts leave part of a row empty
_PARTS = (1, 4, 16)  # the divisors of a whole block that give the smaller ones


@dataclasses.dataclass(frozen=True)
class RowBlock:
    """Texts that are embedded together.

    Attributes:
      texts: int64 [n], which texts.
      placement: where each text lies, as one share [1, n]; the rows are split over the devices in order.
      rows: rows over all shares; some may be empty.
      row_length: L.
    """

    texts: np.ndarray
    placement: Placement
    rows: int
    row_length: int

    @property
    def slots(self) -> np.ndarray:
        """int64 [n]: row * S + (segment - 1), the position of each text among the block's pooled vectors."""
        row, segment = self.placement.row[0].astype(np.int64), self.placement.segment[0]
        return row * segments(self.row_length) + segment - 1


def segments(row_length: int) -> int:
    """S: the most texts that a row holds."""
    return max(1, row_length // _TOKENS_A_SLOT)


def row_lengths(longest: int) -> np.ndarray:
    """The row lengths for texts of at most `longest` tokens.

    >>> [row_lengths(longest).tolist() for longest in (32, 128, 200, 512)]
    [[128], [128], [128, 200], [128, 256, 512]]
    """
    return np.array([*(length for length in _ROW_LENGTHS if length < longest), max(longest, _ROW_LENGTHS[0])])


def blocks(lengths: np.ndarray, longest: int, shares: int, share_tokens: int) -> Iterator[RowBlock]:
    """Yields blocks that hold every text once, blocks of shorter texts first.

    Args:
      lengths: int [N], tokens of each text, at least 1.
      longest: the most tokens that a text of either side can have, even if none here does.
      shares: P, devices; the number of rows of a block is a multiple of it.
      share_tokens: tokens of the rows in one device's share of a whole block; at least one row.
    """
    for row_length, texts in _by_row_length(lengths, row_lengths(longest), shares * share_tokens):
        placed = pack_shares(lengths[texts][None], row_length, segments(row_length))
        row = placed.row[0]
        sizes = _sizes(int(placed.rows[0]), shares, max(1, share_tokens // row_length))
        order = np.argsort(row, kind="stable")
        starts = np.cumsum([0, *sizes])
        bounds = np.searchsorted(row[order], starts)
        for size, start, first, last in zip(sizes, starts, bounds[:-1], bounds[1:], strict=False):
            members = order[first:last]
            part = (row[members] - start, placed.segment[0, members], placed.start[0, members])
            placement = Placement(*(array[None].astype(np.int32) for array in part), np.array([size]))
            yield RowBlock(texts[members], placement, size, row_length)


def _by_row_length(lengths: np.ndarray, ladder: np.ndarray, enough: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (row length, its texts); if these have fewer than `enough` tokens they join the next length instead."""
    rung = np.searchsorted(ladder, lengths)
    waiting = np.zeros(0, np.int64)
    for number, row_length in enumerate(ladder):
        waiting = np.concatenate([waiting, np.flatnonzero(rung == number)])
        longer = (rung > number).any()
        if len(waiting) and not (longer and lengths[waiting].sum() < enough):
            yield int(row_length), np.sort(waiting)
            waiting = waiting[:0]


def _sizes(rows: int, shares: int, share_rows: int) -> list[int]:
    """The sizes in rows of the blocks that hold `rows`: whole ones, then equal smaller ones for the rest.

    >>> _sizes(37, 1, 16), _sizes(47, 1, 16), _sizes(3, 1, 16), _sizes(3, 2, 1)
    ([16, 16, 4, 4], [16, 16, 16], [1, 1, 1], [2, 2])
    """
    whole, quarter, sixteenth = (shares * max(1, share_rows // part) for part in _PARTS)
    rest = rows % whole
    small = sixteenth if rest <= quarter else quarter
    count = -(-rest // small)
    if count * small >= whole:
        small, count = whole, min(count, 1)
    return [whole] * (rows // whole) + [small] * count
