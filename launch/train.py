#!/usr/bin/env python3
"""Trains a retriever: prepares data if asked to, trains, evaluates and writes a report.

    python launch/train.py --flagfile=launch/flagfiles/quickstart.flags --workdir=runs/quickstart

Exit codes: 0 done, 2 bad flags or input, 3 stopped by a signal after saving, 1 anything else.  After 3, run the same
command again to resume.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.bucket.hold import held_anywhere  # noqa: E402
from hbt_jax.config.devices import ProcessConfig  # noqa: E402
from hbt_jax.config.training import TRAIN_PARTS, TrainConfig  # noqa: E402
from hbt_jax.config.values import VALIDATION_LOSS  # noqa: E402
from hbt_jax.data.manifest import read_manifest  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.evaluation.benchmarks.registry import check_known  # noqa: E402
from hbt_jax.evaluation.during_training import DevEvaluation, check_names  # noqa: E402
from hbt_jax.places import is_remote  # noqa: E402
from hbt_jax.training.preemption import StopRequest, end_with_parent, run_child  # noqa: E402

PREPARED = {"facts": ROOT / "data_prep" / "prepare_facts.py"}


def prepare(config: TrainConfig, stop: StopRequest) -> None:
    """Runs the script that builds what --prepare names, in a separate process.

    Raises:
      InputError: the script failed (it has printed why).
      Interrupted: a signal arrived.
    """
    source = config.preparation.prepare
    script = [
        sys.executable,
        str(PREPARED[source]),
        f"--out_dir={Path(config.preparation.prepared_dir) / source}",
        f"--vocabulary={config.preparation.vocabulary}",
    ]
    code = run_child(script, stop)
    if stop.requested:
        raise Interrupted("while preparing data; finished parts are kept: run the same command again to resume")
    if code:
        raise InputError(f"--prepare={source} failed with exit code {code}; see its message above")


def check_measures(config: TrainConfig) -> None:
    """Raises InputError if something is to be measured during training but cannot be."""
    chosen = config.validation
    needed = "--validate_every and --validation_stores"
    is_periodic = chosen.validate_every and chosen.validation_stores
    if chosen.best_metric != VALIDATION_LOSS:
        needed, is_periodic = "--evaluate_every and --dev_benchmarks", chosen.evaluate_every and chosen.dev_benchmarks
        if not is_periodic:
            raise InputError(f"--best_metric={chosen.best_metric} needs {needed}")
    if chosen.patience and not is_periodic:
        raise InputError(f"--patience={chosen.patience} needs {needed}")
    if chosen.validate_every and not chosen.validation_stores:
        raise InputError(f"--validate_every={chosen.validate_every} needs --validation_stores")
    if bool(chosen.evaluate_every) != bool(chosen.dev_benchmarks):
        raise InputError(
            f"--evaluate_every={chosen.evaluate_every} --dev_benchmarks={','.join(chosen.dev_benchmarks)}: expected"
            " both or neither"
        )
    check_names(chosen.dev_benchmarks, config.evaluation.data_dir, chosen.best_metric)


def check(config: TrainConfig) -> None:
    """Raises InputError for combinations of flags that no single part of the configuration can check."""
    command.require(["workdir", "stores"])
    check_measures(config)
    if config.evaluation.evaluate_untrained and not config.evaluation.benchmarks:
        raise InputError("--evaluate_untrained needs --benchmarks")
    if config.evaluation.layer_probe and not config.evaluation.benchmarks:
        raise InputError(f"--layer_probe={config.evaluation.layer_probe} needs --benchmarks")
    if config.preparation.prepare and config.preparation.prepare not in PREPARED:
        raise InputError(f"--prepare={config.preparation.prepare}: expected one of {', '.join(PREPARED)}")
    distillation = config.teaching.distillation
    if distillation != "none" and not config.plan.negatives:
        raise InputError(f"--distillation={distillation} needs --negatives: it compares the teacher's scores of them")
    command.require_data_dir(config.evaluation.benchmarks, config.evaluation.data_dir)
    for name in config.evaluation.benchmarks:
        check_known(name)
    for store in (*config.plan.stores, *config.validation.validation_stores):  # before slow imports
        if not (config.preparation.prepare or is_remote(store)):
            read_manifest(store)


@contextlib.contextmanager
def folders_held(config: TrainConfig) -> Iterator[None]:
    """Locks the folders that the run writes; if a job has several processes, the first one locks them for all."""
    workdir = config.run.workdir.rstrip("/")
    with contextlib.ExitStack() as stack:
        stack.enter_context(held_anywhere(workdir, "--workdir"))
        if config.evaluation.benchmarks:  # launch/eval.py may be writing there: fail now, not after hours
            stack.enter_context(held_anywhere(f"{workdir}/evaluation", "--workdir"))
        yield


def dev_evaluation(config: TrainConfig, stop: StopRequest) -> DevEvaluation | None:
    """The evaluator for use during training, with its benchmarks read; None if there is nothing to evaluate."""
    chosen = config.validation
    if not chosen.evaluate_every:
        return None
    return DevEvaluation(chosen.dev_benchmarks, config.evaluation.data_dir, chosen.best_metric, lambda: stop.requested)


def embeddings(config: TrainConfig, stop: StopRequest) -> list:
    """What embeds the stores by --guide_model and by --anchor_model, as far as they are given."""
    if not (config.teaching.guide_model or config.teaching.anchor_model):
        return []
    from hbt_jax.mining.guide import AnchorModel, GuideModel

    def poll() -> None:
        if stop.requested:
            raise Interrupted("while the stores are embedded; run the same command again to resume")

    return [kind(config, poll) for kind in (GuideModel, AnchorModel) if getattr(config.teaching, kind.flag)]


def main(_: list[str]) -> None:
    """Checks the flags, then prepares, trains and evaluates what they ask for."""
    end_with_parent()
    config = TrainConfig(**{part: command.values(kind) for part, kind in TRAIN_PARTS.items()})
    processes = command.values(ProcessConfig)
    check(config)
    with StopRequest() as stop, contextlib.ExitStack() as stack:
        if not processes.coordinator:
            stack.enter_context(folders_held(config))
        # These import jax and tensorflow: only after the flags have been checked.
        from hbt_jax.evaluation.evaluate import check_benchmarks, evaluate_workdir
        from hbt_jax.mesh import first_process_first, join_processes
        from hbt_jax.peers import watched
        from hbt_jax.training.train import train

        join_processes(processes)
        stack.enter_context(watched(processes.coordinator))
        if processes.coordinator:
            first_process_first(lambda: stack.enter_context(folders_held(config)))
        if config.preparation.prepare:
            first_process_first(lambda: prepare(config, stop))
        first_process_first(lambda: check_benchmarks(config))  # now, not after hours of training
        mesh = train(config, stop, dev_evaluation(config, stop), embeddings(config, stop))
        if config.evaluation.benchmarks:
            evaluate_workdir(config, mesh, stop)


if __name__ == "__main__":
    command.define(*TRAIN_PARTS.values(), ProcessConfig)
    command.run_command(main)
