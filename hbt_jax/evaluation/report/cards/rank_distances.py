"""How the rank distances are spread: a histogram over a logarithmic axis, and quantiles by query language below it."""

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.cards.summary import Baseline
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import by_script, percent
from hbt_jax.evaluation.report.render import render

_WIDTH, _LEFT, _RIGHT, _TOP = 640, 84, 62, 24
_HEIGHT, _GAP, _ROW = 150, 34, 18  # of the histogram, of its axis, of a language
_BINS = 5  # to a decade


def rank_distances_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """The first baseline with distances is drawn as a dotted outline; "" if no query has a distance."""
    found = summary.get("rank_distances")
    if not found:
        return ""
    other = next((one for one in baselines if one.summary.get("rank_distances")), None)
    outline = chart.line_key(chart.curve("other", [(1, 4), (29, 4)]))
    return render(
        "cards/rank_distances.html",
        legend=chart.legend([(outline, other.label)]) if other else "",
        figure=_figure(found, other.summary["rank_distances"] if other else None),
    )


def _figure(found: dict, other: dict | None) -> Markup:
    codes = by_script(found["by_query_language"])
    most = max(one["edges"][-1] for one in (found, other) if one)
    decades = math.floor(math.log10(most) + 1e-9) + 1
    x = Scale(0, decades, _LEFT, _WIDTH - _RIGHT)  # of the logarithm
    bottom = _TOP + _HEIGHT + _GAP + _ROW * len(codes)
    shares = [_shares(one) for one in (found, other) if one]
    y = Scale(0.0, max(map(max, shares)), _TOP + _HEIGHT, _TOP)
    powers = [(power, f"{10**power:,}") for power in range(decades + 1)]
    parts = [
        chart.grid(powers, x, _TOP - 4, bottom, text_y=_TOP + _HEIGHT + 18),
        *_bars(found, shares[0], x, y),
        chart.label(percent(y.highest), _LEFT - 8, _TOP + 5, "end", "faint"),
        chart.horizontal("base", y.start, _LEFT, _WIDTH - _RIGHT),
    ]
    if other:
        places = [(place, y(share)) for number, share in enumerate(shares[1]) for place in _bin(number, x)]
        parts.append(chart.curve("other", places))
    parts += [_line(code, found, other, _TOP + _HEIGHT + _GAP + _ROW * row, x) for row, code in enumerate(codes)]
    middle = found["levels"].index(0.5)
    said = f"median {found['all']['quantiles'][middle]:,.0f} of {found['all']['queries']:,} queries"
    return chart.picture("panel distances", _WIDTH, bottom + 4, f"rank distances of the queries: {said}", *parts)


def _shares(found: dict) -> list[float]:
    return [count / found["all"]["queries"] for count in found["all"]["histogram"]]


def _bin(number: int, x: Scale) -> tuple[float, float]:
    """Left and right end of a bin."""
    return x(number / _BINS), x((number + 1) / _BINS)


def _bars(found: dict, shares: Sequence[float], x: Scale, y: Scale) -> Iterator[Markup]:
    edges = found["edges"]
    for number, (share, low) in enumerate(zip(shares, edges, strict=True)):
        left, right = _bin(number, x)
        high = f" to {edges[number + 1] - 1:,}" if number + 1 < len(edges) else " and more"
        said = f"{low:,}{high}: {percent(share)} of queries ({found['all']['histogram'][number]:,})"
        top = y(share)
        yield chart.bar("bar", left + 0.5, top, right - left - 1, y.start - top, chart.title(said))


def _line(code: str, found: dict, other: dict | None, y: int, x: Scale) -> Markup:
    low, first, median, third, high = quantiles = found["by_query_language"][code]["quantiles"]
    places = [_place(value, x) for value in quantiles]
    said = (
        f"{languages.language(code).name}: median {median:,.0f}, half of the queries from {first:,.0f} to {third:,.0f},"
        f" eight of ten from {low:,.0f} to {high:,.0f}"
    )
    middle = y + 8
    marks = [
        chart.language_label(code, _LEFT - 8, y + 12),
        chart.horizontal("thin", middle, places[0], places[4]),
        chart.horizontal("thick", middle, places[1], places[3]),
    ]
    theirs = (other or {}).get("by_query_language", {}).get(code)
    if theirs:
        before = theirs["quantiles"][2]
        marks.append(chart.vertical("other", _place(before, x), y + 1, y + 15))
        said += f"; the baseline's median {before:,.0f}"
    marks.append(chart.dot("median", places[2], middle, 3.6))
    return chart.group(said, *marks, chart.label(f"{median:,.0f}", _WIDTH - _RIGHT + 8, y + 12))


def _place(distance: float, x: Scale) -> float:
    return x(math.log10(max(distance, 1.0)))
