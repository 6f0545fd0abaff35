"""The settings in all metrics, beside the baselines, with intervals."""

import dataclasses
import html
from collections.abc import Mapping, Sequence

from hbt_jax.evaluation.report.cards.parts import (
    SETTING_NAMES,
    block_of,
    card,
    metric_name,
    metrics_in,
    number,
    settings_of,
    table,
)

POOLS = {
    "monolingual": "candidates of the query's language",
    "cross_lingual": "candidates of one other language",
    "multilingual": "candidates of all languages",
}


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Another system to show beside the model, on one benchmark.

    Attributes:
      label: what it is called.
      summary: the content of its results.json.
      differences: setting -> metric -> {"difference", "low", "high"}, the model's less its own, as
        intervals.differences finds them; without them plain differences are shown.
    """

    label: str
    summary: dict
    differences: Mapping[str, Mapping[str, Mapping[str, float]]] = dataclasses.field(default_factory=dict)


def summary_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """Rows: each setting of the model, then each baseline and the difference to it; columns: the metrics."""
    shown = settings_of(summary["metrics"])
    columns = metrics_in(
        block_of(one["metrics"], s) for one in (summary, *(b.summary for b in baselines)) for s in shown
    )
    rows = []
    for setting in shown:
        mine = block_of(summary["metrics"], setting)
        ends = block_of(summary.get("intervals", {}).get("metrics", {}), setting)
        rows.append(_row(_title(setting), "this model", "best", [_own(mine.get(m), ends.get(m), m) for m in columns]))
        for baseline in baselines:
            theirs = block_of(baseline.summary["metrics"], setting)
            found = block_of(baseline.differences, setting)
            if not theirs:
                continue
            cells = [number(theirs.get(metric), metric) for metric in columns]
            rows.append(_row(_BLANK, html.escape(baseline.label), "", cells))
            cells = [_difference(mine.get(m), theirs.get(m), found.get(m), m) for m in columns]
            rows.append(_row(_BLANK, f'<span class="faint">minus {html.escape(baseline.label)}</span>', "", cells))
    head = "".join(f'<th scope="col">{html.escape(metric_name(metric))}</th>' for metric in columns)
    head = f'<th class="name" scope="col">setting</th><th class="name"></th>{head}'
    return card("The settings", table("summary", [head], rows), note=_note(summary, baselines))


def _title(setting: str) -> str:
    return f'<th class="name" scope="row" title="{POOLS[setting]}">{SETTING_NAMES[setting]}</th>'


_BLANK = '<th class="name"></th>'


def _row(title: str, who: str, kind: str, cells: Sequence[str]) -> str:
    return f'{title}<td class="name">{who}</td>' + "".join(f'<td class="{kind}">{cell}</td>' for cell in cells)


def _own(value: float | None, ends: Sequence[float] | None, metric: str) -> str:
    return number(value, metric) + (_ends(*ends, metric) if ends and value is not None else "")


def _difference(mine: float | None, theirs: float | None, found: Mapping | None, metric: str) -> str:
    """The difference, and its interval where there is one; bold where that does not hold zero."""
    if mine is None or theirs is None:
        return ""
    text = number(mine - theirs, metric, "+")
    if not found:
        return text
    if found["low"] > 0 or found["high"] < 0:
        text = f"<b>{text}</b>"
    return text + _ends(found["low"], found["high"], metric, "+")


def _ends(low: float, high: float, metric: str, sign: str = "") -> str:
    return f'<span class="interval">{number(low, metric, sign)} to {number(high, metric, sign)}</span>'


def _note(summary: dict, baselines: Sequence[Baseline]) -> str:
    notes = []
    if summary.get("intervals", {}).get("metrics"):
        found = summary["intervals"]
        notes.append(
            f"Small: {found['confidence'] * 100:g} % intervals, from {found['samples']:,} draws of the"
            f" {found['items']:,} items, all queries of an item together."
        )
    if any(baseline.differences for baseline in baselines):
        notes.append("Bold: differences whose interval, taken for itself, does not hold zero.")
    return " ".join(notes)
