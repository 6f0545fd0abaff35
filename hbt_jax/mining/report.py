"""What mining found: counts, histograms of scores and samples, as JSON and as text."""

import dataclasses
from collections.abc import Iterator

import numpy as np

_BINS = 24  # of a histogram, at most
_NARROWEST = 0.1 / 256  # width of a bin at first; doubled eight times it is 0.1, with which cosines fit
_BAR = 30  # characters of the longest bar
_SHOWN = 160  # characters of a text


@dataclasses.dataclass
class Tally:
    """Counts over all pairs so far.

    Attributes:
      counts: by name, see COUNTS.
      languages: negatives by the language of the text that was found.
      positive, negative: histograms of the scores of positives and of the negatives taken: number of a bin -> scores;
        bin n holds those from n * width to below (n + 1) * width.
      width: of all bins; it doubles when there are too many, so it depends on the smallest and largest score alone.
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    languages: dict[str, int] = dataclasses.field(default_factory=dict)
    positive: dict[int, int] = dataclasses.field(default_factory=dict)
    negative: dict[int, int] = dataclasses.field(default_factory=dict)
    width: float = _NARROWEST

    def __post_init__(self):
        self.positive, self.negative = (  # the keys of JSON are strings
            {int(number): count for number, count in bins.items()} for bins in (self.positive, self.negative)
        )

    @property
    def bins(self) -> range:
        """Numbers of the bins from that of the smallest score to that of the largest."""
        numbers = [*self.positive, *self.negative]
        return range(min(numbers), max(numbers) + 1) if numbers else range(0)

    def count(self, **more: int) -> None:
        """Adds to counts."""
        for name, value in more.items():
            self.counts[name] = self.counts.get(name, 0) + int(value)

    def scored(self, name: str, scores: np.ndarray) -> None:
        """Adds finite scores to the histogram `positive` or `negative`."""
        numbers, counts = np.unique(np.floor(scores.astype(np.float64) / self.width), return_counts=True)
        mine = getattr(self, name)
        for number, count in zip(map(int, numbers.tolist()), counts.tolist(), strict=True):
            mine[number] = mine.get(number, 0) + count
        while len(self.bins) > _BINS:
            self.width *= 2
            self.positive, self.negative = _in_pairs(self.positive), _in_pairs(self.negative)

    def found(self, codes: list[str], languages: np.ndarray) -> None:
        """Adds negatives by the language of their text, an index into `codes`."""
        for code, count in zip(codes, np.bincount(languages, minlength=len(codes)).tolist(), strict=True):
            if count:
                self.languages[code] = self.languages.get(code, 0) + count


def _in_pairs(bins: dict[int, int]) -> dict[int, int]:
    """The histogram with bins of twice the width.

    >>> _in_pairs({-3: 1, -1: 2, 0: 3, 1: 4})
    {-2: 1, -1: 2, 0: 7}
    """
    found: dict[int, int] = {}
    for number, count in bins.items():
        found[number // 2] = found.get(number // 2, 0) + count
    return found


COUNTS = {  # name -> meaning
    "pairs": "pairs",
    "full": "pairs with as many negatives as wanted",
    "partly": "pairs with fewer",
    "without": "pairs without a negative",
    "negatives": "negatives",
    "answering": "left out of the ranking: items that answer the query, by any pair, translation or text in common",
    "above": "left out: items that score above the limit",
    "outside": "left out: items before the first rank",
    "spare": "left out: more than wanted",
    "kept": "negatives that the store had and that are kept",
    "replaced": "negatives that the store had and that are left out; --keep_negatives keeps them",
    "unscored": "pairs whose teacher scores are left out, as they belong to other negatives",
}


def lines(tally: Tally, score: str, samples: list[dict]) -> Iterator[str]:
    """The report as text.

    Args:
      tally: the counts.
      score: what a score is, in words.
      samples: {"query", "passage": {"language", "text", "score"}, "negatives": [the same, ...]} each.
    """
    for name, meaning in COUNTS.items():
        if tally.counts.get(name):
            yield f"{tally.counts[name]:14,} {meaning}"
    shares = ", ".join(f"{code} {count:,}" for code, count in sorted(tally.languages.items(), key=lambda one: -one[1]))
    yield f"negatives by language of the text that was found: {shares or 'none'}"
    bins = tally.bins
    ends = f", from {bins[0] * tally.width:g} to {(bins[-1] + 1) * tally.width:g}" if bins else ": none"
    yield f"scores ({score}), positives and negatives{ends}"
    most = max(*tally.positive.values(), *tally.negative.values(), 1) if bins else 1
    for number in bins:
        positive, negative = tally.positive.get(number, 0), tally.negative.get(number, 0)
        if positive or negative:
            low, high = number * tally.width, (number + 1) * tally.width
            bars = "+" * round(_BAR * positive / most), "-" * round(_BAR * negative / most)
            yield f"{low:8.4g} to {high:6.4g} {positive:12,} {bars[0]:{_BAR}} {negative:12,} {bars[1]}".rstrip()
    for sample in samples:
        yield f"pair {sample['pair']:,}"
        for name, text in [("query", sample["query"]), ("passage", sample["passage"])]:
            yield _text(name, text)
        for text in sample["negatives"]:
            yield _text("negative", text)


def _text(name: str, text: dict) -> str:
    score = f" {text['score']:.3f}" if "score" in text else ""
    shown = text["text"] if len(text["text"]) <= _SHOWN else f"{text['text'][:_SHOWN]}..."
    return f"  {name}{score} {text['language']}: {shown}"
