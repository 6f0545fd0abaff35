"""Every pair of query and candidate language as a coloured cell, in several orders and metrics, and as a table.

The page's script moves and colours the cells.  It reads what it needs from attributes of the figure:
data-languages (code, name), data-values (metric -> values by row and column, thousandths, null where no query counts)
and data-orders (order -> places, for the orders by value metric by metric).
"""

import json
from collections.abc import Sequence

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import METRICS
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.names import block_of, by_script, metric_name, metrics_in
from hbt_jax.evaluation.report.render import render

# Ten stops of cividis, which colour-blind people see alike (Nunez, Anderton, Renslow 2018, PLOS ONE 13(7)).
CIVIDIS = ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838")

_LEFT, _TOP = 88, 40  # room for the labels
_SIDE, _SMALLEST_CELL, _LARGEST_CELL = 720, 20, 46
_SMALLEST_WITH_NUMBER = 34
DARK_TEXT_FROM = 0.475  # of the scale: from here on black text is easier to read than white
_ORDERS = {
    "script": "script",
    "resource": "under-resourced first",
    "code": "language code",
    "query": "mean as query, best first",
    "candidate": "mean as candidate, best first",
}


def colour(value: float) -> str:
    """The colour of a fraction from 0 (dark blue) to 1 (yellow), as "#rrggbb"."""
    place = min(max(value, 0.0), 1.0) * (len(CIVIDIS) - 1)
    low = min(int(place), len(CIVIDIS) - 2)
    ends = [[int(stop[i : i + 2], 16) for i in (0, 2, 4)] for stop in CIVIDIS[low : low + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02x}" for a, b in zip(*ends, strict=True))


def heatmap_card(summary: dict) -> str:
    """Rows are query languages, columns candidate languages; "" if no pair has a value."""
    pairs = summary.get("by_pair", {})
    present = metrics_in(pairs.values())
    metrics = [metric for metric in METRICS if metric in present] or present[:1]
    if not metrics:
        return ""
    codes = by_script({code for side in ("queries", "candidates") for code in summary["counts"][side]})
    values = {metric: pair_values(summary, codes, metric) for metric in metrics}
    first = metrics[0]
    size = min(max(_SIDE // len(codes), _SMALLEST_CELL), _LARGEST_CELL)
    return render(
        "cards/heatmap.html",
        attributes={"cell": size, "left": _LEFT, "top": _TOP, "dark": DARK_TEXT_FROM} | _data(codes, values),
        metrics=metrics,
        orders=_ORDERS,
        stops=CIVIDIS,
        figure=_figure(codes, values[first], first, size),
        rows=list(zip(codes, values[first], strict=True)),
    )


def pair_values(summary: dict, codes: Sequence[str], metric: str) -> list[list[float | None]]:
    """Values by query and candidate language, the monolingual ones on the diagonal; None where no query counts."""
    own = {code: block_of(blocks, "monolingual").get(metric) for code, blocks in summary["by_query_language"].items()}
    return [
        [
            own.get(code) if code == other else summary["by_pair"].get(f"{code}-{other}", {}).get(metric)
            for other in codes
        ]
        for code in codes
    ]


def orders(codes: Sequence[str], values: dict[str, list[list[float | None]]]) -> dict:
    """For each order, the numbers of the languages in that order; for orders by value, these by metric.

    The means leave out the monolingual cells; a language without a value comes last.
    """
    known = [languages.language(code) for code in codes]
    keys = {
        "script": lambda i: (known[i].script, codes[i]),
        "resource": lambda i: (not known[i].under_resourced, known[i].script, codes[i]),
        "code": lambda i: codes[i],
    }
    found = {name: sorted(range(len(codes)), key=key) for name, key in keys.items()}
    found["query"], found["candidate"] = {}, {}
    for metric, rows in values.items():
        for name, lines in (("query", rows), ("candidate", list(zip(*rows, strict=True)))):
            means = [_mean_of_others(line, i) for i, line in enumerate(lines)]
            found[name][metric] = sorted(range(len(codes)), key=lambda i, means=means: (-means[i], codes[i]))
    return found


def _mean_of_others(line: Sequence[float | None], own: int) -> float:
    others = [value for i, value in enumerate(line) if i != own and value is not None]
    return sum(others) / len(others) if others else -1.0


def _data(codes: Sequence[str], values: dict[str, list[list[float | None]]]) -> dict[str, str]:
    """What the page's script reads, as JSON."""
    data = {
        "languages": [[code, languages.language(code).name] for code in codes],
        "values": {metric: [[_thousandths(one) for one in row] for row in rows] for metric, rows in values.items()},
        "orders": orders(codes, values),
        "names": {metric: metric_name(metric) for metric in values},
        "scale": CIVIDIS,
    }
    return {name: json.dumps(one, ensure_ascii=False, separators=(",", ":")) for name, one in data.items()}


def _thousandths(value: float | None) -> int | None:
    return None if value is None else round(1000 * value)


def _figure(codes: Sequence[str], rows: Sequence[Sequence[float | None]], metric: str, size: int) -> Markup:
    width, height = _LEFT + size * len(codes) + 6, _TOP + size * len(codes) + 6
    said = f"{metric_name(metric)} by query and candidate language; the table below has the numbers"
    parts = [
        chart.label("query ↓", 2, 12, kind="faint"),
        chart.label("candidates →", 2, 27, kind="faint"),
        *_labels(codes, size),
        *_cells(rows, size),
        chart.element("rect", kind="chosen", visibility="hidden"),
    ]
    return chart.picture("", width, height, said, *parts, width=width, height=height, tabindex=0)


def _cells(rows: Sequence[Sequence[float | None]], size: int) -> list[Markup]:
    """Cells in the order of rows and columns, then, if there is room, their numbers in the same order."""
    cells, numbers = [], []
    for row, line in enumerate(rows):
        for column, value in enumerate(line):
            kind = "cell" + " own" * (row == column) + " absent" * (value is None)
            x, y = _LEFT + size * column, _TOP + size * row
            fill = None if value is None else colour(value)
            cells.append(chart.bar(kind, x, y, size - 1, size - 1, fill=fill))
            ink = "#000" if value is not None and value >= DARK_TEXT_FROM else "#fff"
            shown, middle = "" if value is None else f"{100 * value:.0f}", (size - 1) / 2
            place = {"x": x + middle, "y": y + middle + 4, "style": f"fill:{ink}"}
            numbers.append(chart.element("text", shown, kind="in-cell", **place))
    return cells + (numbers if size >= _SMALLEST_WITH_NUMBER else [])


def _labels(codes: Sequence[str], size: int) -> list[Markup]:
    """Names of rows, then of columns."""
    rows, columns = [], []
    for place, code in enumerate(codes):
        known = languages.language(code)
        kind = "under-resourced" if known.under_resourced else ""
        middle = size * (place + 0.5) + 3.5
        rows.append(chart.language_label(code, _LEFT - 6, _TOP + middle, data_row=place))
        turn = f"translate({_LEFT + middle} {_TOP - 6}) rotate(-90)"
        title = chart.title(known.name)
        columns.append(chart.element("text", title, code, kind=kind, data_column=place, transform=turn))
    return rows + columns
