"""Resume is exact, also after kill -9 and on another mesh; stops save; validation picks, patience ends, nan stops."""

import contextlib
import dataclasses
import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
import pytest
from flax import nnx

from hbt_jax.config.devices import MemoryConfig
from hbt_jax.config.learning import LearningConfig
from hbt_jax.errors import InputError, TrainingDiverged
from hbt_jax.mesh import make_mesh
from hbt_jax.models.utilisation import update_flops
from hbt_jax.training import hooks, step
from hbt_jax.training.assessment import Assess, BestMetric, ValidationLoss
from hbt_jax.training.checkpoint import Checkpoints, Record, SaveClock
from hbt_jax.training.hooks import LogMetrics, ProfileSteps, SaveCheckpoints, ShowProgress
from hbt_jax.training.metrics_log import MetricsLog, read_metrics
from hbt_jax.training.resume import check_resume, check_same_run, first_state
from hbt_jax.training.train import summary_line
from hbt_jax.training.trainer import Hook, Trainer
from tests.training import toy

CONFIGURATION = {"plan": {"batching": "x-y"}, "run": {"seed": 3, "compute_dtype": "float32", "steps": 6}}


LOSS = BestMetric()
RECORD = Record(0, CONFIGURATION, {"stores": ["a"]})


@dataclasses.dataclass
class ToyBatches:
    shares: int
    global_batch: int = 16
    starts: ClassVar[list] = []

    def __call__(self, start):
        self.starts.append(start)
        return (toy.batch(step, self.shares) for step in itertools.count(start))

    def describe(self, step):
        return f"batch kind x-y, languages de sw, number {step}"


def trainer(workdir, checkpoints, stop_requested=lambda: False, mesh=(1, 1), step_config=None, record=RECORD,
            weights=None, resume="auto", save_every=0) -> Trainer:  # fmt: skip
    """A trainer without hooks, at the step where the workdir's run is."""
    devices = jax.devices()[: mesh[0] * mesh[1]]
    step_config, mesh = step_config or toy.step_config(), make_mesh(*mesh, devices)
    saved = check_resume(resume, checkpoints, record, Path(workdir))
    state, record = first_state(checkpoints, saved, record, step_config, mesh, lambda: weights)
    batches, clock = ToyBatches(len(devices)), SaveClock(save_every, 900.0)
    return Trainer(step_config, mesh, batches, checkpoints, state, record, stop_requested, clock)


def run(workdir, stop_after=None, stop_requested=None, measures=(), best=LOSS, patience=0, **arguments):
    """Trains; `stop_after` asks for a stop before that many further updates.

    Returns:
      The state, its record, and whether the run was stopped.
    """
    asked = itertools.count()
    stop_requested = stop_requested or (lambda: next(asked) == stop_after)
    with contextlib.closing(Checkpoints(Path(workdir))) as checkpoints:
        made = trainer(workdir, checkpoints, stop_requested, **arguments)
        with contextlib.closing(MetricsLog(Path(workdir), made.step, made.record.evaluated_step)) as log:
            progress = ShowProgress(shown=False)
            made.add_hook(progress)
            made.add_hook(LogMetrics(log, progress), every=2)
            made.add_hook(Assess(measures, best, patience, log))
            made.add_hook(SaveCheckpoints(made.clock.due_by_time))
            made.run()
        return made.state, made.record, made.stopping


def validation(batches=1, every=0, step_config=None, shares=1) -> list:
    return [ValidationLoss(step_config or toy.step_config(), [toy.batch(100, shares)] * batches, every)]


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
        "import sys\nfrom pathlib import Path\nfrom tests.training import test_trainer as t\n"
        "class Watched(t.Checkpoints):\n"
        "    def __init__(self, *arguments):\n        super().__init__(*arguments)\n        opened.append(self)\n"
        "opened, t.Checkpoints = [], Watched\n"
        "def poll():\n"
        "    if opened[0].step('last') == 3:\n"
        "        opened[0].wait()\n        import os, signal\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return False\n"
        "t.run(sys.argv[1], stop_requested=poll, save_every=3)\n"
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


