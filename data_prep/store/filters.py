"""Filters texts and pairs of a source on their way into a store, and counts what is left out.

Pairs from the web and from machine translation include empty, very short and very long texts, texts in another script
than their language's, queries that equal their passage, and repeated pairs; arXiv 2408.10536 cleans its training sets
of such rows.  Each filter counts what it leaves out, by reason.
"""

import collections
import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from data_prep.store.letters import letter_counts
from hbt_jax.config.option import Part, option
from hbt_jax.data.permutation import mix
from hbt_jax.languages import language

EMPTY = "texts without a token"
EQUAL = "pairs whose query equals the passage in a language"
DUPLICATE = "pairs that repeat another, negatives included"


@dataclasses.dataclass(frozen=True)
class Filters(Part):
    """Texts and pairs to leave out, besides texts without a token and pairs with a side without text."""

    title: ClassVar[str] = "Filters"

    shortest_text: int = option(0, "leave out texts with fewer characters; 0: no minimum", minimum=0)
    longest_text: int = option(0, "leave out texts with more characters; 0: no maximum", minimum=0)
    script_share: float = option(
        0.0,
        "leave out texts with a smaller share of their letters in the script of their language, such as 0.5; texts"
        " without letters stay; 0: no minimum",
        minimum=0.0,
        maximum=1.0,
    )
    drop_equal: bool = option(
        True,
        "leave out a pair whose query and passage are the same text in a language, ignoring case, spaces and whatever"
        " else the tokenizer does not distinguish; ignored for sources whose rows are both query and passage (parallel,"
        " wordpairs, coco35l, cc3m35l)",
    )
    drop_duplicates: bool = option(
        True, "leave out a pair whose query, passage and negatives repeat those of an earlier pair"
    )

    def keep(self, texts: Sequence[str], code: str) -> tuple[np.ndarray, collections.Counter]:
        """Which texts of one language stay, bool [N], and how many do not, by reason; the first reason counts.

        >>> Filters(shortest_text=2, script_share=0.5).keep(["?", "Лима", "Lima"], "ru")
        (array([False,  True, False]), Counter({'texts of fewer than 2 characters': 1, ...}))
        """
        kept_N, counts = np.ones(len(texts), bool), collections.Counter()
        length_N = np.fromiter(map(len, texts), np.int64, len(texts))
        if self.shortest_text:
            self._leave_out(
                kept_N, length_N < self.shortest_text, f"texts of fewer than {self.shortest_text:,} characters", counts
            )
        if self.longest_text:
            self._leave_out(
                kept_N, length_N > self.longest_text, f"texts of more than {self.longest_text:,} characters", counts
            )
        if self.script_share and kept_N.any():
            script = language(code).script
            letters_N, own_N = letter_counts(texts, script)
            reason = f"texts with less than {self.script_share:.3g} of their letters in the script of their language"
            self._leave_out(kept_N, own_N < self.script_share * letters_N, reason, counts)
        return kept_N, counts

    @staticmethod
    def _leave_out(kept_N: np.ndarray, wrong_N: np.ndarray, reason: str, counts: collections.Counter) -> None:
        if found := int((kept_N & wrong_N).sum()):
            counts[reason] += found
        kept_N &= ~wrong_N


def pair_ids(query_N: np.ndarray, passage_N: np.ndarray, negatives: np.ndarray, counts_N: np.ndarray) -> np.ndarray:
    """uint64 [N, 2]: equal for pairs with the same query, passage and negatives, in any order of the negatives.

    Args:
      query_N, passage_N: rows below 2**32.
      negatives: rows of the negatives of all pairs, concatenated.
      counts_N: number of negatives per pair.
    """
    pair_N = query_N.astype(np.uint64) << np.uint64(32) | passage_N.astype(np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mix(negatives.astype(np.uint64) + np.uint64(1)))])
    ends_N = np.cumsum(counts_N)
    return np.stack([mix(pair_N + mix(sums[ends_N] - sums[ends_N - counts_N])), pair_N], axis=1)
