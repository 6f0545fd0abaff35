"""The training loop and what it offers to hooks: logging, validation, evaluation and checkpoints are hooks.

    trainer = Trainer(step_config, mesh, batches, checkpoints, state, record, stop_requested)
    trainer.add_hook(LogMetrics(...), every=20)
    trainer.run()

The host never waits for the device inside an interval.  A hook that has to wait does so inside `trainer.paused()`,
which first shows the metrics that are still on the device and keeps the time out of the measured rate.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from hbt_jax.errors import InputError, Interrupted, TrainingDiverged
from hbt_jax.mesh import put_batch
from hbt_jax.models.model import not_finite_parameter
from hbt_jax.models.utilisation import update_flops
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints, Record, SaveClock
from hbt_jax.training.metrics_log import Throughput

_BATCHES_AHEAD = 2
_POLL_SECONDS = 0.1


class Batches(Protocol):
    """What a run trains on.

    Attributes:
      global_batch: pairs of a step over all devices.
    """

    global_batch: int

    def __call__(self, start: int) -> Iterator[dict]:
        """Packed host batches of the steps from `start` on, without end."""

    def describe(self, step: int) -> str:
        """The batch of a step in words (kind, store, languages), for error messages."""


class Hook:
    """Something a run does besides its updates; a subclass overrides what it needs."""

    def start(self, trainer: "Trainer") -> None:
        """Called once, before the first update of this process."""

    def __call__(self, trainer: "Trainer") -> None:
        """Called after every n-th update, as `Trainer.add_hook` was told."""

    def pause(self, trainer: "Trainer") -> None:
        """Called before the trainer waits for the device."""

    def close(self) -> None:
        """Called when the run ends, whether or not it failed."""


class Compiled:
    """A jitted function, compiled once for each number of rows in a batch, with the compilations counted.

    Args:
      function: jitted (first, batch) -> anything.
      compiled: compiles what the function's `lower` returns.
    """

    def __init__(self, function: Callable, compiled: Callable):
        self._function, self._compiled, self._programs = function, compiled, {}

    def __call__(self, first, batch: dict):
        """Calls the function; compiles it first if the batch has a new shape."""
        shape = batch["tokens"].shape
        if shape not in self._programs:
            jax.block_until_ready(first)
            self._programs[shape] = self._compiled(self._function.lower(first, batch))
        return self._programs[shape](first, batch)

    @property
    def count(self) -> int:
        """Shapes compiled so far."""
        return len(self._programs)


def on_device(batches: Iterable[dict], mesh: Mesh) -> Iterator[dict]:
    """The batches on the mesh, transferred a few steps before they are used."""
    waiting: collections.deque = collections.deque()
    for batch in batches:
        waiting.append(put_batch(batch, mesh))
        if len(waiting) > _BATCHES_AHEAD:
            yield waiting.popleft()
    yield from waiting


@jax.jit
def _all_finite(parameters) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters)]).all()


@dataclasses.dataclass
class Trainer:
    """Applies updates and calls hooks.

    Attributes:
      step_config: the update; its `steps` is the length of the run.
      mesh: where it runs.
      batches: what it trains on.
      checkpoints: where the state is saved.
      state: parameters and optimizer; replaced by every update.
      record: what the next checkpoint says besides its arrays; its `step` counts the updates applied.
      stop_requested: whether the run has been asked to stop; the same answer on every process.
      stop_alone: the same, known at once, where no other process has to agree; else False.
      clock: decides when the next periodic checkpoint is due.
      rate: pairs per second.
      update: the compiled update.
      unread: (step, metrics on the device) of the updates that no hook has read yet.
      stopping: whether the run ends because it was asked to.
      compiles: whether it ends so while a thread still compiles.
      compilations: programs compiled so far, of updates and of validation.
      ended_early: set by a hook to end the run because more updates do not help.
    """

    step_config: steps.StepConfig
    mesh: Mesh
    batches: Batches
    checkpoints: Checkpoints
    state: steps.TrainState
    record: Record
    stop_requested: Callable[[], bool]
    clock: SaveClock
    stop_alone: Callable[[], bool] = lambda: False
    rate: Throughput = dataclasses.field(default_factory=Throughput)
    unread: list = dataclasses.field(default_factory=list)
    stopping: bool = False
    compiles: bool = False
    compilations: int = 0
    ended_early: bool = False

    def __post_init__(self) -> None:
        self.update = Compiled(steps.make_train_step(self.step_config, self.mesh), self.compiled)
        self._hooks: list[tuple[Hook, int]] = []

    @property
    def step(self) -> int:
        """Updates applied."""
        return self.record.step

    def add_hook(self, hook: Hook, every: int = 1) -> None:
        """Has a hook called after every `every`-th update of the run; hooks are called in the order they are added."""
        self._hooks.append((hook, every))

    def run(self) -> None:
        """Trains until the last step, a stop request, or a hook that sets `ended_early`; then saves.

        Raises:
          InputError: the initial weights are not finite, or the disk is full.
          TrainingDiverged: a loss or a parameter is not finite; names the step, the batch kind and the languages.
        """
        self._check_initial_weights()
        try:
            for hook, _ in self._hooks:
                hook.start(self)
            self._updates()
            self.save()
            self.checkpoints.wait()
        finally:
            for hook, _ in self._hooks:
                hook.close()

    def _updates(self) -> None:
        batches = on_device(self.batches(self.step), self.mesh)
        self.rate.restart()
        while self.step < self.step_config.steps and not (self.stopping or self.ended_early):
            self.stopping = self.stop_requested()
            if self.stopping:
                return
            with self.rate.waiting():
                batch = next(batches)
            try:
                self.state, metrics = self.update(self.state, batch)
            except Interrupted:
                self.stopping = True
                return
            self.record.step += 1
            self.unread.append((self.step, metrics | {"flops": self._flops(batch)}))
            for hook, every in self._hooks:
                if self.step % every == 0:
                    hook(self)

    def _flops(self, batch: dict) -> float:
        shares, rows, length = batch["tokens"].shape
        queries, passages = (shares * batch[slots].shape[1] for slots in ("query_slots", "passage_slots"))
        return update_flops(self.step_config.encoder, shares * rows, length, queries, passages)

    def compiled(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled:
        """A program, compiled in a thread: that can take minutes, too long for a stop to wait; not counted as training.

        Raises:
          Interrupted: the run has been asked to stop meanwhile; the thread still compiles.
        """
        result = concurrent.futures.Future()

        def work() -> None:
            try:
                result.set_result(lowered.compile())
            except BaseException as error:
                result.set_exception(error)

        with self.rate.away():
            threading.Thread(target=work, daemon=True).start()
            while not concurrent.futures.wait([result], _POLL_SECONDS).done:
                if self.stop_alone():
                    self.compiles = True
                    raise Interrupted("during compilation")
            program = result.result()
            self.compilations += 1
            return program

    def check_stop(self) -> None:
        """For long work in a hook: raises Interrupted, on every process at once, if the run has been asked to stop."""
        if self.stop_requested():
            raise Interrupted("as requested")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Has hooks read what is still on the device; the time spent in the block does not count as training."""
        for hook, _ in self._hooks:
            hook.pause(self)
        with self.rate.away():
            yield

    def save(self, *, is_best: bool = False) -> None:
        """Starts to save the state and, if it is the best so far, its parameters as the best.

        Raises:
          TrainingDiverged: a parameter is not finite; nothing is saved, so the previous checkpoint is kept.
        """
        with self.paused():
            if not bool(_all_finite(self.state.parameters)):
                raise self.diverged(f"after step {self.step} parameters are not finite", self.step)
            if is_best:
                self.checkpoints.save_best(self.state, self.record)
            self.checkpoints.save_last(self.state, self.record)
            self.clock.saved()

    def diverged(self, what: str, step: int) -> TrainingDiverged:
        """The error for numbers that are not finite: what they are, where they came from and what to try."""
        saved = self.checkpoints.step("last")
        kept = "there is no checkpoint yet" if saved is None else f"the last checkpoint, from before, is step {saved}"
        learning = self.step_config.learning
        tries = [
            f"a --learning_rate below {learning.learning_rate:g}",
            f"another --clip_norm than {learning.clip_norm:g}",
        ]
        if self.step_config.compute_dtype != "float32":
            tries.append("--compute_dtype=float32")
        return TrainingDiverged(
            f"{what} ({self.batches.describe(step - 1)}); the weights were finite at the start; {kept}; what can be"
            f" tried, in another --workdir: {', '.join(tries)}"
        )

    def _check_initial_weights(self) -> None:
        if broken := not_finite_parameter(self.state.parameters):
            raise InputError(
                f"the weights of step {self.step}, which training starts from, are not finite: parameter {broken};"
                " start from another --model, or in another --workdir"
            )