@pytest.mark.slow
@pytest.mark.parametrize("split", [True, False])
def test_a_run_goes_on_from_8_devices_to_4_and_to_1_where_it_was_in_the_data(tmp_path, straight, split, monkeypatch):
    monkeypatch.setattr(ToyBatches, "starts", [])
    step_config = toy.step_config(memory=MemoryConfig(split_optimizer=split))
    for mesh, stop_after in (((2, 4), 2), ((4, 1), 2), ((1, 1), None)):
        state, record, _ = run(tmp_path, stop_after=stop_after, mesh=mesh, step_config=step_config)
    assert (record.step, ToyBatches.starts) == (6, [0, 2, 4])
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_split_optimizer_state_is_resumed_whole_and_the_other_way_round(tmp_path, straight):
    for split, stop_after in ((True, 2), (False, 2), (True, None)):
        step_config = toy.step_config(memory=MemoryConfig(split_optimizer=split))
        state, _, _ = run(tmp_path, stop_after=stop_after, mesh=(4, 2), step_config=step_config)
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_validation_keeps_the_best_and_patience_ends_the_run(tmp_path):
    diverging = toy.step_config(learning=LearningConfig(learning_rate=0.5, temperature=0.1, schedule="constant"))
    measures = validation(every=1, step_config=diverging)
    _, record, stopped = run(tmp_path, step_config=diverging, measures=measures, patience=2)
    rows = [row for row in read_metrics(tmp_path) if row["split"] == "validation"]
    losses = [row["loss"] for row in rows]
    best = int(np.argmin(losses))
    assert not stopped
    assert record.best_step == rows[best]["step"]
    assert record.best_value == pytest.approx(losses[best])
    assert record.step == record.best_step + 2 < 6
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.step("best") == record.best_step
    checkpoints.close()
    _, again, _ = run(tmp_path, step_config=diverging, measures=measures, patience=2)
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
    made = trainer(tmp_path, checkpoints)
    assert "; the last checkpoint, from before, is step 2; what can be tried" in str(made.diverged("w", 3))
    checkpoints.close()


