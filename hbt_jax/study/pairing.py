"""Which configuration of a study is compared with which."""

import dataclasses
from collections.abc import Mapping, Sequence

from hbt_jax.study.grid import UNTRAINED, Variant, parse_baseline, reference


@dataclasses.dataclass(frozen=True)
class Pairing:
    """A configuration and what it is compared with, both as labels; `baseline` is what the command named."""

    label: str
    other: str
    baseline: str


def untrained_label(label: str) -> str:
    """The name of the initial weights of a configuration."""
    return f"{UNTRAINED} ({label})"


def pairings(
    baselines: Sequence[str], variants: Sequence[Variant], axes: Sequence[str], told: Mapping
) -> list[Pairing]:
    """What is compared with what; raises InputError for a baseline that the grid does not have."""
    found = []
    for text in baselines:
        baseline = parse_baseline(text)
        for variant in variants:
            if baseline == UNTRAINED:
                found.append(Pairing(variant.label, untrained_label(variant.label), UNTRAINED))
            elif (other := reference(variant, baseline, variants, axes, told)) is not variant:
                found.append(Pairing(variant.label, other.label, text))
    return found
