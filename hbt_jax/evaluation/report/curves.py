"""The training curve: lines over the training step."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.chart import Frame, element

_MOST_POINTS, _FEW_POINTS = 400, 30


def training_curve(series: dict[str, Sequence[tuple[int, float]]]) -> Markup:
    """Lines over the training step, one per series, with a legend.

    Args:
      series: name -> (step, value) points in order of step; values that are not finite are left out.
    """
    lines = {name: _thin([(s, v) for s, v in points if math.isfinite(v)]) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return element("p", "No value was recorded.", kind="note")
    last = max(points[-1][0] for points in lines.values()) or 1
    values = chart.ticks(0.0, max(value for points in lines.values() for _, value in points))
    frame = Frame(760, 280, left=52, right=16, top=12, bottom=34, last=last, lowest=0.0, highest=values[-1])
    paints = {name: f"var(--series-{number % 4 + 1})" for number, name in enumerate(lines)}
    keys = [(element("span", kind="key", style=f"background:{paint}"), name) for name, paint in paints.items()]
    drawn = chart.picture(
        "wide", frame.width, frame.height, "training curve",
        chart.value_axis(values, frame),
        chart.step_axis([(0, "start"), (last // 2, "middle"), (last, "end")], frame, "step"),
        *(_line(points, paints[name], frame) for name, points in lines.items()),
    )  # fmt: skip
    return chart.legend(keys) + chart.scrolling(drawn)


def _line(points: list[tuple[int, float]], paint: str, frame: Frame) -> Markup:
    """A line through the points, and a dot on each if they are few."""
    places = frame.places(points)
    line = chart.curve("series", places, style=f"stroke:{paint}")
    if len(points) > _FEW_POINTS:
        return line
    return line + Markup("").join(chart.dot("", x, y, 3, style=f"fill:{paint}") for x, y in places)


def _thin(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most _MOST_POINTS points: means over equal runs of neighbours, so a noisy curve keeps its level."""
    run = -(-len(points) // _MOST_POINTS) or 1
    groups = [points[start : start + run] for start in range(0, len(points), run)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
