"""How results change with a number that varies in a study: alpha, the share of the training data, a learning rate."""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE, SETTINGS
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.chart import Scale
from hbt_jax.evaluation.report.names import SETTING_NAMES, metric_name
from hbt_jax.study.grid import ALPHA, BATCHING

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 210, 46, 14, 12, 40
_COLOURS = 4
_LOGARITHMIC = 8.0  # ratio of the largest to the smallest value from which an axis is logarithmic
_ROOM = 30  # that a number below the axis takes
_NAMES = {ALPHA: "alpha (0: x-y, 1: x-x-mono)", "train_fraction": "share of the training pairs"}


@dataclasses.dataclass(frozen=True)
class Curve:
    """The configurations that differ in one number only: (value, label of the configuration), ascending."""

    name: str
    points: tuple[tuple[float, str], ...]


def numeric_axes(study: Mapping) -> list[str]:
    """Options with several values that are all numbers."""
    return [
        name
        for name, values in study["axes"].items()
        if len(values) > 1 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ]


def curves(study: Mapping, axis: str) -> list[Curve]:
    """The curves over one option that have at least two points; over alpha, x-y is at 0 and x-x-mono at 1."""
    found: dict[str, dict[float, str]] = {}
    for label, variant in study["variants"].items():
        options = dict(variant["options"])
        value = options.pop(axis, None)
        if axis == ALPHA:
            kind = options.pop(BATCHING, "hybrid")
            value = {"x-y": 0.0, "x-x-mono": 1.0}.get(kind, value)
        if value is not None:
            name = ", ".join(f"{each}={options[each]}" for each in options if each != BATCHING)
            name = ", ".join(filter(None, [options.get(BATCHING, ""), name]))
            found.setdefault(name or ("hybrid" if axis == ALPHA else "all"), {})[value] = label
    made = [Curve(name, tuple(sorted(points.items()))) for name, points in found.items()]
    return [curve for curve in made if len(curve.points) > 1]


def panels(study: Mapping, benchmark: str, axis: str) -> Iterator[tuple[str, Markup]]:
    """Yields title and picture of each setting and the rank distance, with a line a curve and a dot a run."""
    block = study["benchmarks"][benchmark]
    for setting in (*SETTINGS, RANK_DISTANCE):
        place = ("multilingual", RANK_DISTANCE) if setting == RANK_DISTANCE else (setting, block["metric"])
        drawn = []
        for curve in curves(study, axis):
            values = {x: _values(block["metrics"][label], *place) for x, label in curve.points}
            drawn.append((curve.name, {x: found for x, found in values.items() if found}))
        if any(points for _, points in drawn):
            measured = f"{SETTING_NAMES.get(setting)} {metric_name(block['metric'])}"
            title = "rank distance, lower is better" if setting == RANK_DISTANCE else measured
            yield title, _panel(title, axis, drawn)


def legend(study: Mapping, axis: str) -> Markup:
    """The colour of each curve."""
    named = curves(study, axis)
    return chart.legend(
        (chart.element("span", kind="key", style=f"background:{_colour(number)}"), curve.name)
        for number, curve in enumerate(named)
    )


def axis_name(axis: str) -> str:
    """What an option is called below a picture."""
    return _NAMES.get(axis, axis.replace("_", " "))


def _values(runs: Sequence[Mapping], setting: str, metric: str) -> list[float]:
    found = [metrics.get(setting, {}).get(metric) for metrics in runs]
    return [] if None in found else found


def _colour(number: int) -> str:
    return f"var(--series-{number % _COLOURS + 1})"


def _panel(title: str, axis: str, drawn: Sequence[tuple[str, Mapping[float, Sequence[float]]]]) -> Markup:
    xs = sorted({x for _, points in drawn for x in points})
    every = [value for _, points in drawn for values in points.values() for value in values]
    ticks = chart.ticks(min(every), max(every))
    y = Scale(ticks[0], ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    x = _across(xs)
    marks = [chart.horizontal("grid-line", y(value), _LEFT, _WIDTH - _RIGHT) for value in ticks]
    marks += [chart.label(f"{value:g}", _LEFT - 6, y(value) + 4, "end", "faint") for value in ticks]
    marks += _numbers(xs, x)
    marks.append(chart.label(axis_name(axis), (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "middle", "faint"))
    for number, (name, points) in enumerate(drawn):
        means = {at: statistics.fmean(values) for at, values in points.items()}
        paint = f"stroke:{_colour(number)}"
        marks.append(chart.curve("series", ((x[at], y(mean)) for at, mean in means.items()), style=paint))
        for at, values in points.items():
            said = chart.title(f"{name}, {at:g}: {means[at]:.4g}")
            marks += [chart.dot("", x[at], y(each), 2.4, said, style=f"fill:{_colour(number)}") for each in values]
    said = "; ".join(f"{name}: " + ", ".join(f"{at:g} {statistics.fmean(each):.4g}" for at, each in points.items())
                     for name, points in drawn)  # fmt: skip
    return chart.picture("panel", _WIDTH, _HEIGHT, f"{title} over {axis_name(axis)}; {said}", *marks)


def _across(xs: Sequence[float]) -> dict[float, float]:
    """The place of each value: in proportion, or to its logarithm where the values span a wide range."""
    wide = xs[0] > 0 and xs[-1] / xs[0] >= _LOGARITHMIC
    scaled = [math.log(value) if wide else value for value in xs]
    highest = scaled[-1] if scaled[-1] > scaled[0] else scaled[0] + 1
    scale = Scale(scaled[0], highest, _LEFT + 8, _WIDTH - _RIGHT - 8)
    return {value: scale(at) for value, at in zip(xs, scaled, strict=True)}


def _numbers(xs: Sequence[float], x: Mapping[float, float]) -> list[Markup]:
    """The values below the axis; one that has no room beside the number before it is left out."""
    marks, last = [], -math.inf
    for value in xs:
        if x[value] - last >= _ROOM:
            marks.append(chart.label(f"{value:g}", x[value], _HEIGHT - _BOTTOM + 16, "middle", "faint"))
            last = x[value]
    return marks
