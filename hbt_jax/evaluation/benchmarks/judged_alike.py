"""Extends judgements to every copy of a text; otherwise a second correct answer would count as wrong.

- A candidate with the text of a relevant one, in its language, is relevant too.
- If a query's judgements call all of an item relevant, in every language it has, the items that share a text with it
  (`copies.Same.class_N`) are relevant as a whole: a translation that only the copy has is a correct answer too.
- Queries with the same text in one language have the same answers.  If all languages of an item are judged alike, this
  also holds for the items that share a text with it, in all their languages.
- A candidate that a query's own judgements call not relevant remains not relevant.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.evaluation.benchmarks.copies import MOST_COPIES, Same, same_of, several_items

RELEVANT_DEFINITION = (
    "as the benchmark's files judge it; in a benchmark of queries.jsonl, candidates.jsonl and qrels.trec, copies (texts"
    " of one language that are the same but for Unicode's normal form NFKC, spaces and invisible signs) are judged"
    " alike, and so are items that share a text and have no different texts of another language; published benchmarks"
    " count as published, and copies in them are only counted (counts.copies)"
)


@dataclasses.dataclass(frozen=True)
class Alike:
    """Judgements that hold for copies.

    Attributes:
      queries, candidates: the copies on each side.
      relevant: for each query, the indexes of its relevant candidates.
      added: how many of these were not judged for the query itself.
      kept: (query, candidate) pairs that would be relevant but are judged not to be.
    """

    queries: Same
    candidates: Same
    relevant: Sequence[AbstractSet[int]]
    added: int
    kept: tuple[tuple[int, int], ...]


def judge_alike(
    queries: BenchmarkTexts,
    candidates: BenchmarkTexts,
    relevant: Sequence[AbstractSet[int]],
    rejected: Mapping[int, AbstractSet[int]],
) -> Alike:
    """Extends judgements to the copies of what was judged.

    Args:
      queries, candidates: the two sides of a benchmark.
      relevant: for each query, the indexes of the candidates judged relevant.
      rejected: query -> indexes of the candidates judged not relevant, for queries with such judgements.

    >>> queries = BenchmarkTexts(["q"], ["q"], ["en"], ["?"])
    >>> rows = [("a:en", "a", "en", "Lima"), ("a:de", "a", "de", "Lima"), ("b:en", "b", "en", "Lima ")]
    >>> candidates = BenchmarkTexts.of_rows(rows)
    >>> judge_alike(queries, candidates, [{2}], {}).relevant
    [{0, 1, 2}]
    >>> judge_alike(queries, candidates, [{0}], {}).relevant  # not all of the item is judged: only the same text
    [{0, 2}]
    """
    asked, found = same_of(queries), same_of(candidates)
    judged = _of_same_queries(asked, found, relevant)
    groups = _Groups(found)
    wide, kept = [], []
    for query, one in enumerate(judged):
        against = rejected.get(query, frozenset())
        widened = groups.widened(one, against) if groups else set(one)
        kept += [(query, n) for n in sorted(widened & against)]
        wide.append(widened - against)
    added = sum(map(len, wide)) - sum(map(len, relevant))
    return Alike(asked, found, wide, added, tuple(kept))


class _Groups:
    """Candidates that are copies of each other, and candidates of one class; false if there are no copies."""

    def __init__(self, found: Same):
        self._first, self._unit, self._class = found.first_N.tolist(), found.unit_N.tolist(), found.class_N.tolist()
        self._copies = _copies(found)
        self._classes = _classes(found)
        self._units: dict[int, set[int]] = {}  # of the classes
        for members in self._classes.values():
            for n in members:
                self._units.setdefault(self._unit[n], set()).add(n)

    def __bool__(self) -> bool:
        return bool(self._copies)

    def widened(self, judged: AbstractSet[int], against: AbstractSet[int]) -> set[int]:
        """All that is relevant if `judged` is; the query's own judgements call `against` not relevant."""
        wide, touched = set(judged), {}
        for n in judged:
            wide.update(self._copies.get(self._first[n], ()))
            if self._class[n] in self._classes:
                touched.setdefault(self._class[n], set()).add(self._unit[n])
        there = wide - against
        for number, units in touched.items():
            if all(self._units[unit] <= there for unit in units):
                wide.update(self._classes[number])
        return wide


def _of_same_queries(asked: Same, found: Same, relevant: Sequence[AbstractSet[int]]) -> Sequence[AbstractSet[int]]:
    """What is judged relevant to each query or to a query that is the same."""
    shared = list(relevant)
    for members in _classes(asked).values():
        by_item: dict[int, set[frozenset[int]]] = {}
        for query in members:
            texts = frozenset(found.first_N[list(relevant[query])].tolist())
            by_item.setdefault(int(asked.unit_N[query]), set()).add(texts)
        if all(len(answers) == 1 for answers in by_item.values()):
            _unite(shared, members)
    for members in _copies(asked).values():
        _unite(shared, members)
    return shared


def _unite(sets: list[AbstractSet[int]], members: Sequence[int]) -> None:
    united = frozenset().union(*(sets[n] for n in members))
    for n in members:
        sets[n] = united


def _copies(same: Same) -> dict[int, list[int]]:
    """First copy of a text -> all its copies, if there are at least two and at most MOST_COPIES."""
    first, copies = np.unique(same.first_N, return_counts=True)
    return _members(same.first_N, first[(copies > 1) & (copies <= MOST_COPIES)])


def _classes(same: Same) -> dict[int, list[int]]:
    """Class with several items -> its texts."""
    return _members(same.class_N, several_items(same.class_N, same.unit_N))


def _members(number_N: np.ndarray, wanted: np.ndarray) -> dict[int, list[int]]:
    """Each wanted number -> the indexes that have it, ascending."""
    groups: dict[int, list[int]] = {}
    chosen = np.flatnonzero(np.isin(number_N, wanted))
    for n, number in zip(chosen.tolist(), number_N[chosen].tolist(), strict=True):
        groups.setdefault(number, []).append(n)
    return groups
