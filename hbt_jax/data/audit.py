"""What a plan will draw and has drawn: the lines that a run prints, and a command that counts batches.

    python -m hbt_jax.data.audit --flagfile=launch/flagfiles/NAME.flags --steps=1000

prints the expected and the actual shares of kinds, stores, languages and language pairs.
"""

import collections
from collections.abc import Iterable

import numpy as np

from hbt_jax.config.learning import PlanConfig
from hbt_jax.config.training import RunConfig
from hbt_jax.data.manifest import SIDES
from hbt_jax.data.mixture import MONO, Mixture
from hbt_jax.data.plan import BatchPlan, Plan

_TOP_PAIRS = 20


def store_name(mixture: Mixture, store: int) -> str:
    """The name of a store in printed lines: source and split, with its folder if another store has the same name."""
    names = [f"{opened.name}/{opened.split}" for opened in mixture.stores]
    unique = names.count(names[store]) == 1
    return names[store] if unique else f"{names[store]} ({mixture.stores[store].path})"


def describe(plan: Plan) -> list[str]:
    """Expected shares of kinds and stores, items that count as one, and what is unusual: stores with one language,
    languages with few pairs."""
    lines = []
    for kind, share in plan.kinds.items():
        lines.append(f"{kind}: {share:.1%} of batches")
        for store in sorted({choice.store for choice in plan.choices if choice.kind == kind}):
            lines.append("  " + _served_by(plan, kind, store))
    for store, opened in enumerate(plan.mixture.stores):
        if plan.config.negatives:
            listed, pairs = opened.manifest["pairs"]["with_negatives"], len(opened.pairs)
            lines.append(
                f"--negatives={plan.config.negatives}: {listed:,} of the {pairs:,} pairs of"
                f" {store_name(plan.mixture, store)} have explicit negatives"
            )
        lines += _counted_as_one(opened.manifest, store_name(plan.mixture, store))
        lines += [f"note: {line}" for line in _unusual(plan, store, len(opened.languages))]
    return lines


def _counted_as_one(manifest: dict, name: str) -> list[str]:
    """How many items of a store the loss counts as one: a line if there are any."""
    shared = [f"{manifest[side]['identity']['shared']:,} of {manifest[side]['rows']:,} {side}"
              for side in SIDES if manifest[side]["identity"]["shared"]]  # fmt: skip
    if not shared:
        return []
    return [f"{name}: {' and '.join(shared)} share a text with another in some language: the loss counts them as one"]


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
    batch, codes = plan.config.global_batch // plan.config.rows_per_pair, plan.mixture.stores[store].languages
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
        self.stores: collections.Counter[tuple[str, int]] = collections.Counter()
        self.query_languages: collections.Counter[str] = collections.Counter()
        self.passage_languages: collections.Counter[str] = collections.Counter()
        self.language_pairs: collections.Counter[tuple[str, str]] = collections.Counter()
        self.mono_languages: collections.Counter[str] = collections.Counter()
        self.repeated_pairs = 0

    def add(self, batch: BatchPlan) -> None:
        """Counts one batch."""
        codes = self._plan.mixture.stores[batch.store].languages
        self.kinds[batch.kind] += 1
        self.stores[batch.kind, batch.store] += 1
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
        """The actual shares, largest first."""
        steps, pairs = self.kinds.total(), self.language_pairs.total()
        different = len(self.language_pairs)
        mixture, joined = self._plan.mixture, self.language_pairs.most_common(_TOP_PAIRS)
        return [
            f"realised in {steps:,} steps, {pairs:,} pairs",
            *_shares("kinds of batches", self.kinds.items()),
            *_shares(
                "stores, by kind",
                [(f"{kind} {store_name(mixture, store)}", n) for (kind, store), n in self.stores.items()],
            ),
            *_shares("languages of x-x-mono batches", self.mono_languages.items()),
            *_shares("languages of queries", self.query_languages.items()),
            *_shares("languages of passages", self.passage_languages.items()),
            *_shares(
                f"language pairs (query-passage), the first {min(_TOP_PAIRS, different)} of {different}",
                [(f"{query}-{passage}", n) for (query, passage), n in joined],
                pairs,
            ),
            f"pairs that come twice in a batch: {self.repeated_pairs / max(steps, 1):.3f} a batch",
        ]


def _shares(title: str, counts: Iterable[tuple[str, int]], total: int | None = None) -> list[str]:
    counts = list(counts)
    total = total or sum(count for _, count in counts)
    ordered = sorted(counts, key=lambda item: (-item[1], item[0]))
    return [f"{title}:", *(f"  {name:24} {count:12,} {count / total:8.2%}" for name, count in ordered)]


def main(_: list[str]) -> None:
    """Prints what the plan of the flags draws in --steps steps."""
    from hbt_jax import flags
    from hbt_jax.data.mixture import open_mixture

    flags.require(["stores"])
    config, run = flags.values(PlanConfig), flags.values(RunConfig)
    mixture = open_mixture(config.stores, None, run.store_cache, config.train_fraction, run.seed)
    plan = Plan(mixture, config, run.seed)
    plan.check_negatives()
    audit = Audit(plan)
    for step in range(plan.steps_of(run.epochs) if run.epochs else run.steps):
        audit.add(plan.batch(step))
    print("\n".join([*describe(plan), "", *audit.lines()]))


if __name__ == "__main__":
    from hbt_jax import flags as command
    from hbt_jax.config.training import TRAIN_PARTS

    command.define(*TRAIN_PARTS.values())
    command.run_command(main)
