"""Interrupts training runs in every way they survive, resumes each, and compares its end to an uninterrupted run.

    python tests/chaos/chaos.py            # all of it, about half an hour on 2 cores
    python tests/chaos/chaos.py --short    # one experiment of each of four kinds, under 3 minutes

Prints a table; exits with 1 if a row is not as it should be.  A run trains a tiny model on a few facts, by
announced.py, which makes the phase to interrupt last long enough.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["JAX_PLATFORMS"] = "cpu"

from absl import flags, logging  # noqa: E402

from tests.chaos import announced  # noqa: E402
from tests.chaos.announced import COMPILE, DEV, FINAL, PHASES, STEP, WRITE, begun, phase_at  # noqa: E402

START = "start-up"
HELD_SECONDS = 4
SAVED_WITHIN, ENDED_WITHIN, AT_ONCE = 30, 60, 3  # seconds: after SIGTERM, after another's end, after a second SIGTERM
TIMEOUT = 600
SMALL = ["--model=tiny", "--dropout=0.1", "--global_batch=16", "--passage_length=48", "--row_length=64", "--steps=12",
         "--learning_rate=5e-3", "--log_every=2", "--validate_every=4", "--validation_batches=1", "--save_every=3",
         "--evaluate_every=4"]  # fmt: skip


@dataclasses.dataclass
class Row:
    """A line of the table; `wrong` says what was not as it should be."""

    what: str
    when: str
    ended: str
    seconds: float
    after: str
    wrong: str = ""


@dataclasses.dataclass
class Job:
    """One training command, of one or several processes.

    Attributes:
      data: what tests/data_prep/few_facts.py prepares.
      workdir: its run.
      processes: how many.
      devices: of each process.
    """

    data: Path
    workdir: Path
    processes: int = 1
    devices: int = 1

    @property
    def phases(self) -> Path:
        """What the first process announces."""
        return self.workdir.with_suffix(".phases")

    def start(self, *more: str, held: str = "", seconds: float = 0, before: tuple[str, ...] = ()) -> None:
        """Starts the processes."""
        self.phases.unlink(missing_ok=True)
        self.began = time.monotonic()
        flags = [*SMALL, f"--stores={self.data}/train", f"--validation_stores={self.data}/validation",
                 "--benchmarks=facts", "--dev_benchmarks=facts", f"--data_dir={self.data}/benchmarks",
                 f"--workdir={self.workdir}", *more]  # fmt: skip
        address = f"127.0.0.1:{_free_port()}"
        devices = f"--xla_force_host_platform_device_count={self.devices}"
        environment = {**os.environ, "XLA_FLAGS": devices, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        self.running = []
        for process in range(self.processes):
            phases = self.phases if process == 0 else self.phases.with_suffix(f".{process}")
            job = [f"--coordinator={address}", f"--processes={self.processes}", f"--process={process}"]
            command = [*before, sys.executable, announced.__file__, str(phases), held, str(seconds), *flags]
            with self.errors(process).open("w") as errors:
                self.running.append(
                    subprocess.Popen(
                        [*command, *(job if self.processes > 1 else [])],
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=errors,
                    )  # fmt: skip
                )

    def errors(self, process: int = 0) -> Path:
        """What a process writes to standard error."""
        return self.workdir.with_suffix(f".err{process}")

    def wait(self, process: int = 0) -> int:
        """The exit code of a process."""
        try:
            return self.running[process].wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.running[process].wait()

    def kill(self) -> None:
        """Kills every process."""
        for process in self.running:
            process.kill()

    def finish(self, *more: str) -> str:
        """Runs the job to its end; returns what went wrong, empty if nothing did."""
        self.start(*more)
        codes = [self.wait(process) for process in range(self.processes)]
        return "" if not any(codes) else f"resuming ended with {codes}: {_last_line(self.errors())}"

    def until(self, reached: Callable[[], bool]) -> bool:
        """Waits until something is reached; False if the first process ends before."""
        while not reached():
            if self.running[0].poll() is not None:
                return False
            time.sleep(0.02)
        return True


class Lab:
    """The runs to compare with, and the experiments."""

    def __init__(self, folder: Path):
        self.folder, self.data = folder, folder / "facts"
        _prepare(self.data)
        self.straight = Job(self.data, folder / "straight")
        if wrong := self.straight.finish():
            sys.exit(f"the uninterrupted run failed: {wrong}")
        self.pair, self.lock = self.job("pair", 2), threading.Lock()

    def job(self, name: str, processes: int = 1, devices: int = 1) -> Job:
        """A job of its own workdir."""
        return Job(self.data, self.folder / name, processes, devices)

    def compared(self, job: Job, straight: Job | None = None, *, wrong: str = "") -> tuple[str, str]:
        """Whether a finished run is bitwise the uninterrupted one: (words, what is wrong)."""
        if wrong:
            return "not resumed", wrong
        one, other = (digest(of.workdir) for of in (straight or self.straight, job))
        return ("bitwise equal", "") if one == other else ("differs", "final state, metrics or results differ")

    def killed(self, number: int, draw: random.Random) -> Row:
        """kill -9 a random time after a randomly chosen start of a phase; each number takes the next phase."""
        job, phase = self.job(f"killed{number}"), (START, *PHASES)[number % (len(PHASES) + 1)]
        times = draw.randint(1, begun(self.straight.phases, phase)) if phase != START else 0
        delay = draw.uniform(0, {START: 8, COMPILE: 2, FINAL: 2}.get(phase, 0.1))
        job.start()
        job.until(lambda: begun(job.phases, phase) >= times)
        time.sleep(delay)
        phase, saved = phase_at(job.phases), _steps(job.workdir)
        job.kill()
        code = job.wait()
        after, wrong = self.compared(job, wrong=job.finish())
        if code != -signal.SIGKILL:
            wrong = wrong or f"had ended with {code}"
        return Row(
            "kill -9",
            f"{phase}, {delay:.2f} s later",
            str(code),
            0,
            f"from {saved[-1:] or 'the start'}, {after}",
            wrong,
        )

    def terminated(self, phase: str) -> Row:
        """SIGTERM in a phase."""
        job, seconds = self.job(f"terminated-{phase}".replace(" ", "-")), HELD_SECONDS
        if phase == COMPILE:
            seconds = 2 * SAVED_WITHIN
        job.start(held=phase, seconds=seconds if phase != STEP else 0.3)
        job.until(lambda: begun(job.phases, phase) >= (2 if phase == STEP else 1))
        time.sleep(0.3)
        sent = time.monotonic()
        job.running[0].terminate()
        code, took = job.wait(), time.monotonic() - sent
        wrong = (
            "" if code == 3 and took < SAVED_WITHIN else f"exit {code} after {took:.0f} s: {_last_line(job.errors())}"
        )
        after, differs = self.compared(job, wrong=job.finish())
        return Row("SIGTERM", phase, str(code), took, after, wrong or differs)

    def terminated_twice(self, phase: str) -> Row:
        """SIGTERM and, a second later, another one."""
        job = self.job(f"twice-{phase}".replace(" ", "-"))
        job.start(held=phase, seconds=HELD_SECONDS)
        saved = (lambda: len(_steps(job.workdir)) > 0) if phase == WRITE else (lambda: True)
        job.until(lambda: saved() and begun(job.phases, phase) >= (2 if phase == WRITE else 1))
        before = _steps(job.workdir)
        job.running[0].terminate()
        time.sleep(1)
        sent = time.monotonic()
        job.running[0].terminate()
        code, took = job.wait(), time.monotonic() - sent
        wrong = "" if code == -signal.SIGTERM and took < AT_ONCE else f"exit {code} after {took:.0f} s"
        if not set(before) <= set(_steps(job.workdir)):
            wrong = f"checkpoints {before} became {_steps(job.workdir)}"
        after, differs = self.compared(job, wrong=job.finish())
        return Row("SIGTERM twice", phase, str(code), took, after, wrong or differs)

    def one_lost(self, lost: int) -> Row:
        """kill -9 of one of two processes."""
        with self.lock:
            if not self.pair.workdir.exists() and (wrong := self.pair.finish()):
                return Row("two processes", "whole run", "", 0, "", wrong)
        job = self.job(f"lost{lost}", 2)
        job.start(held=STEP, seconds=0.3)
        job.until(lambda: len(_steps(job.workdir)) > 0)
        sent = time.monotonic()
        job.running[lost].kill()
        code, took = job.wait(1 - lost), time.monotonic() - sent
        said = _last_line(job.errors(1 - lost))
        expected = f"error: process {lost} of this job, on host .*, has ended: it was killed"
        is_right = code == 1 and took < ENDED_WITHIN and re.match(expected, said)
        after, differs = self.compared(job, self.pair, wrong=job.finish())
        wrong = "" if is_right else f"exit {code} after {took:.0f} s: {said}"
        return Row(f"kill -9 of process {lost} of 2", "step", str(code), took, after, wrong or differs)

    def of_processes(self, processes: int, then: int = 0) -> Row:
        """Several processes against one with as many devices; `then` processes continue after a kill, if not 0."""
        name = f"{processes}-then-{then}"
        alone, job = self.job(f"alone-{name}", devices=processes), self.job(f"processes-{name}", processes)
        wrong = alone.finish("--dropout=0")
        if then:
            job.start("--dropout=0", held=STEP, seconds=0.3)
            job.until(lambda: len(_steps(job.workdir)) > 1)
            job.kill()
            job.wait()
            job.processes = then
        began = time.monotonic()
        wrong = wrong or job.finish("--dropout=0")
        losses = [] if wrong else [_losses(of.workdir) for of in (alone, job)]
        if not wrong and any(abs(one - other) > 1e-4 * abs(one) for one, other in zip(*losses, strict=True)):
            wrong = f"losses {losses}"
        what = f"{processes} processes" + (f", then {then}" if then else "")
        return Row(what, "killed once" if then else "whole run", "0", time.monotonic() - began, "losses equal", wrong)

    def damaged(self, name: str, how: str) -> Row:
        """The newest checkpoint damaged."""
        job = self.job(f"damaged-{how}-{name.replace('/', '-')}")
        shutil.copytree(self._stopped(), job.workdir)
        newest, before = _steps(job.workdir)[::-1][:2]
        _damage(job.workdir, newest, name, how)
        wrong = job.finish()
        said = job.errors().read_text()
        if not re.search(f"the checkpoint of step {newest} is unusable: (its|the content of its) file [a-z]+/", said):
            wrong = wrong or f"does not say why: {_last_line(job.errors())}"
        if f"continuing from the previous checkpoint, at step {before}\n" not in said:
            wrong = wrong or "does not say where it continues"
        after, differs = self.compared(job, wrong=wrong)
        return Row(f"newest checkpoint: {name} {how}", f"step {newest}", "0", 0, after, differs)

    def all_damaged(self) -> Row:
        """No checkpoint left to continue from."""
        job = self.job("all-damaged")
        shutil.copytree(self._stopped(), job.workdir)
        for step in _steps(job.workdir):
            _damage(job.workdir, step, "state/manifest.ocdbt", "zeroed")
        job.start()
        code, said = job.wait(), _last_line(job.errors())
        is_right = code == 2 and said.startswith("error: no checkpoint of this run can be used (step ")
        return Row("every checkpoint damaged", "start", str(code), 0, "says so, stops", "" if is_right else said)

    def full_disk(self) -> Row:
        """A disk with room for one checkpoint and not for two."""
        job = self.job("full-disk")
        size = sum(path.stat().st_size for path in (self.straight.workdir / "checkpoints/last/12").rglob("*"))
        job.workdir.mkdir()
        seen = Path(f"{job.workdir}.seen")
        inside = (
            f"mount -t tmpfs -o size={size * 2} none '{job.workdir}' || exit 99\n"
            f"\"$@\"; code=$?; cp -r '{job.workdir}' '{seen}'; exit $code"
        )
        job.start("--validate_every=0", "--evaluate_every=0", "--dev_benchmarks=",
                  before=("unshare", "-Urm", "sh", "-c", inside, "sh"))  # fmt: skip
        code, said = job.wait(), _last_line(job.errors())
        left = _steps(seen)
        is_right = code == 2 and "the disk is full" in said and left
        shutil.rmtree(job.workdir)
        seen.rename(job.workdir)
        after, differs = self.compared(job, wrong=job.finish()) if is_right else ("", said)
        return Row("full disk", f"saved {left}", str(code), 0, after, differs)

    def not_finite(self) -> Row:
        """A learning rate that makes the loss infinite after some steps."""
        job = self.job("not-finite")
        job.start("--learning_rate=1e18", "--clip_norm=0", "--schedule=constant", "--save_every=1", "--log_every=1",
                  "--validate_every=0", "--evaluate_every=0", "--dev_benchmarks=")  # fmt: skip
        code, said = job.wait(), _last_line(job.errors())
        expected = r"error: the loss of step \d+ is \S+, .*\(batch kind \S+, store \S+, languages [a-z ]+\)"
        wrong = "" if code == 1 and re.match(expected, said) else f"exit {code}: {said}"
        if not wrong and not _is_finite(job.workdir):
            wrong = "the last checkpoint is not finite"
        return Row("loss not finite", "step", str(code), 0, f"saved {_steps(job.workdir)}, finite", wrong)

    def _stopped(self) -> Path:
        """A run stopped at its third checkpoint."""
        folder = self.folder / "stopped"
        if not folder.exists():
            made = self.job("being-stopped")
            made.start(held=STEP, seconds=0.5)
            made.until(lambda: len(_steps(made.workdir)) > 1)
            made.kill()
            made.wait()
            made.workdir.rename(folder)
        return folder


def digest(workdir: Path) -> str:
    """SHA-256 of the final state, bit by bit, of what was measured, and of the results."""
    from hbt_jax.training.metrics_log import TRAIN, read_metrics

    found = hashlib.sha256()
    leaves, record = _state(workdir)
    for leaf in leaves:
        found.update(leaf.tobytes())
    record = dataclasses.replace(record, configuration={})
    rows = [row for row in read_metrics(workdir) if row["split"] != TRAIN]
    results = (workdir / "evaluation" / "facts" / "results.json").read_text().replace(str(workdir), "")
    results = results.replace(workdir.name, "")
    found.update(repr((record, rows, results)).encode())
    return found.hexdigest()


def _state(workdir: Path) -> tuple[list, object]:
    """The arrays of the last checkpoint and its record."""
    import jax
    import numpy as np

    from hbt_jax.mesh import make_mesh
    from hbt_jax.training import workdir as runs
    from hbt_jax.training.checkpoint import Checkpoints
    from hbt_jax.training.step import abstract_state

    checkpoints = Checkpoints(workdir, read_only=True)
    mesh = make_mesh(1, 1, jax.devices()[:1])
    state = checkpoints.restore_last(abstract_state(runs.read_run(workdir).step_config, mesh))
    record = checkpoints.record("last")
    checkpoints.close()
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)], record


def _is_finite(workdir: Path) -> bool:
    import numpy as np

    return all(np.isfinite(leaf).all() for leaf in _state(workdir)[0])


def _losses(workdir: Path) -> list[float]:
    from hbt_jax.training.metrics_log import read_metrics

    return [row["loss"] for row in read_metrics(workdir) if row["split"] == "validation"]


def _damage(workdir: Path, step: int, name: str, how: str) -> None:
    folder = workdir / "checkpoints" / "last" / str(step)
    path = max(folder.glob(name), key=lambda one: one.stat().st_size)
    if how == "removed":
        path.unlink()
    elif how == "zeroed":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _steps(workdir: Path) -> list[int]:
    """Steps of the complete checkpoints to continue from, the newest last."""
    return sorted(int(path.name) for path in (workdir / "checkpoints" / "last").glob("*") if path.name.isdecimal())


def _last_line(file: Path) -> str:
    """The error that ended a process, else its last line; a progress bar may be drawn once more after an error."""
    lines = [line for line in file.read_text(errors="replace").splitlines() if line.strip()]
    return ([line for line in lines if line.startswith("error: ")] or lines or [""])[-1]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _prepare(folder: Path) -> None:
    from data_prep import prepare_facts
    from data_prep.facts import builder
    from tests.data_prep.few_facts import few

    builder.groups_by_split = few
    prepare_facts.prepare(folder, vocabulary=450, seed=0)


def experiments(lab: Lab, kills: int, seed: int, *, short: bool) -> list[Callable[[], Row]]:
    """What is done, in order."""
    found = [functools.partial(lab.killed, n, random.Random(f"{seed} {n}")) for n in ([2] if short else range(kills))]
    found += [functools.partial(lab.terminated, phase) for phase in ((COMPILE,) if short else PHASES)]
    found += [functools.partial(lab.terminated_twice, phase) for phase in ((WRITE,) if short else (WRITE, DEV))]
    found += [functools.partial(lab.one_lost, lost) for lost in ((1,) if short else (0, 1))]
    if short:
        return found
    files = ["state/ocdbt.process_0/d/*", "state/d/*", "state/_METADATA", "state/manifest.ocdbt", "record/metadata"]
    damages = [(name, how) for name in files for how in ("truncated", "zeroed", "removed")]
    found += [functools.partial(lab.damaged, *damage) for damage in damages]
    found += [functools.partial(lab.of_processes, *counts) for counts in ((2,), (4,), (2, 1))]
    return [*found, lab.all_damaged, lab.full_disk, lab.not_finite]


def attempted(experiment: Callable[[], Row]) -> Row:
    """Runs an experiment and prints its row; an exception becomes a row too."""
    try:
        row = experiment()
    except Exception as error:
        row = Row("experiment", "", "", 0, "", f"{type(error).__name__}: {error}")
    print(f"... {row.what}, {row.when}: {row.wrong or row.after}", flush=True)
    return row


def table(rows: list[Row]) -> str:
    """As Markdown."""
    lines = ["| interruption | when | exit code | seconds to end | after the resume |", "|---|---|---|---|---|"]
    for row in rows:
        seconds = f"{row.seconds:.1f}" if row.seconds else ""
        after = f"WRONG: {row.wrong}" if row.wrong else row.after
        lines.append(f"| {row.what} | {row.when} | {row.ended} | {seconds} | {after} |")
    return "\n".join(lines)


def main(_: list[str]) -> None:
    """Runs the experiments, two at a time; exit code 1 if one did not go as it should."""
    given = flags.FLAGS
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="chaos_") as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/compiled"
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
        began, lab = time.monotonic(), Lab(Path(folder))
        chosen = experiments(lab, given.kills, given.seed, short=given.short)
        chosen = [one for one in chosen if given.only in ("", getattr(one, "func", one).__name__)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(attempted, chosen))
    wrong = sum(bool(row.wrong) for row in rows)
    print(
        f"\n{table(rows)}\n\n{len(rows) - wrong} of {len(rows)} as they should be, in {time.monotonic() - began:.0f} s"
    )
    sys.exit(int(bool(wrong or not rows)))


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_bool("short", False, "run only one experiment of each of four kinds")
    flags.DEFINE_integer("kills", 20, "random moments of kill -9")
    flags.DEFINE_integer("seed", 0, "seed of the random moments")
    flags.DEFINE_string("only", "", "run only the experiments of this name, such as one_lost")
    run_command(main)
