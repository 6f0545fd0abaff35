"""Which items of a side are one text: those that share one in some language, directly or over others, are a class.

Masking goes by classes, so joining too much costs negatives, joining too little lets wrong ones through: two items that
share a text have the same embedding in that language, and each would be a negative that nothing tells from the right
one.  A generic text such as "yes" joins items that have nothing else in common; a class that it makes large is warned
of.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from data_prep.scratch.growing_array import GrowingArray
from hbt_jax.connected import first_connected
from hbt_jax.data.identity import Classes
from hbt_jax.spans import find_sorted

_CHUNK = 1 << 20  # rows looked at in one go
MANY, MANY_SHARE, FEW = 100, 0.01, 10  # a class of more items is large: of any side; of a small one, beyond a few


@dataclasses.dataclass(frozen=True)
class Shared:
    """The text that most items of a side have.

    Attributes:
      language: its code.
      items: how many have it; at least two.
      row: the first of them.
    """

    language: str
    items: int
    row: int


def repeated(keys_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows whose key another row has, ordered by key and row; the first row of each one's key), int64.

    Memory holds 8 bytes a row, and more for the rows that are found.

    >>> repeated(np.array([7, 0, 5, 7, 0, 9, 5, 7], np.uint64))
    (array([2, 6, 0, 3, 7]), array([2, 2, 0, 0, 0]))

    Args:
      keys_N: uint64; 0 is the key of none.
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
    """int32 [N]: the first row with the key of each row; a row without a key is its own."""
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
      read: language code -> encoding.token_keys by row: texts that differ for a reader may be one for the model.
      count: number of rows.

    Returns:
      same: int32 [count], the first row of each row's class.
      shared: the text that most items have, None where no two have one.
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
    """How many items of a store count as one, and by which text, a line for each side where some do."""
    for side in sides:
        found = manifest[side]["identity"]
        if found["shared"]:
            yield (
                f"{found['shared']:,} of {manifest[side]['rows']:,} {side} share a text with another in some language"
                f" and count as one with it: {found['classes']:,} different ones, the largest of {found['largest']:,}"
                f" items{_example(manifest, side)}"
            )
    if count := manifest["pairs"]["answering_negatives"]:
        yield f"{count:,} explicit negatives answer their own query by another pair or group: the loss masks them"


def class_warnings(manifest: Mapping, sides: Sequence[str]) -> Iterator[str]:
    """A warning for each side with a class that is too large to be one text in several rows."""
    for side in sides:
        found, rows = manifest[side]["identity"], manifest[side]["rows"]
        if is_large(Classes(found["shared"], found["classes"], found["largest"]), rows):
            yield (
                f"{found['largest']:,} of {rows:,} {side} count as one, joined by texts that they share in some"
                f" language{_example(manifest, side)}: no passage of one is ever a negative of another, although they"
                " may say different things; leave generic texts out (--shortest_text), or correct the source"
            )


def _example(manifest: Mapping, side: str) -> str:
    example = manifest.get("shared_texts", {}).get(side)
    return f"; {example['items']:,} have {example['text']!r} ({example['language']})" if example else ""
