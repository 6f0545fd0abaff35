"""Compares two systems on the benchmarks that both were evaluated on: reads, tests, prints and writes.

compare.json: {"a", "b": {"runs": [{"folder", "model"}]}, "metric", "samples", "seed", "confidence", "definitions",
"notes", "benchmarks": {name: {"queries", "items", "languages", "settings": those that differ, "comparisons":
{"monolingual", "cross_lingual", "multilingual" or "rank_distance": {"metric", "higher_is_better", "overall",
"by_resource", "by_script", "by_query_language": {name: ROW}}}}}}, where a ROW has the keys that `row_json` gives it.
compare.tsv has the rows, compare.html tables and forest plots, and compare.tex the overall values.
"""

import dataclasses
import os
import statistics
from collections.abc import Callable, Iterator, Sequence

from hbt_jax import languages
from hbt_jax.config.compare import CompareConfig
from hbt_jax.errors import InputError
from hbt_jax.evaluation.measures.metrics import CAPPED, RANK_DISTANCE
from hbt_jax.evaluation.report.compare_page import write_page
from hbt_jax.evaluation.report.compare_table import FAMILIES, LABELS, format_tables, write_tsv
from hbt_jax.evaluation.report.latex import write_latex
from hbt_jax.evaluation.results.read import Outcome, check_alike, read_folder
from hbt_jax.evaluation.results.result import write_json
from hbt_jax.evaluation.statistics.item_sums import Collected, collect
from hbt_jax.evaluation.statistics.significance import ComparedRow, Difference, compare_rows
from hbt_jax.files import check_writable

DEFINITIONS = {
    "difference": "A - B; the value of a system is the mean over its runs of the macro average as results.json has it",
    "interval": (
        "bootstrap over items, each with its queries in all languages, and over the runs of a system with several, one"
        " fewer drawn than there are; percentiles, stretched by Student's t with Satterthwaite's degrees of freedom; a"
        " system with one run is taken as it is"
    ),
    "p": (
        "randomisation test: the differences of an item, of all its queries together, change sign by coin flips; about"
        " these models, as their runs are"
    ),
    "p_runs": (
        "where a system has several runs: Student's t with the bootstrap's standard error over items and runs; about"
        " the systems, trained again"
    ),
    "holm": "p values corrected by Holm's method within a setting: over its query languages, its scripts, its groups",
    "better": (
        "the system that is better at the level 1 - confidence by the corrected p_runs, or the corrected p where each"
        " system has one run; null: not decided"
    ),
    "by_resource": (
        "the under-resourced languages (XM3600's five, if --under_resourced states no others), the others, and the"
        " first less the second: positive (rank distance: negative) where A does more than B for the under-resourced"
        " ones"
    ),
}
_EXPECTED_TO_DIFFER = ("definitions", "step")


def compare_command(config: CompareConfig, poll: Callable[[], None]) -> None:
    """What launch/compare.py does once its flags are checked; `poll` is called often and raises to stop."""
    check_writable(config.out)
    page = os.path.join(config.out, "compare.html")
    with languages.state_under_resourced(config.under_resourced):
        compared = compare(config, poll)
        print(format_tables(compared))
        write_page(page, compared)
        write_latex(os.path.join(config.out, "compare.tex"), compared)
    write_tsv(os.path.join(config.out, "compare.tsv"), compared)
    write_json(os.path.join(config.out, "compare.json"), compared)
    print(f"comparison: {page}")


