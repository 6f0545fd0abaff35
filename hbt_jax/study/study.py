"""The content of study.json: what was run, what it scored, and what the tests say.

{"axes": {option: values}, "seeds", "variants": {label: {"options", "runs": folders below the workdir}},
"definitions", "benchmarks": {name: {"metric", "metrics": {label: [as in results.json, by seed]},
"by_query_language": {setting: {label: {code: mean over seeds}}}, "robustness": {setting: {label: means over seeds}},
"comparisons": [as comparisons.compare_benchmark gives them, with "claims" and "details", lists of sentences]}}}
"""

import statistics
from collections.abc import Callable, Mapping, Sequence

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SETTINGS
from hbt_jax.evaluation.report.names import main_metric
from hbt_jax.evaluation.results.read import Outcome
from hbt_jax.study.claims import claims, details
from hbt_jax.study.comparisons import STUDY_DEFINITIONS, compare_benchmark, outcomes
from hbt_jax.study.grid import UNTRAINED
from hbt_jax.study.pairing import Pairing, untrained_label
from hbt_jax.study.runs import StudyRun, benchmark_name

ROBUSTNESS = ("worst", "worst_quarter", "standard_deviation", "under_resourced", "others", "gap")


def study(
    runs: Sequence[StudyRun],
    benchmarks: Sequence[str],
    axes: Mapping[str, Sequence],
    pairs: Sequence[Pairing],
    samples: int,
    poll: Callable[[], None] = lambda: None,
) -> dict:
    """The content of study.json; raises InputError if a run has no results or a file of them is wrong."""
    variants: dict[str, dict] = {}
    for run in runs:
        one = variants.setdefault(run.variant.label, {"options": dict(run.variant.options), "runs": []})
        one["runs"].append(run.workdir.name)
    return {
        "axes": {name: list(values) for name, values in axes.items()},
        "seeds": len({run.seed for run in runs}),
        "variants": variants,
        "definitions": STUDY_DEFINITIONS,
        "benchmarks": {benchmark_name(name): _benchmark(name, runs, pairs, samples, poll) for name in benchmarks},
    }


def _benchmark(name: str, runs: Sequence[StudyRun], pairs: Sequence[Pairing], samples: int, poll) -> dict:
    found = outcomes(runs, name)
    shown = _one_untrained(found)
    metric = main_metric(next(iter(found.values()))[0].summary)
    compared = [
        one | {"claims": list(claims(one)), "details": list(details(one))}
        for one in compare_benchmark(name, found, pairs, samples, poll)
    ]
    return {
        "metric": metric,
        "metrics": {label: [one.summary["metrics"] for one in of_label] for label, of_label in shown.items()},
        "by_query_language": by_language(shown, metric),
        "robustness": {setting: _robustness(shown, setting) for setting in SETTINGS},
        "comparisons": compared,
    }


def _one_untrained(found: Mapping[str, list[Outcome]]) -> dict[str, list[Outcome]]:
    """The outcomes with those of untrained models last, as one row where they are all alike."""
    untrained = {label: found[label] for label in map(untrained_label, found) if label in found}
    shown = {label: of_label for label, of_label in found.items() if label not in untrained}
    distinct = {repr([one.summary["metrics"] for one in of_label]) for of_label in untrained.values()}
    return shown | ({UNTRAINED: next(iter(untrained.values()))} if len(distinct) == 1 else untrained)


def by_language(shown: Mapping[str, list[Outcome]], metric: str) -> dict[str, dict[str, dict[str, float]]]:
    """{setting or rank distance: {label: {query language: mean over seeds}}}, without what was not measured."""
    found: dict[str, dict] = {}
    for name in (*SETTINGS, RANK_DISTANCE):
        setting, measured = ("multilingual", name) if name == RANK_DISTANCE else (name, metric)
        for label, of_label in shown.items():
            values: dict[str, list[float]] = {}
            for outcome in of_label:
                for code, blocks in outcome.summary["by_query_language"].items():
                    if blocks.get(setting, {}).get(measured) is not None:
                        values.setdefault(code, []).append(blocks[setting][measured])
            if values:
                found.setdefault(name, {})[label] = {code: statistics.fmean(each) for code, each in values.items()}
    return found


def _robustness(shown: Mapping[str, list[Outcome]], setting: str) -> dict[str, dict[str, dict]]:
    """{label: {"languages" and "scripts": {measure: mean over seeds}}}."""
    found = {}
    for label, of_label in shown.items():
        blocks = [one.summary.get("robustness", {}).get(setting) for one in of_label]
        if all(blocks):
            parts = {"languages": blocks, "scripts": [block["scripts"] for block in blocks]}
            found[label] = {kind: _means(each) for kind, each in parts.items()}
    return found


def _means(blocks: Sequence[Mapping]) -> dict[str, float]:
    return {
        name: statistics.fmean(block[name] for block in blocks)
        for name in ROBUSTNESS
        if all(block.get(name) is not None for block in blocks)
    }
