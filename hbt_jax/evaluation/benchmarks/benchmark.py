"""A benchmark, whatever its files look like: queries, candidates, and which candidates answer which query."""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np

NO_CANDIDATE = -1


@dataclasses.dataclass(frozen=True)
class BenchmarkTexts:
    """One side of a benchmark, in the order of its file.

    Attributes:
      ids: unique within the side; no white space, as they are written into TREC files.
      items: what the text is about; texts of the same item in different languages share it.
      languages: the language code of each text.
      texts: the texts, without prefixes.
    """

    ids: Sequence[str]
    items: Sequence[str]
    languages: Sequence[str]
    texts: Sequence[str]

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, str, str, str]]) -> "BenchmarkTexts":
        """The texts whose (id, item, language, text) are given, at least one."""
        return cls(*(list(column) for column in zip(*rows, strict=True)))

    def __len__(self) -> int:
        return len(self.ids)

    def count_by_language(self) -> dict[str, int]:
        """Number of texts of each language, by code in alphabetical order."""
        return {code: self.languages.count(code) for code in sorted(set(self.languages))}


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Queries, candidates and relevance judgements.

    Attributes:
      name: names the folder of its results.
      queries: Q texts.
      candidates: N texts.
      relevant_QG: int32 [Q, G], indexes of the candidates that are relevant to each query, in any language, ascending
        and padded with NO_CANDIDATE; every query has at least one.
      excluded_QX: int32 [Q, X], indexes of candidates that a query does not search, such as itself, padded in the same
        way; none of them is relevant to it.  None: every query searches all candidates.
      pools: the name of each candidate's pool, if a language has several pools: a query searches the pool that holds
        its relevant candidates.  Of each language, at most one pool holds candidates relevant to a given query.  None:
        one pool for each language, named by its code.
      is_bitext: whether the relevant candidates of every query are its translations, one in each language, so that
        recall@1 between two languages is the accuracy of bitext retrieval.
      counts: further counts for the results.
      notes: what a reader of the results must know about the files, in sentences.
      settings: what the results must say about how texts were made.
      judged: for each query, candidate index -> grade, for all that is judged; above 0 is relevant.  None: the relevant
        ones, with grade 1.
      unanswered: ids of the queries in the files to which nothing is relevant, which are not among `queries`.
      release: of the public data that the texts were made from, such as "Unicode CLDR 47"; empty if unknown.
    """

    name: str
    queries: BenchmarkTexts
    candidates: BenchmarkTexts
    relevant_QG: np.ndarray
    excluded_QX: np.ndarray | None = None
    pools: Sequence[str] | None = None
    is_bitext: bool = False
    counts: Mapping[str, object] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    judged: Sequence[Mapping[int, int]] | None = None
    unanswered: frozenset[str] = frozenset()
    release: str = ""

    is_streamed: ClassVar[bool] = False

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of every language of a query or candidate, in alphabetical order."""
        return tuple(sorted(set(self.queries.languages) | set(self.candidates.languages)))

    @property
    def candidate_pools(self) -> Sequence[str]:
        """The name of the pool of its language that each candidate is in."""
        return self.candidates.languages if self.pools is None else self.pools

    def grades(self, query: int) -> Mapping[int, int]:
        """Candidate index -> grade, of all candidates that are judged for a query."""
        if self.judged is not None:
            return self.judged[query]
        return {n: 1 for n in self.relevant_QG[query].tolist() if n != NO_CANDIDATE}


def pad_relevant(relevant: Sequence[Sequence[int]]) -> np.ndarray:
    """The candidate indexes of each query as the int32 array [Q, G] of `Benchmark.relevant_QG`.

    >>> pad_relevant([[4, 1], [2]])
    array([[ 1,  4],
           [ 2, -1]], dtype=int32)
    """
    relevant_QG = np.full((len(relevant), max(map(len, relevant))), NO_CANDIDATE, np.int32)
    for row, indexes in zip(relevant_QG, relevant, strict=True):
        row[: len(indexes)] = sorted(indexes)
    return relevant_QG


def others_of_item(items: Sequence[Hashable]) -> np.ndarray:
    """For texts that search one another: the other texts of each text's item, padded as by `pad_relevant`.

    >>> others_of_item(["a", "b", "a", "a", "c"])
    array([[ 2,  3],
           [-1, -1],
           [ 0,  3],
           [ 0,  2],
           [-1, -1]], dtype=int32)
    """
    number: dict[Hashable, int] = {}
    item_N = np.array([number.setdefault(item, len(number)) for item in items])
    order_N = np.argsort(item_N, kind="stable")  # item after item, ascending within one
    size_I = np.bincount(item_N)
    start_I = (np.cumsum(size_I) - size_I).astype(np.int32)
    place_N = np.empty(len(item_N), np.int32)  # position of each text within its item
    place_N[order_N] = np.arange(len(item_N)) - start_I[item_N[order_N]]
    other_G = np.arange(size_I.max() - 1, dtype=np.int32)
    there_NG = other_G < size_I[item_N][:, None] - 1
    member_NG = start_I[item_N][:, None] + other_G + (other_G >= place_N[:, None])  # skips the text itself
    return np.where(there_NG, order_N[np.where(there_NG, member_NG, 0)], NO_CANDIDATE).astype(np.int32)
