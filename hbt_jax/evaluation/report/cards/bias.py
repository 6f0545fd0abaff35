"""Language bias: whose candidates fill the top 10, how far answers in other languages lie, how often all come first."""

import html
from collections.abc import Sequence

from hbt_jax import languages
from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SIMILARITY_GAP, STRONG_ALIGNMENT
from hbt_jax.evaluation.report.cards.parts import block_of, by_script, card, number, percent, script_and_code, table
from hbt_jax.evaluation.report.cards.summary import Baseline
from hbt_jax.evaluation.report.curves import ticks

_LEFT, _RIGHT, _TOP, _ROW, _WIDTH = 84, 62, 26, 20, 620
_MEASURES = {
    "own": "top 10 in the query's language",
    STRONG_ALIGNMENT: "strongly aligned queries",
    SIMILARITY_GAP: "similarity gap",
    RANK_DISTANCE: "rank distance",
}


def bias_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """A table of the measures, then a figure of the top 10 by language; "" where none was measured."""
    shown = [name for name in _MEASURES if _value(summary, name) is not None]
    top = summary.get("top_10_languages")
    if not shown:
        return ""
    body = _table(summary, baselines, shown) + (_figure(top) if top else "")
    note = (
        "In the pool of all candidates. A similarity gap above 0: another text in the query's language is closer than"
        " an answer in another language."
    )
    return card("Language bias", body, note=note)


def _value(summary: dict, measure: str) -> float | None:
    if measure == "own":
        return summary.get("top_10_languages", {}).get("own_language", {}).get("share")
    return block_of(summary["metrics"], "multilingual").get(measure)


def _table(summary: dict, baselines: Sequence[Baseline], shown: Sequence[str]) -> str:
    systems = [("this model", summary), *((baseline.label, baseline.summary) for baseline in baselines)]
    ends = block_of(summary.get("intervals", {}).get("metrics", {}), "multilingual")
    rows = []
    for measure in shown:
        cells = []
        for place, (_, one) in enumerate(systems):
            text = _shown(_value(one, measure), measure)
            if place == 0 and measure in ends:
                low, high = (_shown(end, measure) for end in ends[measure])
                text += f'<span class="interval">{low} to {high}</span>'
            cells.append(f'<td class="{"" if place else "best"}">{text}</td>')
        rows.append(
            f'<th class="name" scope="row">{_MEASURES[measure]}</th>{"".join(cells)}<td>{_best(summary, measure)}</td>'
        )
    heads = "".join(f'<th scope="col">{html.escape(label)}</th>' for label, _ in systems)
    return table("bias", [f'<th class="name"></th>{heads}<th scope="col">ideal</th>'], rows)


def _best(summary: dict, measure: str) -> str:
    """What a model without language bias, or a perfect one, would reach, where that is known."""
    if measure == "own":
        return f"its share of the pool, {percent(summary['top_10_languages']['own_language']['pool_share'])}"
    return {STRONG_ALIGNMENT: "100 %", SIMILARITY_GAP: "below 0"}.get(measure, "")


def _shown(value: float | None, measure: str) -> str:
    if value is None:
        return ""
    if measure == RANK_DISTANCE:
        return number(value, RANK_DISTANCE)
    return f"{value:+.3f}" if measure == SIMILARITY_GAP else percent(value)


def _figure(top: dict) -> str:
    """A row a candidate language: its share of the top 10 of all queries, of its own queries, and of the pool."""
    shares, own = top["by_candidate_language"], top["by_query_language"]
    codes = by_script(shares)
    largest = max(
        [value for one in shares.values() for value in one.values()]
        + [block.get(code, 0) for code, block in own.items()]
    )
    axis = ticks(0.0, largest)
    span = _WIDTH - _LEFT - _RIGHT
    place = {"span": span, "last": axis[-1]}
    height = _TOP + _ROW * len(codes) + 4
    rows = [
        _line(code, shares[code], own.get(code, {}).get(code), _TOP + _ROW * row, **place)
        for row, code in enumerate(codes)
    ]
    return (
        f"<figure><figcaption>Languages of the first 10 candidates</figcaption>{_legend()}"
        f'<div class="scroll"><svg class="panel bias" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' aria-label="share of the top 10 by candidate language, beside its share of the pool">'
        f"{_grid(axis, height, **place)}{''.join(rows)}</svg></div></figure>"
    )


_KEYS = {
    "top 10 of all queries": '<rect class="bar" x="1" y="0" width="28" height="8"/>',
    "top 10 of the language's own queries": '<circle class="dot" cx="15" cy="4" r="3.5"/>',
    "share of the pool": '<line class="pool" x1="15" x2="15" y1="0" y2="8"/>',
}


def _legend() -> str:
    keys = "".join(
        f'<span><svg class="line-key" viewBox="0 0 30 8" aria-hidden="true">{drawn}</svg>{text}</span>'
        for text, drawn in _KEYS.items()
    )
    return f'<div class="legend">{keys}</div>'


def _grid(axis: Sequence[float], height: int, span: float, last: float) -> str:
    parts = []
    for value in axis:
        x = round(_LEFT + span * value / last, 1)
        parts.append(
            f'<line class="grid-line" x1="{x}" x2="{x}" y1="{_TOP - 4}" y2="{height}"/>'
            f'<text class="faint" x="{x}" y="{_TOP - 10}" text-anchor="middle">{100 * value:g} %</text>'
        )
    return "".join(parts)


def _line(code: str, shares: dict, own: float | None, y: int, span: float, last: float) -> str:
    x = {name: round(_LEFT + span * value / last, 1) for name, value in shares.items()}
    said = f"{languages.language(code).name}: {percent(shares['share'])} of the top 10"
    marks = ""
    if own is not None:
        said += f", {percent(own)} of that of its own queries"
        marks = f'<circle class="dot" cx="{round(_LEFT + span * own / last, 1)}" cy="{y + 8}" r="3.5"/>'
    said += f", {percent(shares['pool_share'])} of the pool"
    label = script_and_code(code, f'x="{_LEFT - 8}" y="{y + 12}" text-anchor="end"')
    return (
        f"<g><title>{html.escape(said)}</title>{label}"
        f'<rect class="bar" x="{_LEFT}" y="{y + 2}" width="{round(x["share"] - _LEFT, 1)}" height="12" rx="2"/>'
        f'<line class="pool" x1="{x["pool_share"]}" x2="{x["pool_share"]}" y1="{y - 1}" y2="{y + 17}"/>{marks}'
        f'<text x="{_WIDTH - _RIGHT + 8}" y="{y + 12}">{percent(shares["share"])}</text></g>'
    )
