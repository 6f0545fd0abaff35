"""Checkpoints by Orbax, written in the background: the latest ones, and the best by the deciding metric.

A checkpoint holds arrays and a JSON record: step, data fingerprint, scheme of the plan, configuration, the best value
of the deciding metric so far and how many values ago that was.  Nothing about the position in the data is saved: the
step is that position.  It also lists its files with sizes and checksums, because compressed arrays alone do not show
every damage.

WORKDIR/checkpoints/last/STEP        the whole state, to train on
WORKDIR/checkpoints/best/STEP        parameters
WORKDIR/checkpoints/set_aside/       those newer than the one that a run went back to, see `go_back`
"""

import contextlib
import dataclasses
import errno
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import LatestN

from hbt_jax import json_text
from hbt_jax.data.remote import RemoteFolder
from hbt_jax.errors import InputError
from hbt_jax.files import disk_errors, says_full
from hbt_jax.mesh import first_process_first
from hbt_jax.places import is_remote
from hbt_jax.training.held_logs import HeldLogs
from hbt_jax.training.step import TrainState

_EARLIER_NAMES = {  # of fields of the record, in checkpoints of earlier versions
    "best_loss": "best_value",
    "worse_validations": "worse_results",
    "validated_step": "evaluated_step",
}
_PARAMETERS = "parameters"  # the name of the model's arrays in either checkpoint
_FILES = "files.json"  # in the folder of a checkpoint: [size, CRC-32] of each file
_COMMITTED = "commit_success.txt"
_AFTERWARDS = ("_CHECKPOINT_METADATA", _COMMITTED)  # what Orbax writes later; not needed to read it
_BLOCK = 2**24  # bytes
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
    """The checkpoints of one run.

    An older one is removed only after a newer one is complete, so there is always one to resume from, even after a
    kill.

    Args:
      workdir: folder of the run, or gs://BUCKET/FOLDER.
      keep: how many of the newest are kept, of `last` and of `best` each.
      read_only: whether nothing will be saved.
      before_complete: called on process 0, perhaps on another thread, just before a checkpoint is declared complete.

    Attributes:
      unusable: step -> why its checkpoint "last" cannot be used, as far as that has been found out.
    """

    def __init__(
        self,
        workdir: str | os.PathLike,
        *,
        keep: int = 2,
        read_only: bool = False,
        before_complete: Callable[[], None] = lambda: None,
    ):
        self.unusable: dict[int, str] = {}
        self._base = _base(workdir)
        self._bucket = RemoteFolder(os.fspath(self._base)) if is_remote(self._base) else None
        self._before_complete = before_complete
        self._logs = HeldLogs(_is_of_the_disk)
        self._managers = {
            name: ocp.CheckpointManager(
                self._base / name, options=_options(name, keep, read_only, lambda name=name: self._list_files(name))
            )
            for name in ("last", "best")
        }

    def steps(self, name: str) -> list[int]:
        """Steps of the complete checkpoints "last" or "best", the newest first."""
        return sorted(self._managers[name].all_steps(), reverse=True)

    def step(self, name: str) -> int | None:
        """Step of the newest complete checkpoint "last" or "best", None if there is none."""
        return self._managers[name].latest_step()

    def forget_best(self) -> None:
        """Removes the best checkpoint at the start of a run: it was left by a run that had no state to resume from."""
        for step in self.steps("best"):
            self._managers["best"].delete(step)

    def go_back(self, step: int) -> None:
        """Sets every checkpoint after this step aside, for a run that continues from it and will write them again."""
        newer = [(name, later) for name in self._managers for later in self.steps(name) if later > step]
        if not newer:
            return

        def move() -> None:
            for name, later in newer:
                to = self._base / "set_aside" / f"{name}-{later}"
                if self._bucket:
                    self._bucket.move(f"{name}/{later}", f"{to.parent.name}/{to.name}")
                    continue
                with disk_errors(self._base, "--workdir"):
                    to.parent.mkdir(exist_ok=True)
                    if to.exists():
                        to.rmtree()
                    self._folder(name, later).rename(to)

        first_process_first(move)
        for manager in self._managers.values():
            manager.reload()

    def save_last(self, state: TrainState, record: Record) -> None:
        """Starts writing the state; returns as soon as the device arrays may be changed."""
        self._save("last", state._asdict(), record)

    def save_best(self, state: TrainState, record: Record) -> None:
        """Starts writing only the parameters, as the best so far."""
        self._save("best", {_PARAMETERS: state.parameters}, record)

    def _save(self, name: str, arrays: dict, record: Record) -> None:
        if record.step in self.steps(name):  # already saved by this run
            return
        arguments = ocp.args.Composite(
            state=ocp.args.StandardSave(arrays), record=ocp.args.JsonSave(dataclasses.asdict(record))
        )
        with self._writing(name) as manager:
            manager.save(record.step, args=arguments, force=True)

    def _list_files(self, name: str) -> None:
        """Writes the list of a checkpoint's files into its folder, just before Orbax declares it complete."""
        if jax.process_index() != 0:
            return
        self._before_complete()
        if self._bucket:  # a checkpoint there has its final name from the start; a file marks it as complete
            incomplete = [step for step in (self._base / name).iterdir() if not (step / _COMMITTED).exists()]
            for step in incomplete:
                sums = self._bucket.sums(f"{name}/{step.name}")
                self._bucket.write(f"{name}/{step.name}/{_FILES}", json.dumps(_written_before(sums)).encode())
            return
        for folder in (self._base / name).glob("[0-9]*.*"):  # Orbax's temporary name
            (folder / _FILES).write_text(json.dumps(_sums(folder)), encoding="utf-8")

    def damage(self, step: int) -> str | None:
        """Why the checkpoint "last" of a step is not as it was written, None if it is, or has no list of its files."""
        folder = self._folder("last", step)
        try:
            if not (folder / _FILES).exists():  # of an earlier version
                return None
            written = json_text.read(folder / _FILES)
            there = self._bucket.sums(f"last/{step}") if self._bucket else _sizes(folder, written)
            for file, [size, _] in written.items():
                if file not in there:
                    return f"its file {file} is missing"
                if (found := there[file][0]) != size:
                    return f"its file {file} has {found:,} bytes, but {size:,} were written"
            for file, [_, checksum] in written.items():
                if checksum != (there[file][1] if self._bucket else _checksum(folder / file)):
                    return f"the content of its file {file} has changed since it was written"
            return None
        except (ValueError, TypeError, AttributeError):  # no JSON, or of another layout
            return f"its file {_FILES} is damaged"
        except OSError as error:
            return f"its files cannot be read ({error.strerror or error})"

    def record(self, name: str, step: int | None = None) -> Record:
        """The record of the checkpoint "last" or "best" of a step, None for the newest.

        Raises:
          InputError: it cannot be read.
        """
        step = self.step(name) if step is None else step
        with _readable(self._folder(name, step)):
            found = self._managers[name].restore(step, args=ocp.args.Composite(record=ocp.args.JsonRestore()))["record"]
        return Record(**{_EARLIER_NAMES.get(name, name): value for name, value in found.items()})

    def restore_last(self, target: TrainState, step: int | None = None) -> TrainState:
        """The whole state of a step, None for the newest, to train on.

        Args:
          target: gives shapes, dtypes and shardings (step.abstract_state).
          step: of one of `steps("last")`.

        Raises:
          InputError: the checkpoint is damaged, or does not match this state.
        """
        step = self.step("last") if step is None else step
        arguments = ocp.args.Composite(state=ocp.args.StandardRestore(target._asdict()))
        with _readable(self._folder("last", step)):
            return TrainState(**self._managers["last"].restore(step, args=arguments)["state"])

    def restore_parameters(self, name: str, target: TrainState):
        """Only the parameters of the checkpoint "last" or "best"; the optimizer state of "last" is not read.

        Args:
          name: "last" or "best".
          target: the abstract state of the run (step.abstract_state), whose parameters' shapes, dtypes and shardings
            the arrays get.

        Raises:
          InputError: the checkpoint is damaged, or does not match this state.
        """
        folder = self._folder(name, self.step(name)) / "state"
        saved = {_PARAMETERS: target.parameters} if name == "best" else target._asdict()
        wanted = {
            part: tree if part == _PARAMETERS else jax.tree.map(lambda _: ocp.PLACEHOLDER, tree)
            for part, tree in saved.items()
        }
        restore_args = ocp.checkpoint_utils.construct_restore_args(wanted)
        with _readable(folder.parent), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            return reader.restore(folder, args=ocp.args.PyTreeRestore(wanted, restore_args))[_PARAMETERS]

    def _folder(self, name: str, step: int) -> epath.Path:
        """The folder of a complete checkpoint."""
        return self._base / name / str(step)

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
        except Exception as error:
            if not (self._bucket or isinstance(error, OSError) or _is_of_the_disk(error)):
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
def _readable(folder: epath.Path) -> Iterator[None]:
    """Raises InputError if the enclosed code cannot read the checkpoint in this folder."""
    try:
        yield
    except Exception as error:
        of_array = type(error) is Exception  # Orbax's, of an array that TensorStore cannot read
        if not (of_array or isinstance(error, ValueError | KeyError | OSError)):
            raise
        cause = (of_array and error.__cause__) or error
        said = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise InputError(
            f"checkpoint {folder} cannot be read as this model: {said}; it is damaged, or was written with another"
            " configuration"
        ) from error


