"""The main table, with intervals and baselines; and how the evaluation was done."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hbt_jax.evaluation.report.names import block_of, metrics_in, number, settings_of
from hbt_jax.evaluation.report.render import render


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


class _Cell(NamedTuple):
    """A number, its interval below it, and whether it is bold."""

    text: str
    interval: str = ""
    bold: bool = False


class _Row(NamedTuple):
    """The setting if this is its first row, the system's name, whether its numbers are differences, and the cells."""

    setting: str
    who: str
    is_difference: bool
    cells: list[_Cell]


def summary_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """Rows: each setting of the model, then each baseline and the difference to it; columns: the metrics."""
    shown = settings_of(summary["metrics"])
    blocks = [block_of(one["metrics"], s) for one in (summary, *(b.summary for b in baselines)) for s in shown]
    metrics = metrics_in(blocks)
    rows = [row for setting in shown for row in _rows(setting, summary, baselines, metrics)]
    intervals = summary.get("intervals", {})
    return render(
        "cards/summary.html",
        metrics=metrics,
        rows=rows,
        intervals=intervals if intervals.get("metrics") else None,
        has_differences=any(baseline.differences for baseline in baselines),
    )


def _rows(setting: str, summary: dict, baselines: Sequence[Baseline], metrics: Sequence[str]) -> Iterator[_Row]:
    mine = block_of(summary["metrics"], setting)
    ends = block_of(summary.get("intervals", {}).get("metrics", {}), setting)
    yield _Row(setting, "this model", False, [_own(mine.get(m), ends.get(m), m) for m in metrics])
    for baseline in baselines:
        theirs, found = block_of(baseline.summary["metrics"], setting), block_of(baseline.differences, setting)
        if theirs:
            yield _Row("", baseline.label, False, [_Cell(number(theirs.get(m), m)) for m in metrics])
            cells = [_difference(mine.get(m), theirs.get(m), found.get(m), m) for m in metrics]
            yield _Row("", baseline.label, True, cells)


def _own(value: float | None, ends: Sequence[float] | None, metric: str) -> _Cell:
    return _Cell(number(value, metric), _ends(*ends, metric) if ends and value is not None else "")


def _difference(mine: float | None, theirs: float | None, found: Mapping | None, metric: str) -> _Cell:
    """The difference, and its interval if there is one; bold if that does not contain zero."""
    if mine is None or theirs is None:
        return _Cell("")
    text = number(mine - theirs, metric, "+")
    if not found:
        return _Cell(text)
    return _Cell(text, _ends(found["low"], found["high"], metric, "+"), found["low"] > 0 or found["high"] < 0)


def _ends(low: float, high: float, metric: str, sign: str = "") -> str:
    return f"{number(low, metric, sign)} to {number(high, metric, sign)}"


def settings_card(summary: dict) -> str:
    """Every setting and single count; spaces in a text stay visible."""
    shown = {"model": summary["model"], **summary["settings"], **summary["counts"]}
    items = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in shown.items()
        if not isinstance(value, dict)
    }
    return render("cards/settings.html", items=items, counts=summary["counts"])
