"""What is saved is what is restored; the newest and the best stay; a save is due when the clock says so."""

import errno
import json
import logging
import os
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from hbt_jax.errors import InputError
from hbt_jax.mesh import make_mesh
from hbt_jax.training import step as steps
from hbt_jax.training.checkpoint import Checkpoints, Record, SaveClock
from tests.training import toy
from tests.training.lost_optimizer import without_optimizer


def state_at(step_config, mesh, step):
    """An initial state whose token table says which step it is."""
    state = steps.sharded_initial_state(step_config, mesh)
    moved = jax.tree.map(lambda leaf: leaf + step, state.parameters)
    return state._replace(parameters=moved, step=state.step + step)


def test_last_and_best_are_kept_and_restored_on_another_mesh(tmp_path):
    step_config = toy.step_config()
    one, many = make_mesh(1, 1, jax.devices()[:1]), make_mesh(2, 4)
    checkpoints = Checkpoints(tmp_path, keep=1)
    for step, loss in [(1, 3.0), (2, 1.0), (3, 2.0)]:
        record = Record(step, {"a": 1}, {"b": 2}, min(loss, 1.0), best_step=2, evaluated_step=step, plan_scheme=9)
        checkpoints.save_last(state_at(step_config, one, step), record)
        if loss == 1.0:
            checkpoints.save_best(state_at(step_config, one, step), record)
    checkpoints.close()
    again = Checkpoints(tmp_path)
    assert (again.step("last"), again.step("best")) == (3, 2)
    assert again.record("last") == Record(3, {"a": 1}, {"b": 2}, 1.0, 2, 0, 3, 9)
    target = steps.abstract_state(step_config, many)
    restored = again.restore_last(target)
    last, best = (again.restore_parameters(name, target) for name in ("last", "best"))
    again.close()
    expected = jax.tree.leaves(state_at(step_config, one, 3))
    for leaf, want, place in zip(jax.tree.leaves(restored), expected, jax.tree.leaves(target), strict=True):
        assert leaf.sharding == place.sharding
        np.testing.assert_array_equal(leaf, want)
    for parameters, step in ((last, 3), (best, 2)):
        wanted = jax.tree.leaves(state_at(step_config, one, step).parameters)
        places = jax.tree.leaves(target.parameters)
        for leaf, want, place in zip(jax.tree.leaves(parameters), wanted, places, strict=True):
            assert leaf.sharding == place.sharding
            np.testing.assert_array_equal(leaf, want)
    assert [path.name for path in (tmp_path / "checkpoints" / "last").iterdir()] == ["3"]


def test_a_record_of_before_plan_schemes_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    checkpoints.save_last(
        steps.sharded_initial_state(toy.step_config(), mesh), Record(4, {"a": 1}, {"b": 2}, plan_scheme=9)
    )
    checkpoints.close()
    (file,) = (tmp_path / "checkpoints" / "last" / "4" / "record").glob("metadata")
    values = json.loads(file.read_text())
    assert values.pop("plan_scheme") == 9
    file.write_text(json.dumps(values))
    again = Checkpoints(tmp_path, read_only=True)
    assert again.record("last") == Record(4, {"a": 1}, {"b": 2}, plan_scheme=None)
    again.close()


def test_a_record_with_the_names_of_earlier_versions_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    record = Record(4, {"a": 1}, {"b": 2}, 1.5, best_step=3, worse_results=2, evaluated_step=4)
    checkpoints.save_last(steps.sharded_initial_state(toy.step_config(), mesh), record)
    checkpoints.close()
    (file,) = (tmp_path / "checkpoints" / "last" / "4" / "record").glob("metadata")
    values = json.loads(file.read_text())
    for earlier, now in (("best_loss", "best_value"), ("worse_validations", "worse_results"),
                         ("validated_step", "evaluated_step")):  # fmt: skip
        values[earlier] = values.pop(now)
    file.write_text(json.dumps(values))
    again = Checkpoints(tmp_path, read_only=True)
    assert again.record("last") == record
    again.close()


def saved(folder, step_config, mesh, step=4) -> Checkpoints:
    """Both checkpoints of one state, whole on disk."""
    checkpoints = Checkpoints(folder)
    state = steps.sharded_initial_state(step_config, mesh)
    for save in (checkpoints.save_last, checkpoints.save_best):
        save(state, Record(step, {}, {}))
    checkpoints.wait()
    return checkpoints


