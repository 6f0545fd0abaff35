"""What a run starts from: its last checkpoint if that belongs to the same run, else the initial weights."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jax.sharding import Mesh

from hbt_jax.errors import InputError
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints, Record

_BY_FLAGS: Mapping[str, str] = types.MappingProxyType({})
RELEASES = "releases of public data"  # of the stores: told where the data differ, but not compared
_COMPARED_OF_RUN = {"seed", "compute_dtype", "validation_batches"}
_COMPARED_BY_FINGERPRINT = {"stores", "tokenizer", "model"}


def first_state(
    checkpoints: Checkpoints,
    saved: Record | None,
    wanted: Record,
    step_config: steps.StepConfig,
    mesh: Mesh,
    weights: Callable[[], dict[tuple, np.ndarray] | None] = lambda: None,
) -> tuple[steps.TrainState, Record]:
    """The state and record that a run starts from.

    Args:
      checkpoints: of the run.
      saved: the record that `check_resume` found, None for a new run.
      wanted: the record of this command; not changed.
      step_config: the update.
      mesh: where the state goes.
      weights: gives the parameters of step 0 by path as host arrays, None for those of the seed.
    """
    if saved is None:
        checkpoints.forget_best()
        return steps.sharded_initial_state(step_config, mesh, weights()), dataclasses.replace(wanted)
    state = checkpoints.restore_last(steps.abstract_state(step_config, mesh))
    return state, dataclasses.replace(saved, configuration=wanted.configuration)


def check_resume(
    resume: str, checkpoints: Checkpoints, wanted: Record, workdir: Path, said: Mapping[str, str] = _BY_FLAGS
) -> Record | None:
    """The record of the run to resume, None for a new run; `said` as for `check_same_run`.

    Raises:
      InputError: --resume forbids or demands a checkpoint, or the checkpoint is of another run.
    """
    found = checkpoints.step("last")
    if found is None:
        if resume == "must":
            raise InputError(f"--resume=must, but {workdir} holds no checkpoint: check --workdir, or use --resume=auto")
        return None
    if resume == "never":
        raise InputError(f"--resume=never, but {workdir} holds a checkpoint at step {found}: choose another --workdir")
    saved = checkpoints.record("last")
    check_same_run(saved, wanted, workdir, said)
    return saved


def check_same_run(saved: Record, wanted: Record, workdir: Path, said: Mapping[str, str] = _BY_FLAGS) -> None:
    """Raises InputError, naming each difference, if a checkpoint was made with other data, settings or plan scheme.

    Of the part `run` only what changes a result must be equal: intervals and the length of a run may change.  Stores,
    tokenizer and weights are compared by their fingerprints, so their folders may move.  `said` names, for options
    that were left to the model's files, the file that sets them.
    """
    differences = []
    for part, values in wanted.configuration.items():
        before = saved.configuration.get(part, {})
        names = _COMPARED_OF_RUN if part == "run" else set(values) - _COMPARED_BY_FINGERPRINT
        differences += [
            f"--{name}={before.get(name)} became {values.get(name)}" + (f", by {said[name]}" if name in said else "")
            for name in sorted(names)
            if before.get(name) != values.get(name)
        ]
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
            f" hbt_jax draws by scheme {wanted.plan_scheme} and would go on with other texts: finish the run with the"
            " version that began it, or give another --workdir (launch/eval.py and launch/export.py read it as it is)"
        )


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
