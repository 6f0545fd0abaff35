"""What every chart is made of: scales, axes, marks and legends, as SVG.

Colours come from the page's style sheet through classes, so they follow light and dark.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from hbt_jax import languages


@dataclasses.dataclass(frozen=True)
class Scale:
    """Places along one axis: `lowest` lies at `start`, `highest` at `end`, the values between them in proportion."""

    lowest: float
    highest: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (self.end - self.start) * (value - self.lowest) / (self.highest - self.lowest)


@dataclasses.dataclass(frozen=True)
class Frame:
    """The picture of a curve: its size, its margins, and the place of each step (or layer) and value.

    Attributes:
      width, height: of the picture.
      left, right, top, bottom: margins.
      last: the step at the right edge; step 0 is at the left edge.
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
        """The place of a step."""
        return Scale(0, self.last, self.left, self.width - self.right)(step)

    def y(self, value: float) -> float:
        """The place of a value; values below the lower edge are drawn on it."""
        scale = Scale(self.lowest, self.highest, self.height - self.bottom, self.top)
        return scale(max(value, self.lowest))

    def places(self, points: Iterable[tuple[int, float]]) -> list[tuple[float, float]]:
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


def element(tag: str, *inside: str, kind: str = "", **attributes) -> Markup:
    """One element.

    Args:
      tag: its name.
      inside: its content; text is escaped.
      kind: its class.
      attributes: by name, `_` for `-`; floats are rounded to one decimal, None is left out.
    """
    given = {"class": kind or None} | {name.replace("_", "-"): value for name, value in attributes.items()}
    written = "".join(f' {name}="{escape(_short(value))}"' for name, value in given.items() if value is not None)
    return Markup(f"<{tag}{written}>{''.join(map(escape, inside))}</{tag}>")


def _short(value) -> object:
    return f"{round(value, 1):g}" if isinstance(value, float) else value


def picture(kind: str, width: float, height: float, said: str, /, *marks: str, **attributes) -> Markup:
    """A chart of this size; `said` tells in words what it shows."""
    box = f"0 0 {width} {height}"
    return element("svg", *marks, kind=kind, viewBox=box, role="img", aria_label=said, **attributes)


def key(kind: str, width: int, height: int, *marks: str) -> Markup:
    """A small picture of a mark, for a legend."""
    return element("svg", *marks, kind=kind, viewBox=f"0 0 {width} {height}", aria_hidden="true")


def line_key(*marks: str) -> Markup:
    """A key of 30 x 8."""
    return key("line-key", 30, 8, *marks)


def legend(keys: Iterable[tuple[Markup, str]]) -> Markup:
    """What each key stands for."""
    return element("div", *(element("span", drawn, text) for drawn, text in keys), kind="legend")


def scrolling(*inside: str) -> Markup:
    """A box that scrolls sideways if its content is too wide."""
    return element("div", *inside, kind="scroll")


def title(text: str) -> Markup:
    """What a browser shows beside the pointer."""
    return element("title", text)


def group(said: str, *marks: str, **attributes) -> Markup:
    """Marks that share a title."""
    return element("g", title(said), *marks, **attributes)


def horizontal(kind: str, y: float, start: float, end: float) -> Markup:
    """A line across."""
    return element("line", kind=kind, x1=start, x2=end, y1=y, y2=y)


def vertical(kind: str, x: float, top: float, bottom: float) -> Markup:
    """A line down."""
    return element("line", kind=kind, x1=x, x2=x, y1=top, y2=bottom)


def label(text: str, x: float, y: float, anchor: str | None = None, kind: str = "") -> Markup:
    """A text; `anchor` is "middle", "end", or None for its start."""
    return element("text", text, kind=kind, x=x, y=y, text_anchor=anchor)


def dot(kind: str, x: float, y: float, radius: float, *inside: str, **attributes) -> Markup:
    """A disc."""
    return element("circle", *inside, kind=kind, cx=x, cy=y, r=radius, **attributes)


def square(kind: str, x: float, y: float, side: float, *inside: str) -> Markup:
    """A square around a place."""
    return element("rect", *inside, kind=kind, x=x - side / 2, y=y - side / 2, width=side, height=side)


def bar(kind: str, x: float, y: float, width: float, height: float, *inside: str, **attributes) -> Markup:
    """A rectangle from its upper left corner."""
    return element("rect", *inside, kind=kind, x=x, y=y, width=width, height=height, **attributes)


def curve(kind: str, places: Iterable[tuple[float, float]], **attributes) -> Markup:
    """A line through places."""
    return element("polyline", kind=kind, points=_points(places), **attributes)


def area(kind: str, places: Iterable[tuple[float, float]], *inside: str, **attributes) -> Markup:
    """A filled shape with these corners."""
    return element("polygon", *inside, kind=kind, points=_points(places), **attributes)


def _points(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{round(x, 1):g},{round(y, 1):g}" for x, y in places)


def grid(
    named: Iterable[tuple[float, str]],
    x: Scale,
    top: float,
    bottom: float,
    *,
    text_y: float | None = None,
    zero: str = "grid-line",
) -> Markup:
    """Lines down the chart, each with its name above it.

    Args:
      named: (value, name) of each line; an empty name is not written.
      x: the scale of the values.
      top, bottom: ends of the lines.
      text_y: where the names stand instead.
      zero: class of the line at zero.
    """
    at = top - 6 if text_y is None else text_y
    return Markup("").join(
        vertical("grid-line" if value else zero, x(value), top, bottom)
        + (label(name, x(value), at, "middle", "faint") if name else "")
        for value, name in named
    )


def value_axis(values: Sequence[float], frame: Frame) -> Markup:
    """A line across the frame for each value, and its number at the left."""
    edge = frame.width - frame.right
    return Markup("").join(
        horizontal("grid-line", frame.y(value), frame.left, edge)
        + label(f"{value:g}", frame.left - 8, frame.y(value) + 4, "end", "faint")
        for value in values
    )


def step_axis(steps: Sequence[tuple[int, str]], frame: Frame, counted: str = "") -> Markup:
    """Numbers below the frame, each (step, anchor), and what they count."""
    base = frame.height - frame.bottom
    numbers = [label(f"{step:,}", frame.x(step), base + 16, anchor, "faint") for step, anchor in steps]
    if counted:
        numbers.append(label(counted, (frame.left + frame.width - frame.right) / 2, base + 30, "middle", "faint"))
    return Markup("").join(numbers)


def language_label(code: str, x: float, y: float, **attributes) -> Markup:
    """Script and code of a language, ending at x; under-resourced ones are marked."""
    known = languages.language(code)
    kind, mark = ("under-resourced", "◆ ") if known.under_resourced else ("", "")
    words = f"{mark}{known.script} {code}"
    return element("text", title(known.name), words, kind=kind, x=x, y=y, text_anchor="end", **attributes)