@pytest.mark.parametrize("devices", [1, 8])
def test_parameters_are_read_without_the_optimizer(tmp_path, devices):
    step_config, mesh = toy.step_config(), make_mesh(1, devices, jax.devices()[:devices])
    saved(tmp_path, step_config, mesh).close()
    gone = without_optimizer(tmp_path / "checkpoints" / "last" / "4")
    target = steps.abstract_state(step_config, mesh)
    assert gone == len(jax.tree.leaves(target.optimizer)) > 20
    again = Checkpoints(tmp_path, read_only=True)
    wanted = jax.tree.leaves(steps.sharded_initial_state(step_config, mesh).parameters)
    for name in ("last", "best"):
        found = jax.tree.leaves(again.restore_parameters(name, target))
        for leaf, want in zip(found, wanted, strict=True):
            assert leaf.sharding == want.sharding
            np.testing.assert_array_equal(leaf, want)
    with pytest.raises(InputError, match="last/4 cannot be read as this model"):  # what trains on needs the optimizer
        again.restore_last(target)
    again.close()


def test_another_architecture_is_one_clear_error(tmp_path):
    mesh, encoder = make_mesh(1, 1, jax.devices()[:1]), toy.step_config().encoder
    checkpoints = saved(tmp_path, toy.step_config(), mesh)
    for change in ({"feed_forward": 128}, {"layers": encoder.layers + 1}, {"layers": encoder.layers - 1}):
        other = steps.abstract_state(toy.step_config(encoder=steps.dataclasses.replace(encoder, **change)), mesh)
        with pytest.raises(InputError, match="cannot be read as this model.*another configuration"):
            checkpoints.restore_last(other)
        for name in ("last", "best"):
            with pytest.raises(InputError, match=f"{name}/4 cannot be read as this model.*another configuration"):
                checkpoints.restore_parameters(name, other)
    checkpoints.close()


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), toy.step_config()
    checkpoints, target = saved(tmp_path, step_config, mesh), steps.abstract_state(step_config, mesh)
    for path in (tmp_path / "checkpoints").glob("*/4/state/**/*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(InputError, match="last/4 cannot be read as this model.*damaged"):
        checkpoints.restore_last(target)
    for name in ("last", "best"):
        with pytest.raises(InputError, match=f"{name}/4 cannot be read as this model.*damaged"):
            checkpoints.restore_parameters(name, target)
    checkpoints.close()


@pytest.mark.parametrize("lost", ["_METADATA", "manifest.ocdbt", "d"])
def test_a_checkpoint_without_one_of_its_files_is_one_clear_error(tmp_path, lost):
    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), toy.step_config()
    checkpoints, target = saved(tmp_path, step_config, mesh), steps.abstract_state(step_config, mesh)
    for name in ("last", "best"):
        path = tmp_path / "checkpoints" / name / "4" / "state" / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(InputError, match=f"{name}/4 cannot be read as this model: .+; it is damaged"):
            checkpoints.restore_parameters(name, target)
    checkpoints.close()


def test_the_newest_are_kept_as_many_as_asked_for(tmp_path):
    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), toy.step_config()
    state = steps.sharded_initial_state(step_config, mesh)
    for keep, expected in ((1, [4]), (2, [4, 3]), (3, [4, 3, 2])):
        checkpoints = Checkpoints(tmp_path / str(keep), keep=keep)
        for step in (1, 2, 3, 4):
            for save in (checkpoints.save_last, checkpoints.save_best):
                save(state, Record(step, {}, {}))
        checkpoints.close()
        again = Checkpoints(tmp_path / str(keep), read_only=True)
        assert again.steps("last") == again.steps("best") == expected
        again.close()


DAMAGES = {
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a zeroed byte": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"),
    "gone": lambda path: path.unlink(),
}


def test_any_damage_to_any_file_is_found_and_named(tmp_path):
    """Except in files that Orbax writes about a complete checkpoint and does not need to read it."""
    mesh, step_config = make_mesh(2, 4), toy.step_config()
    checkpoints, folder = saved(tmp_path, step_config, mesh), tmp_path / "checkpoints" / "last" / "4"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    names -= {"_CHECKPOINT_METADATA", "commit_success.txt", "files.json"}
    assert len(names) > 10 and "record/metadata" in names
    for name in sorted(names):
        content = (folder / name).read_bytes()
        for how, damage in DAMAGES.items():
            damage(folder / name)
            if (folder / name).exists() and (folder / name).read_bytes() == content:
                continue
            assert name in checkpoints.damage(4), (name, how)
            (folder / name).write_bytes(content)
    assert checkpoints.damage(4) is None
    (folder / "files.json").write_text("{")
    assert checkpoints.damage(4) == "its file files.json is damaged"
    (folder / "files.json").unlink()  # as of an earlier version
    assert checkpoints.damage(4) is None
    checkpoints.close()