class Poison(Hook):
    """Makes the parameters useless after a step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, trainer):
        if trainer.step == self.step:
            spoiled = jax.tree.map(lambda leaf: leaf * np.float32(np.nan), trainer.state.parameters)
            trainer.state = trainer.state._replace(parameters=spoiled)


@pytest.mark.parametrize(
    ("spoiled", "before", "message"),
    [
        (
            4,
            "end",
            r"the loss of step 5 is nan.* \(batch kind x-y, languages de sw, number 4\).* from before, is step 4;",
        ),
        (
            6,
            "save",
            r"after step 6 parameters are not finite \(batch kind x-y, .*, number 5\).* from before, is step 4;",
        ),
    ],
)
def test_the_last_finite_checkpoint_is_left(tmp_path, spoiled, before, message):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        made = trainer(tmp_path, checkpoints, save_every=2)
        progress = ShowProgress(shown=False)
        log, save, poison = LogMetrics(None, progress), SaveCheckpoints(lambda: False), Poison(spoiled)
        for hook in (progress, log, *([poison, save] if before == "save" else [save, poison])):
            made.add_hook(hook)
        with pytest.raises(TrainingDiverged, match=message):
            made.run()
    with contextlib.closing(Checkpoints(tmp_path, read_only=True)) as checkpoints:
        assert checkpoints.steps("last") == [4, 2] and checkpoints.damage(4) is None
        assert all(np.isfinite(leaf).all() for leaf in leaves(trainer(tmp_path, checkpoints).state))


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
        run(tmp_path, step_config=broken, save_every=1, measures=validation(every=1, step_config=broken))
    checkpoints = Checkpoints(tmp_path)
    assert (checkpoints.step("last"), checkpoints.step("best")) == (None, None)
    checkpoints.close()


def test_a_stop_during_validation_is_a_stop(tmp_path, straight):
    _, record, stopped = run(tmp_path, stop_after=7, measures=validation(batches=2))  # 6 updates, then 2 batches
    assert (record.step, record.evaluated_step, stopped) == (6, None, True)
    _, again, stopped = run(tmp_path, measures=validation(batches=2))
    assert (again.step, again.evaluated_step, again.best_step, stopped) == (6, 6, 6, False)


def test_a_best_checkpoint_without_a_state_to_go_on_from_is_of_no_run(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(trainer(tmp_path, checkpoints).state, RECORD)
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


def broken(workdir, step, name="state/manifest.ocdbt", listed=True):
    """Zeroes a file of a checkpoint; `listed`: whether the checkpoint still has the list of its files."""
    folder = workdir / "checkpoints" / "last" / str(step)
    (folder / name).write_bytes(bytes((folder / name).stat().st_size))
    if not listed:
        (folder / "files.json").unlink()


@pytest.mark.parametrize(
    ("listed", "why"),
    [(True, "the content of its file state/manifest.ocdbt has changed"), (False, "checkpoint .*/4 cannot be read as")],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_continued_to_the_same_end(
    tmp_path, straight, capfd, listed, why
):
    measured = {"measures": [Scores({2: 0.1, 4: 0.2, 6: 0.3}, every=2)], "best": BestMetric(Scores.name, True)}
    run(tmp_path, stop_after=6, save_every=2, **measured)
    with contextlib.closing(Checkpoints(tmp_path, read_only=True)) as checkpoints:
        assert (checkpoints.steps("last"), checkpoints.steps("best")) == ([4, 2], [4, 2])
    broken(tmp_path, 4, listed=listed)
    capfd.readouterr()
    state, record, _ = run(tmp_path, stop_after=0, **measured)
    said = capfd.readouterr().err
    assert re.search(f"^the checkpoint of step 4 is unusable: {why}", said, re.MULTILINE)
    assert "continuing from the previous checkpoint, at step 2\n" in said
    assert (record.step, record.best_step) == (2, 2)
    with contextlib.closing(Checkpoints(tmp_path, read_only=True)) as checkpoints:
        assert (checkpoints.steps("last"), checkpoints.steps("best")) == ([2], [2])
    aside = tmp_path / "checkpoints" / "set_aside"
    assert sorted(path.name for path in aside.iterdir()) == ["best-4", "last-4"]
    state, record, _ = run(tmp_path, **measured)
    assert (record.step, record.best_step) == (6, 6)
    for ours, theirs in zip(leaves(state), straight, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [row["step"] for row in read_metrics(tmp_path) if row["split"] == "dev"] == [2, 4, 6]


def test_without_a_usable_checkpoint_the_run_says_so_and_changes_nothing(tmp_path):
    run(tmp_path, stop_after=4, save_every=2)
    broken(tmp_path, 2, "record/metadata")
    broken(tmp_path, 4, listed=False)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    message = (
        r"^no checkpoint of this run can be used \(step 4: checkpoint .*/4 cannot be read.*; step 2: the content of its"
        r" file record/metadata has changed since it was written\): restore the files, or choose another --workdir$"
    )
    with pytest.raises(InputError, match=message):
        run(tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_workdir_of_another_run_is_refused(tmp_path):
    run(tmp_path, stop_after=1)
    saved = Record(1, CONFIGURATION, {"stores": ["a"]})
    other = {**CONFIGURATION, "plan": {"batching": "hybrid"}}
    with pytest.raises(InputError, match="other settings: --batching=x-y became hybrid; give the same flags"):
        check_same_run(saved, Record(0, other, {"stores": ["a"]}), tmp_path)
    with pytest.raises(InputError, match="on other data"):
        check_same_run(saved, Record(0, CONFIGURATION, {"stores": ["b"]}), tmp_path)
    longer = {**CONFIGURATION, "run": {**CONFIGURATION["run"], "steps": 9}}
    check_same_run(saved, Record(0, longer, {"stores": ["a"]}), tmp_path)
    with pytest.raises(InputError, match="--resume=never.*checkpoint at step 1"):
        run(tmp_path, resume="never")
    with pytest.raises(InputError, match="--resume=must.*holds no checkpoint"):
        run(tmp_path / "empty", resume="must")


@pytest.mark.parametrize(("saved", "said"), [(None, r"1 \(no scheme on record\)"), (1, "1"), (3, "3")])
def test_a_run_with_batches_of_another_scheme_is_refused_and_left_as_it_is(tmp_path, saved, said):
    """A resumed run would train on other texts."""

    def with_scheme(scheme):
        return dataclasses.replace(RECORD, plan_scheme=scheme)

    _, record, _ = run(tmp_path, stop_after=2, record=with_scheme(saved))
    assert (record.step, record.plan_scheme) == (2, saved)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = Checkpoints(tmp_path)
    message = (
        f"holds a run at step 2 with batches of plan scheme {said}, but this version of hbt_jax draws by scheme 2 and"
        " would continue with other texts: finish the run with the version that began it, or give another --workdir"
    )
    with pytest.raises(InputError, match=message):
        check_resume("auto", again, with_scheme(2), tmp_path)
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, again, record=with_scheme(2))
    assert again.record("last").plan_scheme == saved
    assert check_resume("auto", again, with_scheme(saved), tmp_path).step == 2
    again.close()
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_record_of_a_run_is_not_shared_between_runs(tmp_path):
    before = dataclasses.replace(RECORD)
    run(tmp_path)
    assert before == RECORD


class Seen(Hook):
    def __init__(self):
        self.calls = []

    def start(self, trainer):
        self.calls.append(("start", trainer.step))

    def __call__(self, trainer):
        self.calls.append(("call", trainer.step))

    def pause(self, trainer):
        self.calls.append(("pause", trainer.step))

    def close(self):
        self.calls.append(("close", None))


def test_a_hook_is_called_every_so_many_steps_and_told_of_waits_and_the_end(tmp_path):
    seen = Seen()
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        made = trainer(tmp_path, checkpoints)
        made.add_hook(seen, every=4)
        made.run()
    assert seen.calls == [("start", 0), ("call", 4), ("pause", 6), ("close", None)]


class Scores:
    """A measure that says what it is told to."""

    split = "dev"
    name = "facts/multilingual/map"

    def __init__(self, values, every):
        self.values, self.every = values, every

    def __call__(self, trainer):
        trainer.check_stop()
        return {self.name: self.values[trainer.step]}


@pytest.mark.parametrize(("is_higher_better", "best", "reached"), [(True, 2, 5), (False, 3, 6)])
def test_another_metric_than_the_loss_decides(tmp_path, is_higher_better, best, reached):
    scores = Scores({1: 0.2, 2: 0.5, 3: 0.1, 4: 0.3, 5: 0.4, 6: 0.2}, every=1)
    metric = BestMetric("facts/multilingual/map", is_higher_better)
    _, record, stopped = run(tmp_path, measures=[*validation(every=2), scores], best=metric, patience=3)
    assert (record.step, record.best_step, record.best_value, stopped) == (reached, best, scores.values[best], False)
    assert record.worse_results == 3
    assert [row["step"] for row in read_metrics(tmp_path) if row["split"] == "dev"] == list(range(1, reached + 1))
    with contextlib.closing(Checkpoints(tmp_path, read_only=True)) as checkpoints:
        assert checkpoints.step("best") == best


def test_measures_of_a_stopped_run_are_those_of_one_without_a_break(tmp_path):
    """The stop comes after the validation and before the evaluation of step 4: both are taken again."""
    metric = BestMetric("facts/multilingual/map", True)

    def measures():
        return [*validation(every=2), Scores({2: 0.5, 4: 0.75, 6: 0.25}, every=2)]

    state, record, _ = run(tmp_path / "straight", measures=measures(), best=metric)
    _, stopped_at, stopped = run(tmp_path / "stopped", stop_after=7, measures=measures(), best=metric)
    assert (stopped_at.step, stopped_at.evaluated_step, stopped) == (4, 2, True)
    again, resumed, _ = run(tmp_path / "stopped", measures=measures(), best=metric)
    assert resumed == record and record.best_step == 4
    for ours, theirs in zip(leaves(again), leaves(state), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    rows = [
        [row for row in read_metrics(tmp_path / name) if row["split"] != "train"] for name in ("straight", "stopped")
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 6


@pytest.mark.parametrize(("first", "last", "after"), [(1, 2, 0), (3, 4, 0), (5, 9, 0), (4, 5, 3), (1, 2, 3)])
def test_a_trace_of_some_steps(tmp_path, first, last, after):
    """Also if it ends with the run, is not reached by the first process, or lies before the step it resumes from."""
    if after:
        run(tmp_path, stop_after=after)
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        made = trainer(tmp_path, checkpoints)
        made.add_hook(ProfileSteps(tmp_path / "profile", first, last))
        made.run()
    traces = list((tmp_path / "profile").glob("plugins/profile/*/*.xplane.pb"))
    assert len(traces) == (first > after)


def test_no_copy_between_host_and_device_is_hidden_in_the_loop(tmp_path):
    """With several devices, validation and saves between updates, too."""
    with jax.transfer_guard("disallow"):
        _, record, _ = run(tmp_path, mesh=(4, 2), measures=validation(every=2, shares=8), save_every=2)
    assert record.step == 6
    assert [row["step"] for row in read_metrics(tmp_path) if row["split"] == "validation"] == [2, 4, 6]
    with contextlib.closing(Checkpoints(tmp_path, read_only=True)) as checkpoints:
        assert checkpoints.steps("last") == [6, 4]


@pytest.mark.parametrize("peak", [2e9, None])
def test_utilisation_stands_in_metrics_and_bar_if_the_peak_is_known(tmp_path, monkeypatch, capsys, peak):
    monkeypatch.setattr(hooks, "peak_flops", lambda kind, dtype: {("cpu", "float32"): peak}[kind, dtype])
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        made = trainer(tmp_path, checkpoints, mesh=(4, 2))
        with contextlib.closing(MetricsLog(tmp_path, 0)) as log:
            progress = ShowProgress(shown=True)
            made.add_hook(progress)
            made.add_hook(LogMetrics(log, progress), every=2)
            made.run()
    rows, bar = read_metrics(tmp_path), capsys.readouterr().err
    assert [row["step"] for row in rows] == [2, 4, 6] and "loss=" in bar
    if peak is None:
        assert not any("mfu" in row for row in rows) and "mfu" not in bar
        return
    encoder = toy.step_config().encoder
    of_step = [
        update_flops(encoder, 8 * toy.batch(step, 8)["tokens"].shape[1], toy.LENGTH, 16, 16) for step in range(6)
    ]
    for row in rows:
        flops_per_second = sum(of_step[row["step"] - 2 : row["step"]]) / 2 * row["pairs_per_second"] / 16
        assert row["mfu"] == pytest.approx(flops_per_second / (8 * peak))
        assert f"mfu={row['mfu']:.1%}" in bar


@pytest.mark.parametrize(("measures", "said"), [([], ""), (validation(every=3), " and 1 for validation")])
def test_the_last_line_counts_compilations(tmp_path, measures, said):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        made = trainer(tmp_path, checkpoints)
        made.add_hook(Assess(measures, LOSS, 0, None))
        made.run()
    shapes = {toy.batch(step, 1)["tokens"].shape for step in range(6)}
    line = r"trained to step 6: \d+ s of updates, [\d.]+% of it waiting for data; "
    assert re.fullmatch(f"{line}{len(shapes)} shapes? of batches compiled{said}", summary_line(made))
