"""Packs texts of many lengths into rows of one length, in pure numpy and without a loop over texts.

A row holds several texts one after the other; `segments` numbers them and `positions` restarts with each.  A share is
what one device encodes; every share of a batch has the same number of rows, from a short list of sizes, so that few
shapes are compiled.  Padding is the special case of one segment per row.

    lengths 5 3 3, rows of 8:   tokens    a a a a a b b b | c c c . . . . .
                                segments  1 1 1 1 1 2 2 2 | 1 1 1 0 0 0 0 0
                                positions 0 1 2 3 4 0 1 2 | 0 1 2 0 0 0 0 0
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.config.learning import TextConfig
from hbt_jax.config.values import OF_MODEL
from hbt_jax.errors import InputError
from hbt_jax.flagfile import quoted
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import spread

_BY_FLAGS: Mapping[str, str] = types.MappingProxyType({})
_CLASSES = 16  # texts of up to half a row are placed in about this many rounds; more rounds pack only slightly tighter


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """What surrounds the tokens of one side's texts: [begin] prefix text [end], at most `longest` tokens.

    Attributes:
      head: int32, the begin token and the prefix; without the prefix if that is in `before`.
      end: the end token.
      longest: maximum tokens of a text, everything included; further tokens of the text are cut.
      before: a prefix whose ids cannot be concatenated with those of a text: `own_texts` puts it before the text, and
        they are tokenised together; usually empty.
      before_tokens: number of tokens of `before` alone.
    """

    head: np.ndarray
    end: int
    longest: int
    before: str = ""
    before_tokens: int = 0

    def own_texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The strings to tokenise for the tokens between `head` and `end`."""
        return [self.before + text for text in texts] if self.before else texts

    @property
    def around(self) -> int:
        """Number of tokens that are not the text's own."""
        return len(self.head) + 1

    @property
    def room(self) -> int:
        """Maximum number of tokens between `head` and `end`."""
        return self.longest - self.around


def text_format(text: TextConfig, tokenizer: Tokenizer, side: str, said: Mapping[str, str] = _BY_FLAGS) -> TextFormat:
    """The format of one side's texts.

    Args:
      text: prefixes and lengths.
      tokenizer: gives the ids of the prefix and of the special tokens.
      side: "query" or "passage".
      said: field of `text` -> what gave it, in words, if it was not the flag of the same name.

    Raises:
      InputError: prefix and special tokens leave no room for the text.
    """
    prefix = {"query": text.query_prefix, "passage": text.passage_prefix}[side]
    if prefix == OF_MODEL:
        raise ValueError(
            f"the {side} prefix is still to be taken from the model: see hbt_jax/training/initial_model.py"
        )
    longest = {"query": text.query_length, "passage": text.passage_length}[side]
    begin, ids = np.array([tokenizer.bos_id], np.int32), tokenizer.prefix_ids(prefix)
    if len(ids) + 3 > longest:
        raise_it = f"--{side}_length" if f"{side}_length" not in said else "--max_length"
        raise InputError(
            f"{told(f'{side}_length', longest, said)} leaves no room for a text: {told(f'{side}_prefix', prefix, said)}"
            f" and the special tokens take {len(ids) + 2} tokens; raise {raise_it} or give a shorter --{side}_prefix"
        )
    if tokenizer.joins(prefix):
        return TextFormat(np.concatenate([begin, ids]), tokenizer.eos_id, longest)
    return TextFormat(begin, tokenizer.eos_id, longest, prefix, len(ids))


def stored_format(text: TextConfig, tokenizer: Tokenizer, side: str, said: Mapping[str, str] = _BY_FLAGS) -> TextFormat:
    """The format of one side's texts if only their tokens are known, as in stores.

    Raises:
      InputError: as `text_format`; or the prefix cannot be put before the tokens of texts.
    """
    form = text_format(text, tokenizer, side, said)
    if form.before:
        raise InputError(
            f"{told(f'{side}_prefix', form.before, said)}: this tokenizer joins prefix and text into tokens if no"
            " space is between them, but a store holds the tokens of the texts alone; to train with a space, write"
            f" {quoted(f'{side}_prefix', form.before + ' ')}; to train without the prefix, --{side}_prefix="
        )
    return form


