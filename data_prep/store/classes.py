"""Which items of a side are one text: items that share a text in a language, directly or transitively, form a class.

The loss masks by class.  Joining too much costs negatives; joining too little leaves false negatives: two items that
share a text have the same embedding in that language, so one would be a negative that the model cannot tell from the
right answer.  A generic text such as "yes" joins items that have nothing else in common; there is a warning about large
classes.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from data_prep.scratch.growing_array import GrowingArray
from hbt_jax.connected import first_connected
from hbt_jax.data.identity import Classes
from hbt_jax.spans import find_sorted

_CHUNK = 1 << 20  # rows processed at a time
MANY, MANY_SHARE, FEW = (
    100,
    0.01,
    10,
)  # a class is large above MANY items, or above this share of the side and FEW items


@dataclasses.dataclass(frozen=True)
class Shared:
    """The text that the most items of a side share.

    Attributes:
      language: its code.
      items: how many items share it; at least two.
      row: the first of these items.
    """

    language: str
    items: int
    row: int


def repeated(keys_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows that share their key with another, ordered by key and row; the first row with each one's key), int64.

    Memory holds 8 bytes per row, and more for the rows that are found.

    >>> repeated(np.array([7, 0, 5, 7, 0, 9, 5, 7], np.uint64))
    (array([2, 6, 0, 3, 7]), array([2, 2, 0, 0, 0]))

    Args:
      keys_N: uint64; 0 means no key.
    """
    ordered = np.array(keys_N)
    ordered.sort()
    again = np.unique(ordered[1:][(ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)])
    del ordered
    found = [np.zeros(0, np.int64)]
    for first in range(0, len(keys_N) if len(again) else 0, _CHUNK):
        found.append(first + np.flatnonzero(find_sorted(again, np.asarray(keys_N[first : first + _CHUNK])) >= 0))
    rows = np.concatenate(found)
    keys = np.asarray(keys_N[rows])
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(rows) else rows
    return rows, np.repeat(rows[starts], np.diff(np.append(starts, len(rows))))


def first_with(keys_N: np.ndarray) -> np.ndarray:
    """int32 [N]: the first row with the key of each row; itself for a row without a key."""
    first_N = np.arange(len(keys_N), dtype=np.int32)
    rows, first = repeated(keys_N)
    first_N[rows] = first
    return first_N


def classes(
    identity: Mapping[str, GrowingArray], read: Mapping[str, GrowingArray], count: int
) -> tuple[np.ndarray, Shared | None]:
    """The classes of a side's items.

    Args:
      identity: language code -> text_identity.identity_keys by row.
      read: language code -> encoding.token_keys by row: texts that differ for a reader may be equal for the model.
      count: number of rows.

    Returns:
      same: int32 [count], the first row of each row's class.
      shared: the text that the most items share; None if no two items share one.
    """
    edges, most = [np.zeros((2, 0), np.int64)], None
    for code, column in (*identity.items(), *read.items()):
        rows, first = repeated(column.rows(count))
        edges.append(np.stack([first, rows])[:, first != rows])
        if len(rows):
            texts, items = np.unique(first, return_counts=True)
            place = items.argmax()
            if most is None or items[place] > most.items:
                most = Shared(code, int(items[place]), int(texts[place]))
    return first_connected(np.concatenate(edges, axis=1), count).astype(np.int32), most


def is_large(found: Classes, rows: int) -> bool:
    """Whether the largest class of a side of `rows` items is suspicious."""
    return found.largest > MANY or found.largest > max(FEW, MANY_SHARE * rows)


def class_lines(manifest: Mapping, sides: Sequence[str]) -> Iterator[str]:
    """How many items of a store count as one, and through which text: a line per side with such items."""
    for side in sides:
        found = manifest[side]["identity"]
        if found["shared"]:
            yield (
                f"{found['shared']:,} of {manifest[side]['rows']:,} {side} share a text with another in some language"
                f" and count as one with it: {found['classes']:,} classes, the largest of {found['largest']:,}"
                f" items{_example(manifest, side)}"
            )
    if count := manifest["pairs"]["answering_negatives"]:
        yield f"{count:,} explicit negatives answer their own query through another pair or group: the loss masks them"


def class_warnings(manifest: Mapping, sides: Sequence[str]) -> Iterator[str]:
    """A warning per side with a class too large to be one text in several rows."""
    for side in sides:
        found, rows = manifest[side]["identity"], manifest[side]["rows"]
        if is_large(Classes(found["shared"], found["classes"], found["largest"]), rows):
            yield (
                f"{found['largest']:,} of {rows:,} {side} count as one, joined by texts that they share in some"
                f" language{_example(manifest, side)}: none of them is ever a negative of another, although they may"
                " say different things; leave generic texts out (--shortest_text), or correct the source"
            )


def _example(manifest: Mapping, side: str) -> str:
    example = manifest.get("shared_texts", {}).get(side)
    return f"; {example['items']:,} have {example['text']!r} ({example['language']})" if example else ""
