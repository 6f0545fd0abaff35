#!/usr/bin/env python3
"""Writes a model as a folder that sentence-transformers and transformers load, with a model card.

    python launch/export.py --model=runs/quickstart --out=exports/facts --license=apache-2.0

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal, 1 anything else.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config.export import ExportConfig
from hbt_jax.interchange.overwrite_guard import check_out  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    """Checks the flags, then exports."""
    config = command.values(ExportConfig)
    command.require(["model", "out"])
    check_out(Path(config.out), config.model)
    with StopRequest("stopping; a second signal stops at once") as stop:
        # This imports jax: only after the flags have been checked.
        from hbt_jax.interchange.export import export_command

        export_command(config, stop)


if __name__ == "__main__":
    command.define(ExportConfig)
    command.run_command(main)
