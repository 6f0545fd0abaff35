"""Bars by script of the query, with a mark for each language."""

import html

from hbt_jax import languages
from hbt_jax.evaluation.report.cards.parts import SETTING_NAMES, block_of, card, main_metric, metric_name, settings_of

_LEFT, _RIGHT, _WIDTH, _ROW = 78, 44, 360, 21
_SPAN = _WIDTH - _LEFT - _RIGHT


def scripts_card(summary: dict) -> str:
    """One figure per setting; "" where no script has a value."""
    metric = main_metric(summary)
    figures = "".join(
        f"<figure><figcaption>{SETTING_NAMES[setting]}</figcaption>{_bars(summary, setting, metric)}</figure>"
        for setting in settings_of(summary["metrics"])
        if any(metric in block_of(blocks, setting) for blocks in summary.get("by_script", {}).values())
    )
    if not figures:
        return ""
    note = (
        f"Bars: mean {metric_name(metric)} of the script's languages (how many). Dots: each language."
        ' <span class="under-resourced">◆</span> under-resourced language, or script that has no other here.'
    )
    return card("By script of the query", f'<div class="panels">{figures}</div>', note=note)


def _bars(summary: dict, setting: str, metric: str) -> str:
    scripts = {
        script: block_of(blocks, setting)[metric]
        for script, blocks in summary["by_script"].items()
        if metric in block_of(blocks, setting)
    }
    height = 26 + _ROW * len(scripts)
    parts = [_grid(18, height - 4)]
    for row, (script, mean) in enumerate(sorted(scripts.items(), key=lambda item: (-item[1], item[0]))):
        members = {
            code: block_of(blocks, setting)[metric]
            for code, blocks in summary["by_query_language"].items()
            if languages.language(code).script == script and metric in block_of(blocks, setting)
        }
        parts.append(_bar(script, mean, members, 24 + _ROW * row, metric))
    name = f"{metric_name(metric)} by script, {SETTING_NAMES[setting]}"
    return f'<svg class="panel" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _grid(top: float, bottom: float) -> str:
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = f"{_LEFT + _SPAN * tick:.1f}"
        parts.append(
            f'<line class="grid-line" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
            f'<text class="faint" x="{x}" y="{top - 6}" text-anchor="middle">{tick:g}</text>'
        )
    return "".join(parts)


def _bar(script: str, mean: float, members: dict[str, float], y: int, metric: str) -> str:
    weak = all(languages.language(code).under_resourced for code in members)
    kind, mark = (' class="under-resourced"', "◆ ") if weak else ("", "")
    said = f"{script}: mean {metric_name(metric)} {mean:.3f} of {html.escape(' '.join(members))}"
    bar = (
        f'<text{kind} x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{mark}{script} ({len(members)})</text>'
        f'<rect class="bar" x="{_LEFT}" y="{y}" width="{_SPAN * max(mean, 0.0):.1f}" height="{_ROW - 6}" rx="2">'
        f'<title>{said}</title></rect><text x="{_WIDTH - _RIGHT + 6}" y="{y + 12}">{mean:.3f}</text>'
    )
    middle = y + (_ROW - 6) / 2
    return bar + "".join(_mark(code, value, middle, metric) for code, value in members.items())


def _mark(code: str, value: float, y: float, metric: str) -> str:
    known, x = languages.language(code), _LEFT + _SPAN * value
    title = f"<title>{html.escape(known.name)}: {metric_name(metric)} {value:.3f}</title>"
    if not known.under_resourced:
        return f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="2.6" fill-opacity="0.75">{title}</circle>'
    corners = f"{x - 5.5:.1f},{y} {x:.1f},{y - 5.5} {x + 5.5:.1f},{y} {x:.1f},{y + 5.5}"
    return f'<polygon class="diamond" data-language="{html.escape(code)}" points="{corners}">{title}</polygon>'
