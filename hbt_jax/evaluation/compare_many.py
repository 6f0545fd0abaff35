"""Compares more than two systems on the benchmarks that all were evaluated on: every pair, corrected over the pairs.

compare.json: {"systems": {name: {"runs": [{"folder", "model"}]}}, "metric", "samples", "seed", "confidence",
"definitions", "notes", "benchmarks": {name: {"queries", "items", "comparisons": {"monolingual", "cross_lingual",
"multilingual" or "rank_distance": {"metric", "higher_is_better", "values": {system: value}, "pairs": [{"a", "b",
"difference", "low", "high", "p", "p_holm", "p_runs", "p_runs_holm", "better"}]}}}}}.  Beside it stand compare.tsv, a
line a pair, and compare.tex.
"""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.compare import DEFINITIONS, common_benchmarks, described, read_runs, row_json
from hbt_jax.evaluation.measures.metrics import CAPPED, RANK_DISTANCE
from hbt_jax.evaluation.report.compare_table import LABELS
from hbt_jax.evaluation.report.latex import write_latex
from hbt_jax.evaluation.results.read import Outcome, check_alike
from hbt_jax.evaluation.results.result import write_json
from hbt_jax.evaluation.statistics.item_sums import collect
from hbt_jax.evaluation.statistics.significance import ComparedRow, Difference, compare_rows, holm
from hbt_jax.files import atomic_file, check_writable, utf8

_HOLM = "p values corrected by Holm's method over the pairs of systems within a setting"
_OF_PAIR = ("difference", "low", "high", "p", "p_holm", "p_runs", "p_runs_holm", "better")
Runs = Mapping[str, Mapping[str, Outcome]]  # output folder -> its benchmarks


def compare_many_command(config: CompareConfig, poll: Callable[[], None]) -> None:
    """What launch/compare.py does with --systems; `poll` is called often and raises to stop."""
    check_writable(config.out)
    compared = compare_many(config, poll)
    print(format_matrices(compared))
    write_latex(os.path.join(config.out, "compare.tex"), compared)
    _write_tsv(os.path.join(config.out, "compare.tsv"), compared)
    path = os.path.join(config.out, "compare.json")
    write_json(path, compared)
    print(f"comparison: {path}")


def compare_many(config: CompareConfig, poll: Callable[[], None] = lambda: None) -> dict:
    """The content of compare.json.

    Raises:
      InputError: a name or folder is wrong, or the systems were not evaluated on the same thing.
    """
    config = dataclasses.replace(config, metric=CAPPED.get(config.metric, config.metric))
    systems = _systems(config.systems)
    everyone = [run for runs in systems.values() for run in runs.values()]
    names, notes = common_benchmarks(config, everyone)
    having = [name for name in names if all(_has(run[name], config.metric) for run in everyone)]
    notes += [
        f"{name} is left out: not all of its results have {config.metric}" for name in names if name not in having
    ]
    if not having:
        raise InputError(f"--metric={config.metric}: {'; '.join(notes)}")
    benchmarks = {name: _benchmark(name, systems, config, poll) for name in having}
    return {
        "systems": {system: {"runs": described(runs, names[0])} for system, runs in systems.items()},
        **{name: getattr(config, name) for name in ("metric", "samples", "seed", "confidence")},
        "definitions": {**DEFINITIONS, "holm": _HOLM},
        "notes": notes,
        "benchmarks": benchmarks,
    }


def _has(outcome: Outcome, metric: str) -> bool:
    return any(metric in block for block in outcome.summary["metrics"].values())


def _systems(given: Sequence[str]) -> dict[str, Runs]:
    folders: dict[str, list[str]] = {}
    for text in given:
        name, colon, folder = text.partition(":")
        if not (name and colon and folder):
            raise InputError(f"--systems={','.join(given)}: {text!r}: expected NAME:FOLDER")
        folders.setdefault(name, []).append(folder)
    if len(folders) < 2:
        raise InputError(f"--systems={','.join(given)}: one system: expected two names or more")
    return {name: read_runs("systems", own) for name, own in folders.items()}


