"""The report's figures of the layer probe as SVG text: the means over languages, and one small panel a language.

Parallel queries are solid lines with dots, random pairs dashed lines with squares, another model's are dotted: nothing
is told by colour alone.
"""

import html
from collections.abc import Iterator, Sequence

from hbt_jax import languages
from hbt_jax.evaluation.report.curves import Frame, as_path, step_axis, step_title, ticks, value_axis

_KINDS = ("parallel", "random")
_MOST_LABELS = 13  # numbers below the large figure
_SMALLEST_SPAN = 0.02  # of the value axis: a smaller difference is not worth a picture


def layer_means(probe: dict, baseline: dict | None, label: str) -> str:
    """Mean cosines over the layers, within a band from the lowest to the highest language.

    Args:
      probe: "layer_probe" of a results.json.
      baseline: another model's, drawn as dotted lines; None for none.
      label: what the other model is called.
    """
    values = _axis(probe, baseline)
    last = max(len(one["layers"]) for one in (probe, baseline) if one) - 1
    frame = Frame(460, 320, left=50, right=12, top=10, bottom=38, last=last, lowest=values[0], highest=values[-1])
    numbered = [(layer, "middle") for layer in range(0, last + 1, -(-(last + 1) // _MOST_LABELS))]
    drawn = [_band(probe, kind, frame) for kind in _KINDS]
    if baseline:
        drawn += [_line(baseline["mean"][kind], f"{kind} before", frame) for kind in _KINDS]
    for kind in _KINDS:
        drawn += [_line(probe["mean"][kind], kind, frame), *_marks(probe["mean"][kind], kind, frame)]
    said = _said(probe["mean"])
    return (
        f"<figure>{_legend(baseline, label)}"
        f'<svg class="layers-chart" viewBox="0 0 {frame.width} {frame.height}" role="img"'
        f' aria-label="mean cosine by layer: {said}">'
        f"{value_axis(values, frame)}{step_axis(numbered, frame)}{step_title(frame, 'layer')}"
        f"{''.join(drawn)}</svg></figure>"
    )


def language_panels(probe: dict, baseline: dict | None) -> str:
    """One small figure a language, ordered by script, all with the same axes; arguments as for `layer_means`."""
    values = _axis(probe, baseline)
    codes = sorted(probe["by_language"], key=lambda code: (languages.language(code).script, code))
    others = baseline["by_language"] if baseline else {}
    panels = "".join(_panel(code, probe["by_language"][code], others.get(code), values) for code in codes)
    return f'<div class="minis">{panels}</div>'


def _panel(code: str, curves: dict, before: dict | None, values: Sequence[float]) -> str:
    known = languages.language(code)
    last = max(len(one["parallel"]) for one in (curves, before) if one) - 1
    frame = Frame(170, 112, left=32, right=6, top=6, bottom=18, last=last, lowest=values[0], highest=values[-1])
    axes = value_axis((values[0], values[-1]), frame) + step_axis([(0, "start"), (last, "end")], frame)
    drawn = [_line(before[kind], f"{kind} before", frame) for kind in _KINDS] if before else []
    drawn += [_line(curves[kind], kind, frame) for kind in _KINDS]
    between = frame.places(list(enumerate(curves["parallel"])))
    between += reversed(frame.places(list(enumerate(curves["random"]))))
    name, said = html.escape(known.name), _said(curves)
    title = f'<span class="under-resourced">◆ {code}</span>' if known.under_resourced else f"<b>{code}</b>"
    return (
        f'<figure class="mini" data-language="{code}">'
        f"<figcaption>{title} {name} <span>{known.script}</span></figcaption>"
        f'<svg class="panel" viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{name}: {said}">'
        f"<title>{name}: {said}</title>{axes}"
        f'<polygon class="between" points="{as_path(between)}"/>{"".join(drawn)}</svg></figure>'
    )


def _axis(probe: dict, baseline: dict | None) -> list[float]:
    """Ticks around every value of both probes, so that all figures of a benchmark share one axis."""
    found = [
        value
        for one in (probe, baseline)
        if one
        for curves in (one["mean"], *one["by_language"].values())
        for kind in _KINDS
        for value in curves[kind]
    ]
    lowest, highest = min(found), max(found)
    return ticks(min(lowest, highest - _SMALLEST_SPAN), highest)


def _said(curves: dict) -> str:
    """Two lines in words."""
    parts = [f"{kind} {curves[kind][0]:.3f} to {curves[kind][-1]:.3f}" for kind in _KINDS]
    best = max(range(len(curves["gap"])), key=curves["gap"].__getitem__)
    return f"{', '.join(parts)}; largest gap {curves['gap'][best]:.3f}, at layer {best}"


def _line(values: Sequence[float], kind: str, frame: Frame) -> str:
    return f'<polyline class="by-layer {kind}" points="{as_path(frame.places(list(enumerate(values))))}"/>'


def _marks(values: Sequence[float], kind: str, frame: Frame) -> Iterator[str]:
    for layer, value in enumerate(values):
        x, y = frame.x(layer), frame.y(value)
        title = f"<title>layer {layer}: {kind} {value:.4f}</title>"
        if kind == "parallel":
            yield f'<circle class="mark {kind}" cx="{x}" cy="{y}" r="3.5">{title}</circle>'
        else:
            yield f'<rect class="mark {kind}" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6">{title}</rect>'


def _band(probe: dict, kind: str, frame: Frame) -> str:
    columns = list(zip(*(curves[kind] for curves in probe["by_language"].values()), strict=True))
    edge = frame.places([(layer, max(column)) for layer, column in enumerate(columns)])
    edge += reversed(frame.places([(layer, min(column)) for layer, column in enumerate(columns)]))
    return f'<polygon class="band {kind}" points="{as_path(edge)}"/>'


def _legend(baseline: dict | None, label: str) -> str:
    named = [(kind, f"{kind} queries" if kind == "parallel" else "random pairs") for kind in _KINDS]
    if baseline:
        named += [(f"{kind} before", f"{kind}, {label}") for kind in _KINDS]
    keys = "".join(
        f'<span><svg class="line-key" viewBox="0 0 30 8" aria-hidden="true"><polyline class="by-layer {kind}"'
        f' points="1,4 29,4"/></svg>{html.escape(text)}</span>'
        for kind, text in named
    )
    return f'<div class="legend">{keys}</div>'
