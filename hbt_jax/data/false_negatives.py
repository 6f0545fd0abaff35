"""Which passages of a batch must not count as negatives of which queries, as bits for the loss.

A passage is masked for a query if it is absent, or if it is not the query's own and

- is in the class of the query's own passage (hbt_jax/data/identity.py), or
- answers a query of the query's class, in any pair of the store, or
- shares a translation group with the query,

whether it is the positive of another query or an explicit negative.  The host decides this from the store's tables,
because a device sees only the batch.  A query has one bit per passage of the global batch, 1/32 of its scores' memory,
so the shapes of a run do not depend on how many passages are masked.
"""

import numpy as np

from hbt_jax.data.identity import Identity, Lists
from hbt_jax.spans import spread

WORD = 32  # bits
_ODD = np.uint32(0x9E3779B1)  # about 2**32 over the golden ratio
_SLOT_BITS = 18


def words(columns: int) -> int:
    """W, words of 32 bits for the passages of a batch."""
    return -(-columns // WORD)


def masks(
    identity: Identity, query_n: np.ndarray, passage_C: np.ndarray, own_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The masks of some queries against all passages of a batch.

    Query 0 is in two pairs of the batch, with the passages 0 and 1; query 1 has passage 2.  Two explicit negatives
    follow, passage 1 again and an absent one:

    >>> none = Lists(np.zeros(0, np.int32), np.zeros(4, np.int64))
    >>> answers, rows = Lists(np.array([0, 1], np.int32), np.array([0, 2, 2, 2])), np.arange(3, dtype=np.int32)
    >>> identity = Identity(rows, rows, answers, none, none, none)
    >>> masked, count = masks(identity, np.array([0, 0, 1]), np.array([0, 1, 2, 1, -1]), np.array([0, 1, 2]))
    >>> [f"{word:05b}"[::-1] for word in masked[:, 0]], count.tolist()
    (['01011', '10011', '00001'], [2, 2, 0])

    Args:
      identity: of the batch's store.
      query_n: rows of the queries.
      passage_C: passage rows of all columns of the batch, -1 if absent.
      own_n: the column of each query's own passage.

    Returns:
      masked: int32 [n, W]; column j of a query is bit j // W of word j % W.
      counts: int32 [n], how many columns are masked although they are not absent.
    """
    width, there = words(len(passage_C)), np.flatnonzero(passage_C >= 0)
    column_n, row = _alike(identity, query_n, passage_C, own_n, there)
    others = column_n != own_n[row]
    masked = np.zeros((len(query_n), width), np.uint32)
    _set(masked, row[others], column_n[others])
    counts = np.bitwise_count(masked).sum(axis=1, dtype=np.int32)
    if len(there) < len(passage_C):
        absent = np.zeros((1, width), np.uint32)
        _set(absent, np.zeros(len(passage_C) - len(there), np.int64), np.flatnonzero(passage_C < 0))
        masked |= absent
    return masked.view(np.int32), counts


def _set(masked: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    width = masked.shape[1]
    bits = np.uint32(1) << (column // width).astype(np.uint32)
    np.bitwise_or.at(masked.reshape(-1), row * width + column % width, bits)


def _alike(
    identity: Identity, query_n: np.ndarray, passage_C: np.ndarray, own_n: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(column, place of the query) of the passages that answer a query, including its own."""
    class_n, class_m = identity.query_Q[query_n], identity.passage_N[passage_C[there]]
    answers, owner = _listed_among(identity.answers, class_n, class_m)
    keys = np.concatenate([identity.passage_N[passage_C[own_n]], answers])
    place, row = _joined(keys, np.concatenate([np.arange(len(query_n)), owner]), class_m)
    if len(identity.asked.values):
        asked, column = _listed_among(identity.asked, class_m, class_n)
        of_query, of_column = _joined(asked, column, class_n)
        place, row = np.concatenate([place, of_column]), np.concatenate([row, of_query])
    if len(identity.query_groups.values):
        groups, column = identity.passage_groups.of(class_m)
        listed, owner = _listed_among(identity.query_groups, class_n, groups)
        shared, of_group = _joined(listed, owner, groups)
        place, row = np.concatenate([place, column[shared]]), np.concatenate([row, of_group])
    return there[place], row


def _joined(left: np.ndarray, owner: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place in `right`, owner of the left key) for all pairs of equal keys."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    first = np.searchsorted(ordered, left)
    counts = np.searchsorted(ordered, left, side="right") - first
    return order[spread(first, counts)], np.repeat(owner, counts)


def _listed_among(lists: Lists, rows: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(value, place in `rows`) of the values in the rows' lists that are in `right`, and by chance of a few others.

    Most answers to a batch's queries are not in the batch: a hash table tells so faster than a search.
    """
    if not len(lists.values):
        return lists.values, np.zeros(0, np.int64)
    starts = lists.offsets[rows]
    counts = lists.offsets[rows + 1] - starts
    values = lists.values[spread(starts, counts)]
    taken = np.zeros(1 << _SLOT_BITS, bool)
    taken[_slot(right)] = True
    found = np.flatnonzero(taken[_slot(values)])
    return values[found], np.searchsorted(np.cumsum(counts), found, side="right")


def _slot(numbers: np.ndarray) -> np.ndarray:
    """uint32 with _SLOT_BITS bits, in which neighbours are far apart."""
    return numbers.astype(np.uint32) * _ODD >> np.uint32(32 - _SLOT_BITS)
