"""The report's card of query expansion: mAP with and without, by length of the query and by script."""

import html

from hbt_jax.evaluation.measures.metrics import SETTINGS
from hbt_jax.evaluation.report.cards.parts import SETTING_NAMES, card, table
from hbt_jax.evaluation.statistics.expansion_effect import EFFECT

_NAME = ' class="name"'
_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 560, 190, 50, 22, 24


def expansion_card(expanded: dict) -> str:
    """A figure of two dots a row, and the numbers to fold out.

    Args:
      expanded: content of results.json of the evaluation with expansions.
    """
    rows = _rows(expanded[EFFECT])
    numbers = f"<details><summary>The numbers</summary>{_table(rows)}</details>"
    return card("Query expansion", _key() + _figure(rows) + numbers, note=_note(expanded))


def _note(expanded: dict) -> str:
    """What is shown, as a sentence."""
    settings, counts = expanded["settings"], expanded["counts"]
    without = counts["queries_without_expansion"]
    left = f"; {without:,} have none and are not counted here" if without else ""
    return (
        f"Combined by {html.escape(settings['expansion_combination'])}: {counts['expanded_queries']:,} queries with"
        f" {counts['expansion_texts']:,} texts{left}. Quarters of each language's queries by length, in characters"
        " without white space."
    )


def _rows(effect: dict) -> list[tuple[str, str, dict]]:
    """(setting, what, cell) of every row, setting after setting."""
    rows = []
    for setting in SETTINGS:
        if setting not in effect["by_setting"]:
            continue
        rows.append((setting, "all", effect["by_setting"][setting]))
        for name, block in effect["by_query_length"].items():
            if setting in block:
                what = f"{name} quarter (mean {block['mean_characters']:.0f})"
                rows.append((setting, what, block[setting]))
        if setting == "cross_lingual":
            rows += [(setting, f"{name} script", cell) for name, cell in effect["by_script"].items()]
    return rows


def _key() -> str:
    dots = (("without", "without expansions"), ("with", "with expansions"))
    keys = "".join(
        f'<span><svg class="point-key" viewBox="0 0 26 12" aria-hidden="true">{_dot(kind, 13, 6)}</svg>{text}</span>'
        for kind, text in dots
    )
    return f'<div class="legend">{keys}</div>'


def _dot(kind: str, x: float, y: float) -> str:
    return f'<circle class="expansion {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _figure(rows: list[tuple[str, str, dict]]) -> str:
    """Two dots and the line between them for each row, on a scale from 0 to 1."""
    parts, y, before = [], _TOP, None
    for setting, what, cell in rows:
        if setting != before:
            y += _ROW
            parts.append(f'<text class="family" x="2" y="{y + 4}">{SETTING_NAMES[setting]}</text>')
            before = setting
        y += _ROW
        xs = {kind: _x(cell[kind]) for kind in ("without", "with")}
        told = f"{SETTING_NAMES[setting]}, {what}: {cell['without']:.4f} without, {cell['with']:.4f} with"
        parts.append(
            f"<g><title>{html.escape(told)}</title>"
            f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{html.escape(what)}</text>'
            f'<line class="grid-line" x1="{_x(0):.1f}" x2="{_x(1):.1f}" y1="{y}" y2="{y}"/>'
            f'<line class="expansion" x1="{xs["without"]:.1f}" x2="{xs["with"]:.1f}" y1="{y}" y2="{y}"/>'
            f"{_dot('without', xs['without'], y)}{_dot('with', xs['with'], y)}</g>"
        )
    height = y + _ROW
    ticks = "".join(
        f'<text class="faint" x="{_x(value):.1f}" y="16" text-anchor="middle">{value:g}</text>'
        f'<line class="grid-line" x1="{_x(value):.1f}" x2="{_x(value):.1f}" y1="{_TOP}" y2="{height - 8}"/>'
        for value in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return (
        f'<svg class="panel expansions" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-label="mAP with and without query expansions">{ticks}{"".join(parts)}</svg>'
    )


def _x(value: float) -> float:
    return _LEFT + value * (_WIDTH - _LEFT - _RIGHT)


def _table(rows: list[tuple[str, str, dict]]) -> str:
    heads = ("setting", "queries", "how many", "without", "with", "difference")
    head = "".join(f'<th{_NAME * (place < 2)} scope="col">{text}</th>' for place, text in enumerate(heads))
    return table(
        "expansion-table",
        [head],
        [
            f'<th class="name" scope="row">{SETTING_NAMES[setting]}</th><td class="name">{html.escape(what)}</td>'
            f"<td>{cell['queries']:,}</td><td>{cell['without']:.4f}</td>"
            f"<td>{cell['with']:.4f}</td><td>{cell['with'] - cell['without']:+.4f}</td>"
            for setting, what, cell in rows
        ],
    )
