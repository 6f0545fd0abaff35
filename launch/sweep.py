#!/usr/bin/env python3
"""Trains every configuration of a grid with several seeds, evaluates and compares them.

    python launch/sweep.py --flagfile=launch/flagfiles/quickstart.flags --batching=x-x-mono,x-y,hybrid --seeds=3
    python launch/sweep.py --flagfile=... --grid="batching=x-x-mono,hybrid; mono_probability=0.25,0.5" --seeds=3

Runs are in WORKDIR/CONFIGURATION-seedN.  Run the same command again to resume: finished runs are kept, an interrupted
or killed one continues from its last checkpoint, and a benchmark that is new in --benchmarks is evaluated on the
finished runs too.  --print_commands prints the commands of the runs that are not
finished, one per line, for the tasks of a job array; the same command without it then writes the results.
Writes WORKDIR/sweep.json, sweep.md, study.json and study.html.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from absl import flags  # noqa: E402

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config.training import TRAIN_PARTS, TrainConfig  # noqa: E402
from hbt_jax.config.values import BATCHINGS  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.evaluation.benchmarks.registry import check_known  # noqa: E402
from hbt_jax.files import atomic_file, utf8  # noqa: E402
from hbt_jax.holding import held  # noqa: E402
from hbt_jax.study import grid  # noqa: E402
from hbt_jax.study.pairing import Pairing, pairings  # noqa: E402
from hbt_jax.study.runs import StudyRun, arguments, check_kept, command_line, runs, sharing_starts  # noqa: E402
from hbt_jax.study.table import table  # noqa: E402
from hbt_jax.training.preemption import StopRequest, run_child  # noqa: E402


def told() -> dict[str, Any]:
    """Every option of training as this command was given it."""
    given = {name: flags.FLAGS[name].value for name in TrainConfig().options() if name != grid.BATCHING}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()} | {
        grid.BATCHING: TrainConfig().plan.batching
    }


def axes() -> dict[str, tuple]:
    """The options that vary, batch kinds first."""
    given = grid.parse_grid(flags.FLAGS.grid)
    return {grid.BATCHING: given.pop(grid.BATCHING, tuple(flags.FLAGS.batching)), **given}


def train(run: StudyRun, stop: StopRequest) -> None:
    """Runs one training with its evaluation in a separate process.

    Raises:
      InputError: it failed and has printed why.
      Interrupted: a signal arrived; the run has saved.
    """
    script = [sys.executable, str(ROOT / "launch" / "train.py"), *arguments(run.unfinished_part())]
    code = run_child(script, stop)
    if stop.requested or code == command.EXIT_INTERRUPTED:
        raise Interrupted(f"during {run.workdir}; run the same command again to resume")
    if code:
        raise InputError(f"the run {run.workdir} ended with exit code {code}; see its message above")


def main(_: list[str]) -> None:
    """Locks the folder of the sweep and runs it."""
    command.require(["workdir", "benchmarks"])
    options, varying = told(), axes()
    variants = grid.variants(varying, options)
    pairs = pairings(flags.FLAGS.baseline, variants, list(varying), options)
    if grid.UNTRAINED in flags.FLAGS.baseline and not options["evaluate_untrained"]:
        raise InputError(f"--baseline={grid.UNTRAINED} needs --evaluate_untrained")
    command.require_data_dir(options["benchmarks"], options["data_dir"])
    for benchmark in options["benchmarks"]:
        check_known(benchmark)
    wanted = sharing_starts(runs(variants, flags.FLAGS.seeds, options, Path(flags.FLAGS.workdir)))
    if flags.FLAGS.print_commands:
        print_commands(wanted)
        return
    with held(flags.FLAGS.workdir, "--workdir"):  # each run locks its own folder inside
        sweep(wanted, varying, pairs)


def print_commands(wanted: Sequence[StudyRun]) -> None:
    """Prints the commands of the runs without results."""
    for run in wanted:
        check_kept(run.config)
        if not run.finished(flags.FLAGS.benchmarks):
            print(command_line(run.unfinished_part()))


def sweep(wanted: Sequence[StudyRun], varying: Mapping[str, Sequence], pairs: Sequence[Pairing]) -> None:
    """Runs what is not finished yet, and writes the results."""
    benchmarks = flags.FLAGS.benchmarks
    with StopRequest() as stop:
        for number, run in enumerate(wanted, 1):
            check_kept(run.config)
            print(f"run {number} of {len(wanted)}: {run.workdir}", flush=True)
            if not run.finished(benchmarks):
                train(run, stop)

        def poll() -> None:
            if stop.requested:
                raise Interrupted("while comparing; all runs are finished: run the same command again")

        write(wanted, benchmarks, varying, pairs, poll)


def _write(path: Path, text: str) -> None:
    with atomic_file(str(path)) as file:
        file.write(utf8(text))


def write(
    wanted: Sequence[StudyRun], benchmarks: Sequence[str], varying: Mapping, pairs: Sequence[Pairing], poll
) -> None:
    """Writes and prints the results of finished runs."""
    # These import scipy and the templates: only when there is something to write.
    from hbt_jax.study.page import write_page
    from hbt_jax.study.study import study

    root = Path(flags.FLAGS.workdir)
    found = study(wanted, benchmarks, varying, pairs, flags.FLAGS.samples, poll)
    blocks = found["benchmarks"]
    texts = [table(name, block["metrics"]) for name, block in blocks.items()]
    for name, block in blocks.items():
        texts.append("\n".join(f"- {name}: {claim}" for one in block["comparisons"] for claim in one["claims"]))
    text = "\n\n".join(filter(None, texts)) + "\n"
    metrics = {given: block["metrics"] for given, block in zip(benchmarks, blocks.values(), strict=True)}
    for name, content in (("sweep", metrics), ("study", found)):
        _write(root / f"{name}.json", json.dumps(content, indent=2) + "\n")
    _write(root / "sweep.md", text)
    write_page(str(root / "study.html"), found)
    print(f"study: {root / 'study.html'}")
    print(text, end="")


if __name__ == "__main__":
    command.define(*TRAIN_PARTS.values())
    del flags.FLAGS.batching
    flags.DEFINE_list(
        "batching", ["x-x-mono", "x-y", "hybrid"], f"batch kinds, comma-separated: {', '.join(BATCHINGS)}"
    )
    flags.DEFINE_string(
        "grid",
        "",
        "options that vary and their values, such as `batching=x-y,hybrid; mono_probability=0.25,0.5`; values of an"
        " option that is a list are joined by +; identical configurations are run once",
    )
    flags.DEFINE_integer("seeds", 3, "runs of each configuration, with the seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_list(
        "baseline",
        [],
        "baselines, comma-separated; each configuration is compared with the one that differs only in these options,"
        " such as `batching=x-x-mono` (several options joined by ;); `untrained`: the initial weights; empty: no tests",
    )
    flags.DEFINE_integer(
        "samples", 10_000, "draws of the bootstrap and of the randomisation test of each comparison", lower_bound=100
    )
    flags.DEFINE_bool(
        "print_commands", False, "print the commands of unfinished runs, one per line, without running them"
    )
    command.run_command(main, local=["workdir"])
