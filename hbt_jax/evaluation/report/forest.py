"""Forest plots: one line per row of a comparison, its difference a point on its interval.

What is decided shows in the point's shape and filling as well as in its colour.
"""

from collections.abc import Iterator

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import by_script

_WIDTH, _LEFT, _RIGHT, _TOP = 400, 106, 58, 42
_ROW, _GAP = 18, 24  # heights of a row, and of a title above a family
_SIDE = 76  # room that the name of a side takes
_MOST_NUMBERS = 5  # an axis with more lines has a number at every second one
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


def forest_plot(setting: str, block: dict) -> Markup:
    """The rows of one setting of compare.json, on one axis."""
    rows = list(_placed(block))
    height = rows[-1][0] + _ROW
    values = _axis([row for _, _, _, row in rows if row])
    x = Scale(values[0], values[-1], _LEFT, _WIDTH - _RIGHT)
    parts = [_sides(x(0.0), block["higher_is_better"]), _grid(values, x, height)]
    for y, family, name, row in rows:
        title = chart.label(_TITLES[family], 0, y + 17, kind="faint family")
        parts.append(_line(y, family, name, row, block, x) if row else title)
    return chart.picture("panel forest", _WIDTH, height + 6, _in_words(setting, block), *parts)


def point_key(kind: str) -> Markup:
    """A point with its line, for a legend."""
    return chart.key("point-key forest", 26, 12, chart.horizontal(f"whisker {kind}", 6, 1, 25), _point(kind, 13, 6, 4))


def _axis(rows: list[dict]) -> list[float]:
    """Ticks around every interval and zero."""
    ends = [row[key] for row in rows for key in ("low", "high", "difference") if row[key] is not None]
    return chart.ticks(min(0.0, *ends), max(0.0, *ends))


def _placed(block: dict) -> Iterator[tuple[int, str, str, dict | None]]:
    """Yields y, family, name and row; the row is None at the title of a family."""
    y = _TOP
    for family, title in _TITLES.items():
        names = by_script(block[family]) if family == "by_query_language" else list(block[family])
        if names and title:
            yield y, family, "", None
            y += _GAP
        for name in names:
            yield y, family, name, block[family][name]
            y += _ROW


def _sides(zero: float, higher_is_better: bool) -> Markup:
    """Which system is better on which side of zero; a side without room is left out."""
    left, right = ("B", "A") if higher_is_better else ("A", "B")
    parts = []
    if zero - _LEFT > _SIDE:
        parts.append(chart.label(f"← {left} better", zero - 8, 11, "end"))
    if _WIDTH - _RIGHT - zero > _SIDE:
        parts.append(chart.label(f"{right} better →", zero + 8, 11))
    return Markup("").join(parts)


def _grid(values: list[float], x: Scale, height: int) -> Markup:
    zero = values.index(0.0)
    every = 1 if len(values) <= _MOST_NUMBERS else 2
    named = [(value, "" if (place - zero) % every else f"{value:g}") for place, value in enumerate(values)]
    return chart.grid(named, x, _TOP - 6, height, zero="zero")


def _line(y: int, family: str, name: str, row: dict, block: dict, x: Scale) -> Markup:
    middle = y + _ROW / 2
    kind = f"{row['better']}-better" if row["better"] else "undecided"
    form = f"+,.{4 if block['higher_is_better'] else 1}f"
    full, short, weak = _labels(family, name)
    said, marks = f"{full}: A - B {row['difference']:{form}}", []
    if row["low"] is not None:
        said += f", from {row['low']:{form}} to {row['high']:{form}}"
        marks.append(chart.horizontal(f"whisker {kind}", middle, x(row["low"]), x(row["high"])))
    said += f"; {row['better'].upper() + ' better' if row['better'] else 'not decided'}"
    shade = "under-resourced" if weak else "total" if family == "overall" else ""
    return chart.group(
        said,
        chart.label(short, _LEFT - 8, middle + 4, "end", shade),
        *marks,
        _point(kind, x(row["difference"]), middle, 5 if family == "overall" else 4),
        chart.label(f"{row['difference']:{form}}", _WIDTH - 1, middle + 4, "end"),
        data_row=name,
    )


def _labels(family: str, name: str) -> tuple[str, str, bool]:
    """Full name, short name, and whether it is marked as under-resourced."""
    if family != "by_query_language":
        return name.replace("_", " "), _NAMES.get(name, name), False
    known = languages.language(name)
    mark = "◆ " if known.under_resourced else ""
    return known.name, f"{mark}{known.script} {name}", known.under_resourced


def _point(kind: str, x: float, y: float, size: float) -> Markup:
    """A disc if A is better, a square if B is, a hollow disc if nothing is decided."""
    if kind == "b-better":
        return chart.square(f"point {kind}", x, y, size * 1.8)
    return chart.dot(f"point {kind}", x, y, size)


def _in_words(setting: str, block: dict) -> str:
    row = block["overall"]["all"]
    decided = [each["better"] for each in block["by_query_language"].values()]
    return (
        f"{setting.replace('_', ' ')}, A - B overall {row['difference']:+.4g}; of {len(decided)} query languages A is"
        f" better in {decided.count('a')}, B in {decided.count('b')}"
    )
