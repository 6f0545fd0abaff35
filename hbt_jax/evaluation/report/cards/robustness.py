"""How evenly the main metric is spread over languages and scripts, and what the tokenizer makes of each language."""

from hbt_jax.evaluation.report.cards.parts import (
    SETTING_NAMES,
    block_of,
    card,
    code_mark,
    main_metric,
    metric_name,
    name_cells,
    number,
    percent,
    settings_of,
    sortable_heads,
    table,
    value_cell,
)

_COLUMNS = {
    "mean": "mean",
    "worst": "worst",
    "worst_quarter": "worst quarter",
    "standard_deviation": "std. dev.",
    "under_resourced": "under-resourced",
    "others": "others",
    "gap": "gap",
}
_SIDES = {"queries": "queries", "candidates": "candidates"}
_RATES = {"truncated": "truncated", "unknown": "unknown", "per_character": "per character"}


def robustness_card(summary: dict) -> str:
    """Rows: each setting over query languages and over scripts."""
    rows, metric = [], "map"
    for setting, block in summary.get("robustness", {}).items():
        if block:
            metric = block.get("metric", metric)
            worst = " ".join(map(code_mark, block["worst_quarter_languages"]))
            rows.append(_row(SETTING_NAMES[setting], "languages", block, worst))
            if "scripts" in block:
                rows.append(_row("", "scripts", block["scripts"], " ".join(block["scripts"]["worst_quarter_scripts"])))
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{title}</th>' for title in _COLUMNS.values())
    head = f'<th class="name">setting</th><th class="name">over</th>{heads}<th class="name">worst quarter</th>'
    note = (
        f"{metric_name(metric)} over query languages, and over the means of their scripts. The worst quarter is listed"
        " from the worst up; gap = others - under-resourced."
    )
    return card("Robustness", table("robustness", [head], rows), note=note)


def _row(setting: str, over: str, block: dict, worst: str) -> str:
    cells = "".join(f"<td>{number(block.get(key), 'map')}</td>" for key in _COLUMNS)
    return f'<th class="name">{setting}</th><td class="name">{over}</td>{cells}<td class="name">{worst}</td>'


def tokens_card(summary: dict) -> str:
    """By language: how the texts are cut into tokens, beside the main metric; "" where tokens were not counted."""
    tokens = summary.get("tokens")
    if not tokens:
        return ""
    metric, sides = main_metric(summary), [side for side in _SIDES if tokens.get(side)]
    settings = settings_of(summary["metrics"])
    codes = sorted({code for side in sides for code in tokens[side]})
    rows = []
    for code in codes:
        cells = [value_cell(*_shown(tokens[side].get(code, {}), rate)) for side in sides for rate in _RATES]
        for setting in settings:
            value = block_of(summary["by_query_language"].get(code, {}), setting).get(metric)
            cells.append(value_cell(value, number(value, metric)))
        rows.append(name_cells(code) + "".join(cells))
    groups = "".join(
        f'<th class="group" colspan="{len(_RATES)}" scope="colgroup">{_SIDES[side]}</th>' for side in sides
    )
    name = f"{metric_name(metric)} as query"
    last = f'<th class="group" colspan="{len(settings)}" scope="colgroup">{name}</th>' if settings else ""
    groups = f'<th class="group" colspan="3"></th>{groups}{last}'
    columns = ["code", "language", "script", *(list(_RATES.values()) * len(sides)), *map(SETTING_NAMES.get, settings)]
    note = (
        "Truncated: share of texts that do not fit. Unknown: share of tokens that the vocabulary lacks. Per character:"
        " tokens per character; many mean that the tokenizer knows little of a language. A click on a column's name"
        " sorts."
    )
    return card("Tokens", table("sortable", [groups, sortable_heads(columns, left=3)], rows), note=note)


def _shown(rates: dict, rate: str) -> tuple[float | None, str]:
    value = rates.get(rate)
    if value is None:
        return None, ""
    return value, f"{value:.3f}" if rate == "per_character" else percent(value)