def compare(config: CompareConfig, poll: Callable[[], None] = lambda: None) -> dict:
    """The content of compare.json.

    Raises:
      InputError: a folder or file is wrong, or the systems were not evaluated on the same thing.
    """
    config = dataclasses.replace(config, metric=CAPPED.get(config.metric, config.metric))
    systems = {side: read_runs(side, folders) for side, folders in (("a", config.a), ("b", config.b))}
    _check_overlap(config)
    everyone = [run for runs in systems.values() for run in runs.values()]
    names, notes = common_benchmarks(config, everyone)
    benchmarks = {}
    for name in names:
        outcomes = [run[name] for run in everyone]
        if not any(config.metric in block for block in outcomes[0].summary["metrics"].values()):
            notes.append(f"{name} is left out: its results have no {config.metric}, but {_metrics(outcomes[0])}")
            continue
        a, b = ([run[name] for run in runs.values()] for runs in systems.values())
        benchmarks[name] = compare_outcomes(name, a, b, config, poll, notes)
    if not benchmarks:
        raise InputError(f"--metric={config.metric}: {'; '.join(notes)}")
    return {
        **{side: {"runs": described(runs, next(iter(benchmarks)))} for side, runs in systems.items()},
        "metric": config.metric,
        "samples": config.samples,
        "seed": config.seed,
        "confidence": config.confidence,
        **languages.under_resourced(),
        "definitions": DEFINITIONS,
        "notes": notes,
        "benchmarks": benchmarks,
    }


def read_runs(flag: str, folders: Sequence[str]) -> dict[str, dict[str, Outcome]]:
    """Output folder -> its benchmarks, in an order that does not depend on the order of the flags."""
    real = {}
    for folder in folders:
        path = os.path.realpath(folder)
        if path in real:
            raise InputError(f"--{flag}={','.join(folders)}: {folder} is given twice: expected each run once")
        real[path] = folder
    return {real[path]: read_folder(real[path]) for path in sorted(real)}


def _check_overlap(config: CompareConfig) -> None:
    """Two systems may have the same runs, but sharing only some of them is a mistake."""
    a, b = ({os.path.realpath(folder) for folder in folders} for folders in (config.a, config.b))
    if a & b and a != b:
        raise InputError(f"{sorted(a & b)[0]} is a run of both systems: expected no runs in common, or all of them")


def common_benchmarks(config: CompareConfig, everyone: Sequence[dict[str, Outcome]]) -> tuple[list[str], list[str]]:
    """The benchmarks that every run has, and a note for each of the others."""
    folders = [str(next(iter(run.values())).folder.parent) for run in everyone]
    common = sorted(set.intersection(*map(set, everyone)))
    if not common:
        held = [f"{folder} has {', '.join(run)}" for folder, run in zip(folders, everyone, strict=True)]
        raise InputError(f"no benchmark was evaluated in every folder: {'; '.join(held)}")
    notes = []
    for name in sorted(set.union(*map(set, everyone)) - {*common}):
        lacking = [folder for folder, run in zip(folders, everyone, strict=True) if name not in run]
        notes.append(f"{name} is left out: it was not evaluated in {', '.join(lacking)}")
    return common, notes


def _metrics(outcome: Outcome) -> str:
    metrics = {metric for block in outcome.summary["metrics"].values() for metric in block}
    return ", ".join(sorted(metrics, key=str.lower))


def described(runs: dict[str, dict[str, Outcome]], benchmark: str) -> list[dict[str, str]]:
    """Folder and model of each run, as compare.json has them."""
    return [{"folder": folder, "model": run[benchmark].summary["model"]} for folder, run in runs.items()]


