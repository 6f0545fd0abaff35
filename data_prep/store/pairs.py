"""A batch of pairs on its way into a store: the rows that it names, and which pairs stay."""

import collections
import dataclasses
import itertools

import numpy as np

from data_prep.scratch.id_index import IdIndex
from data_prep.store.encoding import Columns, EncodedPairs
from data_prep.store.filters import DUPLICATE, EQUAL, pair_ids
from data_prep.store.items import Items
from hbt_jax.errors import InputError
from hbt_jax.spans import offsets_of

NO_QUERY, NO_PASSAGE = "pairs whose query has no text left", "pairs whose passage has no text left"
NO_NEGATIVE = "negatives that have no text left"


@dataclasses.dataclass(frozen=True)
class PairRows:
    """A batch of pairs as rows of queries and passages, int64, with the ids of their groups.

    A teacher's scores are float32, of each pair and of each negative; None if there are none.
    """

    query_N: np.ndarray
    passage_N: np.ndarray
    group_N2: np.ndarray
    negatives: np.ndarray
    count_N: np.ndarray
    score_N: np.ndarray | None = None
    negative_scores: np.ndarray | None = None

    @classmethod
    def of(cls, pairs: EncodedPairs, queries: Items, passages: Items, columns: Columns) -> "PairRows":
        """The rows; raises InputError for a pair that names an unknown id."""
        query_N, passage_N, negatives = (
            items.find(names)
            for items, names in (
                (queries, pairs.query), (passages, pairs.passage), (passages, pairs.negatives),
            )
        )  # fmt: skip
        if min(rows.min(initial=0) for rows in (query_N, passage_N, negatives)) < 0:
            raise _unknown_id(query_N, passage_N, negatives, pairs.count_N, columns)
        return cls(query_N, passage_N, pairs.group, negatives, pairs.count_N, pairs.score_N, pairs.negative_scores)

    def only(self, kept_N: np.ndarray) -> "PairRows":
        """Some of the pairs."""
        kept_negatives = np.repeat(kept_N, self.count_N)
        return PairRows(
            self.query_N[kept_N],
            self.passage_N[kept_N],
            self.group_N2[kept_N],
            self.negatives[kept_negatives],
            self.count_N[kept_N],
            _some(self.score_N, kept_N),
            _some(self.negative_scores, kept_negatives),
        )

    def present(self, queries: Items, passages: Items, dropped: collections.Counter) -> np.ndarray:
        """bool [N]: whether both sides have tokens in some language."""
        query_N = _counted(queries.present(self.query_N), NO_QUERY, dropped)
        passage_N = passages.present(self.passage_N)
        _counted(passage_N[query_N], NO_PASSAGE, dropped)
        return query_N & passage_N

    def unequal(self, queries: Items, passages: Items, dropped: collections.Counter) -> np.ndarray:
        """bool [N]: whether query and passage are different texts in every language that both have."""
        equal_N = np.zeros(len(self.query_N), bool)
        for code in queries.languages:
            query_N, passage_N = queries.content(code, self.query_N), passages.content(code, self.passage_N)
            if query_N is not None and passage_N is not None:
                equal_N |= (query_N == passage_N) & (query_N != 0)
        return _counted(~equal_N, EQUAL, dropped)

    def new(
        self, earlier: IdIndex, query_twin: np.ndarray, passage_twin: np.ndarray, dropped: collections.Counter
    ) -> np.ndarray:
        """bool [N]: which pairs do not repeat an earlier one; adds them to the earlier ones.

        Args:
          earlier: ids of pairs.
          query_twin, passage_twin: the first row with exactly the texts and languages of each row, so that nothing is
            lost when a repeated pair is dropped.
        """
        before = len(earlier)
        number_N = earlier.add(
            pair_ids(query_twin[self.query_N], passage_twin[self.passage_N], passage_twin[self.negatives], self.count_N)
        )
        is_first_N = np.zeros(len(number_N), bool)
        is_first_N[np.unique(number_N, return_index=True)[1]] = True
        return _counted(is_first_N & (number_N >= before), DUPLICATE, dropped)

    def with_usable_negatives(self, passages: Items, dropped: collections.Counter) -> "PairRows":
        """Without the negatives that have no token in any language."""
        kept = _counted(passages.present(self.negatives), NO_NEGATIVE, dropped)
        count_N = np.diff(offsets_of(kept)[offsets_of(self.count_N)])
        scores = _some(self.negative_scores, kept)
        return dataclasses.replace(self, negatives=self.negatives[kept], count_N=count_N, negative_scores=scores)


def _unknown_id(
    query_N: np.ndarray, passage_N: np.ndarray, negatives: np.ndarray, count_N: np.ndarray, columns: Columns
) -> InputError:
    """The error for the first pair that names an id without a row (-1)."""
    owner = np.repeat(np.arange(len(query_N)), count_N)
    listed = list(itertools.chain.from_iterable(columns["negatives"]))
    wrong = [(int(pair), columns["query"][pair], "queries") for pair in np.flatnonzero(query_N < 0)[:1]]
    wrong += [(int(pair), columns["passage"][pair], "passages") for pair in np.flatnonzero(passage_N < 0)[:1]]
    wrong += [(int(owner[place]), listed[place], "passages") for place in np.flatnonzero(negatives < 0)[:1]]
    pair, name, side = min(wrong, key=lambda one: one[0])
    return InputError(
        f"pairs: the pair of query {shown(columns['query'][pair])} and passage {shown(columns['passage'][pair])} names"
        f" {shown(name)}, but {side} have no record with this id"
    )


def _some(values: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[kept]


def _counted(kept_N: np.ndarray, reason: str, dropped: collections.Counter) -> np.ndarray:
    """Counts what is not kept; returns `kept_N`."""
    if left_out := int((~kept_N).sum()):
        dropped[reason] += left_out
    return kept_N


def shown(name: bytes | str) -> str:
    """An id as messages show it."""
    return repr(name.decode() if isinstance(name, bytes) else name)
