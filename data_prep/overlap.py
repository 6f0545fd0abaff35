"""Compares the texts of a store with the queries and candidates of one benchmark, language by language.

What is compared is tokens, not text.  A store holds no text, and the tokens read back are normalised text; the
benchmark is tokenised by the store's own tokenizer instead, so that the same text gives the same tokens, in scripts
without spaces too.  Pieces that differ in case, spaces and punctuation only count as one (data_prep/comparable.py).  As
case decides how words are cut into pieces, too, a benchmark's text is also looked for in lower case, in which many
collections have their questions.  data_prep/shingles.py says what is exact and near.  The benchmark is held in
memory; the store streams by.

Every text of the store is compared with every text of the benchmark whatever their languages, so that a text left
untranslated is found too.  A benchmark is called clean only if nothing is found and everything was compared: see
`Overlap.not_compared`.
"""

import collections
import dataclasses

import numpy as np
from tqdm import tqdm

from data_prep.benchmark_index import BenchmarkIndex, Count
from data_prep.comparable import comparable, comparable_pieces
from data_prep.shingles import Found, Rule, rules
from data_prep.store_rows import Rows, read_rows
from hbt_jax.data.manifest import SIDES
from hbt_jax.data.store import Store
from hbt_jax.models.tokenizer import Tokenizer

MOST_UNKNOWN = 0.2  # of a language's tokens: above, its texts are not told apart well enough to be called compared
EXAMPLES = 2  # of each kind, side and language


@dataclasses.dataclass(frozen=True)
class Example:
    """One text of the store that overlaps, and what with; `share` is what the shared runs cover, 1 for exact."""

    side: str
    language: str
    row: int
    kind: str
    share: float
    text: str
    benchmark_id: str
    benchmark_text: str


@dataclasses.dataclass(frozen=True)
class Overlap:
    """A store compared with one benchmark.

    Attributes:
      benchmark: its name.
      store: (side, language) -> Count, of the store's texts.
      of_benchmark: (side, language) -> Count, of the benchmark's texts.
      not_compared: what of the benchmark was not compared -> why.
      masks: side -> uint64 [rows]: bit i is set where the item's text in the store's i-th language overlaps.
      examples: some of what was found.
    """

    benchmark: str
    store: dict[tuple[str, str], Count]
    of_benchmark: dict[tuple[str, str], Count]
    not_compared: dict[str, str]
    masks: dict[str, np.ndarray]
    examples: list[Example]

    @property
    def found(self) -> int:
        """Number of the store's texts that overlap."""
        return sum(count.found for count in self.store.values())

    @property
    def verdict(self) -> str:
        """`overlaps`, `clean`, or `not known` where nothing was found but not everything was compared."""
        return "overlaps" if self.found else "not known" if self.not_compared else "clean"


class Comparison:
    """One tokenizer's way of comparing stores with benchmarks."""

    def __init__(self, tokenizer: Tokenizer, shingle: int, near: float):
        """See data_prep/shingles.py for `shingle` and `near`; raises InputError if no piece can be read as text."""
        self._tokenizer, self._rules = tokenizer, rules(shingle, near)
        self._counts_as_V = comparable_pieces(tokenizer)

    def compare(self, store: Store, benchmark) -> Overlap:
        """Compares all texts of a store with all of a benchmark.

        Args:
          store: made by the tokenizer.
          benchmark: what `load_benchmark` returns.  One whose candidates are not in memory (no `candidates`) has its
            queries compared, and its candidates listed in `not_compared`.
        """
        return _Comparing(self._tokenizer, self._counts_as_V, self._rules, store, benchmark).run()


class _Comparing:
    """The state of comparing one store with one benchmark."""

    def __init__(self, tokenizer: Tokenizer, counts_as_V: np.ndarray, near: tuple[Rule, ...], store: Store, benchmark):
        self._tokenizer, self._counts_as_V, self._store, self._benchmark = tokenizer, counts_as_V, store, benchmark
        self._index = BenchmarkIndex(benchmark, tokenizer, counts_as_V, near)
        self._counts: dict[tuple[str, str], Count] = collections.defaultdict(Count)
        self._examples: dict[tuple[str, str, str], list[Example]] = collections.defaultdict(list)

    def run(self) -> Overlap:
        store = self._store
        masks = {side: np.zeros(getattr(store, side).rows, np.uint64) for side in SIDES}
        total = sum(len(texts.values) for side in SIDES for texts in getattr(store, side).tokens.values())
        with tqdm(total=total, desc=self._benchmark.name, unit=" tokens", unit_scale=True, disable=None) as bar:
            for side in SIDES:
                for bit, (language, texts) in enumerate(getattr(store, side).tokens.items()):
                    for rows in read_rows(texts):
                        found = self._compare(side, language, rows)
                        masks[side][rows.rows[found]] |= np.uint64(1 << bit)
                        bar.update(len(rows.tokens))
        counts, theirs = dict(self._counts), self._index.counts()
        examples = [example for part in self._examples.values() for example in part]
        return Overlap(self._benchmark.name, counts, theirs, self._not_compared(theirs), masks, examples)

    def _compare(self, side: str, language: str, rows: Rows) -> np.ndarray:
        """Counts some rows; returns which of them overlap."""
        self._tokenizer.check_ids(rows.tokens)
        values, offsets = comparable(self._counts_as_V, rows.tokens, rows.offsets)
        found = self._index.find(values, offsets)
        exact = found.exact >= 0
        near = np.zeros(len(rows.rows), bool)
        near[found.row] = True
        near &= ~exact
        count = self._counts[side, language]
        count.texts += len(rows.rows)
        count.exact += int(exact.sum())
        count.near += int(near.sum())
        count.bare += int((np.diff(offsets) == 0).sum())
        count.tokens += len(rows.tokens)
        count.unknown += int((rows.tokens == self._tokenizer.unk_id).sum())
        self._keep_examples(side, language, rows, found, exact)
        return exact | near

    def _keep_examples(self, side: str, language: str, rows: Rows, found: Found, exact: np.ndarray) -> None:
        same = np.flatnonzero(exact)
        other = np.flatnonzero(~exact[found.row])
        for kind, places, texts, shares in (
            ("exact", same, found.exact[same], np.ones(len(same))),
            ("near", found.row[other], found.text[other], found.share[other]),
        ):
            kept = self._examples[kind, side, language]
            for place, number, share in zip(places.tolist(), texts.tolist(), shares.tolist(), strict=True):
                if len(kept) == EXAMPLES:
                    break
                own = rows.tokens[rows.offsets[place] : rows.offsets[place + 1]]
                text = self._tokenizer.decode(own, np.array([0, len(own)]))[0]
                kept.append(
                    Example(side, language, int(rows.rows[place]), kind, share, text, *self._index.text(number))
                )

    def _not_compared(self, of_benchmark: dict[tuple[str, str], Count]) -> dict[str, str]:
        reasons = {}
        for code in self._benchmark.languages:
            own, theirs = (
                [count for (_, language), count in counts.items() if language == code]
                for counts in (self._counts, of_benchmark)
            )
            if not own:
                reasons[code] = "the store has no text in it"
                continue
            for whose, counts in (("store's", own), ("benchmark's", theirs)):
                share = sum(count.unknown for count in counts) / max(sum(count.tokens for count in counts), 1)
                if share > MOST_UNKNOWN:
                    reasons[code] = f"{share:.0%} of the {whose} tokens are unknown to the tokenizer"
        if "candidates" not in self._index.sides:
            reasons["candidates"] = "they are read from shards, too many to hold in memory"
        return reasons
