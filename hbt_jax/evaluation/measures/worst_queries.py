"""The queries with the worst rankings in the pool of all candidates, and what was ranked above their answers.

They are collected block by block.  At any time only the worst of the queries seen so far are kept, so memory does not
grow with the number of queries.
"""

import dataclasses
import unicodedata

import numpy as np

from hbt_jax.evaluation.benchmarks.benchmark import NO_CANDIDATE, Benchmark
from hbt_jax.evaluation.measures.metrics import average_precision
from hbt_jax.evaluation.ranking.layout import PoolLayout, top_slots
from hbt_jax.evaluation.ranking.rank import RankedQueries

MOST_QUERIES, MOST_OF_ITEM, MOST_ABOVE, MOST_CHARACTERS = 20, 2, 5, 300

WORST_QUERIES_DEFINITION = (
    f"the {MOST_QUERIES} queries of the lowest average precision in the pool of all candidates, at most {MOST_OF_ITEM}"
    " of an item, so that one question in many languages does not fill the list; equal ones in the order of the"
    " benchmark; a query with every relevant candidate first is never one. relevant: the best-placed relevant"
    f" candidate of each language, with its text where it is the first or in the query's language; above: the first"
    f" {MOST_ABOVE} candidates that are not relevant and stand before the last of these. Texts are cut at"
    f" {MOST_CHARACTERS} characters"
)


@dataclasses.dataclass(frozen=True)
class _Kept:
    precision: float
    query: int
    item: str
    content: dict

    @property
    def order(self) -> tuple[float, int]:
        return self.precision, self.query


class WorstQueries:
    """Collects the worst queries of an evaluation, see WORST_QUERIES_DEFINITION.

    Args:
      benchmark: queries, candidates and judgements.
      layout: of its candidates.
    """

    def __init__(self, benchmark: Benchmark, layout: PoolLayout):
        self._benchmark, self._layout = benchmark, layout
        self._kept: list[_Kept] = []

    def add(self, block: RankedQueries) -> None:
        """Looks at the queries of one block."""
        precision_q = average_precision(block.rank_qG)
        for row in np.argsort(precision_q, kind="stable").tolist():
            precision = float(precision_q[row])
            full = len(self._kept) == MOST_QUERIES
            if not precision < 1 or (full and precision >= self._kept[-1].precision):
                break  # the rest of the block is no worse; NaN is sorted last and does not count
            self._offer(precision, row, block)

    def _offer(self, precision: float, row: int, block: RankedQueries) -> None:
        query = block.start + row
        item = self._benchmark.queries.items[query]
        same = [one for one in self._kept if one.item == item]
        if len(same) == MOST_OF_ITEM:
            if same[-1].order < (precision, query):
                return
            self._kept.remove(same[-1])
        self._kept.append(_Kept(precision, query, item, self._content(precision, query, row, block)))
        self._kept = sorted(self._kept, key=lambda one: one.order)[:MOST_QUERIES]

    def _content(self, precision: float, query: int, row: int, block: RankedQueries) -> dict:
        queries, relevant_G = self._benchmark.queries, self._benchmark.relevant_QG[query]
        code = queries.languages[query]
        relevant = self._relevant(relevant_G, block.rank_qG[row], code)
        return {
            "id": queries.ids[query],
            "item": queries.items[query],
            "language": code,
            "text": shortened(queries.texts[query]),
            "average_precision": precision,
            "relevant": relevant,
            "above": self._above(relevant_G, block.score_qM[row], relevant[-1]["rank"]),
        }

    def _relevant(self, relevant_G: np.ndarray, rank_G: np.ndarray, code: str) -> list[dict]:
        """The best-ranked relevant candidate of each language, best first."""
        best: dict[str, tuple[int, int]] = {}
        for n, rank in zip(relevant_G.tolist(), rank_G.tolist(), strict=True):
            if n != NO_CANDIDATE:
                language = self._benchmark.candidates.languages[n]
                best[language] = min(best.get(language, (rank, n)), (rank, n))
        found = []
        for language, (rank, n) in sorted(best.items(), key=lambda pair: pair[1]):
            one = {"id": self._benchmark.candidates.ids[n], "language": language, "rank": rank}
            if not found or language == code:
                one["text"] = shortened(self._benchmark.candidates.texts[n])
            found.append(one)
        return found

    def _above(self, relevant_G: np.ndarray, score_M: np.ndarray, last: int) -> list[dict]:
        """The first candidates that are not relevant and rank before `last`."""
        candidates, relevant = self._benchmark.candidates, set(relevant_G.tolist())
        depth = min(MOST_ABOVE + len(relevant), last - 1)
        if not depth:
            return []
        first = self._layout.candidate_M[top_slots(score_M, self._layout.tie_M, depth)].tolist()
        return [
            {
                "id": candidates.ids[n],
                "language": candidates.languages[n],
                "rank": rank,
                "text": shortened(candidates.texts[n]),
            }
            for rank, n in enumerate(first, start=1)
            if n not in relevant
        ][:MOST_ABOVE]

    def found(self) -> list[dict]:
        """The worst queries so far, worst first: {"id", "item", "language", "text", "average_precision", "relevant",
        "above"}, the last two lists of {"id", "language", "rank", "text"}."""
        return [one.content for one in self._kept]


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text on one line, cut to at most `most` characters with an ellipsis.

    It is cut before a word if one begins in the last quarter, and never between a letter and its marks or within a
    joined cluster.

    >>> shortened("one two three", 10), shortened("one two", 10), shortened("abcdefghijk", 10)
    ('one two…', 'one two', 'abcdefghi…')
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    cut = most - 1
    space = text.rfind(" ", cut * 3 // 4, cut + 1)
    if space > 0:
        return text[:space] + "…"
    while cut > 1 and (
        _joins(text[cut]) or text[cut - 1] == _JOINER or unicodedata.combining(text[cut - 1]) == _VIRAMA
    ):
        cut -= 1
    return text[:cut] + "…"


_JOINER, _VIRAMA = "\u200d", 9


def _joins(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    return character == _JOINER or unicodedata.category(character).startswith("M")
