"""The queries and candidates of a benchmark as comparable tokens, ready to be found in a store."""

import collections
import dataclasses

import numpy as np

from data_prep.comparable import comparable
from data_prep.shingles import Found, Index, Rule
from hbt_jax.evaluation.benchmarks.benchmark import Texts
from hbt_jax.models.tokenizer import Tokenizer

_SIDES = ("queries", "candidates")
_BATCH = 8192  # texts tokenised at a time


@dataclasses.dataclass
class Count:
    """What became of the texts of one side in one language.

    Attributes:
      texts: number of texts.
      exact, near: how many of them are the same as, or near, a text of the other collection; none counts twice.
      bare: how many have punctuation only and were not compared.
      tokens, unknown: number of tokens, and of tokens that the vocabulary lacks.
    """

    texts: int = 0
    exact: int = 0
    near: int = 0
    bare: int = 0
    tokens: int = 0
    unknown: int = 0

    @property
    def found(self) -> int:
        """Texts that overlap."""
        return self.exact + self.near


class BenchmarkIndex:
    """Finds the texts of a benchmark, as they are and in lower case, and remembers which were found.

    Attributes:
      sides: those of queries and candidates that are in memory -> Texts.
    """

    def __init__(self, benchmark, tokenizer: Tokenizer, counts_as_V: np.ndarray, near: tuple[Rule, ...]):
        """Tokenises and indexes what `load_benchmark` returned.

        Args:
          counts_as_V: of data_prep.comparable.comparable_pieces.
          near: of data_prep.shingles.rules.
        """
        self._tokenizer, self._counts_as_V = tokenizer, counts_as_V
        self.sides: dict[str, Texts] = {side: getattr(benchmark, side) for side in _SIDES if hasattr(benchmark, side)}
        self._keys = [(side, code) for side, texts in self.sides.items() for code in texts.languages]
        self._ids = [id_ for texts in self.sides.values() for id_ in texts.ids]
        self._texts = [text for texts in self.sides.values() for text in texts.texts]
        lower = [text.lower() if text.lower() != text else "" for text in self._texts]
        (values, ends), self._tokens_N, self._unknown_N = self._comparable(self._texts)
        (lower_values, lower_ends), _, _ = self._comparable(lower)
        ends = np.concatenate([ends, lower_ends[1:] + ends[-1]])
        self._index = Index(np.concatenate([values, lower_values]), ends, near, tokenizer.vocab_size)
        numbers, first = np.unique(self._index.of, return_index=True)
        self._first_U = first[numbers >= 0] % len(self._texts)  # a text for each number of the index
        self._exact_U, self._near_U = (np.zeros(len(self._index.lengths), bool) for _ in range(2))

    def _comparable(self, texts: list[str]) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
        """((tokens, offsets) to compare, number of tokens of each text, number of unknown ones), int64 [N]."""
        values, ends, lengths, lacking = [], [np.zeros(1, np.int64)], [], []
        for first in range(0, len(texts), _BATCH):
            tokens, offsets = self._tokenizer.encode(texts[first : first + _BATCH])
            unknown = np.concatenate([[0], np.cumsum(tokens == self._tokenizer.unk_id)])
            lengths.append(np.diff(offsets))
            lacking.append(np.diff(unknown[offsets]))
            kept, own = comparable(self._counts_as_V, tokens, offsets)
            values.append(kept)
            ends.append(own[1:] + ends[-1][-1])
        return (np.concatenate(values), np.concatenate(ends)), np.concatenate(lengths), np.concatenate(lacking)

    def find(self, tokens: np.ndarray, offsets: np.ndarray) -> Found:
        """Compares comparable texts with all of the benchmark; see `shingles.Found`."""
        found = self._index.find(tokens, offsets)
        self._exact_U[found.exact[found.exact >= 0]] = True
        self._near_U[found.text] = True
        return found

    def text(self, number: int) -> tuple[str, str]:
        """(id, text) of the first text that has a number of `find`."""
        first = int(self._first_U[number])
        return self._ids[first], self._texts[first]

    def counts(self) -> dict[tuple[str, str], Count]:
        """(side, language) -> what became of the benchmark's texts up to now."""
        number_2N = self._index.of.reshape(2, -1)  # as it is, in lower case
        there_2N = number_2N >= 0
        exact_N, near_N = (
            (there_2N & np.append(found_U, False)[number_2N]).any(0) for found_U in (self._exact_U, self._near_U)
        )
        counts: dict[tuple[str, str], Count] = collections.defaultdict(Count)
        columns = (exact_N, near_N & ~exact_N, ~there_2N[0], self._tokens_N, self._unknown_N)
        for key, exact, near, bare, tokens, unknown in zip(
            self._keys, *(column.tolist() for column in columns), strict=True
        ):
            count = counts[key]
            count.texts += 1
            count.exact += exact
            count.near += near
            count.bare += bare
            count.tokens += tokens
            count.unknown += unknown
        return dict(counts)
