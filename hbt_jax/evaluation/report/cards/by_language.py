"""Every metric by query language."""

from hbt_jax.evaluation.report.cards.parts import (
    SETTING_NAMES,
    block_of,
    card,
    metric_name,
    metrics_in,
    name_cells,
    number,
    settings_of,
    sortable_heads,
    table,
    value_cell,
)

_NAMES = ("code", "language", "script")


def language_card(summary: dict) -> str:
    """A sortable table; "" where nothing is told by language."""
    by_language = summary.get("by_query_language", {})
    columns = [
        (setting, metric)
        for setting in settings_of(summary["metrics"])
        for metric in metrics_in(block_of(blocks, setting) for blocks in by_language.values())
    ]
    if not columns:
        return ""
    shown = [setting for setting, _ in columns]
    spans = "".join(
        f'<th class="group" colspan="{shown.count(setting)}" scope="colgroup">{SETTING_NAMES[setting]}</th>'
        for setting in dict.fromkeys(shown)
    )
    rows = []
    for code, blocks in by_language.items():
        values = [block_of(blocks, setting).get(metric) for setting, metric in columns]
        cells = (value_cell(value, number(value, metric)) for value, (_, metric) in zip(values, columns, strict=True))
        rows.append(name_cells(code) + "".join(cells))
    heads = sortable_heads([*_NAMES, *(metric_name(metric) for _, metric in columns)], left=len(_NAMES))
    body = table("sortable", [f'<th class="group" colspan="{len(_NAMES)}"></th>{spans}', heads], rows)
    return card("By query language", body, note="A click on a column's name sorts.")
