"""Checkpoints by Orbax, written in the background: the latest, and the best by validation loss.

A checkpoint holds arrays and a JSON record: step, data fingerprint, configuration, best validation loss so far and how
many validations ago it was.  Nothing about the position in the data is saved: the step is the position.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import LatestN

from hbt_jax.errors import InputError
from hbt_jax.training.step import TrainState


@dataclasses.dataclass
class Record:
    """What a checkpoint says beside its arrays.

    Attributes:
      step: updates applied.
      configuration: TrainConfig.to_json() of the run.
      data: fingerprints of the model, the tokenizer and the stores, in order, and the stores' releases of public data,
        which are not compared: early versions did not write them.
      best_loss, best_step: the best validation so far, None before the first.
      worse_validations: validations since the best one.
      validated_step: step of the last validation, None before the first.
    """

    step: int
    configuration: dict
    data: dict
    best_loss: float | None = None
    best_step: int | None = None
    worse_validations: int = 0
    validated_step: int | None = None


class Checkpoints:
    """The checkpoints of one run: WORKDIR/checkpoints/last (whole state) and WORKDIR/checkpoints/best (parameters).

    Each folder keeps one complete checkpoint; the older one is removed when the newer one is whole, so a kill at any
    time leaves one to go on from.
    """

    def __init__(self, workdir: Path, *, read_only: bool = False):
        folder = workdir.absolute() / "checkpoints"
        self._managers = {
            name: ocp.CheckpointManager(folder / name, options=_options(name, read_only)) for name in ("last", "best")
        }

    def step(self, name: str) -> int | None:
        """Step of the complete checkpoint "last" or "best", None if there is none."""
        return self._managers[name].latest_step()

    def forget_best(self) -> None:
        """Removes the best checkpoint, for a run that begins: it is of one that had no state to go on from."""
        if self.step("best") is not None:
            self._managers["best"].delete(self.step("best"))

    def save_last(self, state: TrainState, record: Record) -> None:
        """Starts to write the state; returns once the device arrays may be changed."""
        self._save("last", state._asdict(), record)

    def save_best(self, state: TrainState, record: Record) -> None:
        """Starts to write the parameters alone, as the best so far."""
        self._save("best", {"parameters": state.parameters}, record)

    def _save(self, name: str, arrays: dict, record: Record) -> None:
        if record.step == self.step(name):  # of this very run, so the same
            return
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(arrays), record=ocp.args.JsonSave(dataclasses.asdict(record))
        )
        try:
            self._managers[name].save(record.step, args=arguments, force=True)
        except (OSError, ValueError) as error:
            raise _unwritable(self._managers[name].directory, error) from error

    def record(self, name: str) -> Record:
        """The record of the checkpoint "last" or "best"."""
        manager = self._managers[name]
        restored = manager.restore(manager.latest_step(), args=ocp.args.Composite(record=ocp.args.JsonRestore()))
        return Record(**restored["record"])

    def restore_last(self, target: TrainState) -> TrainState:
        """The whole state, with the shapes, dtypes and shardings of `target` (step.abstract_state)."""
        return TrainState(**self._restore("last", target._asdict()))

    def restore_best(self, target: TrainState):
        """The best parameters, with the shapes, dtypes and shardings of `target`'s."""
        return self._restore("best", {"parameters": target.parameters})["parameters"]

    def _restore(self, name: str, target: dict) -> dict:
        manager = self._managers[name]
        step = manager.latest_step()
        try:
            return manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target)))["state"]
        except (ValueError, KeyError, OSError) as error:
            raise InputError(
                f"checkpoint {manager.directory / str(step)} cannot be read as this model:"
                f" {str(error).splitlines()[0]}; it is damaged, or was written with another configuration"
            ) from error

    def wait(self) -> None:
        """Returns when everything is on disk; raises InputError if it could not be written."""
        for manager in self._managers.values():
            try:
                manager.wait_until_finished()
            except (OSError, ValueError) as error:
                raise _unwritable(manager.directory, error) from error

    def close(self) -> None:
        """Waits, then closes."""
        self.wait()
        for manager in self._managers.values():
            manager.close()


def _options(name: str, read_only: bool) -> ocp.CheckpointManagerOptions:
    """Both managers may write the same step at once: without names of their own, one would pass the other's barriers
    and finish a checkpoint that another process is still writing.
    """
    return ocp.CheckpointManagerOptions(
        preservation_policy=LatestN(1),
        enable_async_checkpointing=not read_only,
        cleanup_tmp_directories=not read_only,
        create=not read_only,
        read_only=read_only,
        multiprocessing_options=ocp.options.MultiprocessingOptions(barrier_sync_key_prefix=name),
    )


def _unwritable(folder: Path, error: Exception) -> Exception:
    """A full disk reaches us as OSError from Orbax, as ValueError from TensorStore; other errors stay what they are."""
    if isinstance(error, ValueError) and "Error writing" not in str(error):
        return error
    return InputError(
        f"cannot write a checkpoint in {folder}: {' '.join(str(error).split())}; make room or choose another --workdir"
    )


class SaveClock:
    """Decides when a periodic checkpoint is due: every so many steps, or minutes, whichever comes first.

    Args:
      every_steps: 0 for never by steps.
      every_seconds: seconds since the last save.
      clock: seconds; passed in so that a test needs no waiting.
    """

    def __init__(self, every_steps: int, every_seconds: float, clock: Callable[[], float] = time.monotonic):
        self._every_steps, self._every_seconds, self._clock = every_steps, every_seconds, clock
        self._last = clock()

    def due_by_step(self, step: int) -> bool:
        """Whether a checkpoint is due because of the number of updates; the same on every process."""
        return self._every_steps > 0 and step > 0 and step % self._every_steps == 0

    def due_by_time(self) -> bool:
        """Whether a checkpoint is due by this process's clock."""
        return self._clock() - self._last >= self._every_seconds

    def saved(self) -> None:
        """Starts the next interval."""
        self._last = self._clock()
