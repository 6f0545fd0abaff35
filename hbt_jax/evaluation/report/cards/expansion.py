"""Query expansion: mAP with and without it, by length of the query and by script."""

from collections.abc import Iterator

from markupsafe import Markup

from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import SETTING_NAMES
from hbt_jax.evaluation.report.render import render
from hbt_jax.evaluation.statistics.expansion_effect import EFFECT

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 560, 190, 50, 22, 24
_X = Scale(0.0, 1.0, _LEFT, _WIDTH - _RIGHT)


def expansion_card(expanded: dict) -> str:
    """A figure with two dots in each row, and the numbers to unfold.

    Args:
      expanded: content of results.json of the evaluation with expansions.
    """
    rows = list(_rows(expanded[EFFECT]))
    return render("cards/expansion.html", summary=expanded, legend=_legend(), figure=_figure(rows), rows=rows)


def _rows(effect: dict) -> Iterator[tuple[str, str, dict]]:
    """Yields (setting, queries, cell) of every row, setting after setting."""
    for setting in SETTINGS:
        if setting not in effect["by_setting"]:
            continue
        yield setting, "all", effect["by_setting"][setting]
        for name, block in effect["by_query_length"].items():
            if setting in block:
                yield setting, f"{name} quarter (mean {block['mean_characters']:.0f})", block[setting]
        if setting == "cross_lingual":
            yield from ((setting, f"{name} script", cell) for name, cell in effect["by_script"].items())


def _legend() -> Markup:
    keys = {"without": "without expansions", "with": "with expansions"}
    return chart.legend((chart.key("point-key", 26, 12, _dot(kind, 13, 6)), text) for kind, text in keys.items())


def _dot(kind: str, x: float, y: float) -> Markup:
    return chart.dot(f"expansion {kind}", x, y, 4.5)


def _figure(rows: list[tuple[str, str, dict]]) -> Markup:
    """Two dots and the line between them for each row, on a scale from 0 to 1."""
    parts, y, before = [], _TOP, None
    for setting, queries, cell in rows:
        if setting != before:
            y += _ROW
            parts.append(chart.label(SETTING_NAMES[setting], 2, y + 4, kind="family"))
            before = setting
        y += _ROW
        parts.append(_line(SETTING_NAMES[setting], queries, cell, y))
    height = y + _ROW
    grid = chart.grid([(value / 4, f"{value / 4:g}") for value in range(5)], _X, _TOP, height - 8)
    return chart.picture("panel expansions", _WIDTH, height, "mAP with and without query expansions", grid, *parts)


def _line(setting: str, queries: str, cell: dict, y: int) -> Markup:
    ends = {kind: _X(cell[kind]) for kind in ("without", "with")}
    return chart.group(
        f"{setting}, {queries}: {cell['without']:.4f} without, {cell['with']:.4f} with",
        chart.label(queries, _LEFT - 10, y + 4, "end"),
        chart.horizontal("grid-line", y, _X(0), _X(1)),
        chart.horizontal("expansion", y, *ends.values()),
        *(_dot(kind, x, y) for kind, x in ends.items()),
    )
