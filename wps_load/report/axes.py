"""Axes of charts: their ends, and ticks that people can read. Pure.

Positions are on the scale of the drawing: the value itself, or its decimal logarithm on a logarithmic axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDE = 30
"""Values are shown on a logarithmic axis if the largest is this many times the smallest."""


class Tick(NamedTuple):
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, on the scale of the drawing."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    title: str = ""
    log: bool = False

    @property
    def span(self) -> float:
        return self.high - self.low

    def place(self, value: float) -> float:
        """A value's position on the scale of the drawing; on a logarithmic axis it is above 0."""
        return math.log10(max(value, 1e-12)) if self.log else value

    def percent(self, position: float) -> float:
        """How far along the axis a position lies, 0 to 100."""
        return round(100 * (position - self.low) / self.span, 3)


def nice_step(span: float, wanted: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides `span` into about `wanted` (Heckbert, 1990)."""
    rough = span / max(wanted, 1)
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)


def linear(
    low: float, high: float, title: str = "", *, wanted: int = 5, fitted: bool = False, whole: bool = False
) -> Axis:
    """An axis over these values. `fitted`: it ends with them, as time does; else with a tick above them.

    `whole`: they are counts, without values between two of them.
    """
    if not high > low:
        high = low + 1.0
    step = max(nice_step(high - low, wanted), 1.0 if whole else 0.0)
    first, last = (
        math.ceil(low / step - 1e-9),
        math.floor(high / step + 1e-9) if fitted else math.ceil(high / step - 1e-9),
    )
    ticks = tuple(Tick(round(i * step, 12), tick_label(i * step)) for i in range(first, last + 1))
    return Axis(low, high if fitted else max(last * step, high), ticks, title)


def logarithmic(low: float, high: float, title: str = "") -> Axis:
    """Whole decades around these values, which are above 0; few decades have ticks at 2 and 5, too."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    values = [factor * 10.0**decade for decade in range(first, last) for factor in factors] + [10.0**last]
    return Axis(first, last, tuple(Tick(math.log10(v), tick_label(v)) for v in values), title, log=True)


def of_values(values: Iterable[float | None], title: str = "", *, may_be_log: bool = False) -> Axis:
    """From 0 to above the largest; logarithmic if allowed and the values span more than `WIDE`."""
    known = [value for value in values if value is not None]
    positive = [value for value in known if value > 0]
    if may_be_log and len(positive) > 1 and max(positive) > WIDE * min(positive):
        return logarithmic(min(positive), max(positive), title)
    return linear(0.0, max(known, default=0.0), title)


def percentile_axis(largest: float) -> Axis:
    """HdrHistogram's percentile axis up to one sample of `largest`; each tick is ten times rarer than the last."""
    decades = max(1, math.ceil(math.log10(max(largest, 10.0)) - 1e-9))
    ticks = [Tick(0.0, "0 %"), Tick(math.log10(2), "50 %")]
    ticks += [Tick(float(k), f"{100 - 100 / 10**k:.{max(0, k - 2)}f} %") for k in range(1, decades + 1)]
    return Axis(0.0, float(decades), tuple(ticks), "percentile", log=True)


def tick_label(value: float) -> str:
    """A short number: 1,500, 0.25, 2M."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.6g}M"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def extent(columns: Iterable[Sequence[float | None]]) -> list[float]:
    """All known values of some columns."""
    return [value for column in columns for value in column if value is not None]
