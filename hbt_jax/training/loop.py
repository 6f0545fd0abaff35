"""The training loop: prefetch, update, measure, validate, save; stop when done, when asked, or when it no longer helps.

The host never waits for the device inside an interval: metrics are read one interval late.  Compiling, validating and
saving are kept out of the measured rate.
"""

import collections
import dataclasses
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from hbt_jax.config import RunConfig
from hbt_jax.errors import InputError, TrainingDiverged
from hbt_jax.mesh import put_batch
from hbt_jax.models.model import not_finite_parameter
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints, Record, SaveClock
from hbt_jax.training.metrics_log import LateMetrics, MetricsLog, Throughput, progress_bar

_BATCHES_AHEAD = 2
_BY_FLAGS: Mapping[str, str] = types.MappingProxyType({})
RELEASES = "releases of public data"  # of the stores: told where the data differ, but not compared
_COMPARED_OF_RUN = {"seed", "compute_dtype", "validation_batches"}
_COMPARED_BY_FINGERPRINT = {"stores", "tokenizer", "model"}


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything a loop needs, ready made.

    Attributes:
      run: limits and intervals.
      step_config: the update.
      mesh: where it runs.
      batches: start step -> iterator over packed host batches from that step on, without end.
      validation: packed host batches, the same at every validation; empty for no validation.
      describe: step -> words for the batch of that step (kind, store, languages), for error messages.
      global_batch: pairs of a step.
      record: configuration and data fingerprint to write beside a checkpoint.
      workdir: folder of the run.
      weights: gives the parameters of step 0 by path as host arrays, None for those of the seed.
      leader: whether this process writes metrics and shows progress.
      said: of options left to the model's files, the file that says them, in words.
      agree: turns this process's (stop requested, save due by time) into the same answer on all processes.
    """

    run: RunConfig
    step_config: steps.StepConfig
    mesh: Mesh
    batches: Callable[[int], Iterator[dict]]
    validation: list[dict]
    describe: Callable[[int], str]
    global_batch: int
    record: Record
    workdir: Path
    weights: Callable[[], dict[tuple, np.ndarray] | None] = lambda: None
    leader: bool = True
    said: Mapping[str, str] = dataclasses.field(default_factory=dict)
    agree: Callable[[bool, bool], tuple[bool, bool]] = lambda stop, save: (stop, save)


class Compiled:
    """A jitted function, compiled once for each number of rows in a batch, with the compilations counted.

    Args:
      function: jitted (first, batch) -> anything.
      rate: leaves out the time of compiling.
    """

    def __init__(self, function: Callable, rate: Throughput):
        self._function, self._rate, self._programs = function, rate, {}

    def __call__(self, first, batch: dict):
        """What the function gives for these arguments; compiles first if the batch has a new shape."""
        shape = batch["tokens"].shape
        if shape not in self._programs:
            jax.block_until_ready(first)
            with self._rate.away():
                self._programs[shape] = self._function.lower(first, batch).compile()
        return self._programs[shape](first, batch)

    @property
    def count(self) -> int:
        """Shapes compiled so far."""
        return len(self._programs)


def on_device(batches: Iterable[dict], mesh: Mesh) -> Iterator[dict]:
    """The batches on the mesh, a few transfers ahead of their use."""
    waiting: collections.deque = collections.deque()
    for batch in batches:
        waiting.append(put_batch(batch, mesh))
        if len(waiting) > _BATCHES_AHEAD:
            yield waiting.popleft()
    yield from waiting


def start(job: Job, checkpoints: Checkpoints) -> tuple[steps.TrainState, Record]:
    """The state and record to go on from: the last checkpoint, or the initial weights.

    Raises:
      InputError: --resume forbids or demands a checkpoint, or the checkpoint is of another run.
    """
    saved = check_resume(job.run.resume, checkpoints, job.record, job.workdir, job.said)
    if saved is None:
        checkpoints.forget_best()
        return steps.sharded_initial_state(job.step_config, job.mesh, job.weights()), dataclasses.replace(job.record)
    state = checkpoints.restore_last(steps.abstract_state(job.step_config, job.mesh))
    return state, dataclasses.replace(saved, configuration=job.record.configuration)


def check_resume(
    resume: str, checkpoints: Checkpoints, wanted: Record, workdir: Path, said: Mapping[str, str] = _BY_FLAGS
) -> Record | None:
    """The record of the run to go on from, None for a new run; `said` as for `check_same_run`.

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
    tokenizer and weights are compared by their fingerprints, so their folders may move.  `said` tells of options that
    were left to the model's files which file says them.
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
    changed = [
        f"{name} was {saved.data.get(name)}, now it is {wanted.data.get(name)}"
        for name in dict.fromkeys([*saved.data, *wanted.data])
        if saved.data.get(name) != wanted.data.get(name)
    ]
    if any(saved.data.get(name) != wanted.data.get(name) for name in {*saved.data, *wanted.data} - {RELEASES}):
        raise InputError(
            f"{workdir} holds a run on other data: {'; '.join(changed)}; give the same stores, or another --workdir"
        )
    if saved.plan_scheme != wanted.plan_scheme:
        before = "1 (no scheme on record)" if saved.plan_scheme is None else saved.plan_scheme
        raise InputError(
            f"{workdir} holds a run at step {saved.step} with batches of plan scheme {before}, but this version of"
            f" hbt_jax draws by scheme {wanted.plan_scheme} and would go on with other texts: finish the run with the"
            " version that began it, or give another --workdir (launch/eval.py and launch/export.py read it as it is)"
        )


