"""What a benchmark is, whatever its files look like: queries, candidates, and which answer which."""

import dataclasses
from collections.abc import Sequence

import numpy as np

NO_CANDIDATE = -1


@dataclasses.dataclass(frozen=True)
class Texts:
    """One side of a benchmark, in the order of its file.

    Attributes:
      ids: unique within the side, without white space (they are written into TREC files).
      items: what the text is about; texts of the same item in different languages share it.
      languages: the language code of each text.
      texts: the texts, without prefixes.
    """

    ids: Sequence[str]
    items: Sequence[str]
    languages: Sequence[str]
    texts: Sequence[str]

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
      relevant_QG: int32 [Q, G], indexes into `candidates` of the relevant ones in any language, in ascending order and
        filled up with NO_CANDIDATE; every query has at least one.
    """

    name: str
    queries: Texts
    candidates: Texts
    relevant_QG: np.ndarray

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of every language of a query or candidate, in alphabetical order."""
        return tuple(sorted(set(self.queries.languages) | set(self.candidates.languages)))


def pad_relevant(relevant: Sequence[Sequence[int]]) -> np.ndarray:
    """Lists of candidate indexes, one per query, as the int32 array [Q, G] of `Benchmark.relevant_QG`.

    >>> pad_relevant([[4, 1], [2]])
    array([[ 1,  4],
           [ 2, -1]], dtype=int32)
    """
    relevant_QG = np.full((len(relevant), max(map(len, relevant))), NO_CANDIDATE, np.int32)
    for row, indexes in zip(relevant_QG, relevant, strict=True):
        row[: len(indexes)] = sorted(indexes)
    return relevant_QG
