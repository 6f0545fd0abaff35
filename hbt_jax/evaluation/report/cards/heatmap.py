"""Every pair of query and candidate language as a coloured cell, in several orders and metrics, and as a table.

The page's script moves and colours the cells; what it needs is worked out here, in attributes of the figure:
data-languages (code, name), data-values (metric -> values by row and column, thousandths, null where no query counts)
and data-orders (order -> places, for the orders by value metric by metric).
"""

import html
import json
from collections.abc import Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import METRICS
from hbt_jax.evaluation.report.cards.parts import (
    block_of,
    by_script,
    card,
    metric_name,
    metrics_in,
    script_and_code,
    table,
)

# Ten stops of cividis, made to look the same to colour-blind eyes (Nunez, Anderton, Renslow 2018, PLOS ONE 13(7)).
CIVIDIS = ("00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838")

_LEFT, _TOP = 88, 40  # room for the labels
_SIDE, _SMALLEST_CELL, _LARGEST_CELL = 720, 20, 46
_SMALLEST_WITH_NUMBER = 34
DARK_TEXT_FROM = 0.475  # of the scale: from here on black is easier to read on it than white
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
    """Rows are query languages, columns candidate languages; "" where no pair has a value."""
    pairs = summary.get("by_pair", {})
    present = metrics_in(pairs.values())
    metrics = [metric for metric in METRICS if metric in present] or present[:1]
    if not metrics:
        return ""
    codes = by_script({code for side in ("queries", "candidates") for code in summary["counts"][side]})
    values = {metric: pair_values(summary, codes, metric) for metric in metrics}
    note = "Outlined cells are monolingual. Grey: no query counts. Arrow keys move from cell to cell."
    return card("Every language pair", _figure(codes, values) + _as_table(codes, values[metrics[0]], metrics[0]), note)


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
    """For each order, the numbers of the languages in that order; for orders by value, metric -> these.

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


def _figure(codes: Sequence[str], values: dict[str, list[list[float | None]]]) -> str:
    size = min(max(_SIDE // len(codes), _SMALLEST_CELL), _LARGEST_CELL)
    width, height = _LEFT + size * len(codes) + 6, _TOP + size * len(codes) + 6
    first = next(iter(values))
    data = {
        "languages": [[code, languages.language(code).name] for code in codes],
        "values": {metric: [[_thousandths(one) for one in row] for row in rows] for metric, rows in values.items()},
        "orders": orders(codes, values),
        "names": {metric: metric_name(metric) for metric in values},
        "scale": CIVIDIS,
    }
    attributes = "".join(f' data-{name}="{html.escape(_json(content))}"' for name, content in data.items())
    return (
        f'<figure class="heatmap" data-cell="{size}" data-left="{_LEFT}" data-top="{_TOP}"'
        f' data-dark="{DARK_TEXT_FROM}"{attributes}>{_controls(values)}<div class="scroll">'
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" tabindex="0"'
        f' aria-label="{metric_name(first)} by query and candidate language; the table below has the numbers">'
        f'<text class="faint" x="2" y="12">query ↓</text><text class="faint" x="2" y="27">candidates →</text>'
        f"{_labels(codes, size)}{_cells(values[first], size)}"
        '<rect class="chosen" visibility="hidden"/></svg></div>'
        '<p class="readout" aria-live="polite">Point at a cell, or tap it, for its value.</p></figure>'
    )


def _json(content) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _thousandths(value: float | None) -> int | None:
    return None if value is None else round(1000 * value)


def _controls(values: dict) -> str:
    chosen = "".join(f'<option value="{metric}">{metric_name(metric)}</option>' for metric in values)
    by = "".join(f'<option value="{name}">{text}</option>' for name, text in _ORDERS.items())
    stops = ",".join("#" + stop for stop in CIVIDIS)
    metric = f'<label>Metric <select name="metric">{chosen}</select></label>' if len(values) > 1 else ""
    return (
        f'<div class="controls">{metric}<label>Order by <select name="order">{by}</select></label>'
        '<span>0 <span class="scale" role="img" aria-label="colour scale from 0 to 1"'
        f' style="background:linear-gradient(90deg,{stops})"></span> 1</span></div>'
    )


def _cells(rows: Sequence[Sequence[float | None]], size: int) -> str:
    """Cells in the order of rows and columns, then, where there is room, their numbers in the same order."""
    cells, numbers = [], []
    for row, line in enumerate(rows):
        for column, value in enumerate(line):
            kind = "cell" + " own" * (row == column) + " absent" * (value is None)
            paint = "" if value is None else f' fill="{colour(value)}"'
            x, y = _LEFT + size * column, _TOP + size * row
            cells.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{size - 1}" height="{size - 1}"{paint}/>')
            ink = "#000" if value is not None and value >= DARK_TEXT_FROM else "#fff"
            shown = "" if value is None else f"{100 * value:.0f}"
            middle = (size - 1) / 2
            numbers.append(
                f'<text class="in-cell" x="{x + middle}" y="{y + middle + 4}" style="fill:{ink}">{shown}</text>'
            )
    return "".join(cells) + ("".join(numbers) if size >= _SMALLEST_WITH_NUMBER else "")


def _labels(codes: Sequence[str], size: int) -> str:
    """Names of rows, then of columns."""
    rows, columns = [], []
    for place, code in enumerate(codes):
        known = languages.language(code)
        kind = ' class="under-resourced"' if known.under_resourced else ""
        title = f"<title>{html.escape(known.name)}</title>"
        middle = size * (place + 0.5) + 3.5
        rows.append(script_and_code(code, f'data-row="{place}" x="{_LEFT - 6}" y="{_TOP + middle}" text-anchor="end"'))
        columns.append(
            f'<text{kind} data-column="{place}" transform="translate({_LEFT + middle} {_TOP - 6}) rotate(-90)">'
            f"{title}{html.escape(code)}</text>"
        )
    return "".join(rows + columns)


def _as_table(codes: Sequence[str], rows: Sequence[Sequence[float | None]], metric: str) -> str:
    """The numbers, for those who cannot see the figure, print it or have no script."""
    heads = "".join(f'<th scope="col">{html.escape(code)}</th>' for code in codes)
    lines = [
        f'<th class="name" scope="row">{html.escape(code)}</th>'
        + "".join(f"<td>{'' if value is None else f'{value:.3f}'}</td>" for value in row)
        for code, row in zip(codes, rows, strict=True)
    ]
    body = table("pairs", [f'<th class="name">query</th>{heads}'], lines)
    return f"<details><summary>As a table: {metric_name(metric)}</summary>{body}</details>"