def _base(workdir: str | os.PathLike) -> epath.Path:
    """The folder of a run's checkpoints."""
    place = os.fspath(workdir)
    return epath.Path(place if is_remote(place) else os.path.abspath(place)) / "checkpoints"


def _written_before(sums: dict[str, list]) -> dict[str, list]:
    """Those of a checkpoint's files that Orbax does not write later."""
    return {name: sums[name] for name in sorted(sums) if name not in _AFTERWARDS}


def _sums(folder: epath.Path) -> dict[str, list]:
    """[size, CRC-32] of each file below a local folder that Orbax does not write later, by its path there."""
    files = [Path(path) for path in Path(folder).rglob("*") if path.is_file()]
    sums = {path.relative_to(folder).as_posix(): [path.stat().st_size, _checksum(path)] for path in files}
    return _written_before(sums)


def _sizes(folder: epath.Path, names: Iterable[str]) -> dict[str, list]:
    """[size] of each of the named files that is there."""
    return {name: [(folder / name).stat().length] for name in names if (folder / name).exists()}


def _checksum(path: os.PathLike) -> int:
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _options(
    name: str, keep: int, read_only: bool, before_complete: Callable[[], None]
) -> ocp.CheckpointManagerOptions:
    """The options of one manager.

    Both managers may write the same step at once.  With a common barrier name, one could pass the other's barriers and
    finish a checkpoint that another process is still writing.
    """
    return ocp.CheckpointManagerOptions(
        preservation_policy=LatestN(keep),
        async_options=None if read_only else ocp.AsyncOptions(post_finalization_callback=before_complete),
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


def _unwritable(manager: ocp.CheckpointManager, error: Exception) -> str:
    """Why a checkpoint could not be written, and which one is left."""
    text = "the disk is full" if says_full(error) else " ".join(str(error).split())
    steps = ()
    with contextlib.suppress(Exception if is_remote(manager.directory) else ()):  # a bucket may be out of reach
        manager.reload()  # from disk: the manager still counts the failed one
        steps = manager.all_steps()
    kept = f"the last complete one is at step {max(steps)}" if steps else "there is no complete one yet"
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