def told(name: str, value: object, said: Mapping[str, str]) -> str:
    """A configuration value with the flag, or the file and key, that gave it."""
    if name not in said:
        return f"--{name}={value!r}"
    return f"{said[name]} ({value!r})"


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where each text is: int32 [P, n] each; an absent text (length 0) has row, segment and start 0.

    Attributes:
      row: row of the text in its share.
      segment: 1 for the first text of a row, 2 for the second, ...
      start: place of the text's first token in the row.
      rows: int64 [P], number of rows that each share fills.
    """

    row: np.ndarray
    segment: np.ndarray
    start: np.ndarray
    rows: np.ndarray

    def part(self, shares: np.ndarray, texts: slice) -> "Placement":
        """The places of some texts of some shares."""
        places = (array[shares, texts] for array in (self.row, self.segment, self.start))
        return Placement(*places, self.rows[shares])


def ladder_rows(rows: int) -> int:
    """The smallest allowed number of rows from `rows` on: even, in steps of about an eighth of an octave.

    >>> [ladder_rows(rows) for rows in (0, 1, 16, 17, 33, 65, 1000)]
    [2, 2, 16, 18, 36, 72, 1024]
    """
    rows = max(int(rows), 1)
    step = max(2, 1 << max(0, (rows - 1).bit_length() - 4))
    return -(-rows // step) * step


def pack(lengths: np.ndarray, row_length: int, max_segments: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Places the texts of one share; see `pack_shares`.

    Args:
      lengths: int [n].

    Returns:
      (row [n], segment [n], start [n], rows): int32 arrays and the number of rows filled.
    """
    placed = pack_shares(np.asarray(lengths)[None], row_length, max_segments)
    return placed.row[0], placed.segment[0], placed.start[0], int(placed.rows[0])


