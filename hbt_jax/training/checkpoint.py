"""Checkpoints by Orbax, written in the background: the latest, and the best by the deciding metric.

A checkpoint holds arrays and a JSON record: step, data fingerprint, scheme of the plan, configuration, the best value
of the deciding metric so far and how many values ago that was.  Nothing about the position in the data is saved: the
step is that position.
"""

import contextlib
import dataclasses
import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import LatestN

from hbt_jax.errors import InputError
from hbt_jax.files import says_full
from hbt_jax.training.held_logs import HeldLogs
from hbt_jax.training.step import TrainState

_EARLIER_NAMES = {  # of fields of the record, in checkpoints of earlier versions
    "best_loss": "best_value",
    "worse_validations": "worse_results",
    "validated_step": "evaluated_step",
}
_PARAMETERS = "parameters"  # the name of the model's arrays in either checkpoint
_WRITING = "Error writing"  # in TensorStore's ValueError: its disk errors are not OSErrors


@dataclasses.dataclass
class Record:
    """What a checkpoint says besides its arrays.

    Attributes:
      step: updates applied.
      configuration: TrainConfig.to_json() of the run.
      data: fingerprints of the model, the tokenizer and the stores, in order, and the stores' releases of public data,
        which are not compared because early versions did not write them.
      plan_scheme: the PLAN_SCHEME of hbt_jax/data/plan.py that drew the batches; None for the first, which was not
        recorded.
      best_value, best_step: the best value of the deciding metric (--best_metric) so far, None before the first.
      worse_results: values of it since the best one.
      evaluated_step: step of the last validation or evaluation, None before the first.
    """

    step: int
    configuration: dict
    data: dict
    best_value: float | None = None
    best_step: int | None = None
    worse_results: int = 0
    evaluated_step: int | None = None
    plan_scheme: int | None = None


