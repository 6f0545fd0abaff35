#!/usr/bin/env python3
"""Trains one configuration with several batch kinds and seeds, and prints their evaluations as one table.

    python launch/sweep.py --flagfile=launch/flagfiles/quickstart.flags --batching=x-x-mono,x-y,hybrid --seeds=3

Runs are in WORKDIR/KIND-seedN.  Run the same command again to resume: finished runs are kept, an interrupted or killed
one continues from its last checkpoint.
Writes WORKDIR/sweep.json and WORKDIR/sweep.md.
"""

import json
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from absl import flags  # noqa: E402

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.config import BATCHINGS, TRAIN_PARTS, TrainConfig  # noqa: E402
from hbt_jax.errors import InputError, Interrupted  # noqa: E402
from hbt_jax.evaluation.benchmarks.registry import check_known  # noqa: E402
from hbt_jax.files import utf8  # noqa: E402
from hbt_jax.holding import held  # noqa: E402
from hbt_jax.training.preemption import StopRequest, run_child  # noqa: E402

COLUMNS = (  # heading, setting, metric, digits
    ("mono mAP", "monolingual", "map", 3),
    ("cross mAP", "cross_lingual", "map", 3),
    ("multi mAP", "multilingual", "map", 3),
    ("mono R@1", "monolingual", "recall@1", 3),
    ("cross R@1", "cross_lingual", "recall@1", 3),
    ("multi R@1", "multilingual", "recall@1", 3),
    ("rank distance", "multilingual", "rank_distance", 1),
)
OF_STREAMED = (  # for benchmarks whose passages are streamed
    ("mono nDCG@10", "monolingual", "ndcg@10", 3),
    ("multi nDCG@10", "multilingual", "ndcg@10", 3),
    ("mono R@100", "monolingual", "recall@100", 3),
    ("multi R@100", "multilingual", "recall@100", 3),
)
NO_RESULT = {  # options that may change when a sweep is repeated: where a run is, how often it reports or saves
    "workdir", "resume", "log_every", "save_every", "save_minutes", "store_cache",
}  # fmt: skip
PATHS = {"stores", "validation_stores", "model", "tokenizer", "prepared_dir", "data_dir", "benchmarks"}


def configuration(kind: str, seed: int, workdir: Path) -> TrainConfig:
    """The configuration of one run: everything this command was told, with another batch kind, seed and workdir."""
    told = {name: flags.FLAGS[name].value for name in TrainConfig().options()}
    return TrainConfig.from_options(told | {"batching": kind, "seed": seed, "workdir": str(workdir)})


def arguments(config: TrainConfig) -> list[str]:
    """A configuration as flags of launch/train.py."""
    given = {name: value for name, value in config.options().items() if value is not None}
    return [f"--{name}={','.join(value) if isinstance(value, tuple) else value}" for name, value in given.items()]


