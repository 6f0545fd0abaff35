#!/usr/bin/env python3
"""Evaluates a trained retriever on one or more benchmarks and writes results, TREC runs and a report.

    python launch/eval.py --model=runs/quickstart --benchmarks=facts --data_dir=DIR --out=runs/eval

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal, 1 anything else.
"""

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.bucket.hold import held_anywhere  # noqa: E402
from hbt_jax.config.devices import ProcessConfig
from hbt_jax.config.evaluation import EvalConfig
from hbt_jax.evaluation.benchmarks.registry import benchmark_folder  # noqa: E402
from hbt_jax.files import check_writable  # noqa: E402
from hbt_jax.places import is_remote  # noqa: E402
from hbt_jax.training.preemption import StopRequest  # noqa: E402


def main(_: list[str]) -> None:
    """Checks the flags, then evaluates."""
    config, processes = command.values(EvalConfig), command.values(ProcessConfig)
    command.require([*([] if config.other else ["model"]), *([] if config.mteb_tasks else ["benchmarks"]), "out"])
    command.require_data_dir(config.benchmarks, config.data_dir)
    if not is_remote(config.out):
        check_writable(config.out)
    for name in config.benchmarks:
        benchmark_folder(name, config.data_dir)
    with StopRequest("stopping; a second signal stops at once") as stop, contextlib.ExitStack() as stack:
        if not processes.coordinator:
            stack.enter_context(held_anywhere(config.out, "--out"))
        # These import jax: only after the flags have been checked.
        if config.mteb_tasks:
            from hbt_jax.interchange.mteb_tasks import run_tasks

            run_tasks(config, stop)
            return
        from hbt_jax.evaluation.evaluate import evaluate_command
        from hbt_jax.mesh import first_process_first, join_processes
        from hbt_jax.peers import watched

        join_processes(processes)
        stack.enter_context(watched(processes.coordinator))
        if processes.coordinator:  # the first process locks it for all
            first_process_first(lambda: stack.enter_context(held_anywhere(config.out, "--out")))
        evaluate_command(config, stop)


if __name__ == "__main__":
    command.define(EvalConfig, ProcessConfig)
    command.run_command(main)
