"""What a run starts from: its last checkpoint if that belongs to the same run, else the initial weights."""

import dataclasses
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax.config.learning import LearningConfig, ModelConfig, PlanConfig, TeachingConfig, TextConfig
from hbt_jax.config.training import TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.mesh import any_process, from_first_process
from hbt_jax.models.encoder import EncoderConfig
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints, Record
from hbt_jax.training.initial_model import one_spelling

Value = TypeVar("Value")

_BY_FLAGS: Mapping[str, str] = types.MappingProxyType({})
RELEASES = "releases of public data"  # of the stores: reported if the data differ, but not compared
_PARTS = PlanConfig, TextConfig, ModelConfig, LearningConfig, TeachingConfig
_COMPARED = {  # what changes a result; stores, tokenizer and models are compared by their fingerprints
    *(
        field.name
        for part in (PlanConfig, TextConfig, ModelConfig, LearningConfig, TeachingConfig)
        for field in fields(part)
    ),
    *("seed", "compute_dtype", "validation_batches", "best_metric"),
} - {"stores", "tokenizer", "model", "guide_model", "anchor_model"}


def first_state(
    checkpoints: Checkpoints,
    saved: Record | None,
    wanted: Record,
    step_config: steps.StepConfig,
    mesh: Mesh,
    weights: Callable[[], dict[tuple, np.ndarray] | None] = lambda: None,
) -> tuple[steps.TrainState, Record]:
    """The state and record that a run starts from; checkpoints newer than the one it continues from are set aside.

    Args:
      checkpoints: of the run.
      saved: the record that `check_resume` found, None for a new run.
      wanted: the record of this command; not changed.
      step_config: the update.
      mesh: where the state goes.
      weights: gives the parameters of step 0 by path as host arrays, None for those of the seed.

    Raises:
      InputError: no checkpoint can be used.
    """
    if saved is None:
        checkpoints.forget_best()
        return steps.sharded_initial_state(step_config, mesh, weights()), dataclasses.replace(wanted)
    target = steps.abstract_state(step_config, mesh)

    def read(step: int) -> tuple[steps.TrainState, Record]:
        record = saved if step == saved.step else _undamaged_record(checkpoints, step)
        return checkpoints.restore_last(target, step), record

    state, record = _newest_usable(checkpoints, read)
    if checkpoints.unusable:
        _say(f"continuing from the previous checkpoint, at step {record.step}")
        checkpoints.go_back(record.step)
    return state, dataclasses.replace(record, configuration=wanted.configuration)


def _newest_usable(checkpoints: Checkpoints, read: Callable[[int], Value]) -> Value:
    """What `read` returns for the newest step at which it works on every process; says why others are unusable.

    Raises:
      InputError: there is no such step.
    """
    for step in checkpoints.steps("last"):
        if step in checkpoints.unusable:
            continue
        failed = value = None
        try:
            value = read(step)
        except InputError as error:
            failed = error
        if not any_process(failed is not None):
            return value
        why = str(failed or "another process cannot read it")
        checkpoints.unusable[step] = why
        _say(f"the checkpoint of step {step} is unusable: {why}")
    reasons = "; ".join(f"step {step}: {why}" for step, why in checkpoints.unusable.items())
    raise InputError(
        f"no checkpoint of this run can be used ({reasons}): restore the files, or choose another --workdir"
    )


def _undamaged_record(checkpoints: Checkpoints, step: int) -> Record:
    """The record of the checkpoint "last" of a step; raises InputError if its files are not as they were written."""
    damage = from_first_process(checkpoints.damage(step) if jax.process_index() == 0 else None)
    if damage:
        raise InputError(damage)
    return checkpoints.record("last", step)


def _say(text: str) -> None:
    if jax.process_index() == 0:
        print(text, file=sys.stderr, flush=True)


def check_resume(
    resume: str,
    checkpoints: Checkpoints,
    wanted: Record,
    workdir: Path,
    said: Mapping[str, str] = _BY_FLAGS,
    encoder: EncoderConfig | None = None,
) -> Record | None:
    """The record of the run to resume, None for a new run; `said` and `encoder` as for `check_same_run`.

    It is that of the newest checkpoint whose files are as they were written.

    Raises:
      InputError: --resume forbids or demands a checkpoint, all are damaged, or they belong to another run.
    """
    found = checkpoints.step("last")
    if found is None:
        if resume == "must":
            raise InputError(f"--resume=must, but {workdir} holds no checkpoint: check --workdir, or use --resume=auto")
        return None
    if resume == "never":
        raise InputError(f"--resume=never, but {workdir} holds a checkpoint at step {found}: choose another --workdir")
    saved = _newest_usable(checkpoints, lambda step: _undamaged_record(checkpoints, step))
    check_same_run(saved, wanted, workdir, said, encoder)
    return saved


def check_same_run(
    saved: Record,
    wanted: Record,
    workdir: Path,
    said: Mapping[str, str] = _BY_FLAGS,
    encoder: EncoderConfig | None = None,
) -> None:
    """Checks that a checkpoint was made with the same data, settings and plan scheme.

    Only what changes a result must be equal, however it is spelled: intervals and the length of a run may change.
    Stores, tokenizer and weights are compared by their fingerprints, so their folders may move.

    Args:
      saved: the record of the checkpoint.
      wanted: the record of this command.
      workdir: the run, for messages.
      said: for options that were left to the model's files, the file that sets them, in words.
      encoder: the architecture, which gives expressions for layers their meaning; None compares them as spelled.

    Raises:
      InputError: something differs; names each difference.
    """
    before, now = (TrainConfig.from_json(record.configuration) for record in (saved, wanted))
    spelled = [one_spelling(config, encoder) for config in (before, now)]
    differences = []
    for name in sorted(_COMPARED):
        values = [options[name] for options in spelled]
        if values[0] != values[1]:
            given = [config.options()[name] for config in (before, now)]
            was, became = map(_shown, given if given[0] != given[1] else values)
            differences.append(f"--{name}={was} became {became}" + (f", by {said[name]}" if name in said else ""))
    if differences:
        raise InputError(
            f"{workdir} holds a run with other settings: {'; '.join(differences)};"
            " give the same flags, or another --workdir"
        )
    _check_same_data(saved, wanted, workdir)
    if saved.plan_scheme != wanted.plan_scheme:
        before = "1 (no scheme on record)" if saved.plan_scheme is None else saved.plan_scheme
        raise InputError(
            f"{workdir} holds a run at step {saved.step} with batches of plan scheme {before}, but this version of"
            f" hbt_jax draws by scheme {wanted.plan_scheme} and would continue with other texts: finish the run with"
            " the version that began it, or give another --workdir (launch/eval.py and launch/export.py still read it)"
        )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _check_same_data(saved: Record, wanted: Record, workdir: Path) -> None:
    names = dict.fromkeys([*saved.data, *wanted.data])
    changed = {
        name: f"{name} was {saved.data.get(name)}, now it is {wanted.data.get(name)}"
        for name in names
        if saved.data.get(name) != wanted.data.get(name)
    }
    if changed.keys() - {RELEASES}:
        raise InputError(
            f"{workdir} holds a run on other data: {'; '.join(changed.values())}; give the same stores, or another"
            " --workdir"
        )
