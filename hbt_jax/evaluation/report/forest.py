"""Forest plots as SVG text: one line per row of a comparison, its difference a point on its interval.

What is decided is told by the point's shape and filling as well as by its colour.
"""

import html
from collections.abc import Iterator

from hbt_jax import languages
from hbt_jax.evaluation.report.curves import ticks

_WIDTH, _LEFT, _RIGHT, _TOP = 400, 96, 58, 42
_ROW, _GAP = 18, 24  # heights of a row, and of a title above a family
_SIDE = 76  # room that the name of a side takes
_MOST_NUMBERS = 5  # below which each line of the axis has one
_TITLES = {
    "overall": "",
    "by_resource": "by resources",
    "by_script": "by script",
    "by_query_language": "by query language",
}
_NAMES = {
    "all": "all languages",
    "under_resourced": "◆ under-res.",
    "under_resourced_less_others": "◆ - others",
}


def forest_plot(setting: str, block: dict) -> str:
    """The rows of one setting of compare.json, on one axis."""
    rows = list(_placed(block))
    height = rows[-1][0] + _ROW
    values = _axis([row for _, _, _, row in rows if row])
    axis = _Axis(values[0], values[-1])
    parts = [_sides(axis.x(0.0), block["higher_is_better"]), _grid(values, axis, height)]
    for y, family, name, row in rows:
        parts.append(_line(y, family, name, row, block, axis) if row else _family_title(y, family))
    return (
        f'<svg class="panel forest" viewBox="0 0 {_WIDTH} {height + 6}" role="img"'
        f' aria-label="{html.escape(_in_words(setting, block))}">{"".join(parts)}</svg>'
    )


def point_key(kind: str) -> str:
    """A point with its line, for a legend."""
    line = f'<line class="whisker {kind}" x1="1" x2="25" y1="6" y2="6"/>'
    return f'<svg class="point-key forest" viewBox="0 0 26 12" aria-hidden="true">{line}{_point(kind, 13, 6, 4)}</svg>'


class _Axis:
    """Where a value lies."""

    def __init__(self, lowest: float, highest: float):
        self._lowest, self._span = lowest, highest - lowest

    def x(self, value: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - self._lowest) / self._span, 1)


def _axis(rows: list[dict]) -> list[float]:
    """Ticks around every interval and zero."""
    ends = [row[key] for row in rows for key in ("low", "high", "difference") if row[key] is not None]
    return ticks(min(0.0, *ends), max(0.0, *ends))


def _placed(block: dict) -> Iterator[tuple[int, str, str, dict | None]]:
    """Yields y, family, name and row; the row is None at the title of a family."""
    y = _TOP
    for family, title in _TITLES.items():
        names = list(block[family])
        if family == "by_query_language":
            names.sort(key=lambda code: (languages.language(code).script, code))
        if names and title:
            yield y, family, "", None
            y += _GAP
        for name in names:
            yield y, family, name, block[family][name]
            y += _ROW


def _sides(zero: float, higher_is_better: bool) -> str:
    """Which system is better on which side of zero; a side without room is left out."""
    left, right = ("B", "A") if higher_is_better else ("A", "B")
    parts = []
    if zero - _LEFT > _SIDE:
        parts.append(f'<text x="{zero - 8}" y="11" text-anchor="end">← {left} better</text>')
    if _WIDTH - _RIGHT - zero > _SIDE:
        parts.append(f'<text x="{zero + 8}" y="11">{right} better →</text>')
    return "".join(parts)


def _grid(values: list[float], axis: _Axis, height: int) -> str:
    parts, zero = [], values.index(0.0)
    every = 1 if len(values) <= _MOST_NUMBERS else 2
    for place, value in enumerate(values):
        kind = "zero" if value == 0 else "grid-line"
        x = axis.x(value)
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{height}"/>')
        if (place - zero) % every == 0:
            parts.append(f'<text class="faint" x="{x}" y="{_TOP - 12}" text-anchor="middle">{value:g}</text>')
    return "".join(parts)


def _family_title(y: int, family: str) -> str:
    return f'<text class="faint family" x="0" y="{y + 17}">{_TITLES[family]}</text>'


def _line(y: int, family: str, name: str, row: dict, block: dict, axis: _Axis) -> str:
    middle = y + _ROW / 2
    kind = f"{row['better']}-better" if row["better"] else "undecided"
    decimals = 4 if block["higher_is_better"] else 1
    full, label, weak = _labels(family, name)
    said = f"{full}: A - B {row['difference']:+,.{decimals}f}"
    whisker = ""
    if row["low"] is not None:
        said += f", from {row['low']:+,.{decimals}f} to {row['high']:+,.{decimals}f}"
        whisker = (
            f'<line class="whisker {kind}" x1="{axis.x(row["low"])}" x2="{axis.x(row["high"])}" y1="{middle}"'
            f' y2="{middle}"/>'
        )
    title = (
        f"<title>{html.escape(said)}; {row['better'].upper() + ' better' if row['better'] else 'not decided'}</title>"
    )
    text = "under-resourced" if weak else "total" if family == "overall" else ""
    baseline = middle + 4
    return (
        f'<g data-row="{html.escape(name)}">{title}<text class="{text}" x="{_LEFT - 8}" y="{baseline}"'
        f' text-anchor="end">{html.escape(label)}</text>{whisker}'
        f"{_point(kind, axis.x(row['difference']), middle, 5 if family == 'overall' else 4)}"
        f'<text x="{_WIDTH - 1}" y="{baseline}" text-anchor="end">{row["difference"]:+,.{decimals}f}</text></g>'
    )


def _labels(family: str, name: str) -> tuple[str, str, bool]:
    """Full name, short name, and whether it is marked as under-resourced."""
    if family != "by_query_language":
        return name.replace("_", " "), _NAMES.get(name, name), False
    known = languages.language(name)
    mark = "◆ " if known.under_resourced else ""
    return known.name, f"{mark}{known.script} {name}", known.under_resourced


def _point(kind: str, x: float, y: float, size: float) -> str:
    """A disc where A is better, a square where B is, an empty disc where nothing is decided."""
    if kind == "b-better":
        side = size * 1.8
        return (
            f'<rect class="point {kind}" x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side}" height="{side}"/>'
        )
    return f'<circle class="point {kind}" cx="{x}" cy="{y}" r="{size}"/>'


def _in_words(setting: str, block: dict) -> str:
    row = block["overall"]["all"]
    decided = [each["better"] for each in block["by_query_language"].values()]
    return (
        f"{setting.replace('_', ' ')}, A - B overall {row['difference']:+.4g}; of {len(decided)} query languages A is"
        f" better in {decided.count('a')}, B in {decided.count('b')}"
    )