def test_a_record_that_cannot_be_read_is_one_clear_error(tmp_path):
    checkpoints = saved(tmp_path, toy.step_config(), make_mesh(1, 1, jax.devices()[:1]))
    (tmp_path / "checkpoints" / "last" / "4" / "record" / "metadata").write_text("{")
    with pytest.raises(InputError, match="last/4 cannot be read as this model: .+; it is damaged"):
        checkpoints.record("last")
    checkpoints.close()


def test_an_array_that_cannot_be_read_is_one_clear_error(tmp_path):
    mesh, step_config = make_mesh(2, 4), toy.step_config()
    checkpoints = saved(tmp_path, step_config, mesh)
    files = (tmp_path / "checkpoints" / "last" / "4" / "state").glob("ocdbt.process_0/d/*")
    largest = max(files, key=lambda path: path.stat().st_size)
    largest.write_bytes(bytes(largest.stat().st_size))
    with pytest.raises(InputError, match="last/4 cannot be read as this model: (?!.*bound method).+; it is damaged"):
        checkpoints.restore_last(steps.abstract_state(step_config, mesh))
    checkpoints.close()


@pytest.mark.parametrize("kept", [True, False])
def test_a_file_system_that_takes_no_more_is_one_clear_error(tmp_path, kept):
    """And nothing else is printed; the checkpoint from before stays whole."""
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom hbt_jax.flags import run_command\n"
        "from hbt_jax.errors import InputError\nfrom tests.training.test_checkpoint import *\n"
        "def main(_):\n"
        "    mesh, step_config = make_mesh(1, 1, jax.devices()[:1]), toy.step_config()\n"
        "    state, checkpoints = state_at(step_config, mesh, 1), Checkpoints(Path(folder))\n"
        f"    if {kept}:\n"
        "        checkpoints.save_last(state, Record(1, {}, {}))\n        checkpoints.wait()\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "    try:\n"
        "        checkpoints.save_last(state, Record(2, {}, {}))\n"
        "        checkpoints.save_best(state, Record(2, {}, {}))\n"
        "        checkpoints.wait()\n"
        "    except InputError as error:\n        print('caught', error)\n"
        "    try:\n        checkpoints.close()\n"
        "    except InputError as error:\n        print('caught', error)\n"
        "folder = sys.argv.pop()\nrun_command(main)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    left = "the last complete one is at step 1" if kept else "there is no complete one yet"
    assert re.search(
        rf"caught cannot write a checkpoint in .*last: .*File too large.*; {left}; make room or choose another --workd",
        ended.stdout,
    ), ended.stdout
    assert "Traceback" not in ended.stderr and "Error" not in ended.stderr, ended.stderr
    if kept:
        again, mesh = Checkpoints(tmp_path), make_mesh(1, 1, jax.devices()[:1])
        restored = again.restore_last(steps.abstract_state(toy.step_config(), mesh))
        again.close()
        expected = jax.tree.leaves(state_at(toy.step_config(), mesh, 1))
        for leaf, want in zip(jax.tree.leaves(restored), expected, strict=True):
            np.testing.assert_array_equal(leaf, want)
        assert [path.name for path in (tmp_path / "checkpoints" / "last").iterdir()] == ["1"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        ValueError('RESOURCE_EXHAUSTED: Error writing "x" in OCDBT: Failed writing: "x": No space left on device'),
    ],
)
def test_a_full_disk_is_said_in_plain_words(tmp_path, monkeypatch, error, caplog):
    checkpoints = Checkpoints(tmp_path)

    def full(*_):
        record = logging.LogRecord("absl", logging.ERROR, "/x/orbax/y.py", 1, "failed", (), (type(error), error, None))
        logging.getLogger("absl").handle(record)
        raise error

    monkeypatch.setattr(checkpoints._managers["last"], "wait_until_finished", full)
    with pytest.raises(
        InputError, match="last: the disk is full; there is no complete one yet; make room or choose another --workdir"
    ):
        checkpoints.wait()
    monkeypatch.undo()
    checkpoints.close()
    assert caplog.records == []


def test_an_error_of_a_bug_stays_what_it_is(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)

    def broken(*_):
        raise ValueError("no such item")

    monkeypatch.setattr(checkpoints._managers["best"], "wait_until_finished", broken)
    with pytest.raises(ValueError, match="no such item"):
        checkpoints.wait()
    monkeypatch.undo()
    checkpoints.close()


def test_the_save_clock_counts_steps_and_seconds():
    now = [100.0]
    clock = SaveClock(every_steps=5, every_seconds=60.0, clock=lambda: now[0])
    assert [clock.due_by_step(step) for step in (0, 1, 5, 9, 10)] == [False, False, True, False, True]
    now[0] += 59
    assert not clock.due_by_time()
    now[0] += 1
    assert clock.due_by_time()
    clock.saved()
    assert not clock.due_by_time()
    assert not SaveClock(0, 60.0, clock=lambda: now[0]).due_by_step(5)
