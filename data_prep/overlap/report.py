"""The report of a comparison, as lines for people and as a dictionary for programs."""

import dataclasses
from collections.abc import Iterator

from data_prep.overlap.benchmark_index import Count
from data_prep.overlap.compare import Overlap
from hbt_jax.data.store import Store

_SHOWN = 100  # characters of an example's texts


def report(store: Store, settings: dict, overlaps: list[Overlap]) -> dict:
    """Everything that was found, ready for JSON.

    Returns:
      {"store": {...}, "settings": {...}, "benchmarks": {name: {"verdict", "not_compared", "store", "benchmark",
      "examples"}}}; "store" and "benchmark" there hold side -> language -> the fields of benchmark_index.Count.
    """
    described = {
        "path": str(store.path),
        "name": store.name,
        "split": store.split,
        "fingerprint": store.fingerprint,
        "tokenizer": store.manifest["tokenizer"]["fingerprint"],
    }
    return {
        "store": described,
        "settings": settings,
        "benchmarks": {
            overlap.benchmark: {
                "verdict": overlap.verdict,
                "not_compared": overlap.not_compared,
                "store": _nested(overlap.store),
                "benchmark": _nested(overlap.of_benchmark),
                "examples": [dataclasses.asdict(example) for example in overlap.examples],
            }
            for overlap in overlaps
        },
    }


def _nested(counts: dict[tuple[str, str], Count]) -> dict[str, dict[str, dict]]:
    nested: dict[str, dict[str, dict]] = {}
    for (side, language), count in counts.items():
        nested.setdefault(side, {})[language] = dataclasses.asdict(count)
    return nested


def lines(store: Store, overlap: Overlap) -> Iterator[str]:
    """The table of one benchmark, examples, and the verdict."""
    yield f"{overlap.benchmark} and the store {store.name}/{store.split} ({store.path})"
    yield f"  {'':34} {'texts':>12} {'exact':>10} {'near':>10} {'found':>8}"
    for title, counts in (("store", overlap.store), (overlap.benchmark, overlap.of_benchmark)):
        for (side, language), count in counts.items():
            share = count.found / max(count.texts, 1)
            name = f"{title[:18]} {side} {language}"
            yield f"  {name:34} {count.texts:12,} {count.exact:10,} {count.near:10,} {share:8.2%}"
            if count.bare:
                yield f"    {count.bare:,} of them have nothing visible to compare"
    for example in overlap.examples:
        yield (
            f"  {example.kind} {example.share:.0%}: {example.side} {example.language} row {example.row}"
            f" {example.text[:_SHOWN]!r} and {example.benchmark_id} {example.benchmark_text[:_SHOWN]!r}"
        )
    yield from verdict_lines(overlap)


def verdict_lines(overlap: Overlap) -> Iterator[str]:
    """The verdict, and what was not compared."""
    texts = sum(count.texts for count in overlap.store.values())
    if overlap.verdict == "overlaps":
        theirs = sum(count.found for count in overlap.of_benchmark.values())
        yield (
            f"OVERLAPS: {overlap.found:,} of the store's {texts:,} texts and {theirs:,} texts of {overlap.benchmark}"
            " are the same or nearly so"
        )
    elif overlap.verdict == "clean":
        yield f"CLEAN: none of the store's {texts:,} texts is, or nearly is, a text of {overlap.benchmark}"
    else:
        yield (
            f"NOT KNOWN: none of the {texts:,} texts compared is, or nearly is, a text of {overlap.benchmark}, but not"
            " everything was compared"
        )
    for what, why in overlap.not_compared.items():
        yield f"  not compared: {what}: {why}"
