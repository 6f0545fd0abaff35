"""Resume is exact, also after kill -9 and on another mesh; stops save; validation picks, patience ends, nan stops."""

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config import LearningConfig, RunConfig
from hbt_jax.errors import InputError, TrainingDiverged
from hbt_jax.mesh import make_mesh
from hbt_jax.training import loop, step
from hbt_jax.training.checkpoint import Checkpoints, Record
from hbt_jax.training.metrics_log import read_metrics
from tests.training import toy

CONFIGURATION = {"plan": {"batching": "x-y"}, "run": {"seed": 3, "compute_dtype": "float32", "steps": 6}}


def job(workdir, mesh=(1, 1), step_config=None, validation=(), weights=None, **run) -> loop.Job:
    devices = jax.devices()[: mesh[0] * mesh[1]]
    shares = len(devices)
    return loop.Job(
        run=RunConfig(steps=6, log_every=2, **run),
        step_config=step_config or toy.step_config(),
        mesh=make_mesh(*mesh, devices),
        batches=lambda start: (toy.batch(step, shares) for step in itertools.count(start)),
        validation=list(validation),
        describe=lambda step: f"batch kind x-y, languages de sw, number {step}",
        global_batch=16,
        record=Record(0, CONFIGURATION, {"stores": ["a"]}),
        workdir=Path(workdir),
        weights=lambda: weights,
    )


def run(workdir, stop_after=None, **arguments):
    """Trains; `stop_after` asks for a stop before that many further updates."""
    asked = itertools.count()
    checkpoints = Checkpoints(Path(workdir))
    try:
        return loop.train(job(workdir, **arguments), checkpoints, lambda: next(asked) == stop_after)
    finally:
        checkpoints.close()