def train(config: TrainConfig, stop: StopRequest) -> None:
    """Runs one training with its evaluation in a separate process.

    Raises:
      InputError: it failed and has printed why.
      Interrupted: a signal arrived; the run has saved.
    """
    script = [sys.executable, str(ROOT / "launch" / "train.py"), *arguments(config)]
    code = run_child(script, stop)
    if stop.requested or code == command.EXIT_INTERRUPTED:
        raise Interrupted(f"during {config.run.workdir}; run the same command again to resume")
    if code:
        raise InputError(f"the run {config.run.workdir} ended with exit code {code}; see its message above")


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
        found = TrainConfig.from_json(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON ({error}): the run's folder is damaged, remove it") from error
    encoder = architecture(config)
    before, wanted = (one_spelling(each, encoder) for each in (found, resolved(config)))
    names = [name for name in sorted(wanted) if name not in NO_RESULT and _differ(name, before[name], wanted[name])]
    if names:
        changes = ", ".join(f"--{name} ({_shown(before[name])}, now {_shown(wanted[name])})" for name in names)
        raise InputError(f"{workdir} holds a run with another {changes}: give the same flags, or another --workdir")


def _differ(name: str, before: object, wanted: object) -> bool:
    """Whether an option has another value; the same folder or file may be written as different paths."""
    if name not in PATHS:
        return before != wanted
    places = ([_place(path) for path in (each if isinstance(each, tuple) else [each])] for each in (before, wanted))
    return next(places) != next(places)


def _place(path: str) -> str:
    return os.path.realpath(path) if os.path.exists(path) else path  # else a preset, a hub id or a benchmark's name


def _shown(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if text and text == text.strip() else repr(text)


def results_of(workdir: Path, benchmark: str, untrained: bool = False) -> dict | None:
    """The metrics of a finished run on one benchmark (a name or a path), None if it has not finished."""
    folder = workdir / "evaluation" / ("untrained" if untrained else "") / os.path.basename(os.path.abspath(benchmark))
    file = folder / "results.json"
    return json.loads(file.read_text(encoding="utf-8"))["metrics"] if file.exists() else None


def table(benchmark: str, runs: dict[str, list[dict]]) -> str:
    """A Markdown table of mean and sample standard deviation over seeds, one row per batch kind."""
    everyone = [metrics for of_kind in runs.values() for metrics in of_kind]
    shown, streamed = ([column for column in some if _in_all(everyone, column)] for some in (COLUMNS, OF_STREAMED))
    columns = shown or streamed
    lines = [
        f"| {benchmark}: batches | seeds | " + " | ".join(heading for heading, *_ in columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name, metrics in runs.items():
        cells = [_cell([each[setting][metric] for each in metrics], digits) for _, setting, metric, digits in columns]
        lines.append(f"| {name} | {len(metrics)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _in_all(runs: list[dict], column: tuple) -> bool:
    """Whether all results have a column; bitext, for one, has no monolingual queries."""
    _, setting, metric, _ = column
    return all(metrics.get(setting, {}).get(metric) is not None for metrics in runs)


def _cell(values: list[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def main(_: list[str]) -> None:
    """Locks the folder of the sweep and runs it."""
    command.require(["workdir", "benchmarks"])
    with held(flags.FLAGS.workdir, "--workdir"):  # each run locks its own folder inside
        sweep()


def sweep() -> None:
    """Checks the flags, runs what is not finished yet, and writes the table."""
    kinds, seeds = flags.FLAGS.batching, flags.FLAGS.seeds
    if not kinds or set(kinds) - set(BATCHINGS):
        raise InputError(f"--batching={','.join(kinds)}: expected a comma-separated list of {', '.join(BATCHINGS)}")
    root, benchmarks = Path(flags.FLAGS.workdir), flags.FLAGS.benchmarks
    command.require_data_dir(benchmarks, flags.FLAGS.data_dir)
    for benchmark in benchmarks:
        check_known(benchmark)
    runs = {(kind, seed): root / f"{kind}-seed{seed}" for kind in kinds for seed in range(seeds)}
    with StopRequest() as stop:
        for number, ((kind, seed), workdir) in enumerate(runs.items(), 1):
            config = configuration(kind, seed, workdir)
            check_kept(config)
            print(f"run {number} of {len(runs)}: {workdir}", flush=True)
            if any(results_of(workdir, benchmark) is None for benchmark in benchmarks):
                train(config, stop)
    content, texts = {}, []
    for benchmark in benchmarks:
        found = {kind: [results_of(runs[kind, seed], benchmark) for seed in range(seeds)] for kind in kinds}
        untrained = [results_of(runs[kinds[0], seed], benchmark, untrained=True) for seed in range(seeds)]
        found |= {"untrained": untrained} if all(untrained) else {}
        content[benchmark] = found
        texts.append(table(benchmark, found))
    (root / "sweep.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (root / "sweep.md").write_bytes(utf8("\n\n".join(texts) + "\n"))
    print("\n\n".join(texts))


if __name__ == "__main__":
    command.define(*TRAIN_PARTS.values())
    del flags.FLAGS.batching
    flags.DEFINE_list(
        "batching", ["x-x-mono", "x-y", "hybrid"], f"batch kinds, comma-separated: {', '.join(BATCHINGS)}"
    )
    flags.DEFINE_integer("seeds", 3, "runs of each batch kind, with the seeds 0, 1, ...", lower_bound=1)
    command.run_command(main)