class Checkpoints:
    """The checkpoints of one run: WORKDIR/checkpoints/last (whole state) and WORKDIR/checkpoints/best (parameters).

    Each folder keeps one complete checkpoint.  The older one is removed only after the newer one is complete, so there
    is always one to resume from, even after a kill.
    """

    def __init__(self, workdir: Path, *, read_only: bool = False):
        folder = workdir.absolute() / "checkpoints"
        self._logs = HeldLogs(_is_of_the_disk)
        self._managers = {
            name: ocp.CheckpointManager(folder / name, options=_options(name, read_only)) for name in ("last", "best")
        }

    def step(self, name: str) -> int | None:
        """Step of the complete checkpoint "last" or "best", None if there is none."""
        return self._managers[name].latest_step()

    def forget_best(self) -> None:
        """Removes the best checkpoint at the start of a run: it was left by a run that had no state to resume from."""
        if self.step("best") is not None:
            self._managers["best"].delete(self.step("best"))

    def save_last(self, state: TrainState, record: Record) -> None:
        """Starts writing the state; returns as soon as the device arrays may be changed."""
        self._save("last", state._asdict(), record)

    def save_best(self, state: TrainState, record: Record) -> None:
        """Starts writing only the parameters, as the best so far."""
        self._save("best", {_PARAMETERS: state.parameters}, record)

    def _save(self, name: str, arrays: dict, record: Record) -> None:
        if record.step == self.step(name):  # already saved by this run
            return
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(arrays), record=ocp.args.JsonSave(dataclasses.asdict(record))
        )
        with self._writing(name) as manager:
            manager.save(record.step, args=arguments, force=True)

    def record(self, name: str) -> Record:
        """The record of the checkpoint "last" or "best"."""
        manager = self._managers[name]
        restored = manager.restore(manager.latest_step(), args=ocp.args.Composite(record=ocp.args.JsonRestore()))
        return Record(**{_EARLIER_NAMES.get(name, name): value for name, value in restored["record"].items()})

    def restore_last(self, target: TrainState) -> TrainState:
        """The whole state, with the shapes, dtypes and shardings of `target` (step.abstract_state), to train on."""
        manager = self._managers["last"]
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(target._asdict()))
        with _readable(self._folder("last")):
            return TrainState(**manager.restore(self.step("last"), args=arguments)["state"])

    def restore_parameters(self, name: str, target: TrainState):
        """Only the parameters of the checkpoint "last" or "best"; the optimizer state of "last" is not read.

        Args:
          name: "last" or "best".
          target: the abstract state of the run (step.abstract_state), whose parameters' shapes, dtypes and shardings
            the arrays get.

        Raises:
          InputError: the checkpoint is damaged, or does not match this state.
        """
        folder = self._folder(name) / "state"
        saved = {_PARAMETERS: target.parameters} if name == "best" else target._asdict()
        wanted = {
            part: tree if part == _PARAMETERS else jax.tree.map(lambda _: ocp.PLACEHOLDER, tree)
            for part, tree in saved.items()
        }
        restore_args = ocp.checkpoint_utils.construct_restore_args(wanted)
        with _readable(folder.parent), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            return reader.restore(folder, args=ocp.args.PyTreeRestore(wanted, restore_args))[_PARAMETERS]

    def _folder(self, name: str) -> Path:
        """The folder of the complete checkpoint of this name."""
        return Path(self._managers[name].directory) / str(self.step(name))

    def wait(self) -> None:
        """Waits until everything is on disk; raises InputError if it could not be written."""
        for name in self._managers:
            with self._writing(name) as manager:
                manager.wait_until_finished()
        self._logs.show()

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[ocp.CheckpointManager]:
        """Turns a disk error of this or an earlier save into one InputError, and drops the logs about it."""
        manager = self._managers[name]
        try:
            yield manager
        except (OSError, ValueError) as error:
            if not (isinstance(error, OSError) or _is_of_the_disk(error)):
                raise
            self._logs.drop()
            raise InputError(_unwritable(manager, error)) from error

    def close(self) -> None:
        """Waits, then closes."""
        try:
            self.wait()
            for manager in self._managers.values():
                manager.close()
        finally:
            self._logs.close()


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raises InputError if the enclosed code cannot read the checkpoint in this folder."""
    try:
        yield
    except (ValueError, KeyError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"checkpoint {folder} cannot be read as this model: {said}; it is damaged, or was written with another"
            " configuration"
        ) from error


def _options(name: str, read_only: bool) -> ocp.CheckpointManagerOptions:
    """The options of one manager.

    Both managers may write the same step at once.  With a common barrier name, one could pass the other's barriers and
    finish a checkpoint that another process is still writing.
    """
    return ocp.CheckpointManagerOptions(
        preservation_policy=LatestN(1),
        enable_async_checkpointing=not read_only,
        cleanup_tmp_directories=not read_only,
        create=not read_only,
        read_only=read_only,
        multiprocessing_options=ocp.options.MultiprocessingOptions(barrier_sync_key_prefix=name),
    )


def _is_of_the_disk(error: BaseException) -> bool:
    """Whether a failed save says that the disk is full or refuses larger files."""
    of_tensorstore = isinstance(error, ValueError) and _WRITING in str(error)
    return of_tensorstore or says_full(error) or (isinstance(error, OSError) and error.errno == errno.EFBIG)


def _unwritable(manager: ocp.CheckpointManager, error: OSError | ValueError) -> str:
    """Why a checkpoint could not be written, and which one is left."""
    text = "the disk is full" if says_full(error) else " ".join(str(error).split())
    manager.reload()  # from disk: the manager still counts the failed one
    steps = manager.all_steps()
    kept = f"the last whole one is of step {max(steps)}" if steps else "there is no whole one yet"
    return f"cannot write a checkpoint in {manager.directory}: {text}; {kept}; make room or choose another --workdir"


class SaveClock:
    """Decides when a periodic checkpoint is due: every so many steps, or minutes, whichever comes first.

    Args:
      every_steps: 0 for never by steps.
      every_seconds: seconds since the last save.
      clock: returns seconds; passed in so that tests need not wait.
    """

    def __init__(self, every_steps: int, every_seconds: float, clock: Callable[[], float] = time.monotonic):
        self._every_steps, self._every_seconds, self._clock = every_steps, every_seconds, clock
        self._last = clock()

    def due_by_step(self, step: int) -> bool:
        """Whether a checkpoint is due by the number of updates; the same on every process."""
        return self._every_steps > 0 and step > 0 and step % self._every_steps == 0

    def due_by_time(self) -> bool:
        """Whether a checkpoint is due by this process's clock."""
        return self._clock() - self._last >= self._every_seconds

    def saved(self) -> None:
        """Starts the next interval."""
        self._last = self._clock()
