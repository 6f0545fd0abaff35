"""study.html: what a study asked, what its tests say, its tables and curves, on one self-contained page."""

from collections.abc import Mapping, Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SETTINGS
from hbt_jax.evaluation.report import render
from hbt_jax.evaluation.report.forest import forest_plot
from hbt_jax.evaluation.report.names import SETTING_NAMES, by_script, metric_name, number
from hbt_jax.study import curves, table
from hbt_jax.study.claims import number as difference
from hbt_jax.study.claims import p_text
from hbt_jax.study.grid import shown
from hbt_jax.study.study import ROBUSTNESS

_TITLES = SETTING_NAMES | {RANK_DISTANCE: "rank distance"}


def write_page(path: str, study: Mapping) -> None:
    """Writes the page; `study` is the content of study.json."""
    render.write_page(
        path,
        "study.html",
        package="hbt_jax.study",
        study=study,
        axes={name: [shown(value) for value in values] for name, values in study["axes"].items()},
        runs=sum(len(variant["runs"]) for variant in study["variants"].values()),
        benchmarks=[_benchmark(study, name) for name in study["benchmarks"]],
    )


def _benchmark(study: Mapping, name: str) -> dict:
    """What the template shows of one benchmark."""
    block = study["benchmarks"][name]
    return {
        "name": name,
        "heads": [heading for heading, *_ in table.columns(block["metrics"])],
        "rows": table.rows(block["metrics"]),
        "differences": _differences(block["comparisons"]),
        "curves": [_curves(study, name, axis) for axis in curves.numeric_axes(study) if curves.curves(study, axis)],
        "languages": [_by_language(block, setting) for setting in block["by_query_language"]],
        "robustness": [_robustness(block, setting) for setting in SETTINGS if block["robustness"].get(setting)],
        "forests": [_forests(one) for one in block["comparisons"]],
    }


def _curves(study: Mapping, name: str, axis: str) -> dict:
    return {
        "axis": curves.axis_name(axis),
        "legend": curves.legend(study, axis),
        "panels": list(curves.panels(study, name, axis)),
    }


def _differences(comparisons: Sequence[Mapping]) -> dict:
    """One row a comparison; in each setting its difference with interval and p value."""
    settings = list(dict.fromkeys(setting for one in comparisons for setting in one["comparisons"]))
    rows = []
    for one in comparisons:
        cells = [_difference(one["comparisons"].get(setting)) for setting in settings]
        rows.append({"a": one["a"], "b": one["b"], "cells": cells})
    return {"settings": [_TITLES[setting] for setting in settings], "rows": rows}


def _difference(block: Mapping | None) -> dict | None:
    if block is None:
        return None
    row = block["overall"]["all"]
    ends = "" if row["low"] is None else f"{difference(row['low'], block)} to {difference(row['high'], block)}"
    return {
        "better": row["better"],
        "text": difference(row["difference"], block),
        "ends": ends,
        "p": p_text(row["p_corrected"]),
    }


def _by_language(block: Mapping, setting: str) -> dict:
    """Rows of configurations, columns of languages ordered by script; the best of each language is marked."""
    values = block["by_query_language"][setting]
    codes = by_script({code for of_label in values.values() for code in of_label})
    metric = RANK_DISTANCE if setting == RANK_DISTANCE else block["metric"]
    choose = min if setting == RANK_DISTANCE else max
    best = {code: choose(of_label[code] for of_label in values.values() if code in of_label) for code in codes}
    digits = 1 if setting == RANK_DISTANCE else 3
    scripts = [languages.language(code).script for code in codes]
    return {
        "title": f"{_TITLES[setting]} {'' if setting == RANK_DISTANCE else metric_name(metric)}".strip(),
        "codes": codes,
        "scripts": [(script, scripts.count(script)) for script in dict.fromkeys(scripts)],
        "rows": [
            (label, [_cell(of_label.get(code), best[code], digits) for code in codes])
            for label, of_label in values.items()
        ],
    }


def _cell(value: float | None, best: float, digits: int) -> dict:
    return {"text": "" if value is None else f"{value:.{digits}f}", "value": value, "best": value == best}


def _robustness(block: Mapping, setting: str) -> dict:
    """How evenly each configuration does over languages and over scripts."""
    of_label = block["robustness"][setting]
    return {
        "title": f"{_TITLES[setting]} {metric_name(block['metric'])}",
        "measures": [name.replace("_", " ") for name in ROBUSTNESS],
        "rows": [
            (label, kind, [number(measures.get(name), block["metric"]) for name in ROBUSTNESS])
            for label, kinds in of_label.items()
            for kind, measures in kinds.items()
        ],
    }


def _forests(one: Mapping) -> dict:
    plots = [(_TITLES[setting], forest_plot(setting, block)) for setting, block in one["comparisons"].items()]
    return {"a": one["a"], "b": one["b"], "notes": one["notes"], "details": one["details"], "plots": plots}
