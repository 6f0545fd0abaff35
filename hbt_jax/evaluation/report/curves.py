"""Lines over steps or layers as SVG text: the frame they lie in, its axes, and the training curve."""

import dataclasses
import html
import math
from collections.abc import Sequence

_MOST_POINTS, _FEW_POINTS = 400, 30


@dataclasses.dataclass(frozen=True)
class Frame:
    """The picture of a curve: its size, its margins, and where a step (or layer) and a value lie in it.

    Attributes:
      width, height: of the picture.
      left, right, top, bottom: margins.
      last: the step at the right edge; step 0 is at the left one.
      lowest, highest: the values at the lower and the upper edge.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    last: int
    lowest: float
    highest: float

    def x(self, step: float) -> float:
        """Place of a step."""
        return round(self.left + (self.width - self.left - self.right) * step / self.last, 1)

    def y(self, value: float) -> float:
        """Place of a value; one below the lower edge lies on it."""
        share = max(value - self.lowest, 0.0) / (self.highest - self.lowest)
        return round(self.top + (self.height - self.top - self.bottom) * (1 - share), 1)

    def places(self, points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
        """(x, y) of (step, value) points."""
        return [(self.x(step), self.y(value)) for step, value in points]


def ticks(lowest: float, highest: float) -> list[float]:
    """About six round numbers, at equal distances, from at most `lowest` to at least `highest`.

    >>> ticks(0.0, 3.1)
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    rough = max(highest - lowest, 1e-9) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
    first = math.floor(lowest / step + 1e-9)
    last = max(first + 1, math.ceil(highest / step - 1e-9))
    return [step * number + 0.0 for number in range(first, last + 1)]


def value_axis(values: Sequence[float], frame: Frame) -> str:
    """A line across the frame and a number at its left for each value."""
    edge = frame.width - frame.right
    return "".join(
        f'<line class="grid-line" x1="{frame.left}" x2="{edge}" y1="{frame.y(value)}" y2="{frame.y(value)}"/>'
        f'<text class="faint" x="{frame.left - 8}" y="{frame.y(value) + 4}" text-anchor="end">{value:g}</text>'
        for value in values
    )


def step_axis(labels: Sequence[tuple[int, str]], frame: Frame) -> str:
    """Numbers below the frame, each (step, text-anchor)."""
    base = frame.height - frame.bottom
    return "".join(
        f'<text class="faint" x="{frame.x(step)}" y="{base + 16}" text-anchor="{anchor}">{step:,}</text>'
        for step, anchor in labels
    )


def step_title(frame: Frame, text: str) -> str:
    """What the numbers below the frame count."""
    middle, y = (frame.left + frame.width - frame.right) / 2, frame.height - frame.bottom + 30
    return f'<text class="faint" x="{middle}" y="{y}" text-anchor="middle">{html.escape(text)}</text>'


def as_path(places: Sequence[tuple[float, float]]) -> str:
    """Places as the `points` of a polyline or polygon."""
    return " ".join(f"{x},{y}" for x, y in places)


def training_curve(series: dict[str, Sequence[tuple[int, float]]]) -> str:
    """Lines over the training step, one per series, with a legend.

    Args:
      series: name -> (step, value) points in order of step; values that are not finite are left out.
    """
    lines = {name: _thin([(s, v) for s, v in points if math.isfinite(v)]) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return '<p class="note">No value was recorded.</p>'
    last = max(points[-1][0] for points in lines.values()) or 1
    values = ticks(0.0, max(value for points in lines.values() for _, value in points))
    frame = Frame(760, 280, left=52, right=16, top=12, bottom=34, last=last, lowest=0.0, highest=values[-1])
    drawn, legend = [], []
    for number, (name, points) in enumerate(lines.items()):
        paint = f"var(--series-{number % 4 + 1})"
        drawn.append(_line(points, paint, frame))
        legend.append(f'<span><span class="key" style="background:{paint}"></span>{html.escape(name)}</span>')
    steps = step_axis([(0, "start"), (last // 2, "middle"), (last, "end")], frame) + step_title(frame, "step")
    return (
        f'<div class="legend">{"".join(legend)}</div><div class="scroll"><svg class="wide" role="img"'
        f' aria-label="training curve" viewBox="0 0 {frame.width} {frame.height}">'
        f"{value_axis(values, frame)}{steps}{''.join(drawn)}</svg></div>"
    )


def _line(points: list[tuple[int, float]], paint: str, frame: Frame) -> str:
    """A line through the points, and a mark on each where they are few."""
    places = frame.places(points)
    marks = "".join(f'<circle cx="{x}" cy="{y}" r="3" style="fill:{paint}"/>' for x, y in places)
    line = f'<polyline class="series" style="stroke:{paint}" points="{as_path(places)}"/>'
    return line + (marks if len(points) <= _FEW_POINTS else "")


def _thin(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most _MOST_POINTS points: means over equal runs of neighbours, so a noisy curve stays true to its level."""
    run = -(-len(points) // _MOST_POINTS) or 1
    groups = [points[start : start + run] for start in range(0, len(points), run)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
