"""The negatives of the pairs of some queries: search, margins, choice."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hbt_jax.data.store import Store
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.mining.choose import Chosen, Entries, NegativeRule, choose
from hbt_jax.mining.cross_encoder import CrossEncoder
from hbt_jax.mining.embedded import tokens_of
from hbt_jax.mining.ranked import RankedItems, ranked_items
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import spread

SAME, OTHER = "same", "other"


@dataclasses.dataclass(frozen=True)
class Searched:
    """What is searched, by which queries.

    Attributes:
      store: the store.
      tokenizer: its tokenizer.
      queries: language, an index into the store's -> vectors; those that search.
      passages: the same of all passages.
      negative_languages: "same", "other" or "any".
      cross_encoder: gives the scores that the margins apply to; None: the vectors do.
    """

    store: Store
    tokenizer: Tokenizer
    queries: Mapping[int, Vectors]
    passages: Mapping[int, Vectors]
    negative_languages: str
    cross_encoder: CrossEncoder | None = None

    def candidates(self, language: int) -> dict[int, Vectors]:
        """What a query in a language is compared with."""
        wanted = self.negative_languages
        return {
            other: vectors
            for other, vectors in self.passages.items()
            if (wanted != SAME or other == language) and (wanted != OTHER or other != language)
        }


@dataclasses.dataclass(frozen=True)
class FoundNegatives:
    """The negatives of n pairs.

    Attributes:
      pairs: int64 [n], their numbers in the store.
      chosen: the negatives, by place of the pair.
      positive_n: float32, the highest score of each pair's passage; -inf if no query of the pair searched.
      answering: how many items were left out because they answer their query.
    """

    pairs: np.ndarray
    chosen: Chosen
    positive_n: np.ndarray
    answering: int


def negatives_of(searched: Searched, pairs: np.ndarray, rule: NegativeRule, poll: Callable[[], None]) -> FoundNegatives:
    """The negatives of some pairs.

    Args:
      searched: the store and its vectors.
      pairs: int64, numbers of pairs, ordered by their query, all pairs of a query together.
      rule: what a negative must be.
      poll: called between blocks; raises to stop.
    """
    table = searched.store.pairs
    query_n, own_n = table.query_A[pairs], table.passage_A[pairs]
    row_Q, first_Q, count_Q = np.unique(query_n, return_index=True, return_counts=True)
    positive_n, answering, parts = np.full(len(pairs), -np.inf, np.float32), 0, []
    for language, vectors in searched.queries.items():
        place_Q = vectors.places(row_Q)
        asked = np.flatnonzero(place_Q >= 0)
        if not len(asked):
            continue
        query_QD = np.asarray(vectors.vector_ND[place_Q[asked]])
        candidates, identity = searched.candidates(language), searched.store.identity
        found = ranked_items(query_QD, row_Q[asked], own_n[first_Q[asked]], candidates, identity, rule.last, poll)
        answering += found.answering
        mine = spread(first_Q[asked], count_Q[asked])  # places of the pairs whose query exists in the language
        asking = np.repeat(np.arange(len(asked)), count_Q[asked])
        score_mJ = _own_scores(searched, query_QD[asking], own_n[mine])
        entries = _entries(found, mine, asking, score_mJ, searched.store)
        own = score_mJ.max(axis=1)
        if searched.cross_encoder:
            entries, own = _rescored(searched, entries, language, query_n, own_n, score_mJ, mine)
        positive_n[mine] = np.maximum(positive_n[mine], own)
        parts.append(entries)
    joined = [
        np.concatenate([getattr(part, field.name) for part in parts]) if parts else np.zeros(0, np.int64)
        for field in dataclasses.fields(Entries)
    ]
    return FoundNegatives(pairs, choose(Entries(*joined), rule, pairs), positive_n, answering)


def _own_scores(searched: Searched, query_mD: np.ndarray, own_m: np.ndarray) -> np.ndarray:
    """float32 [m, J]: scores of each pair's passage in every language, computed as the search does; -inf if absent."""
    score_mJ = np.full((len(own_m), len(searched.store.languages)), -np.inf, np.float32)
    for language, vectors in searched.passages.items():
        place_m = vectors.places(own_m)
        there = np.flatnonzero(place_m >= 0)
        passage_mD = vectors.vector_ND[place_m[there]].astype(np.float64)
        score_mJ[there, language] = (query_mD[there].astype(np.float64) * passage_mD).sum(axis=1)
    return score_mJ


