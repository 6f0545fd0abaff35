"""Hooks: the progress bar, the training metrics, a trace of some steps and the periodic checkpoints."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import jax

from hbt_jax.models.utilisation import peak_flops
from hbt_jax.training.metrics_log import LateMetrics, MetricsLog, progress_bar
from hbt_jax.training.trainer import Hook, Trainer


class ShowProgress(Hook):
    """A progress bar over the steps of the run, on standard error.

    Args:
      shown: whether this process shows it.
    """

    def __init__(self, *, shown: bool):
        self._shown, self._bar = shown, None

    def start(self, trainer: Trainer) -> None:
        """Shows the bar."""
        self._bar = progress_bar(trainer.step_config.steps, trainer.step, self._shown)

    def __call__(self, trainer: Trainer) -> None:
        """Moves the bar by one update."""
        self._bar.update()

    def note(self, mean: Mapping[str, float], rate: float) -> None:
        """Writes the latest metrics behind the bar."""
        mfu = {"mfu": f"{mean['mfu']:.1%}"} if "mfu" in mean else {}
        self._bar.set_postfix(
            loss=f"{mean['loss']:.3f}", accuracy=f"{mean['accuracy']:.2f}", pairs_s=f"{rate:.0f}", **mfu
        )

    def close(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()


class LogMetrics(Hook):
    """Shows and writes the mean of the training metrics over each interval, one interval late.

    Args:
      log: where rows go; None on processes that write nothing.
      progress: shows the latest means.
    """

    def __init__(self, log: MetricsLog | None, progress: ShowProgress):
        self._log, self._progress, self._late = log, progress, LateMetrics()

    def __call__(self, trainer: Trainer) -> None:
        """Shows the previous interval, and keeps this one on the device."""
        self._show(trainer, self._late.swap(_taken(trainer)))

    def pause(self, trainer: Trainer) -> None:
        """Waits for the device and shows everything that is left."""
        self._show(trainer, self._late.swap(_taken(trainer)) + self._late.swap([]))

    def _show(self, trainer: Trainer, rows: list[tuple[int, dict[str, float]]]) -> None:
        if not rows:
            return
        pairs = len(rows) * trainer.batches.global_batch
        rate = trainer.rate.read(pairs)
        for step, row in rows:
            if not (math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"])):
                what = f"the loss of step {step} is {row['loss']}, its gradient norm {row['gradient_norm']}"
                raise trainer.diverged(what, step)
        mean = {name: sum(row[name] for _, row in rows) / len(rows) for name in rows[0][1]}
        mean |= {"pairs_per_second": rate, "compiled_shapes": trainer.update.count}
        peak = peak_flops(trainer.mesh.devices.flat[0].device_kind, trainer.step_config.compute_dtype)
        if peak:
            per_second = sum(row["flops"] for _, row in rows) * rate / pairs
            mean["mfu"] = per_second / (peak * trainer.mesh.size)
        self._progress.note(mean, rate)
        if self._log:
            self._log.write(rows[-1][0], "train", mean)


def _taken(trainer: Trainer) -> list:
    """The metrics that nobody has read yet, taken from the trainer."""
    taken, trainer.unread = trainer.unread, []
    return taken


class ProfileSteps(Hook):
    """Traces some steps for TensorBoard and Perfetto.

    Args:
      folder: where the trace goes, in plugins/profile.
      first, last: numbers of the traced steps, from 1.
    """

    def __init__(self, folder: Path, first: int, last: int):
        self._folder, self._first, self._last, self._runs = folder, first, last, False

    def start(self, trainer: Trainer) -> None:
        """Starts the trace if the next step is the first one."""
        if self._first == trainer.step + 1:
            with trainer.paused():
                jax.block_until_ready(trainer.state)
                jax.profiler.start_trace(self._folder)
                self._runs = True

    def __call__(self, trainer: Trainer) -> None:
        """Ends the trace after the last step, and starts it before the first."""
        if self._runs and trainer.step >= self._last:
            with trainer.paused():
                jax.block_until_ready(trainer.state)
                self.close()
        self.start(trainer)

    def close(self) -> None:
        """Ends a trace that still runs."""
        if self._runs:
            self._runs = False
            jax.profiler.stop_trace()


class SaveCheckpoints(Hook):
    """Saves when the trainer's clock says so; to be added last, so that a checkpoint knows what the others found.

    Args:
      is_late: whether a checkpoint is due by the time; the same answer on every process.
    """

    def __init__(self, is_late: Callable[[], bool]):
        self._is_late = is_late

    def __call__(self, trainer: Trainer) -> None:
        """Saves if a checkpoint is due."""
        if self._is_late() or trainer.clock.due_by_step(trainer.step):
            trainer.save()