def leaves(state):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The state after 6 steps without a break."""
    state, record, stopped = run(tmp_path_factory.mktemp("straight"))
    assert (record.step, stopped) == (6, False)
    return leaves(state)


def test_stop_and_resume_is_bitwise_the_same_as_going_on(tmp_path, straight):
    _, record, stopped = run(tmp_path, stop_after=3)
    assert (record.step, stopped) == (3, True)
    state, record, stopped = run(tmp_path)
    assert (record.step, stopped) == (6, False)
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [row["step"] for row in read_metrics(tmp_path)] == [3, 4, 6]


def test_kill_and_resume_is_bitwise_the_same(tmp_path, straight):
    code = (
        "import jax, sys\nfrom pathlib import Path\nfrom tests.training import test_loop as t\n"
        "from hbt_jax.training import loop\nfrom hbt_jax.training.checkpoint import Checkpoints\n"
        "checkpoints = Checkpoints(Path(sys.argv[1]))\n"
        "def poll():\n"
        "    if checkpoints.step('last') == 3:\n"
        "        checkpoints.wait()\n        import os, signal\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return False\n"
        "loop.train(t.job(sys.argv[1], save_every=3), checkpoints, poll)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    state, record, _ = run(tmp_path)
    assert record.step == 6
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_resume_on_another_mesh_is_the_same_up_to_rounding(tmp_path, straight):
    run(tmp_path, stop_after=3)
    state, _, _ = run(tmp_path, mesh=(2, 4))
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_validation_keeps_the_best_and_patience_ends_the_run(tmp_path):
    diverging = toy.step_config(learning=LearningConfig(learning_rate=0.5, temperature=0.1, schedule="constant"))
    validation = [toy.batch(100, 1)]
    _, record, stopped = run(
        tmp_path, step_config=diverging, validation=validation, validate_every=1, patience=2, validation_stores=("v",)
    )
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "validation"]
    losses = [row["loss"] for row in rows]
    best = int(np.argmin(losses))
    assert not stopped
    assert record.best_step == rows[best]["step"]
    assert record.best_loss == pytest.approx(losses[best])
    assert record.step == record.best_step + 2 < 6
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.step("best") == record.best_step
    checkpoints.close()
    _, again, _ = run(
        tmp_path, step_config=diverging, validation=validation, validate_every=1, patience=2, validation_stores=("v",)
    )
    assert again.step == record.step


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    broken = toy.step_config(learning=LearningConfig(learning_rate=1e30, temperature=0.1, clip_norm=0.0))
    message = (
        r"the loss of step \d is nan, .*\(batch kind x-y, languages de sw, number \d\); the weights were finite at the"
        r" start; there is no checkpoint yet; .* --learning_rate below 1e\+30, another --clip_norm than 0$"
    )
    with pytest.raises(TrainingDiverged, match=message):
        run(tmp_path, step_config=broken)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.step("last") is None
    checkpoints.close()


def test_a_loss_that_is_not_finite_after_a_checkpoint_names_its_step(tmp_path):
    run(tmp_path, stop_after=2)
    checkpoints = Checkpoints(tmp_path)
    made = loop.Loop(job(tmp_path), checkpoints, lambda: False)
    assert "; the last checkpoint, from before, is step 2; what can be tried" in str(made._diverged("w", 3))
    checkpoints.close()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named_before_the_first_step(tmp_path, value):
    step_config = toy.step_config()
    parameters = nnx.to_flat_state(step.sharded_initial_state(step_config, make_mesh(2, 4)).parameters)
    weights = {path: np.array(leaf.get_value()) for path, leaf in parameters}
    path = sorted(weights, key=str)[3]
    weights[path].reshape(-1)[1] = value
    message = (
        "^the weights of step 0, which training starts from, are not finite: parameter"
        f" {'.'.join(map(str, path))}; start from another --model, or in another --workdir$"
    )
    with pytest.raises(InputError, match=message):
        run(tmp_path, step_config=step_config, weights=weights)


def test_useless_parameters_are_neither_saved_nor_called_best(tmp_path):
    broken = toy.step_config(
        learning=LearningConfig(learning_rate=1e30, temperature=0.1, schedule="constant", clip_norm=0.0)
    )
    with pytest.raises(TrainingDiverged):
        run(tmp_path, step_config=broken, save_every=1, validation=[toy.batch(100, 1)], validate_every=1,
            validation_stores=("v",))  # fmt: skip
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.step("last"), checkpoints.step("best")) == (None, None)
    checkpoints.close()


def test_a_stop_during_validation_is_a_stop(tmp_path, straight):
    asked = itertools.count()
    made = job(tmp_path, validation=[toy.batch(100, 1)] * 2, validation_stores=("v",))
    checkpoints = Checkpoints(tmp_path)
    state, record, stopped = loop.train(made, checkpoints, lambda: next(asked) == 7)  # 6 updates, then 2 batches
    checkpoints.close()
    assert (record.step, record.validated_step, stopped) == (6, None, True)
    _, again, stopped = run(tmp_path, validation=[toy.batch(100, 1)] * 2, validation_stores=("v",))
    assert (again.step, again.validated_step, again.best_step, stopped) == (6, 6, 6, False)


def test_a_best_checkpoint_without_a_state_to_go_on_from_is_of_no_run(tmp_path):
    made = job(tmp_path)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(loop.start(made, checkpoints)[0], made.record)
    checkpoints.close()
    _, record, _ = run(tmp_path)
    assert record.best_step is None
    again = Checkpoints(tmp_path)
    assert (again.step("last"), again.step("best")) == (6, None)
    again.close()


def test_leftovers_of_a_save_that_was_killed_are_removed(tmp_path):
    run(tmp_path, stop_after=3)
    leftover = tmp_path / "checkpoints" / "last" / "4.orbax-checkpoint-tmp"
    leftover.mkdir()
    _, record, _ = run(tmp_path)
    assert record.step == 6
    assert not leftover.exists()


def test_a_workdir_of_another_run_is_refused(tmp_path):
    run(tmp_path, stop_after=1)
    saved = Record(1, CONFIGURATION, {"stores": ["a"]})
    other = {**CONFIGURATION, "plan": {"batching": "hybrid"}}
    with pytest.raises(InputError, match="other settings: --batching=x-y became hybrid; give the same flags"):
        loop.check_same_run(saved, Record(0, other, {"stores": ["a"]}), tmp_path)
    with pytest.raises(InputError, match="on other data"):
        loop.check_same_run(saved, Record(0, CONFIGURATION, {"stores": ["b"]}), tmp_path)
    longer = {**CONFIGURATION, "run": {**CONFIGURATION["run"], "steps": 9}}
    loop.check_same_run(saved, Record(0, longer, {"stores": ["a"]}), tmp_path)
    with pytest.raises(InputError, match="--resume=never.*checkpoint at step 1"):
        run(tmp_path, resume="never")
    with pytest.raises(InputError, match="--resume=must.*holds no checkpoint"):
        run(tmp_path / "empty", resume="must")


@pytest.mark.parametrize(("saved", "said"), [(None, r"1 \(no scheme on record\)"), (1, "1"), (3, "3")])
def test_a_run_with_batches_of_another_scheme_is_refused_and_left_as_it_is(tmp_path, saved, said):
    """A resumed run would train on other texts."""

    def with_scheme(scheme):
        made = job(tmp_path)
        return dataclasses.replace(made, record=dataclasses.replace(made.record, plan_scheme=scheme))

    checkpoints = Checkpoints(tmp_path)
    asked = itertools.count()
    _, record, _ = loop.train(with_scheme(saved), checkpoints, lambda: next(asked) == 2)
    assert (record.step, record.plan_scheme) == (2, saved)
    checkpoints.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = Checkpoints(tmp_path)
    message = (
        f"holds a run at step 2 with batches of plan scheme {said}, but this version of hbt_jax draws by scheme 2 and"
        " would go on with other texts: finish the run with the version that began it, or give another --workdir"
    )
    with pytest.raises(InputError, match=message):
        loop.check_resume("auto", again, with_scheme(2).record, tmp_path)
    with pytest.raises(InputError, match=message):
        loop.train(with_scheme(2), again, lambda: False)
    assert again.record("last").plan_scheme == saved
    assert loop.check_resume("auto", again, with_scheme(saved).record, tmp_path).step == 2
    again.close()
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_record_of_a_run_is_not_shared_between_runs(tmp_path):
    made = job(tmp_path)
    before = dataclasses.replace(made.record)
    checkpoints = Checkpoints(tmp_path)
    loop.train(made, checkpoints, lambda: False)
    checkpoints.close()
    assert made.record == before
