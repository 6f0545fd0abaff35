"""How evenly the main metric is spread over languages and scripts."""

from hbt_jax.evaluation.report.names import SETTING_NAMES, number
from hbt_jax.evaluation.report.render import render

_COLUMNS = {
    "mean": "mean",
    "worst": "worst",
    "worst_quarter": "worst quarter",
    "standard_deviation": "std. dev.",
    "under_resourced": "under-resourced",
    "others": "others",
    "gap": "gap",
}


def robustness_card(summary: dict) -> str:
    """Rows: each setting over query languages and over scripts; "" if no setting has any."""
    rows, metric = [], "map"
    for setting, block in summary.get("robustness", {}).items():
        if block:
            metric = block.get("metric", metric)
            rows.append((SETTING_NAMES[setting], "languages", _numbers(block), block["worst_quarter_languages"]))
            scripts = block.get("scripts")
            if scripts:
                rows.append(("", "scripts", _numbers(scripts), scripts["worst_quarter_scripts"]))
    return render("cards/robustness.html", rows=rows, metric=metric, heads=_COLUMNS.values()) if rows else ""


def _numbers(block: dict) -> list[str]:
    return [number(block.get(key), "map") for key in _COLUMNS]
