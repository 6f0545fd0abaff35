"""What a plan says it will draw, and what it did draw: the lines that a run and `python -m hbt_jax.data.plan` print."""

import collections

import numpy as np

from hbt_jax.data.mixture import MONO, Mixture
from hbt_jax.data.plan import BatchPlan, Plan

_TOP_PAIRS = 20


def store_name(mixture: Mixture, store: int) -> str:
    """How a store is called in printed lines: its source and split."""
    return f"{mixture.stores[store].name}/{mixture.stores[store].split}"


def describe(plan: Plan) -> list[str]:
    """Expected shares of kinds and stores, and what is unusual: stores of one language, languages with few pairs."""
    lines = []
    for kind, share in plan.kinds.items():
        lines.append(f"{kind}: {share:.1%} of batches")
        for store in sorted({choice.store for choice in plan.choices if choice.kind == kind}):
            lines.append("  " + _served_by(plan, kind, store))
    for store, opened in enumerate(plan.mixture.stores):
        lines += [f"note: {line}" for line in _unusual(plan, store, len(opened.languages))]
    return lines


def _served_by(plan: Plan, kind: str, store: int) -> str:
    choices = [choice for choice in plan.choices if choice.kind == kind and choice.store == store]
    share = sum(choice.probability for choice in choices)
    counts = [plan.streams[choice.stream].pairs for choice in choices]
    pairs = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    languages = len(plan.mixture.stores[store].languages)
    return (
        f"{store_name(plan.mixture, store)}: {share:.1%} of them, {languages} languages,"
        f" {pairs} of {plan.mixture.sizes[store]:,} pairs"
    )


def _unusual(plan: Plan, store: int, languages: int) -> list[str]:
    name, lines = store_name(plan.mixture, store), []
    drawn = [choice for choice in plan.choices if choice.store == store]
    if not drawn:
        return [f"{name} can serve none of these kinds and is never drawn"]
    if languages == 1:
        share = sum(plan.kinds[choice.kind] * choice.probability for choice in drawn)
        code = plan.mixture.stores[store].languages[0]
        lines.append(f"{name} has one language ({code}) and serves monolingual batches only, {share:.1%} of all")
    batch, codes = plan.config.global_batch, plan.mixture.stores[store].languages
    few = {choice.language: plan.streams[choice.stream].pairs for choice in drawn
           if plan.streams[choice.stream].pairs < batch}  # fmt: skip
    if few:
        listed = ", ".join(f"{codes[language] if language >= 0 else 'x-x or x-y'} {few[language]}" for language in few)
        lines.append(f"{name} has fewer pairs than --global_batch={batch} ({listed}): a batch of them repeats pairs,"
                     " and the loss masks the repeats")  # fmt: skip
    return lines


class Audit:
    """Counts what batches hold; `add` each batch, then print `lines`."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self.kinds: collections.Counter[str] = collections.Counter()
        self.stores: collections.Counter[tuple[str, str]] = collections.Counter()
        self.query_languages: collections.Counter[str] = collections.Counter()
        self.passage_languages: collections.Counter[str] = collections.Counter()
        self.language_pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        self.mono_languages: collections.Counter[str] = collections.Counter()
        self.repeated_pairs = 0

    def add(self, batch: BatchPlan) -> None:
        """Counts one batch."""
        codes = self._plan.mixture.stores[batch.store].languages
        self.kinds[batch.kind] += 1
        self.stores[batch.kind, store_name(self._plan.mixture, batch.store)] += 1
        if batch.kind == MONO:
            self.mono_languages[codes[batch.query_language[0]]] += 1
        joined = batch.query_language.astype(np.int64) * len(codes) + batch.passage_language
        for value, count in zip(*(found.tolist() for found in np.unique(joined, return_counts=True)), strict=True):
            query, passage = codes[value // len(codes)], codes[value % len(codes)]
            self.query_languages[query] += count
            self.passage_languages[passage] += count
            self.language_pairs[query, passage] += count
        self.repeated_pairs += len(batch.pairs) - len(np.unique(batch.pairs))

    def lines(self) -> list[str]:
        """The realised shares, largest first."""
        steps, pairs = self.kinds.total(), self.language_pairs.total()
        different = len(self.language_pairs)
        return [
            f"realised in {steps:,} steps, {pairs:,} pairs",
            *_shares("kinds of batches", self.kinds),
            *_shares("stores, by kind", {f"{kind} {store}": n for (kind, store), n in self.stores.items()}),
            *_shares("languages of x-x-mono batches", self.mono_languages),
            *_shares("languages of queries", self.query_languages),
            *_shares("languages of passages", self.passage_languages),
            *_shares(
                f"language pairs (query-passage), the first {min(_TOP_PAIRS, different)} of {different}",
                {f"{query}-{passage}": n for (query, passage), n in self.language_pairs.most_common(_TOP_PAIRS)},
                pairs,
            ),
            f"pairs that come twice in a batch: {self.repeated_pairs / max(steps, 1):.3f} a batch",
        ]


def _shares(title: str, counts: dict[str, int], total: int | None = None) -> list[str]:
    total = total or sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{title}:", *(f"  {name:24} {count:12,} {count / total:8.2%}" for name, count in ordered)]