def compare_outcomes(
    name: str, a: list[Outcome], b: list[Outcome], config: CompareConfig, poll: Callable[[], None], notes: list[str]
) -> dict:
    """One benchmark's part of compare.json; adds to `notes`.

    Args:
      name: of the benchmark, for notes.
      a, b: the outcomes of the runs of the two systems.
      config: metric, samples, seed and confidence.
      poll: called often; raises to stop.
      notes: what is worth saying.

    Raises:
      InputError: they were not evaluated on the same thing, or a file is wrong.
    """
    for other in (*a[1:], *b):
        check_alike(a[0], other)
    collected = collect(a, b, config.metric, poll)
    if collected.items < 2:
        raise InputError(f"{a[0].folder}: all queries are about one item: expected several items to draw from")
    notes += [f"{name}, {LABELS[setting]}: left out: {why}" for setting, why in collected.absent.items()]
    settings = _differing_settings(a, b)
    for side, outcomes in (("a", a), ("b", b)):
        within = [key for key, values in settings.items() if len({repr(value) for value in values[side]}) > 1]
        if within:
            notes.append(f"{name}: the {len(outcomes)} runs of {side.upper()} differ in {', '.join(within)}")
    return {
        "queries": collected.queries,
        "items": collected.items,
        "languages": list(collected.languages),
        "settings": settings,
        "comparisons": {setting: _comparison(setting, collected, config, poll) for setting in collected.cells},
    }


def _differing_settings(a: list[Outcome], b: list[Outcome]) -> dict[str, dict[str, list]]:
    """Setting -> {"a": values of its runs, "b": values of its runs}, for settings that are not the same everywhere."""
    found = {}
    for key in sorted({key for one in (*a, *b) for key in one.summary["settings"]} - {*_EXPECTED_TO_DIFFER}):
        values = {side: [one.summary["settings"].get(key) for one in runs] for side, runs in (("a", a), ("b", b))}
        if len({repr(value) for side in values.values() for value in side}) > 1:
            found[key] = values
    return found


def _comparison(setting: str, collected: Collected, config: CompareConfig, poll: Callable[[], None]) -> dict:
    cells = collected.cells[setting]
    higher = setting != RANK_DISTANCE
    rows = list(_rows(sorted(set(cells.languages))))
    found = compare_rows(cells, rows, samples=config.samples, seed=config.seed, confidence=config.confidence, poll=poll)
    families = {family: {} for family in FAMILIES}
    for one in found:
        families[one.row.family][one.row.name] = row_json(one, higher, 1.0 - config.confidence)
    return {"metric": config.metric if higher else RANK_DISTANCE, "higher_is_better": higher} | families


def _rows(codes: Sequence[str]) -> Iterator[ComparedRow]:
    """The rows of one setting, from the languages that have queries in it."""
    yield ComparedRow("overall", "all")
    weak = tuple(code for code in codes if languages.language(code).under_resourced)
    others = tuple(code for code in codes if code not in weak)
    if weak and others:
        yield ComparedRow("by_resource", "under_resourced", weak)
        yield ComparedRow("by_resource", "others", others)
        yield ComparedRow("by_resource", "under_resourced_less_others", weak, others)
    for script in sorted({languages.language(code).script for code in codes}):
        yield ComparedRow(
            "by_script", script, tuple(code for code in codes if languages.language(code).script == script)
        )
    for code in codes:
        yield ComparedRow("by_query_language", code, (code,))


def row_json(one: Difference, higher_is_better: bool, level: float) -> dict:
    """One comparison as written to compare.json."""
    final = one.p_holm if one.p_runs_holm is None else one.p_runs_holm
    better = None
    if final <= level and one.difference:
        better = "a" if (one.difference > 0) == higher_is_better else "b"
    low, high = one.interval or (None, None)
    return {
        "items": one.items,
        "a": statistics.fmean(one.a_runs),
        "b": statistics.fmean(one.b_runs),
        "a_runs": list(one.a_runs),
        "b_runs": list(one.b_runs),
        "a_standard_deviation": _deviation(one.a_runs),
        "b_standard_deviation": _deviation(one.b_runs),
        "difference": one.difference,
        "low": low,
        "high": high,
        "p": one.p,
        "p_holm": one.p_holm,
        "p_runs": one.p_runs,
        "p_runs_holm": one.p_runs_holm,
        "better": better,
    }


def _deviation(runs: Sequence[float]) -> float | None:
    """Standard deviation over runs, with n - 1; None for a single run."""
    return statistics.stdev(runs) if len(runs) > 1 else None
