"""Compares the texts of a store with the queries and candidates of one benchmark, language by language.

Letters are compared (comparable.py).  A store holds tokens, not texts, so its tokens are read as letters
(piece_letters.py); a benchmark's texts are compared both as they are written and as their tokens are read.
shingles.py defines exact and near.  The benchmark is held in memory; the store is streamed.

Every text of the store is compared with every text of the benchmark, whatever their languages, so untranslated texts
are found too.  Short texts that two languages write with the same letters are therefore the same.  A benchmark is
called clean only if nothing is found and everything was compared: see `Overlap.not_compared`.
"""

import collections
import dataclasses
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from data_prep.overlap.benchmark_index import BenchmarkIndex, Count
from data_prep.overlap.piece_letters import PieceLetters
from data_prep.overlap.shingles import Matches, Rules, rules, unsure
from data_prep.store.rows import Rows, read_rows
from hbt_jax.data.manifest import SIDES
from hbt_jax.data.store import Store
from hbt_jax.languages import canonical, is_known
from hbt_jax.models.tokenizer import Tokenizer

MOST_UNKNOWN = (
    0.2  # share of a language's tokens that may be unknown, or of its texts that may be read as other letters
)
LEAST_KEPT = 0.5  # share of a language's letters that must be left after tokenisation
TOKENS = 1 << 17  # compared at a time: arrays of that size fit into a CPU's cache
EXAMPLES = 2  # per kind, side and language


@dataclasses.dataclass(frozen=True)
class OverlapExample:
    """One overlapping text of the store and its counterpart; `share` is what the shared runs cover, 1 if exact."""

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
      not_compared: part of the benchmark that was not compared -> why.
      masks: side -> uint64 [rows]: bit i is set if the item's text in the store's i-th language overlaps.
      examples: some of what was found.
    """

    benchmark: str
    store: dict[tuple[str, str], Count]
    of_benchmark: dict[tuple[str, str], Count]
    not_compared: dict[str, str]
    masks: dict[str, np.ndarray]
    examples: list[OverlapExample]

    @property
    def found(self) -> int:
        """Number of the store's texts that overlap."""
        return sum(count.found for count in self.store.values())

    @property
    def verdict(self) -> str:
        """`overlaps`, `clean`, or `not known` if nothing was found but not everything was compared."""
        return "overlaps" if self.found else "not known" if self.not_compared else "clean"


class Comparison:
    """Compares stores made by one tokenizer with benchmarks."""

    def __init__(self, tokenizer: Tokenizer, shingle: int, near: float):
        """See shingles.py for `shingle` and `near`; raises InputError if no piece can be read as text."""
        self._tokenizer, self._rules = tokenizer, rules(shingle, near)
        self._pieces = PieceLetters(tokenizer)

    def compare(self, store: Store, benchmark) -> Overlap:
        """Compares all texts of a store with all of a benchmark.

        Args:
          store: made by the tokenizer.
          benchmark: what `load_benchmark` returns.  If its candidates are not in memory (no `candidates`), its queries
            are compared and its candidates listed in `not_compared`.
        """
        return _Comparing(self._tokenizer, self._pieces, self._rules, store, benchmark).run()


