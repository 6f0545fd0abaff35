#!/usr/bin/env python3
r"""Finds hard negatives for the pairs of stores by a model, and writes stores that have them.

    python launch/mine.py --model=runs/quickstart --stores=runs/data/facts/train --out=runs/mined

An item of the store is a negative of a pair if the model ranks one of its texts high for the query, it does not answer
the query, and it scores less than the positive by a margin.  Run the same command again to resume.

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal (run it again to resume), 1 anything else.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config.mine import MineConfig
from hbt_jax.data.manifest import read_manifest  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    """Checks the flags, then mines."""
    config = command.values(MineConfig)
    command.require(["model", "stores", "out"])
    for store in config.stores:
        read_manifest(store)
    with StopRequest("stopping; a second signal stops at once") as stop:
        # This imports jax: only after the flags have been checked.
        from hbt_jax.mining.job import mine_command

        mine_command(config, stop)


if __name__ == "__main__":
    command.define(MineConfig)
    command.run_command(main)
