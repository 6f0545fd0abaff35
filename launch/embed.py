#!/usr/bin/env python3
r"""Embeds texts into a .npy or Parquet file, or prints for each line of text the lines most similar to it.

    python launch/embed.py --model=runs/quickstart --input=texts.txt --output=texts.npy --side=passage
    printf 'Hello\nHallo\nbread\n' | python launch/embed.py --model=runs/quickstart --nearest=2

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal with nothing written, 1 anything else.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config.embed import EmbedConfig
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    """Checks the flags, then embeds."""
    config = command.values(EmbedConfig)
    command.require(["model", "input"])
    if not (config.output or config.nearest):
        raise InputError(
            "--output is needed: the .npy or .parquet file to write; or --nearest=K to print nearest texts"
        )
    with StopRequest("stopping; a second signal stops at once") as stop:
        # This imports jax: only after the flags have been checked.
        from hbt_jax.interchange.embed_job import embed_command

        embed_command(config, stop)


if __name__ == "__main__":
    command.define(EmbedConfig)
    command.run_command(main)
