"""Language bias: whose candidates fill the top 10, how far answers in other languages lie, how often all come first."""

from collections.abc import Sequence

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import ONE_LANGUAGE_MAP, RANK_DISTANCE, SIMILARITY_GAP, STRONG_ALIGNMENT
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.cards.summary import Baseline
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import block_of, by_script, number, percent
from hbt_jax.evaluation.report.render import render

_LEFT, _RIGHT, _TOP, _ROW, _WIDTH = 84, 62, 26, 20, 620
_MEASURES = {
    "own": "top 10 in the query's language",
    STRONG_ALIGNMENT: "strongly aligned queries",
    ONE_LANGUAGE_MAP: "one-language mAP",
    SIMILARITY_GAP: "similarity gap",
    RANK_DISTANCE: "rank distance",
    "max_rank": "Max@R",
    "peer": "PEER",
    "mrc": "MRC",
}


def bias_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """A table of the measures, then a figure of the top 10 by language; "" if none was measured."""
    shown = [name for name in _MEASURES if _value(summary, name) is not None]
    if not shown:
        return ""
    top = summary.get("top_10_languages")
    rows = [(_MEASURES[measure], _cells(summary, baselines, measure), _best(summary, measure)) for measure in shown]
    labels = ["this model", *(baseline.label for baseline in baselines)]
    figure = (_legend(), _figure(top)) if top else None
    return render("cards/bias.html", labels=labels, rows=rows, figure=figure)


def _value(summary: dict, measure: str) -> float | None:
    if measure == "own":
        return summary.get("top_10_languages", {}).get("own_language", {}).get("share")
    if measure in summary.get("fairness", {}):
        return summary["fairness"][measure]["mean"]
    return block_of(summary["metrics"], "multilingual").get(measure)


def _cells(summary: dict, baselines: Sequence[Baseline], measure: str) -> list[tuple[str, str]]:
    """(value, interval) of this model, then of each baseline."""
    values = [_shown(_value(one, measure), measure) for one in (summary, *(each.summary for each in baselines))]
    ends = block_of(summary.get("intervals", {}).get("metrics", {}), "multilingual").get(measure)
    interval = " to ".join(_shown(end, measure) for end in ends) if ends else ""
    return [(values[0], interval), *((value, "") for value in values[1:])]


def _best(summary: dict, measure: str) -> str:
    """What a perfect model, or one without language bias, would reach, if that is known."""
    if measure == "own":
        return f"its share of the pool, {percent(summary['top_10_languages']['own_language']['pool_share'])}"
    return {STRONG_ALIGNMENT: "100 %", SIMILARITY_GAP: "below 0", "mrc": "1.000"}.get(measure, "")


def _shown(value: float | None, measure: str) -> str:
    if value is None:
        return ""
    if measure in (RANK_DISTANCE, "max_rank"):
        return number(value, RANK_DISTANCE)
    if measure == ONE_LANGUAGE_MAP:
        return number(value, measure)
    if measure in ("peer", "mrc"):
        return f"{value:.3f}"
    return f"{value:+.3f}" if measure == SIMILARITY_GAP else percent(value)


def _figure(top: dict) -> Markup:
    """A row for each candidate language: its share of the top 10 of all queries, of its own queries, of the pool."""
    shares, own = top["by_candidate_language"], top["by_query_language"]
    codes = by_script(shares)
    largest = max(
        [value for one in shares.values() for value in one.values()]
        + [block.get(code, 0) for code, block in own.items()]
    )
    values = chart.ticks(0.0, largest)
    x = Scale(0.0, values[-1], _LEFT, _WIDTH - _RIGHT)
    height = _TOP + _ROW * len(codes) + 4
    rows = [
        _line(code, shares[code], own.get(code, {}).get(code), _TOP + _ROW * row, x) for row, code in enumerate(codes)
    ]
    said = "share of the top 10 by candidate language, beside its share of the pool"
    grid = chart.grid([(value, f"{100 * value:g} %") for value in values], x, _TOP - 4, height)
    return chart.picture("panel bias", _WIDTH, height, said, grid, *rows)


def _legend() -> Markup:
    keys = {
        "top 10 of all queries": chart.bar("bar", 1, 0, 28, 8),
        "top 10 of the language's own queries": chart.dot("dot", 15, 4, 3.5),
        "share of the pool": chart.vertical("pool", 15, 0, 8),
    }
    return chart.legend((chart.line_key(mark), text) for text, mark in keys.items())


def _line(code: str, shares: dict, own: float | None, y: int, x: Scale) -> Markup:
    said = f"{languages.language(code).name}: {percent(shares['share'])} of the top 10"
    marks = [
        chart.language_label(code, _LEFT - 8, y + 12),
        chart.bar("bar", _LEFT, y + 2, x(shares["share"]) - _LEFT, 12, rx=2),
        chart.vertical("pool", x(shares["pool_share"]), y - 1, y + 17),
    ]
    if own is not None:
        said += f", {percent(own)} of that of its own queries"
        marks.append(chart.dot("dot", x(own), y + 8, 3.5))
    said += f", {percent(shares['pool_share'])} of the pool"
    return chart.group(said, *marks, chart.label(percent(shares["share"]), _WIDTH - _RIGHT + 8, y + 12))
