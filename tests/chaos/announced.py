"""Runs launch/train.py, which then also writes to a file which phase it is in, and can be delayed in one phase.

    python tests/chaos/announced.py FILE HOLD SECONDS --workdir=...

FILE gets a line `PHASE begin` and `PHASE end` for each phase of the main thread, and for the writing of checkpoints in
the background.  HOLD is a phase that takes SECONDS longer, before its work; empty for none.
"""

import runpy
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

COMPILE, STEP, WRITE = "compile", "step", "checkpoint write"
VALIDATION, DEV, FINAL = "validation", "dev evaluation", "final evaluation"
PHASES = (COMPILE, STEP, WRITE, VALIDATION, DEV, FINAL)
_lock = threading.Lock()


def phase_at(file: Path) -> str:
    """The phase a run is in: of the main thread the innermost; `start-up` before the first."""
    lines = file.read_text().splitlines() if file.exists() else []
    open_phases, found = [], "start-up"
    for line in lines:
        phase, what = line.rsplit(" ", 1)
        if what == "begin":
            open_phases.append(phase)
        elif phase in open_phases:
            open_phases.remove(phase)
        found = "between phases"
    return open_phases[-1] if open_phases else found


def begun(file: Path, phase: str) -> int:
    """How often a phase has begun."""
    return file.read_text().splitlines().count(f"{phase} begin") if file.exists() else 0


def _announce(file: Path, phase: str, what: str) -> None:
    with _lock, file.open("a") as lines:
        lines.write(f"{phase} {what}\n")


def _wrapped(function: Callable, file: Path, phase: str, seconds: float) -> Callable:
    def inner(*arguments, **named):
        _announce(file, phase, "begin")
        try:
            time.sleep(seconds)
            return function(*arguments, **named)
        finally:
            _announce(file, phase, "end")

    return inner


def _patch(file: Path, held: str, seconds: float) -> None:
    from hbt_jax.evaluation import evaluate
    from hbt_jax.training import assessment, checkpoint, trainer

    def wrap(owner: type, name: str, phase: str) -> None:
        setattr(owner, name, _wrapped(getattr(owner, name), file, phase, seconds if phase == held else 0))

    wrap(assessment.ValidationLoss, "__call__", VALIDATION)
    wrap(assessment.DevBenchmarks, "__call__", DEV)
    wrap(evaluate, "evaluate_workdir", FINAL)
    save, completed = checkpoint.Checkpoints._save, checkpoint.Checkpoints._list_files

    def announced_save(self, name, arrays, record):
        if record.step not in self.steps(name):
            _announce(file, WRITE, "begin")
        save(self, name, arrays, record)

    def slow_completion(self, name):
        time.sleep(seconds if held == WRITE else 0)
        completed(self, name)
        _announce(file, WRITE, "end")

    checkpoint.Checkpoints._save, checkpoint.Checkpoints._list_files = announced_save, slow_completion
    compiled, call = trainer.Trainer.compiled, trainer.Compiled.__call__

    def slow_compilation(self, lowered):
        class Slow:
            compile = staticmethod(_wrapped(lowered.compile, file, COMPILE, seconds if held == COMPILE else 0))

        return compiled(self, Slow)

    trainer.Trainer.compiled = slow_compilation
    step = _wrapped(lambda: None, file, STEP, seconds if held == STEP else 0)

    def slow_step(self, first, batch):
        values = call(self, first, batch)
        step()
        return values

    trainer.Compiled.__call__ = slow_step


if __name__ == "__main__":
    file, held, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    sys.argv = [str(ROOT / "launch" / "train.py"), *sys.argv[4:]]
    _patch(file, held, seconds)
    runpy.run_path(sys.argv[0], run_name="__main__")