def pack_shares(lengths_PN: np.ndarray, row_length: int, max_segments: int) -> Placement:
    """Places the texts of every share, longest first, each into the fullest row of its share that still has room.

    Texts go in rounds of similar length (best-fit decreasing over length classes): a round fills the fullest rows
    that have room for its longest text, with as many texts as fit, and opens rows for the rest.  All shares are packed
    at once.

    Args:
      lengths_PN: int [P, n], tokens of each text; 0 for an absent text, which is not placed.
      row_length: L.
      max_segments: S, maximum number of texts in a row.

    Raises:
      ValueError: a text is longer than a row, or `max_segments` is below 1.
    """
    lengths = np.ascontiguousarray(lengths_PN, np.int64)
    longest = int(lengths.max(initial=0))
    if longest > row_length or max_segments < 1:
        raise ValueError(f"a text of {longest} tokens, rows of {row_length} tokens and {max_segments} segments")
    shares, flat = lengths.shape[0], lengths.ravel()
    share_of = np.repeat(np.arange(shares), lengths.shape[1])
    classed = np.minimum(flat, row_length // 2 + 1)  # no two longer texts fit into a row: one round for all
    length_class = -(-classed // max(1, row_length // 2 // _CLASSES))  # 0 for absent texts only
    order = np.lexsort((-flat, share_of, -length_class))
    bounds = np.searchsorted(-length_class[order], np.arange(-int(length_class.max(initial=0)), 1))
    rows = _OpenRows(shares, row_length, max_segments, capacity=len(flat))
    row_of = np.zeros(len(flat), np.int64)
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        if first < last:
            members = order[first:last]
            row_of[members] = rows.place(share_of[members], flat[members])
    return _places(row_of, order[: bounds[-1]], flat, rows, lengths.shape)


class _OpenRows:
    """The rows opened so far: their share, the tokens free and the segments free in each."""

    def __init__(self, shares: int, row_length: int, max_segments: int, capacity: int):
        self.row_length, self.max_segments = row_length, max_segments
        self.opened = 0
        self.per_share = np.zeros(shares, np.int64)
        self.share = np.zeros(capacity, np.int64)
        self.local = np.zeros(capacity, np.int64)
        self.free = np.zeros(capacity, np.int64)
        self.segments = np.zeros(capacity, np.int64)

    def place(self, share: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Rows (over all shares) for texts of similar length, given in the order of their shares."""
        longest = int(lengths.max())
        texts = np.bincount(share, minlength=len(self.per_share))
        first_text = np.cumsum(texts) - texts
        rank = np.arange(len(share)) - first_text[share]  # of each text among its share's texts
        rows, room, places = self._fullest_first(longest)
        first_place = np.cumsum(places) - places
        row_of = np.empty(len(share), np.int64)
        old = rank < places[share]
        row_of[old] = np.repeat(rows, room)[(first_place[share] + rank)[old]]
        if not old.all():
            row_of[~old] = self._open(share[~old], (rank - places[share])[~old], longest)
        used = row_of.max() + 1
        self.free[:used] -= np.bincount(row_of, lengths, used).astype(np.int64)
        self.segments[:used] -= np.bincount(row_of, minlength=used)
        return row_of

    def _fullest_first(self, longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows with room for a text of `longest`, by share and room; how many fit into each; their sum per share."""
        free, segments = self.free[: self.opened], self.segments[: self.opened]
        rows = np.flatnonzero((free >= longest) & (segments > 0))
        rows = rows[np.argsort(self.share[rows] * (self.row_length + 1) + free[rows], kind="stable")]
        room = np.minimum(free[rows] // longest, segments[rows])
        places = np.bincount(self.share[rows], room, len(self.per_share)).astype(np.int64)
        return rows, room, places

    def _open(self, share: np.ndarray, rank: np.ndarray, longest: int) -> np.ndarray:
        """Opens rows for texts without one: text number `rank` of its share."""
        per_row = min(self.row_length // longest, self.max_segments)
        texts = np.bincount(share, minlength=len(self.per_share))
        opened = -(-texts // per_row)
        first = self.opened + np.cumsum(opened) - opened
        new = slice(self.opened, self.opened + int(opened.sum()))
        self.share[new] = np.repeat(np.arange(len(opened)), opened)
        self.local[new] = np.arange(new.start, new.stop) + np.repeat(self.per_share - first, opened)
        self.free[new], self.segments[new] = self.row_length, self.max_segments
        self.opened = new.stop
        self.per_share += opened
        return first[share] + rank // per_row


def _places(row_of: np.ndarray, placed: np.ndarray, flat: np.ndarray, rows: _OpenRows, shape: tuple) -> Placement:
    """Segment and start of each placed text, in the order of placement within its row."""
    by_row = placed[np.argsort(row_of[placed], kind="stable")]
    row, length = row_of[by_row], flat[by_row]
    index = np.arange(len(by_row))
    is_first = np.ones(len(by_row), bool)
    is_first[1:] = row[1:] != row[:-1]
    first = np.maximum.accumulate(np.where(is_first, index, 0))
    before = np.cumsum(length) - length
    result = np.zeros((3, len(flat)), np.int32)
    result[0, by_row] = rows.local[row]
    result[1, by_row] = index - first + 1
    result[2, by_row] = before - before[first]
    row_PN, segment_PN, start_PN = result.reshape(3, *shape)
    return Placement(row_PN, segment_PN, start_PN, rows.per_share)


def slots(placement: Placement, max_segments: int) -> np.ndarray:
    """int32 [P, n]: row * S + (segment - 1), where pooling puts the vector of each text; 0 for an absent text."""
    return np.where(placement.segment > 0, placement.row * max_segments + placement.segment - 1, 0).astype(np.int32)


class PackedRows:
    """The arrays of packed rows; `put` writes the texts' tokens, one side after the other.

    Attributes:
      tokens, segments, positions: int32 [P, R, L].
    """

    def __init__(self, placement: Placement, lengths_PN: np.ndarray, rows: int, row_length: int, pad_id: int):
        """Makes rows with the segments and positions of all texts, but no tokens yet.

        Args:
          placement: where each text is, [P, n].
          lengths_PN: int [P, n], the lengths that were placed.
          rows: R, at least every share's number of rows.
          row_length: L.
          pad_id: token of empty places.
        """
        shape = (len(placement.rows), rows, row_length)
        self.tokens = np.full(shape, pad_id, np.int32)
        self.segments, self.positions = (array.reshape(shape) for array in _frame(placement, lengths_PN, shape))

    def put(
        self, form: TextFormat, placement: Placement, texts: np.ndarray, counts: np.ndarray, values: np.ndarray
    ) -> None:
        """Writes the tokens of one side's texts.

        Args:
          form: what surrounds the texts' own tokens.
          placement: where texts are, [P, n].
          texts: int [m], which texts of the flattened placement to write, in any order.
          counts: int [m], own tokens of each, after truncation.
          values: int32 [sum of counts], their own tokens, concatenated.
        """
        _, rows, row_length = self.tokens.shape
        row = (texts // placement.row.shape[1]) * rows + placement.row.reshape(-1)[texts]
        place = row * row_length + placement.start.reshape(-1)[texts]
        head, tokens = len(form.head), self.tokens.reshape(-1)
        tokens[place[:, None] + np.arange(head)] = form.head
        tokens[place + head + counts] = form.end
        tokens[spread(place + head, counts)] = values

    def arrays(self) -> dict[str, np.ndarray]:
        """The three arrays by name."""
        return {"tokens": self.tokens, "segments": self.segments, "positions": self.positions}


def _frame(placement: Placement, lengths_PN: np.ndarray, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Flat segments and positions, written row by row: texts from left to right, then the empty rest.

    Filling memory in that order is several times as fast as scattering the tokens of each text.
    """
    shares, rows, row_length = shape
    present = np.flatnonzero(lengths_PN)
    length = lengths_PN.reshape(-1)[present]
    row = (present // lengths_PN.shape[1]) * rows + placement.row.reshape(-1)[present]
    start = placement.start.reshape(-1)[present]
    filled = np.bincount(row, length, shares * rows).astype(np.int64)
    empty_place = np.arange(shares * rows) * row_length + filled
    order = np.argsort(np.concatenate([row * row_length + start, empty_place]), kind="stable")
    runs = np.concatenate([length, row_length - filled])[order]
    segment = np.concatenate([placement.segment.reshape(-1)[present], np.zeros(shares * rows, np.int32)])[order]
    segments = np.repeat(segment, runs)
    positions = np.arange(len(segments), dtype=np.int32)
    positions -= np.repeat((np.cumsum(runs) - runs).astype(np.int32), runs)
    positions[segments == 0] = 0
    return segments, positions


def pack_texts(
    values: np.ndarray,
    offsets: np.ndarray,
    text: TextConfig,
    tokenizer: Tokenizer,
    side: str,
    *,
    shares: int = 1,
    least_rows: int = 0,
) -> dict[str, np.ndarray]:
    """Packs tokenised texts as evaluation embeds them, in the layout that training uses.

    Text i goes to share `i // ceil(N / P)`, so that a flattened `slots` array lists the texts in order.

    Args:
      values, offsets: what `Tokenizer.encode` returned for N texts, after `TextFormat.own_texts`; a text without tokens
        keeps prefix and specials.
      text: prefixes and lengths.
      tokenizer: gives prefix and special ids.
      side: "query" or "passage".
      shares: P, one per device.
      least_rows: minimum of R, for callers that want one shape for many blocks.

    Returns:
      tokens, segments, positions int32 [P, R, L]; slots int32 [P, ceil(N / P)], 0 past the last text;
      truncated int32 [P], texts that were cut.
    """
    form = text_format(text, tokenizer, side)
    text_lengths = np.diff(offsets)
    counts = np.minimum(text_lengths, form.room)
    shape = (shares, -(-len(counts) // shares))
    lengths_PN = _padded(counts + form.around, shape)
    placement = pack_shares(lengths_PN, text.row_tokens, text.segments)
    rows = ladder_rows(max(int(placement.rows.max(initial=0)), least_rows))
    packed = PackedRows(placement, lengths_PN, rows, text.row_tokens, tokenizer.pad_id)
    kept = values[spread(offsets[:-1], counts)]
    packed.put(form, placement, np.arange(len(counts)), counts, kept)
    truncated = _padded(text_lengths > form.room, shape).sum(1).astype(np.int32)
    return {**packed.arrays(), "slots": slots(placement, text.segments), "truncated": truncated}


def _padded(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """int64 of the given shape: the values in order, then zeros."""
    result = np.zeros(shape, np.int64)
    result.reshape(-1)[: len(values)] = values
    return result
