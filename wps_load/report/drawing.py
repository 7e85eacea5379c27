"""Charts as data, and as HTML: SVG that works without scripts and at every width; chart.js makes it interactive.

The SVG of a chart has the data's own coordinates (on a logarithmic axis their decimal logarithms; y downwards), is
stretched to its place, but its strokes are not. So nothing is laid out in pixels: text is beside it in HTML, placed by
percent, and chart.js reads the values back from the paths, so they are stored once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from wps_load.report.axes import Axis
from wps_load.report.templates import call

Values = Sequence[float | None]
Tone = Literal["soft", "fail", "link"]


@dataclass(frozen=True, slots=True)
class Polyline:
    """`slot`: its colour, 1 to 7. None in `ys` is a gap. `stepped`: each value holds until the next one."""

    label: str
    xs: Sequence[float]
    ys: Values
    slot: int
    wide: bool = False
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A range of the x axis that is shaded, such as a phase."""

    start: float
    end: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the chart at one value of an axis."""

    axis: Literal["x", "y"]
    at: float
    label: str = ""
    tone: Tone = "soft"


@dataclass(frozen=True, slots=True)
class Mark:
    """One point with a symbol of its own, and its tooltip."""

    x: float
    y: float
    slot: int
    sign: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`name`: its id is chart-NAME. `label`: what it shows, in words. `unit`: of the values in tooltips.

    `linked`: it shares its x axis with the other linked ones, which are zoomed together.
    """

    name: str
    label: str
    x: Axis
    y: Axis
    lines: Sequence[Polyline] = ()
    bands: Sequence[Band] = ()
    rules: Sequence[Rule] = ()
    marks: Sequence[Mark] = ()
    keys: Sequence[tuple[str, int]] = ()
    """Further entries of the legend: label and slot."""
    unit: str = ""
    size: str = ""
    linked: bool = False
    started: str = ""
    """The time of day at second 0."""
    names: Sequence[str] = ()
    """The labels at x = 1, 2, ..., if x is not a quantity."""

    @property
    def view_box(self) -> str:
        return " ".join(short(v) for v in (self.x.low, -self.y.high, self.x.span, self.y.span))

    @property
    def legend(self) -> list[tuple[str, int]]:
        return [(line.label, line.slot) for line in self.lines if line.label] + list(self.keys)

    def path(self, line: Polyline) -> str:
        """The line as an SVG path in the data's coordinates; a value between two gaps becomes a dot."""
        parts: list[str] = []
        pen_down, last_y = False, 0.0
        for x, y in zip(line.xs, line.ys, strict=True):
            if y is None:
                pen_down = False
                continue
            at = (short(self.x.place(x)), short(-self.y.place(y)))
            if not pen_down:
                parts.append(f"M{at[0]} {at[1]}h0")
            elif line.stepped:
                parts.append(f"L{at[0]} {short(last_y)}L{at[0]} {at[1]}")
            else:
                parts.append(f"L{at[0]} {at[1]}")
            pen_down, last_y = True, -self.y.place(y)
        return "".join(parts)

    @property
    def grid(self) -> str:
        low, high = short(self.x.low), short(self.x.high)
        return "".join(f"M{low} {short(-tick.at)}H{high}" for tick in self.y.ticks)

    def rule_path(self, rule: Rule) -> str:
        if rule.axis == "x":
            at = short(self.x.place(rule.at))
            return f"M{at} {short(-self.y.low)}V{short(-self.y.high)}"
        return f"M{short(self.x.low)} {short(-self.y.place(rule.at))}H{short(self.x.high)}"

    def left(self, x: float) -> float:
        """Percent from the left."""
        return self.x.percent(self.x.place(x))

    def bottom(self, y: float) -> float:
        """Percent from the bottom."""
        return self.y.percent(self.y.place(y))


@dataclass(frozen=True, slots=True)
class Bar:
    """`parts`: (label, value, slot), stacked from the left."""

    label: str
    parts: Sequence[tuple[str, float, int]]


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars on one scale from 0."""

    name: str
    label: str
    bars: Sequence[Bar]
    unit: str = ""

    @property
    def longest(self) -> float:
        return max((sum(value for _, value, _ in bar.parts) for bar in self.bars), default=0.0) or 1.0


def drawn(chart: Chart | Bars) -> Markup:
    """The chart as HTML."""
    return call("chart.html", "bars" if isinstance(chart, Bars) else "chart", chart)


def short(value: float) -> str:
    """Five digits: more than a screen has pixels."""
    text = f"{value:.5g}"
    return "0" if text == "-0" else text
