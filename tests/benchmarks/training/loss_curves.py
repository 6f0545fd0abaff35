#!/usr/bin/env python3
"""How far two ways to train drift apart: the losses of runs that differ in one flag, step by step.

    python tests/benchmarks/training/loss_curves.py --a=RUN[,RUN...] --b=RUN[,RUN...]

RUN is a --workdir of launch/train.py; --a and --b list the seeds in the same order.  Prints the mean difference of the
training loss (a - b), its largest size over the steps that metrics.jsonl has, and, for scale, the same between the
first two seeds of --a.
"""

import pathlib
import statistics
import sys

from absl import flags

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.training.metrics_log import read_metrics  # noqa: E402


def losses(run: str) -> dict[int, float]:
    """Step -> training loss, the mean over the steps since the line before."""
    found = {row["step"]: row["loss"] for row in read_metrics(pathlib.Path(run)) if row["split"] == "train"}
    if not found:
        raise InputError(f"{run}: metrics.jsonl has no training loss: expected the --workdir of a run")
    return found


def drift(what: str, pairs: list[tuple[str, str]]) -> str:
    """Mean and largest difference over pairs of runs, in words."""
    differences = []
    for pair in pairs:
        first, second = map(losses, pair)
        if first.keys() != second.keys():
            raise InputError(f"{pair[0]} and {pair[1]} have logged different steps: give both the same --log_every")
        differences += [first[step] - second[step] for step in first]
    largest = max(map(abs, differences))
    return f"{what}: mean difference {statistics.fmean(differences):+.5f}, largest {largest:.5f}"


def main(_: list[str]) -> None:
    """Prints two lines, or one where --a has a single run."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["a", "b"])
    if len(given.a) != len(given.b):
        raise InputError(f"--a has {len(given.a)} runs, --b {len(given.b)}: expected the same seeds of both")
    print(drift("a - b", list(zip(given.a, given.b, strict=True))))
    if len(given.a) > 1:
        print(drift("two seeds of a", [(given.a[0], given.a[1])]))


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_list("a", [], "workdirs of runs, one for each seed")
    flags.DEFINE_list("b", [], "workdirs of runs that differ in one flag, with the same seeds in the same order")
    run_command(main)
