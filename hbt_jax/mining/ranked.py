"""Ranks the items of the store for each query by their best text, exactly, and leaves out those that answer it.

The rank of a text is not the rank of its item: an item has texts in several languages, and items that share a text
count as one.  So the search lists more texts than asked for; an item gets the position of its best text; items that
answer the query are removed; and a query whose list may lack an item is searched again, twice as deep.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from hbt_jax.data.identity import Identity
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.evaluation.search.search import top_candidates

_MORE = 16  # texts listed beyond those wanted, for items with several


@dataclasses.dataclass(frozen=True)
class RankedItems:
    """Items by query, X in all, in the order of query and rank.

    Attributes:
      query_X: int64, place of the query.
      rank_X: int64, from 1.
      score_X: float32, of the item's best text.
      row_X: int64, passage row of that text.
      language_X: int64, its language.
      answering: how many items were left out because they answer their query.
    """

    query_X: np.ndarray
    rank_X: np.ndarray
    score_X: np.ndarray
    row_X: np.ndarray
    language_X: np.ndarray
    answering: int


def ranked_items(
    query_QD: np.ndarray,
    row_Q: np.ndarray,
    own_Q: np.ndarray,
    searched: Mapping[int, Vectors],
    identity: Identity,
    last: int,
    poll: Callable[[], None],
) -> RankedItems:
    """The first `last` items of each query.

    Args:
      query_QD: float32.
      row_Q: query row of each.
      own_Q: passage row of one of its pairs.
      searched: language -> the vectors of its passages.
      identity: of the store.
      last: how many items.
      poll: called between blocks; raises to stop.
    """
    waiting, depth, found = np.arange(len(query_QD)), last + _MORE, []
    while len(waiting):
        queries = row_Q[waiting], own_Q[waiting]
        made, short = _searched(query_QD[waiting], *queries, searched, identity, last, depth, poll)
        is_kept = ~short[made.query_X]
        parts = (made.query_X, made.rank_X, made.score_X, made.row_X, made.language_X)
        query_X, *rest = (values[is_kept] for values in parts)
        left_out = int(np.asarray(made.answering)[~short].sum())
        found.append((waiting[query_X], *rest, left_out))
        waiting, depth = waiting[short], 2 * depth
    *columns, left_out = zip(*found, strict=True) if found else [[np.zeros(0, np.int64)]] * 5 + [[]]
    columns = [np.concatenate(column) for column in columns]
    order = np.lexsort((columns[1], columns[0]))
    return RankedItems(*(column[order] for column in columns), sum(left_out))


def _searched(query_QD, row_Q, own_Q, searched, identity: Identity, last: int, depth: int, poll):
    """(the items that `depth` texts of each language give, whether each query's list may lack one: bool [Q])."""
    queries = len(query_QD)
    floor_Q = np.full(queries, -np.inf, np.float32)  # an unlisted text scores at most this
    parts = []
    for language, vectors in searched.items():
        if not len(vectors.rows):
            continue
        top = top_candidates(query_QD, vectors.vector_ND, min(depth, len(vectors.rows)), poll=poll)
        if depth < len(vectors.rows):
            floor_Q = np.maximum(floor_Q, top.score_QK[:, -1])
        query, place = np.nonzero(top.index_QK >= 0)
        rows = vectors.rows[top.index_QK[query, place]].astype(np.int64)
        parts.append((query, top.score_QK[query, place], rows, np.full(len(query), language)))
    query_X, score_X, row_X, language_X = (
        map(np.concatenate, zip(*parts, strict=True)) if parts else [np.zeros(0, np.int64)] * 4
    )
    order = np.lexsort((language_X, row_X, -score_X, query_X))
    order = order[_firsts(query_X[order], identity.passage_N[row_X[order]])]
    answers = identity.answering(row_Q[query_X[order]], own_Q[query_X[order]], row_X[order])
    answering_Q = np.bincount(query_X[order[answers]], minlength=queries)
    order = order[~answers]
    query_X = query_X[order]
    rank_X = 1 + np.arange(len(order)) - np.searchsorted(query_X, np.arange(queries))[query_X]
    certain_Q = np.bincount(query_X[score_X[order] > floor_Q[query_X]], minlength=queries)
    short_Q = (certain_Q < last) & (floor_Q > -np.inf)
    kept = rank_X <= last
    columns = (query_X, rank_X, score_X[order], row_X[order], language_X[order])
    return RankedItems(*(column[kept] for column in columns), answering_Q), short_Q


def _firsts(query_X: np.ndarray, class_X: np.ndarray) -> np.ndarray:
    """bool: whether an entry is the first of its query with its class; the order within a query is kept."""
    order = np.lexsort((class_X, query_X))  # stable: equal ones stay in order
    again = (np.diff(query_X[order]) == 0) & (np.diff(class_X[order]) == 0)
    is_first = np.ones(len(query_X), bool)
    is_first[order[1:][again]] = False
    return is_first