def _entries(found: RankedItems, mine: np.ndarray, asking: np.ndarray, score_mJ: np.ndarray, store: Store) -> Entries:
    """The items of each query for each of its pairs.

    Args:
      found: the items.
      mine: place of each pair; asking: place of its query in `found`, ascending.
      score_mJ: scores of the pairs' passages.
      store: gives classes.
    """
    ends = np.searchsorted(found.query_X, np.arange(asking.max(initial=-1) + 2))
    counts = np.diff(ends)[asking]
    at = spread(ends[asking], counts)
    pair = np.repeat(np.arange(len(mine)), counts)
    own_X = score_mJ[pair, found.language_X[at]]
    positive_X = np.where(own_X > -np.inf, own_X, score_mJ.max(axis=1)[pair])
    row_X = found.row_X[at]
    return Entries(
        mine[pair],
        store.identity.passage_N[row_X].astype(np.int64),
        row_X,
        found.language_X[at],
        found.rank_X[at],
        found.score_X[at],
        positive_X,
    )


def _rescored(searched: Searched, entries: Entries, language: int, query_n, own_n, score_mJ, mine):
    """(entries, highest score of each pair's passage) by the cross-encoder, for the texts that were compared."""
    best_n, there_nJ = np.zeros(len(own_n), np.int64), np.zeros((len(own_n), score_mJ.shape[1]), bool)
    best_n[mine], there_nJ[mine] = score_mJ.argmax(axis=1), score_mJ > -np.inf
    pair_X = entries.pair_X
    own_language_X = np.where(there_nJ[pair_X, entries.language_X], entries.language_X, best_n[pair_X])
    queries = _texts(searched, "queries", query_n, np.full(len(query_n), language), mine)
    asked = [queries[place] for place in pair_X.tolist()]
    negative = list(zip(asked, _texts_of(searched, entries.row_X, entries.language_X), strict=True))
    positive = list(zip(asked, _texts_of(searched, own_n[pair_X], own_language_X), strict=True))
    passages = _texts(searched, "passages", own_n, best_n, mine)
    own = [(queries[place], passages[place]) for place in mine.tolist()]
    scores = searched.cross_encoder([*negative, *positive, *own])
    negative_X, positive_X, own_m = np.split(scores, [len(negative), len(negative) + len(positive)])
    highest_n = np.full(len(own_n), -np.inf, np.float32)
    np.maximum.at(highest_n, np.concatenate([mine, pair_X]), np.concatenate([own_m, positive_X]))
    return dataclasses.replace(entries, score_X=negative_X, positive_X=positive_X), highest_n[mine]


def _texts(searched: Searched, side: str, rows, languages, places) -> dict[int, str]:
    """Place -> the text of the row in the language at that place."""
    texts = _texts_of(searched, rows[places], languages[places], side)
    return dict(zip(places.tolist(), texts, strict=True))


def _texts_of(searched: Searched, rows: np.ndarray, languages: np.ndarray, side: str = "passages") -> list[str]:
    return texts_of(searched.store, searched.tokenizer, side, rows, languages)


def texts_of(
    store: Store, tokenizer: Tokenizer, side: str, rows: np.ndarray, languages: Sequence[int] | np.ndarray
) -> list[str]:
    """The texts of rows of a side, each in a language, as the tokenizer reads them."""
    languages, made = np.asarray(languages), [""] * len(rows)
    for language in np.unique(languages).tolist():
        places = np.flatnonzero(languages == language)
        own, back = np.unique(rows[places], return_inverse=True)
        found = tokenizer.decode(*tokens_of(getattr(store, side).tokens[store.languages[language]], own))
        for place, number in zip(places.tolist(), back.tolist(), strict=True):
            made[place] = found[number]
    return made
