#!/usr/bin/env python3
"""Evaluates a trained retriever on one or more benchmarks and writes results, TREC runs and a report.

    python launch/eval.py --model=runs/quickstart --benchmarks=facts --data_dir=runs/data/facts/benchmarks --out=runs/eval

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal, 1 anything else.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config import EvalConfig  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    config = command.values(EvalConfig)
    command.require(["model", "benchmarks", "data_dir", "out"])
    with StopRequest() as stop:
        from hbt_jax.evaluation.job import evaluate_command  # imports jax: only after the flags are known to be good

        evaluate_command(config, stop)


if __name__ == "__main__":
    command.define(EvalConfig)
    command.run_command(main)
