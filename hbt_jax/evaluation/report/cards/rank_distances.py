"""How the rank distances are spread: a histogram over a logarithmic axis, and quantiles by query language below it."""

import html
import math
from collections.abc import Sequence

from hbt_jax import languages
from hbt_jax.evaluation.report.cards.parts import by_script, card, percent, script_and_code
from hbt_jax.evaluation.report.cards.summary import Baseline

_WIDTH, _LEFT, _RIGHT, _TOP = 640, 84, 62, 24
_HEIGHT, _GAP, _ROW = 150, 34, 18  # of the histogram, of its axis, of a language


def rank_distances_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """The first baseline with distances is drawn as a dotted outline; "" where no query has a distance."""
    found = summary.get("rank_distances")
    if not found:
        return ""
    other = next((one for one in baselines if one.summary.get("rank_distances")), None)
    theirs = other.summary["rank_distances"] if other else None
    most = max(one["edges"][-1] for one in (found, theirs) if one)
    decades = math.floor(math.log10(most) + 1e-9) + 1
    note = (
        "In the pool of all candidates: how many ranks lie between the best and the worst language of a query's"
        " answers. Bars: share of queries. Lines: from the 10th to the 90th percentile of a language's queries,"
        " thick from the 25th to the 75th; mark and number: the median."
    )
    legend = ""
    if other:
        legend = (
            '<div class="legend"><span><svg class="line-key" viewBox="0 0 30 8" aria-hidden="true">'
            '<polyline class="other" points="1,4 29,4"/></svg>'
            f"{html.escape(other.label)}</span></div>"
        )
    return card("Rank distances", f"<figure>{legend}{_figure(found, theirs, decades)}</figure>", note=note)


def _x(distance: float, decades: int) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log10(max(distance, 1.0)) / decades, 1)


def _figure(found: dict, other: dict | None, decades: int) -> str:
    codes = by_script(found["by_query_language"])
    bottom = _TOP + _HEIGHT + _GAP + _ROW * len(codes)
    shares = [_shares(one) for one in (found, other) if one]
    largest = max(max(one) for one in shares)
    parts = [_grid(decades, bottom), _bars(found, shares[0], largest, decades)]
    if other:
        parts.append(_outline(shares[1], largest, decades))
    parts += [_line(code, found, other, _TOP + _HEIGHT + _GAP + _ROW * row, decades) for row, code in enumerate(codes)]
    middle = found["levels"].index(0.5)
    said = f"median {found['all']['quantiles'][middle]:,.0f} of {found['all']['queries']:,} queries"
    return (
        f'<div class="scroll"><svg class="panel distances" viewBox="0 0 {_WIDTH} {bottom + 4}" role="img"'
        f' aria-label="rank distances of the queries: {said}">{"".join(parts)}</svg></div>'
    )


def _shares(found: dict) -> list[float]:
    return [count / found["all"]["queries"] for count in found["all"]["histogram"]]


def _grid(decades: int, bottom: int) -> str:
    parts = []
    for power in range(decades + 1):
        x = _x(10**power, decades)
        parts.append(
            f'<line class="grid-line" x1="{x}" x2="{x}" y1="{_TOP - 4}" y2="{bottom}"/>'
            f'<text class="faint" x="{x}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{10**power:,}</text>'
        )
    return "".join(parts)


def _bin(number: int, decades: int) -> tuple[float, float]:
    """Left and right end of a bin; five make a decade."""
    return _x(10 ** (number / 5), decades), _x(10 ** ((number + 1) / 5), decades)


def _bars(found: dict, shares: Sequence[float], largest: float, decades: int) -> str:
    parts, edges = [], found["edges"]
    for number, (share, low) in enumerate(zip(shares, edges, strict=True)):
        left, right = _bin(number, decades)
        height = round(_HEIGHT * share / largest, 1)
        high = f" to {edges[number + 1] - 1:,}" if number + 1 < len(edges) else " and more"
        said = f"{low:,}{high}: {percent(share)} of queries ({found['all']['histogram'][number]:,})"
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{_TOP + _HEIGHT - height:.1f}" width="{right - left - 1:.1f}"'
            f' height="{height}"><title>{said}</title></rect>'
        )
    parts.append(f'<text class="faint" x="{_LEFT - 8}" y="{_TOP + 5}" text-anchor="end">{percent(largest)}</text>')
    base = _TOP + _HEIGHT
    parts.append(f'<line class="base" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>')
    return "".join(parts)


def _outline(shares: Sequence[float], largest: float, decades: int) -> str:
    points = []
    for number, share in enumerate(shares):
        y = round(_TOP + _HEIGHT * (1 - share / largest), 1)
        points += [f"{x},{y}" for x in _bin(number, decades)]
    return f'<polyline class="other" points="{" ".join(points)}"/>'


def _line(code: str, found: dict, other: dict | None, y: int, decades: int) -> str:
    low, first, median, third, high = found["by_query_language"][code]["quantiles"]
    x = [_x(value, decades) for value in (low, first, median, third, high)]
    said = (
        f"{languages.language(code).name}: median {median:,.0f}, half of the queries from {first:,.0f} to {third:,.0f},"
        f" eight of ten from {low:,.0f} to {high:,.0f}"
    )
    mark = ""
    theirs = (other or {}).get("by_query_language", {}).get(code)
    if theirs:
        before = theirs["quantiles"][2]
        at = _x(before, decades)
        mark = f'<line class="other" x1="{at}" x2="{at}" y1="{y + 1}" y2="{y + 15}"/>'
        said += f"; the baseline's median {before:,.0f}"
    middle = y + 8
    label = script_and_code(code, f'x="{_LEFT - 8}" y="{y + 12}" text-anchor="end"')
    return (
        f"<g><title>{html.escape(said)}</title>{label}"
        f'<line class="thin" x1="{x[0]}" x2="{x[4]}" y1="{middle}" y2="{middle}"/>'
        f'<line class="thick" x1="{x[1]}" x2="{x[3]}" y1="{middle}" y2="{middle}"/>{mark}'
        f'<circle class="median" cx="{x[2]}" cy="{middle}" r="3.6"/>'
        f'<text x="{_WIDTH - _RIGHT + 8}" y="{y + 12}">{median:,.0f}</text></g>'
    )
