"""Alignment by layer: the means over languages, their numbers, and a small panel for each language.

Parallel queries are solid lines with dots, random pairs dashed lines with squares, another model's are dotted: nothing
is told by colour alone.
"""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hbt_jax import languages
from hbt_jax.evaluation.report import chart
from hbt_jax.evaluation.report.cards.summary import Baseline
from hbt_jax.evaluation.report.chart import Frame
from hbt_jax.evaluation.report.names import by_script
from hbt_jax.evaluation.report.render import render

_KINDS = {"parallel": "parallel queries", "random": "random pairs"}
_MOST_LABELS = 13  # numbers below the large figure
_SMALLEST_SPAN = 0.02  # of the value axis: a smaller difference is not worth a picture


def layers_card(summary: dict, baselines: Sequence[Baseline]) -> str:
    """The layer probe beside that of the first baseline that has one; "" if the model was not probed."""
    probe = summary.get("layer_probe")
    if not probe:
        return ""
    other = next((one for one in baselines if one.summary.get("layer_probe")), None)
    before, label = (other.summary["layer_probe"], other.label) if other else (None, "")
    return render(
        "cards/layers.html",
        probe=probe,
        legend=_legend(before, label),
        means=_means(probe, before),
        rows=list(_rows(probe, before)),
        heads=["parallel", "random", "gap", *([f"gap, {label}"] if before else []), "smallest gap"],
        panels=[(languages.language(code), code, panel) for code, panel in _panels(probe, before)],
    )


def _rows(probe: dict, before: dict | None) -> Iterator[tuple[int, list[str], str, float]]:
    """Layer, the means, the other model's gap if there is one, the language with the smallest gap, and that gap."""
    gaps = {code: curves["gap"] for code, curves in probe["by_language"].items()}
    for layer in probe["layers"]:
        numbers = [f"{probe['mean'][name][layer]:.4f}" for name in ("parallel", "random", "gap")]
        if before:
            numbers.append(f"{before['mean']['gap'][layer]:.4f}" if layer < len(before["layers"]) else "")
        code = min(gaps, key=lambda code: gaps[code][layer])
        yield layer, numbers, code, gaps[code][layer]


def _means(probe: dict, before: dict | None) -> Markup:
    """Mean cosines over the layers, in a band from the lowest to the highest language."""
    values = _axis(probe, before)
    last = max(len(one["layers"]) for one in (probe, before) if one) - 1
    frame = Frame(460, 320, left=50, right=12, top=10, bottom=38, last=last, lowest=values[0], highest=values[-1])
    numbered = [(layer, "middle") for layer in range(0, last + 1, -(-(last + 1) // _MOST_LABELS))]
    drawn = [_band(probe, kind, frame) for kind in _KINDS]
    if before:
        drawn += [_line(before["mean"][kind], f"{kind} before", frame) for kind in _KINDS]
    for kind in _KINDS:
        drawn += [_line(probe["mean"][kind], kind, frame), *_marks(probe["mean"][kind], kind, frame)]
    return chart.picture(
        "layers-chart", frame.width, frame.height, f"mean cosine by layer: {_said(probe['mean'])}",
        chart.value_axis(values, frame), chart.step_axis(numbered, frame, "layer"), *drawn,
    )  # fmt: skip


def _panels(probe: dict, before: dict | None) -> Iterator[tuple[str, Markup]]:
    """Yields each language's code and figure, ordered by script, all with the same axes."""
    values = _axis(probe, before)
    others = before["by_language"] if before else {}
    for code in by_script(probe["by_language"]):
        yield code, _panel(code, probe["by_language"][code], others.get(code), values)


def _panel(code: str, curves: dict, before: dict | None, values: Sequence[float]) -> Markup:
    last = max(len(one["parallel"]) for one in (curves, before) if one) - 1
    frame = Frame(170, 112, left=32, right=6, top=6, bottom=18, last=last, lowest=values[0], highest=values[-1])
    drawn = [_line(before[kind], f"{kind} before", frame) for kind in _KINDS] if before else []
    drawn += [_line(curves[kind], kind, frame) for kind in _KINDS]
    between = frame.places(enumerate(curves["parallel"]))
    between += reversed(frame.places(enumerate(curves["random"])))
    said = f"{languages.language(code).name}: {_said(curves)}"
    return chart.picture(
        "panel", frame.width, frame.height, said,
        chart.title(said),
        chart.value_axis((values[0], values[-1]), frame),
        chart.step_axis([(0, "start"), (last, "end")], frame),
        chart.area("between", between),
        *drawn,
    )  # fmt: skip


def _axis(probe: dict, before: dict | None) -> list[float]:
    """Ticks around every value of both probes, so that all figures of a benchmark share one axis."""
    found = [
        value
        for one in (probe, before)
        if one
        for curves in (one["mean"], *one["by_language"].values())
        for kind in _KINDS
        for value in curves[kind]
    ]
    lowest, highest = min(found), max(found)
    return chart.ticks(min(lowest, highest - _SMALLEST_SPAN), highest)


def _said(curves: dict) -> str:
    """Two lines in words."""
    parts = [f"{kind} {curves[kind][0]:.3f} to {curves[kind][-1]:.3f}" for kind in _KINDS]
    best = max(range(len(curves["gap"])), key=curves["gap"].__getitem__)
    return f"{', '.join(parts)}; largest gap {curves['gap'][best]:.3f}, at layer {best}"


def _line(values: Sequence[float], kind: str, frame: Frame) -> Markup:
    return chart.curve(f"by-layer {kind}", frame.places(enumerate(values)))


def _marks(values: Sequence[float], kind: str, frame: Frame) -> Iterator[Markup]:
    for layer, (x, y) in enumerate(frame.places(enumerate(values))):
        title = chart.title(f"layer {layer}: {kind} {values[layer]:.4f}")
        drawn = chart.dot if kind == "parallel" else chart.square
        yield drawn(f"mark {kind}", x, y, 3.5 if kind == "parallel" else 6, title)


def _band(probe: dict, kind: str, frame: Frame) -> Markup:
    columns = list(zip(*(curves[kind] for curves in probe["by_language"].values()), strict=True))
    edge = frame.places(enumerate(map(max, columns))) + frame.places(enumerate(map(min, columns)))[::-1]
    return chart.area(f"band {kind}", edge)


def _legend(before: dict | None, label: str) -> Markup:
    named = dict(_KINDS) | ({f"{kind} before": f"{kind}, {label}" for kind in _KINDS} if before else {})
    return chart.legend(
        (chart.line_key(chart.curve(f"by-layer {kind}", [(1, 4), (29, 4)])), text) for kind, text in named.items()
    )
