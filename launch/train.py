#!/usr/bin/env python3
"""Trains a retriever: prepares data when asked to, trains, evaluates, writes a report.

    python launch/train.py --flagfile=launch/flagfiles/quickstart.flags --workdir=runs/quickstart

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal after saving (the same command goes on), 1 all else.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config import TRAIN_PARTS, ProcessConfig, TrainConfig  # noqa: E402
from hbt_jax.data.manifest import read_manifest  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.evaluation.benchmarks.registry import check_known  # noqa: E402
from hbt_jax.holding import held  # noqa: E402
from hbt_jax.places import is_remote  # noqa: E402
from hbt_jax.training.preemption import StopRequest, end_with_parent, run_child  # noqa: E402

PREPARED = {"facts": ROOT / "data_prep" / "prepare_facts.py"}


def prepare(config: TrainConfig, stop: StopRequest) -> None:
    """Runs the script that builds what --prepare names, in a process of its own.

    Raises:
      InputError: the script failed (it has said why).
      Interrupted: a signal came meanwhile.
    """
    source = config.run.prepare
    script = [
        sys.executable,
        str(PREPARED[source]),
        f"--out_dir={Path(config.run.prepared_dir) / source}",
        f"--vocabulary={config.run.vocabulary}",
    ]
    code = run_child(script, stop)
    if stop.requested:
        raise Interrupted("while preparing data; finished pieces are kept, the same command goes on")
    if code:
        raise InputError(f"--prepare={source} failed with exit code {code}; its message stands above")


def check(config: TrainConfig) -> None:
    """Raises InputError for combinations of flags that no single part can see."""
    command.require(["workdir", "stores"])
    if config.run.patience and not (config.run.validate_every and config.run.validation_stores):
        raise InputError(f"--patience={config.run.patience} needs --validate_every and --validation_stores")
    if config.run.validate_every and not config.run.validation_stores:
        raise InputError(f"--validate_every={config.run.validate_every} needs --validation_stores")
    if config.run.evaluate_untrained and not config.run.benchmarks:
        raise InputError("--evaluate_untrained needs --benchmarks")
    if config.run.layer_probe and not config.run.benchmarks:
        raise InputError(f"--layer_probe={config.run.layer_probe} needs --benchmarks")
    if config.run.prepare and config.run.prepare not in PREPARED:
        raise InputError(f"--prepare={config.run.prepare}: expected one of {', '.join(PREPARED)}")
    command.require_data_dir(config.run.benchmarks, config.run.data_dir)
    for name in config.run.benchmarks:  # not after hours of training
        check_known(name)
    for store in (*config.plan.stores, *config.run.validation_stores):  # not after the seconds that imports take
        if not (config.run.prepare or is_remote(store)):
            read_manifest(store)


@contextlib.contextmanager
def folders_held(config: TrainConfig) -> Iterator[None]:
    """Holds the folders that the run writes: of several processes of a job, the first one holds them for all."""
    workdir = Path(config.run.workdir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(held(workdir, "--workdir"))
        if config.run.benchmarks:  # launch/eval.py may be writing there, which would be known after hours otherwise
            stack.enter_context(held(workdir / "evaluation", "--workdir"))
        yield


def main(_: list[str]) -> None:
    """Checks the flags, then prepares, trains and evaluates what they ask for."""
    end_with_parent()
    config = TrainConfig(**{part: command.values(kind) for part, kind in TRAIN_PARTS.items()})
    processes = command.values(ProcessConfig)
    check(config)
    with StopRequest() as stop, contextlib.ExitStack() as stack:
        if not processes.coordinator:
            stack.enter_context(folders_held(config))
        # These import jax and tensorflow: only once the flags are known to be good.
        from hbt_jax.evaluation.evaluate import evaluate_workdir
        from hbt_jax.mesh import first_process_first, join_processes
        from hbt_jax.training.run import train_run

        join_processes(processes)
        if processes.coordinator:
            first_process_first(lambda: stack.enter_context(folders_held(config)))
        if config.run.prepare:
            first_process_first(lambda: prepare(config, stop))
        mesh = train_run(config, stop)
        if config.run.benchmarks:
            evaluate_workdir(config, mesh, stop)


if __name__ == "__main__":
    command.define(*TRAIN_PARTS.values(), ProcessConfig)
    command.run_command(main)
