#!/usr/bin/env python3
"""Tests whether, and by how much, systems differ on the benchmarks that all of them were evaluated on.

    python launch/compare.py --a=runs/hybrid_0,runs/hybrid_1 --b=runs/mono_0,runs/mono_1 --out=runs/compared

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal, 1 anything else.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import Interrupted  # noqa: E402
from hbt_jax.holding import held  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    """Checks the flags, then compares."""
    config = command.values(CompareConfig)
    command.require(["out"] if config.systems else ["a", "b", "out"])
    with StopRequest("stopping; a second signal stops at once") as stop, held(config.out, "--out"):
        # This imports scipy: only after the flags have been checked.
        from hbt_jax.evaluation.compare import compare_command
        from hbt_jax.evaluation.compare_many import compare_many_command

        def poll() -> None:
            if stop.requested:
                raise Interrupted("during the comparison; nothing was written; run the command again")

        (compare_many_command if config.systems else compare_command)(config, poll)


if __name__ == "__main__":
    command.define(CompareConfig)
    command.run_command(main)
