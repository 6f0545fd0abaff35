"""What mining found: counts, histograms of scores and samples, as JSON and as text."""

import dataclasses
from collections.abc import Iterator

import numpy as np

_BINS = 20
_BAR = 30  # characters of the longest bar
_SHOWN = 160  # characters of a text


@dataclasses.dataclass
class Tally:
    """Counts over all pairs so far.

    Attributes:
      low, high: ends of the histograms; scores beyond them count in the first and last bin.
      counts: by name, see COUNTS.
      languages: negatives by the language of the text that was found.
      positive, negative: histograms of the scores of positives and of the negatives taken.
    """

    low: float
    high: float
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    languages: dict[str, int] = dataclasses.field(default_factory=dict)
    positive: list[int] = dataclasses.field(default_factory=lambda: [0] * _BINS)
    negative: list[int] = dataclasses.field(default_factory=lambda: [0] * _BINS)

    def count(self, **more: int) -> None:
        """Adds to counts."""
        for name, value in more.items():
            self.counts[name] = self.counts.get(name, 0) + int(value)

    def scored(self, name: str, scores: np.ndarray) -> None:
        """Adds scores to the histogram `positive` or `negative`."""
        place = (np.clip(scores, self.low, self.high) - self.low) / (self.high - self.low) * _BINS
        more = np.bincount(np.minimum(place.astype(np.int64), _BINS - 1), minlength=_BINS)
        setattr(self, name, [int(had + new) for had, new in zip(getattr(self, name), more, strict=True)])

    def found(self, codes: list[str], languages: np.ndarray) -> None:
        """Adds negatives by the language of their text, an index into `codes`."""
        for code, count in zip(codes, np.bincount(languages, minlength=len(codes)).tolist(), strict=True):
            if count:
                self.languages[code] = self.languages.get(code, 0) + count


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
    yield f"scores ({score}), positives and negatives:"
    most = max(*tally.positive, *tally.negative, 1)
    edges = np.linspace(tally.low, tally.high, _BINS + 1)
    for low, high, positive, negative in zip(edges, edges[1:], tally.positive, tally.negative, strict=False):
        if positive or negative:
            bars = "+" * round(_BAR * positive / most), "-" * round(_BAR * negative / most)
            yield f"{low:8.2f} to {high:5.2f} {positive:12,} {bars[0]:{_BAR}} {negative:12,} {bars[1]}".rstrip()
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
