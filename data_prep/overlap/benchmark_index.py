"""Indexes the queries and candidates of a benchmark by their letters, so that they can be found in a store."""

import collections
import dataclasses

import numpy as np

from data_prep.overlap.comparable import Letters, letters_of
from data_prep.overlap.piece_letters import PieceLetters
from data_prep.overlap.shingles import Index, Matches, Rules
from hbt_jax.evaluation.benchmarks.benchmark import BenchmarkTexts
from hbt_jax.models.tokenizer import Tokenizer
from hbt_jax.spans import offsets_of

_SIDES = ("queries", "candidates")
_BATCH = 8192  # texts tokenised at a time


@dataclasses.dataclass
class Count:
    """The outcome for the texts of one side in one language.

    Attributes:
      texts: number of texts.
      exact, near: how many of them are the same as, or near, a text of the other collection; each counts once.
      bare: how many have nothing visible to compare.
      unsure: of a store, how many were not found but have so many unknown tokens that a copy could be missed.
      tokens, unknown: number of tokens, and of unknown tokens.
      letters, kept: of a benchmark, number of letters, and of letters that are left after tokenisation.
      altered: of a benchmark, how many texts have additional or other letters after tokenisation.
    """

    texts: int = 0
    exact: int = 0
    near: int = 0
    bare: int = 0
    unsure: int = 0
    tokens: int = 0
    unknown: int = 0
    letters: int = 0
    kept: int = 0
    altered: int = 0

    @property
    def found(self) -> int:
        """Texts that overlap."""
        return self.exact + self.near


class BenchmarkIndex:
    """Finds the texts of a benchmark, and records which were found.

    Each text is looked for as it is written and, if that differs, as the tokenizer reads it: a store made by an uncased
    tokenizer, for instance, has lost the vowel signs of its Hindi texts.

    Attributes:
      sides: queries, and candidates if they are in memory -> BenchmarkTexts.
    """

    def __init__(self, benchmark, tokenizer: Tokenizer, pieces: PieceLetters, near: Rules):
        """Reads and indexes what `load_benchmark` returned."""
        self._tokenizer, self._pieces = tokenizer, pieces
        self.sides: dict[str, BenchmarkTexts] = {
            side: getattr(benchmark, side) for side in _SIDES if hasattr(benchmark, side)
        }
        self._keys = [(side, code) for side, texts in self.sides.items() for code in texts.languages]
        self._ids = [id_ for texts in self.sides.values() for id_ in texts.ids]
        self._texts = [text for texts in self.sides.values() for text in texts.texts]
        written, read, tokens_N, unknown_N = self._letters()
        kept_N = np.minimum(written.lengths, read.lengths)
        self._columns = (tokens_N, unknown_N, written.lengths, kept_N, _altered(written, read))
        ends = np.concatenate([written.offsets, read.offsets[1:] + written.offsets[-1]])
        self._index = Index(np.concatenate([written.values, read.values]), ends, near)
        numbers, first = np.unique(self._index.of, return_index=True)
        self._first_U = first[numbers >= 0] % max(len(self._texts), 1)  # the first text with each number of the index
        self._exact_U, self._near_U = (np.zeros(len(self._index.lengths), bool) for _ in range(2))

    def _letters(self) -> tuple[Letters, Letters, np.ndarray, np.ndarray]:
        """(letters as written, letters as the tokenizer reads them, tokens and unknown tokens per text: int64 [N])."""
        written, read, lengths, lacking = [], [], [], []
        for first in range(0, len(self._texts), _BATCH):
            texts = self._texts[first : first + _BATCH]
            tokens, offsets = self._tokenizer.encode(texts)
            unknown = offsets_of(tokens == self._tokenizer.unk_id)
            lengths.append(np.diff(offsets))
            lacking.append(np.diff(unknown[offsets]))
            written.append(letters_of(texts))
            read.append(self._pieces.letters(tokens, offsets))
        return _joined(written), _joined(read), np.concatenate(lengths), np.concatenate(lacking)

    def find(self, letters: Letters) -> Matches:
        """Compares texts with the whole benchmark; see `shingles.Matches`."""
        found = self._index.find(letters)
        self._exact_U[found.exact[found.exact >= 0]] = True
        self._near_U[found.text] = True
        return found

    def text(self, number: int) -> tuple[str, str]:
        """(id, text) of the first text with a number that `find` returned."""
        first = int(self._first_U[number])
        return self._ids[first], self._texts[first]

    def counts(self) -> dict[tuple[str, str], Count]:
        """(side, language) -> the outcome for the benchmark's texts so far."""
        number_2N = self._index.of.reshape(2, -1)  # as written, as read
        there_2N = number_2N >= 0
        exact_N, near_N = (
            (there_2N & np.append(found_U, False)[number_2N]).any(0) for found_U in (self._exact_U, self._near_U)
        )
        counts: dict[tuple[str, str], Count] = collections.defaultdict(Count)
        columns = (exact_N, near_N & ~exact_N, ~there_2N[0], *self._columns)
        for key, exact, near, bare, tokens, unknown, letters, kept, altered in zip(
            self._keys, *(column.tolist() for column in columns), strict=True
        ):
            count = counts[key]
            count.texts += 1
            count.exact += exact
            count.near += near
            count.bare += bare
            count.tokens += tokens
            count.unknown += unknown
            count.letters += letters
            count.kept += kept
            count.altered += altered
        return dict(counts)


def _joined(parts: list[Letters]) -> Letters:
    """Concatenates letters; the positions of unknown marks are dropped."""
    ends = np.cumsum([0] + [part.offsets[-1] for part in parts])
    offsets = [part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)]
    none = np.zeros(0, np.int64)
    return Letters(np.concatenate([part.values for part in parts]), np.concatenate([[0], *offsets]), none, none)


def _altered(written: Letters, read: Letters) -> np.ndarray:
    """bool [N]: which texts as read are not just the texts as written with some letters left out."""
    altered = np.zeros(len(written.lengths), bool)
    for row in range(len(altered)):
        (one, other) = (of.values[of.offsets[row] : of.offsets[row + 1]] for of in (written, read))
        if not np.array_equal(one, other):
            left = iter(one.tolist())
            altered[row] = not all(letter in left for letter in other.tolist())
    return altered
