"""Sortable tables by language: every metric, and how the tokenizer cuts its texts."""

from hbt_jax.evaluation.report.names import (
    SETTING_NAMES,
    block_of,
    main_metric,
    metric_name,
    metrics_in,
    number,
    percent,
    settings_of,
)
from hbt_jax.evaluation.report.render import render

_SIDES = ("queries", "candidates")
_RATES = {"truncated": "truncated", "unknown": "unknown", "per_character": "per character"}


def language_card(summary: dict) -> str:
    """Every metric by query language; "" if nothing was measured by language."""
    by_language = summary.get("by_query_language", {})
    columns = [
        (setting, metric)
        for setting in settings_of(summary["metrics"])
        for metric in metrics_in(block_of(blocks, setting) for blocks in by_language.values())
    ]
    if not columns:
        return ""
    shown = [setting for setting, _ in columns]
    groups = {SETTING_NAMES[setting]: shown.count(setting) for setting in shown}
    rows = {
        code: [_metric_cell(block_of(blocks, setting), metric) for setting, metric in columns]
        for code, blocks in by_language.items()
    }
    heads = [metric_name(metric) for _, metric in columns]
    return render("cards/by_language.html", groups=groups.items(), heads=heads, rows=rows)


def tokens_card(summary: dict) -> str:
    """How the texts are cut into tokens, beside the main metric; "" if tokens were not counted."""
    tokens = summary.get("tokens")
    if not tokens:
        return ""
    metric, sides = main_metric(summary), [side for side in _SIDES if tokens.get(side)]
    settings = settings_of(summary["metrics"])
    rows = {}
    for code in sorted({code for side in sides for code in tokens[side]}):
        blocks = summary["by_query_language"].get(code, {})
        cells = [_rate_cell(tokens[side].get(code, {}), rate) for side in sides for rate in _RATES]
        rows[code] = cells + [_metric_cell(block_of(blocks, setting), metric) for setting in settings]
    groups = [(side, len(_RATES)) for side in sides]
    groups += [(f"{metric_name(metric)} as query", len(settings))] if settings else []
    heads = [*(list(_RATES.values()) * len(sides)), *map(SETTING_NAMES.get, settings)]
    return render("cards/tokens.html", groups=groups, heads=heads, rows=rows)


def _metric_cell(block: dict, metric: str) -> tuple[float | None, str]:
    """The value, by which the column sorts, and how it is shown."""
    value = block.get(metric)
    return value, number(value, metric)


def _rate_cell(rates: dict, rate: str) -> tuple[float | None, str]:
    value = rates.get(rate)
    if value is None:
        return None, ""
    return value, f"{value:.3f}" if rate == "per_character" else percent(value)