class _Comparing:
    """The state of comparing one store with one benchmark."""

    def __init__(self, tokenizer: Tokenizer, pieces: PieceLetters, near: Rules, store: Store, benchmark):
        self._tokenizer, self._pieces, self._near, self._store = tokenizer, pieces, near, store
        self._benchmark = benchmark
        self._index = BenchmarkIndex(benchmark, tokenizer, pieces, near)
        self._first_unsure: dict[str, str] = {}
        self._counts: dict[tuple[str, str], Count] = collections.defaultdict(Count)
        self._examples: dict[tuple[str, str, str], list[OverlapExample]] = collections.defaultdict(list)

    def run(self) -> Overlap:
        store = self._store
        masks = {side: np.zeros(getattr(store, side).rows, np.uint64) for side in SIDES}
        total = sum(len(texts.values) for side in SIDES for texts in getattr(store, side).tokens.values())
        with tqdm(total=total, desc=self._benchmark.name, unit=" tokens", unit_scale=True, disable=None) as bar:
            for side in SIDES:
                for bit, (language, texts) in enumerate(getattr(store, side).tokens.items()):
                    for rows in read_rows(texts, TOKENS):
                        found = self._compare(side, language, rows)
                        masks[side][rows.rows[found]] |= np.uint64(1 << bit)
                        bar.update(len(rows.tokens))
        counts, theirs = dict(self._counts), self._index.counts()
        examples = [example for part in self._examples.values() for example in part]
        return Overlap(self._benchmark.name, counts, theirs, self._not_compared(theirs), masks, examples)

    def _compare(self, side: str, language: str, rows: Rows) -> np.ndarray:
        """Counts some rows; returns which of them overlap."""
        self._tokenizer.check_ids(rows.tokens)
        letters = self._pieces.letters(rows.tokens, rows.offsets)
        found = self._index.find(letters)
        exact = found.exact >= 0
        near = np.zeros(len(rows.rows), bool)
        near[found.row] = True
        near &= ~exact
        count = self._counts[side, language]
        count.texts += len(rows.rows)
        count.exact += int(exact.sum())
        count.near += int(near.sum())
        torn = np.zeros(len(rows.rows), bool)
        torn[letters.hole_rows] = True
        count.bare += int(((letters.lengths == 0) & ~torn).sum())
        missed = np.flatnonzero(unsure(letters, self._near.torn) & ~exact & ~near)
        count.unsure += len(missed)
        if len(missed):
            self._first_unsure.setdefault(language, f"{side} row {rows.rows[missed[0]]}")
        count.tokens += len(rows.tokens)
        count.unknown += int((rows.tokens == self._tokenizer.unk_id).sum())
        self._keep_examples(side, language, rows, found, exact)
        return exact | near

    def _keep_examples(self, side: str, language: str, rows: Rows, found: Matches, exact: np.ndarray) -> None:
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
                    OverlapExample(side, language, int(rows.rows[place]), kind, share, text, *self._index.text(number))
                )

    def _not_compared(self, of_benchmark: dict[tuple[str, str], Count]) -> dict[str, str]:
        reasons: dict[str, list[str]] = collections.defaultdict(list)
        own, theirs = _by_language(self._counts), _by_language(of_benchmark)
        there = {canonical(code) for code in own if is_known(code)}
        for code in self._benchmark.languages:
            if code not in own and canonical(code) not in there:  # Belebele's tl is fil in stores
                reasons[code].append("the store has no text in this language")
            reasons[code] += _lost(theirs.get(code, []))
        for code, first in self._first_unsure.items():
            missed, texts = (sum(getattr(count, name) for count in own[code]) for name in ("unsure", "texts"))
            reasons[code].append(
                f"{missed:,} of the store's {texts:,} texts (such as {first}) have so many unknown tokens that a copy"
                " could be missed"
            )
        if "candidates" not in self._index.sides:
            reasons["candidates"].append("they are streamed from shards, too many to hold in memory")
        return {what: "; ".join(why) for what, why in reasons.items() if why}


def _lost(counts: list[Count]) -> Iterator[str]:
    """Why too little of a benchmark's texts in one language is left after tokenisation to compare."""
    unknown, tokens, kept, letters, altered, texts = (
        sum(getattr(count, name) for count in counts)
        for name in ("unknown", "tokens", "kept", "letters", "altered", "texts")
    )
    if unknown > MOST_UNKNOWN * tokens:
        yield f"{unknown / tokens:.0%} of the benchmark's tokens are unknown to the tokenizer"
    elif kept < LEAST_KEPT * letters:
        yield f"the tokenizer keeps only {kept / letters:.0%} of the benchmark's letters"
    if altered > MOST_UNKNOWN * texts:
        yield f"the tokenizer reads other letters in {altered / texts:.0%} of the benchmark's texts"


def _by_language(counts: dict[tuple[str, str], Count]) -> dict[str, list[Count]]:
    found: dict[str, list[Count]] = {}
    for (_, language), count in counts.items():
        found.setdefault(language, []).append(count)
    return found
