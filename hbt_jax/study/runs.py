"""The runs of a study: their folders, their commands, and whether a finished one is still the one that is asked for."""

import dataclasses
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hbt_jax import json_text
from hbt_jax.config.training import TRAIN_PARTS, TrainConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.results.read import Outcome, read_outcome
from hbt_jax.evaluation.results.result import RESULTS
from hbt_jax.study.grid import NO_RESULT, UNTRAINED, Variant

_PATHS = {"stores", "validation_stores", "model", "tokenizer", "prepared_dir", "data_dir", "benchmarks", "guide_model",
          "anchor_model"}  # fmt: skip
# Parts without a say in the initial weights and in how they are evaluated.
_OF_TRAINING = ("learning", "teaching", "validation", "checkpoints", "memory", "preparation")


@dataclasses.dataclass(frozen=True)
class StudyRun:
    """One training: a configuration of the grid with a seed.

    Attributes:
      variant: the configuration.
      seed: of the run.
      config: the run's options.
      start: the workdir of the run that evaluates the same initial weights; None for this one.
    """

    variant: Variant
    seed: int
    config: TrainConfig
    start: Path | None = None

    @property
    def workdir(self) -> Path:
        """Its folder."""
        return Path(self.config.run.workdir)

    def outcome(self, benchmark: str, untrained: bool = False) -> Outcome | None:
        """What it scored on a benchmark (a name or a path); None if it has not been evaluated."""
        folder = (self.start or self.workdir) / "evaluation" / UNTRAINED if untrained else self.workdir / "evaluation"
        file = folder / benchmark_name(benchmark) / RESULTS
        return read_outcome(file.parent) if file.exists() else None

    def finished(self, benchmarks: Sequence[str]) -> bool:
        """Whether all of its results are there, those of the initial weights too if it evaluates them."""
        return not self._missing(benchmarks)

    def unfinished_part(self) -> TrainConfig:
        """Its options, with only those benchmarks whose results are not there yet.

        A finished training does not repeat what it already has, so one more benchmark costs only its own evaluation.
        """
        missing = self._missing(self.config.evaluation.benchmarks)
        evaluation = dataclasses.replace(self.config.evaluation, benchmarks=missing)
        return dataclasses.replace(self.config, evaluation=evaluation)

    def _missing(self, benchmarks: Sequence[str]) -> tuple[str, ...]:
        sides = (False, True) if self.config.evaluation.evaluate_untrained else (False,)
        return tuple(name for name in benchmarks if not all(self.outcome(name, untrained) for untrained in sides))


def benchmark_name(benchmark: str) -> str:
    """What the results of a benchmark, a name or a path, are called."""
    return os.path.basename(os.path.abspath(benchmark))


def runs(variants: Sequence[Variant], seeds: int, told: Mapping[str, Any], root: Path) -> list[StudyRun]:
    """Every configuration with every seed, in ROOT/NAME-seedN; raises InputError for a value beyond its limits."""
    found = []
    for variant in variants:
        for seed in range(seeds):
            own = {"seed": seed, "workdir": str(root / f"{variant.name}-seed{seed}")}
            found.append(StudyRun(variant, seed, TrainConfig.from_options(dict(told) | dict(variant.options) | own)))
    return found


def sharing_starts(wanted: Sequence[StudyRun]) -> list[StudyRun]:
    """The same runs, but only one of those that start from the same weights evaluates them (--evaluate_untrained).

    It is the one that already has results for them, else the first that is not finished, else the first.
    """
    of_start: dict[tuple, list[StudyRun]] = {}
    for run in wanted:
        if run.config.evaluation.evaluate_untrained:
            of_start.setdefault(_start(run.config), []).append(run)
    chosen = {run.workdir: max(alike, key=_first_to_evaluate).workdir for alike in of_start.values() for run in alike}
    return [_sharing(run, chosen.get(run.workdir, run.workdir)) for run in wanted]


def _first_to_evaluate(run: StudyRun) -> tuple[int, bool]:
    """A key: the first run with the largest one evaluates the initial weights."""
    benchmarks = run.config.evaluation.benchmarks
    there = sum(run.outcome(benchmark, untrained=True) is not None for benchmark in benchmarks)
    return there, not all(run.outcome(benchmark) for benchmark in benchmarks)


def _sharing(run: StudyRun, start: Path) -> StudyRun:
    if start == run.workdir:
        return run
    evaluation = dataclasses.replace(run.config.evaluation, evaluate_untrained=False)
    return dataclasses.replace(run, config=dataclasses.replace(run.config, evaluation=evaluation), start=start)


def _start(config: TrainConfig) -> tuple:
    """What decides the initial weights and the results of their evaluation."""
    # This imports jax, which a wrong flag need not wait for.
    from hbt_jax.training.initial_model import has_random_weights

    parts = [part for part in TRAIN_PARTS if part not in (*_OF_TRAINING, "run", "plan")]
    drawn = (config.run.seed, config.plan.stores) if has_random_weights(config) else ()
    return (*(getattr(config, part) for part in parts), *drawn)


def arguments(config: TrainConfig, differing: bool = False) -> list[str]:
    """A configuration as flags of launch/train.py; `differing`: only those that differ from their defaults."""
    defaults = TrainConfig().options() if differing else {}
    given = {name: value for name, value in config.options().items() if value is not None}
    return [
        f"--{name}={','.join(value) if isinstance(value, tuple) else value}"
        for name, value in given.items()
        if not (name in defaults and value == defaults[name])
    ]


def command_line(config: TrainConfig) -> str:
    """The shell command of a run, from the folder of the repository."""
    return shlex.join(["python", "launch/train.py", *arguments(config, differing=True)])


def check_kept(config: TrainConfig) -> None:
    """Raises InputError if a run found in the workdir has options that give it another result than this one.

    A run writes its options after those left to the model's files have been resolved, so they are compared with the
    resolved options of this one.
    """
    workdir = Path(config.run.workdir)
    file = workdir / "config.json"
    if not file.exists():
        return
    # This imports jax: only if there is a run to compare with.
    from hbt_jax.training.initial_model import architecture, one_spelling, resolved

    try:
        options = json_text.read(file)
    except json_text.NotJson as error:
        raise InputError(f"{file} is not valid JSON ({error}): the run's folder is damaged, remove it") from error
    if not isinstance(options, dict):
        raise InputError(f"{file} holds no object of options: the run's folder is damaged, remove it")
    found = TrainConfig.from_json(options)
    encoder = architecture(config)
    before, wanted = (one_spelling(each, encoder) for each in (found, resolved(config)))
    # Benchmarks change no training, and are evaluated where they are missing; another run may have evaluated the
    # initial weights (see sharing_starts).
    ignored = NO_RESULT | {"evaluate_untrained", "benchmarks"}
    names = [name for name in sorted(wanted) if name not in ignored and _differ(name, before[name], wanted[name])]
    if names:
        changes = ", ".join(f"--{name} ({_shown(before[name])}, now {_shown(wanted[name])})" for name in names)
        raise InputError(
            f"{workdir} holds a run with other values of {changes}: give the same flags, or another --workdir"
        )


def _differ(name: str, before: object, wanted: object) -> bool:
    """Whether an option has another value; the same folder or file may be written as different paths."""
    if name not in _PATHS:
        return before != wanted
    places = ([_place(path) for path in (each if isinstance(each, tuple) else [each])] for each in (before, wanted))
    return next(places) != next(places)


def _place(path: str) -> str:
    return os.path.realpath(path) if os.path.exists(path) else path  # else a preset, a hub id or a benchmark's name


def _shown(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if text and text == text.strip() else repr(text)