def _benchmark(name: str, systems: Mapping[str, Runs], config: CompareConfig, poll: Callable[[], None]) -> dict:
    outcomes = {system: [run[name] for run in runs.values()] for system, runs in systems.items()}
    first = next(iter(outcomes.values()))[0]
    for other in itertools.chain(*outcomes.values()):
        check_alike(first, other)
    found: dict[str, list[tuple[str, str, Difference]]] = {}
    counts = {}
    for a, b in itertools.combinations(outcomes, 2):
        collected = collect(outcomes[a], outcomes[b], config.metric, poll)
        counts = {"queries": collected.queries, "items": collected.items}
        options = {"samples": config.samples, "seed": config.seed, "confidence": config.confidence}
        for setting, cells in collected.cells.items():
            (one,) = compare_rows(cells, [ComparedRow("overall", "all")], **options, poll=poll)
            found.setdefault(setting, []).append((a, b, one))
    return {**counts, "comparisons": {setting: _comparison(setting, pairs, config) for setting, pairs in found.items()}}


def _comparison(setting: str, pairs: Sequence[tuple[str, str, Difference]], config: CompareConfig) -> dict:
    higher = setting != RANK_DISTANCE
    values, shown = {}, []
    for a, b, one in _corrected(pairs):
        row = row_json(one, higher, 1.0 - config.confidence)
        values |= {a: row["a"], b: row["b"]}
        shown.append({"a": a, "b": b} | {key: row[key] for key in _OF_PAIR})
    metric = config.metric if higher else RANK_DISTANCE
    return {"metric": metric, "higher_is_better": higher, "values": values, "pairs": shown}


def _corrected(pairs: Sequence[tuple[str, str, Difference]]) -> Iterator[tuple[str, str, Difference]]:
    """The pairs with Holm's correction over all of them."""
    p = holm([one.p for *_, one in pairs])
    with_runs = [one.p_runs for *_, one in pairs]
    several = any(value is not None for value in with_runs)
    p_runs = holm([1.0 if value is None else value for value in with_runs]) if several else None
    for number, (a, b, one) in enumerate(pairs):
        runs = None if one.p_runs is None else float(p_runs[number])
        yield a, b, dataclasses.replace(one, p_holm=float(p[number]), p_runs_holm=runs)


def format_matrices(compared: dict) -> str:
    """Tables for a terminal: for each setting the values, and the differences, row minus column, a * where decided."""
    lines, names = [], list(compared["systems"])
    width = max(12, *(len(name) + 2 for name in names))
    for benchmark, block in compared["benchmarks"].items():
        lines.append(
            f"{benchmark}: {block['queries']:,} queries about {block['items']:,} items; {compared['metric']},"
            f" {compared['samples']:,} draws; * decided after Holm's correction over the pairs"
        )
        for setting, one in block["comparisons"].items():
            lines.append(f"  {LABELS[setting]:{width + 2}}{'value':>10}{''.join(f'{name:>{width}}' for name in names)}")
            for name in names:
                cells = "".join(f"{_difference(one, name, other):>{width}}" for other in names)
                lines.append(f"    {name:{width}}{_shown(one['values'][name], one, ''):>10}{cells}")
    return "\n".join([*lines, *(f"note: {note}" for note in compared["notes"])])


def _difference(one: dict, row: str, column: str) -> str:
    """The value of the row's system less that of the column's."""
    for pair in one["pairs"]:
        if {pair["a"], pair["b"]} == {row, column} and row != column:
            sign = 1 if pair["a"] == row else -1
            return _shown(sign * pair["difference"], one, "+") + ("*" if pair["better"] else " ")
    return "- "


def _shown(value: float, one: dict, sign: str) -> str:
    return f"{value:{sign},.{4 if one['higher_is_better'] else 1}f}"


def _write_tsv(path: str, compared: dict) -> None:
    lines = [("benchmark", "setting", "metric", "a", "b", *_OF_PAIR)]
    for name, block in compared["benchmarks"].items():
        for setting, one in block["comparisons"].items():
            for pair in one["pairs"]:
                values = ("" if pair[key] is None else pair[key] for key in _OF_PAIR)
                lines.append((name, setting, one["metric"], pair["a"], pair["b"], *values))
    with atomic_file(path) as file:
        file.write(utf8("".join("\t".join(map(str, line)) + "\n" for line in lines)))