@jax.jit
def _all_finite(parameters) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters)]).all()


class Loop:
    """One run of the loop; `train` is the way in."""

    def __init__(self, job: Job, checkpoints: Checkpoints, stop_requested: Callable[[], bool]):
        self.job, self.checkpoints, self.stop_requested = job, checkpoints, stop_requested
        self.state, self.record = start(job, checkpoints)
        if broken := not_finite_parameter(self.state.parameters):
            raise InputError(
                f"the weights of step {self.record.step}, which training starts from, are not finite: parameter"
                f" {broken}; start from another --model, or in another --workdir"
            )
        self.rate = Throughput()
        self.update = Compiled(steps.make_train_step(job.step_config, job.mesh), self.rate)
        self.validation_loss = Compiled(steps.make_validation_step(job.step_config, job.mesh), self.rate)
        self.clock = SaveClock(job.run.save_every, 60.0 * job.run.save_minutes)
        self.log = MetricsLog(job.workdir, self.record.step) if job.leader else None
        self.late = LateMetrics()
        self.interval: list = []
        self.stopping = False

    def run(self) -> tuple[steps.TrainState, Record, bool]:
        """Trains to the end or to a stop; returns the state, its record and whether it was stopped by a signal."""
        job = self.job
        self.bar = progress_bar(job.run.steps, self.record.step, job.leader)
        with self.bar:
            if self._validation_due() and self.record.validated_step != self.record.step:
                self._validate()
            self._updates()
            self._save()
        self.checkpoints.wait()
        if self.log:
            self.log.close()
        return self.state, self.record, self.stopping

    def _updates(self) -> None:
        batches = on_device(self.job.batches(self.record.step), self.job.mesh)
        self.rate.restart()
        while self.record.step < self.job.run.steps and not self.stopping and not self._hopeless():
            self.stopping, late = self.job.agree(self.stop_requested(), self.clock.due_by_time())
            if late or self.clock.due_by_step(self.record.step):
                self._save()
            if self.stopping:
                return
            self.state, metrics = self.update(self.state, next(batches))
            self.record.step += 1
            self.interval.append((self.record.step, metrics))
            self.bar.update()
            if self.record.step % self.job.run.log_every == 0:
                self._report()
            if self._validation_due():
                self._validate()

    def _validation_due(self) -> bool:
        step, every = self.record.step, self.job.run.validate_every
        periodic = every > 0 and step > 0 and step % every == 0
        return bool(self.job.validation) and (periodic or step >= self.job.run.steps)

    def _hopeless(self) -> bool:
        return 0 < self.job.run.patience <= self.record.worse_validations

    def _report(self) -> None:
        """Shows the interval before this one, and keeps this one on the device."""
        rows = self.late.swap(self.interval)
        self.interval = []
        self._show(rows)

    def _flush(self) -> None:
        """Waits for the device and shows everything that is left."""
        rows = self.late.swap(self.interval) + self.late.swap([])
        self.interval = []
        self._show(rows)

    def _show(self, rows: list[tuple[int, dict[str, float]]]) -> None:
        if not rows:
            return
        rate = self.rate.read(len(rows) * self.job.global_batch)
        for step, row in rows:
            if not (math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"])):
                what = f"the loss of step {step} is {row['loss']}, its gradient norm {row['gradient_norm']}"
                raise self._diverged(what, step)
        mean = {name: sum(row[name] for _, row in rows) / len(rows) for name in rows[0][1]}
        mean |= {"pairs_per_second": rate, "compiled_shapes": self.update.count}
        self.bar.set_postfix(loss=f"{mean['loss']:.3f}", accuracy=f"{mean['accuracy']:.2f}", pairs_s=f"{rate:.0f}")
        if self.log:
            self.log.write(rows[-1][0], "train", mean)

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        saved = self.checkpoints.step("last")
        kept = "there is no checkpoint yet" if saved is None else f"the last checkpoint, from before, is step {saved}"
        learning = self.job.step_config.learning
        tries = [
            f"a --learning_rate below {learning.learning_rate:g}",
            f"another --clip_norm than {learning.clip_norm:g}",
        ]
        if self.job.run.compute_dtype != "float32":
            tries.append("--compute_dtype=float32")
        return TrainingDiverged(
            f"{what} ({self.job.describe(step - 1)}); the weights were finite at the start; {kept}; what can be tried,"
            f" in another --workdir: {', '.join(tries)}"
        )

    def _validate(self) -> None:
        job, record = self.job, self.record
        losses = []
        self._flush()
        with self.rate.away():
            for batch in job.validation:
                self.stopping = job.agree(self.stop_requested(), False)[0]
                if self.stopping:
                    return
                losses.append(self.validation_loss(self.state.parameters, put_batch(batch, job.mesh)))
            loss = sum(float(value) for value in jax.device_get(losses)) / len(losses)
        if not math.isfinite(loss):
            raise self._diverged(f"the validation loss after step {record.step} is {loss}", record.step)
        record.validated_step = record.step
        better = record.best_loss is None or loss < record.best_loss
        record.worse_validations = 0 if better else record.worse_validations + 1
        if better:
            record.best_loss, record.best_step = loss, record.step
            with self.rate.away():
                self.checkpoints.save_best(self.state, record)
            self._save()  # so that the state to go on from knows of it
        if self.log:
            self.log.write(record.step, "validation", {"loss": loss})

    def _save(self) -> None:
        self._flush()
        with self.rate.away():
            if not bool(_all_finite(self.state.parameters)):  # the checkpoint from before must stay
                raise self._diverged(f"after step {self.record.step} parameters are not finite", self.record.step)
            self.checkpoints.save_last(self.state, self.record)
            self.clock.saved()


def train(
    job: Job, checkpoints: Checkpoints, stop_requested: Callable[[], bool]
) -> tuple[steps.TrainState, Record, bool]:
    """Trains until `job.run.steps`, a stop request, or `job.run.patience` validations without a better loss.

    Returns:
      The last state, its record, and whether a stop request ended it.

    Raises:
      InputError: see `start`.
      TrainingDiverged: a loss is not finite; names the step, the batch kind and the languages.
    """
    return Loop(job, checkpoints, stop_requested).run()
