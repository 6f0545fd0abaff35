"""compare.html: one self-contained page with the tables of a comparison and a forest plot of each setting."""

import json
from collections.abc import Iterator, Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE
from hbt_jax.evaluation.report import chart, render
from hbt_jax.evaluation.report.forest import forest_plot, point_key
from hbt_jax.evaluation.report.names import METRIC_NAMES

_TITLES = {
    "monolingual": "Monolingual",
    "cross_lingual": "Cross-lingual",
    "multilingual": "Multilingual",
    RANK_DISTANCE: "Rank distance",
}
_METRICS = METRIC_NAMES | {RANK_DISTANCE: "ranks, lower is better"}
_FAMILY_TITLES = {
    "overall": "overall",
    "by_resource": "resources",
    "by_script": "script",
    "by_query_language": "language",
}
_NAMES = {
    "all": "all languages",
    "under_resourced": "under-resourced",
    "under_resourced_less_others": "under-resourced less others",
}
_DECISIONS = {"a-better": "A better", "b-better": "B better", "undecided": "not decided"}


def write_page(path: str, compared: dict) -> None:
    """Writes the page; `compared` is the content of compare.json."""
    render.write_page(
        path,
        "compare.html",
        compared=compared,
        what_is_tested=_what_is_tested(compared),
        interval=f"{compared['confidence'] * 100:g} % interval",
        p_heads=_p_heads(compared),
        legend=chart.legend((point_key(kind), text) for kind, text in _DECISIONS.items()),
        benchmarks=[_benchmark(name, block, compared) for name, block in compared["benchmarks"].items()],
    )


def p_text(p: float) -> str:
    """A p value to four decimals, never as zero."""
    return "<0.0001" if p < 0.00005 else f"{p:.4f}"


def _what_is_tested(compared: dict) -> str:
    """What the tests are about, which depends on the number of runs."""
    single = [side.upper() for side in ("a", "b") if len(compared[side]["runs"]) == 1]
    if len(single) == 2:
        return "Each system has one run: the tests are about these two models, not about training them again."
    fixed = f" {single[0]} has one run, which is treated as fixed." if single else ""
    return f"Items and runs are resampled: the tests are about the systems, as if they were trained again.{fixed}"


def _p_heads(compared: dict) -> dict[str, str]:
    """Keys of the p values that are shown, with their headings."""
    heads = {"p": "p", "p_holm": "Holm p"}
    several = any(len(compared[side]["runs"]) > 1 for side in ("a", "b"))
    return heads | {"p_runs": "p, runs", "p_runs_holm": "Holm p, runs"} if several else heads


def _benchmark(name: str, block: dict, compared: dict) -> dict:
    """What the template shows of one benchmark."""
    heads = _p_heads(compared)
    settings = [
        {
            "title": _title(setting, one),
            "plot": forest_plot(setting, one),
            "overall": _row(one["overall"]["all"], one, heads),
            "rows": list(_rows(one, heads)),
        }
        for setting, one in block["comparisons"].items()
    ]
    differing = {key: [_distinct(values[side]) for side in ("a", "b")] for key, values in block["settings"].items()}
    counts = {"queries": block["queries"], "items": block["items"], "languages": len(block["languages"])}
    return {"name": name, "settings": settings, "differing": differing, **counts}


def _title(setting: str, block: dict) -> str:
    return f"{_TITLES[setting]} ({_METRICS.get(block['metric'], block['metric'])})"


def _rows(block: dict, heads: dict[str, str]) -> Iterator[dict]:
    """Yields every row of one setting's comparison, with its names and the cells of its table."""
    for family, title in _FAMILY_TITLES.items():
        for name, row in block[family].items():
            shown = _row(row, block, heads)
            interval = {"value": row["low"], "text": shown["interval"]}
            items = {"value": row["items"], "text": f"{row['items']:,}"}
            yield {
                "family": title,
                "language": languages.language(name) if family == "by_query_language" else None,
                "name": name if family == "by_query_language" else _NAMES.get(name, name),
                "better": row["better"],
                "cells": [shown["difference"], interval, shown["a"], shown["b"], *map(shown.get, heads), items],
            }


def _row(row: dict, block: dict, heads: dict[str, str]) -> dict:
    """The numbers of a row, each as {"value", by which it sorts, and "text"}; and its interval as text."""
    return {
        "better": row["better"],
        "difference": {"value": row["difference"], "text": _number(row["difference"], block)},
        "interval": _interval(row, block),
        **{side: {"value": row[side], "text": _mean(row, side, block)} for side in ("a", "b")},
        **{key: {"value": row[key], "text": p_text(row[key])} for key in heads},
    }


def _mean(row: dict, side: str, block: dict) -> str:
    deviation = row[f"{side}_standard_deviation"]
    spread = "" if deviation is None else f" ± {_number(deviation, block, sign='')}"
    return _number(row[side], block, sign="") + spread


def _number(value: float, block: dict, sign: str = "+") -> str:
    return f"{value:{sign},.{4 if block['higher_is_better'] else 1}f}"


def _interval(row: dict, block: dict) -> str:
    if row["low"] is None:
        return "one item"
    return f"{_number(row['low'], block)} to {_number(row['high'], block)}"


def _distinct(values: Sequence) -> str:
    shown = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    return " | ".join(dict.fromkeys(shown))
