"""Bars by script of the query, with a mark for each language."""

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import SETTING_NAMES, block_of, main_metric, metric_name, settings_of
from hbt_jax.evaluation.report.render import render

_LEFT, _RIGHT, _WIDTH, _ROW = 78, 44, 360, 21
_X = Scale(0.0, 1.0, _LEFT, _WIDTH - _RIGHT)


def scripts_card(summary: dict) -> str:
    """One figure per setting; "" if no script has a value."""
    metric = main_metric(summary)
    figures = {
        SETTING_NAMES[setting]: _bars(summary, setting, metric)
        for setting in settings_of(summary["metrics"])
        if any(metric in block_of(blocks, setting) for blocks in summary.get("by_script", {}).values())
    }
    return render("cards/scripts.html", metric=metric, figures=figures) if figures else ""


def _bars(summary: dict, setting: str, metric: str) -> Markup:
    scripts = {
        script: block_of(blocks, setting)[metric]
        for script, blocks in summary["by_script"].items()
        if metric in block_of(blocks, setting)
    }
    height = 26 + _ROW * len(scripts)
    parts = [chart.grid([(value / 4, f"{value / 4:g}") for value in range(5)], _X, 18, height - 4)]
    for row, (script, mean) in enumerate(sorted(scripts.items(), key=lambda item: (-item[1], item[0]))):
        members = {
            code: block_of(blocks, setting)[metric]
            for code, blocks in summary["by_query_language"].items()
            if languages.language(code).script == script and metric in block_of(blocks, setting)
        }
        parts.append(_bar(script, mean, members, 24 + _ROW * row, metric))
    said = f"{metric_name(metric)} by script, {SETTING_NAMES[setting]}"
    return chart.picture("panel", _WIDTH, height, said, *parts)


def _bar(script: str, mean: float, members: dict[str, float], y: int, metric: str) -> Markup:
    weak = all(languages.language(code).under_resourced for code in members)
    kind, mark = ("under-resourced", "◆ ") if weak else ("", "")
    said = chart.title(f"{script}: mean {metric_name(metric)} {mean:.3f} of {' '.join(members)}")
    middle = y + (_ROW - 6) / 2
    parts = [
        chart.label(f"{mark}{script} ({len(members)})", _LEFT - 8, y + 12, "end", kind),
        chart.bar("bar", _LEFT, y, _X(max(mean, 0.0)) - _LEFT, _ROW - 6, said, rx=2),
        chart.label(f"{mean:.3f}", _WIDTH - _RIGHT + 6, y + 12),
        *(_mark(code, value, middle, metric) for code, value in members.items()),
    ]
    return Markup("").join(parts)


def _mark(code: str, value: float, y: float, metric: str) -> Markup:
    known, x = languages.language(code), _X(value)
    title = chart.title(f"{known.name}: {metric_name(metric)} {value:.3f}")
    if not known.under_resourced:
        return chart.dot("dot", x, y, 2.6, title, fill_opacity="0.75")
    corners = [(x - 5.5, y), (x, y - 5.5), (x + 5.5, y), (x, y + 5.5)]
    return chart.area("diamond", corners, title, data_language=code)
