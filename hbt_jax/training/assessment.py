"""How good the model is during training: the loss on validation stores and the metrics of dev benchmarks.

The values taken after a step are written as one row for each measure.  One metric decides: its best step's parameters
are kept as the best checkpoint, and patience ends the run when it stops improving.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import jax
from jax.sharding import Mesh

from hbt_jax.config.values import VALIDATION_LOSS
from hbt_jax.errors import Interrupted
from hbt_jax.mesh import put_batch
from hbt_jax.models.model import Model
from hbt_jax.training import step as steps
from hbt_jax.training.metrics_log import DEV, VALIDATION, MetricsLog
from hbt_jax.training.trainer import Compiled, Hook, Trainer


@dataclasses.dataclass(frozen=True)
class BestMetric:
    """The metric that decides which checkpoint is best.

    Attributes:
      name: `validation_loss`, or that of a metric of a dev benchmark.
      is_higher_better: whether larger values are better.
    """

    name: str = VALIDATION_LOSS
    is_higher_better: bool = False

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far (None: there is none)."""
        return best is None or (value > best if self.is_higher_better else value < best)


class DevEvaluator(Protocol):
    """Evaluates the model in training on benchmarks; hbt_jax/evaluation/during_training.py makes one.

    Attributes:
      metrics: name of each metric -> whether higher is better.
    """

    metrics: Mapping[str, bool]

    def __call__(self, model: Model, mesh: Mesh, poll: Callable[[], None]) -> dict[str, float]:
        """The metrics by name, the same on every process.

        Args:
          model: as it is now.
          mesh: where its parameters are.
          poll: called now and then, equally often on every process; raises Interrupted on all of them to stop.
        """


class Measure(Protocol):
    """Something measured every so many steps, and after the last one.

    Attributes:
      split: names its rows in the metrics log.
      every: steps between two values; 0: after the last step only.
    """

    split: str
    every: int

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The values by name; raises Interrupted if the run is to stop."""


class ValidationLoss:
    """The mean loss over fixed batches, without dropout.

    Args:
      step_config: the update whose loss it is.
      batches: packed host batches, the same every time.
      every: as of a Measure.
    """

    split = VALIDATION

    def __init__(self, step_config: steps.StepConfig, batches: Sequence[dict], every: int):
        self.every, self._batches, self._step_config, self._loss = every, batches, step_config, None

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The loss; raises TrainingDiverged if it is not finite."""
        if self._loss is None:
            self._loss = Compiled(steps.make_validation_step(self._step_config, trainer.mesh), trainer.compiled)
        losses = []
        for batch in self._batches:
            trainer.check_stop()
            losses.append(self._loss(trainer.state.parameters, put_batch(batch, trainer.mesh)))
        loss = sum(float(value) for value in jax.device_get(losses)) / len(losses)
        if not math.isfinite(loss):
            raise trainer.diverged(f"the validation loss after step {trainer.step} is {loss}", trainer.step)
        return {"loss": loss}


class DevBenchmarks:
    """The metrics of dev benchmarks.

    Args:
      evaluate: computes the metrics.
      model: gives the model of the trainer's present parameters.
      every: as of a Measure.
    """

    split = DEV

    def __init__(self, evaluate: DevEvaluator, model: Callable[[Trainer], Model], every: int):
        self.every, self._evaluate, self._model = every, evaluate, model

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The metrics by name."""
        return self._evaluate(self._model(trainer), trainer.mesh, trainer.check_stop)


class Assess(Hook):
    """Takes the measures that are due after a step, writes them, keeps the best checkpoint and ends the run.

    All measures of a step count together: if the run is stopped in between, none is recorded, and the resumed run
    repeats them, so an interrupted run writes what an uninterrupted one does.

    Args:
      measures: what is measured.
      best: the metric that decides.
      patience: values of it without improvement after which the run ends; 0: never.
      log: where rows go; None on processes that write nothing.
    """

    def __init__(self, measures: Sequence[Measure], best: BestMetric, patience: int, log: MetricsLog | None):
        self._measures, self._best, self._patience, self._log = measures, best, patience, log

    def start(self, trainer: Trainer) -> None:
        """Does what an earlier process was stopped before it could do."""
        if trainer.record.evaluated_step != trainer.step:
            self(trainer)
        trainer.ended_early = self._is_out_of_patience(trainer)

    def __call__(self, trainer: Trainer) -> None:
        """Takes the measures that are due, if any."""
        due = [measure for measure in self._measures if _is_due(measure, trainer.step, trainer.step_config.steps)]
        if not due:
            return
        try:
            with trainer.paused():
                values = {measure.split: measure(trainer) for measure in due}
        except Interrupted:
            trainer.stopping = True
            return
        trainer.record.evaluated_step = trainer.step
        self._judge(trainer, values)
        if self._log:
            for split, row in values.items():
                self._log.write(trainer.step, split, row)

    def _judge(self, trainer: Trainer, values: Mapping[str, Mapping[str, float]]) -> None:
        of_loss = self._best.name == VALIDATION_LOSS
        value = values.get(VALIDATION if of_loss else DEV, {}).get("loss" if of_loss else self._best.name)
        if value is None:
            return
        record = trainer.record
        if self._best.is_better(value, record.best_value):
            record.best_value, record.best_step, record.worse_results = value, trainer.step, 0
            trainer.save(is_best=True)  # the state too, so that a resumed run knows of it
        else:
            record.worse_results += 1
        trainer.ended_early = self._is_out_of_patience(trainer)

    def _is_out_of_patience(self, trainer: Trainer) -> bool:
        return 0 < self._patience <= trainer.record.worse_results


def _is_due(measure: Measure, step: int, last: int) -> bool:
    return step >= last or (measure.every > 0 and step > 0 and step % measure.every == 0)
