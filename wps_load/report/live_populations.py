"""The populations of a run in progress, the worst first, for the live line. Pure.

SLOs decide what is worst: those that are not met now, the one furthest beyond its limit first; then those without data
yet; then those that are met, the one nearest to its limit first. The distance from a limit is a share of that limit;
for a share that must be high, such as `connected >= 99%`, it is a share of what may be missing. So one order applies to
milliseconds, losses and connections.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wps_load.measure.thresholds import Slo, holds
from wps_load.report.margins import percent
from wps_load.report.tables import DASH, millis, number


@dataclass(frozen=True, slots=True)
class Demand:
    """An SLO and its present value: for times the last second's, for everything else so far. `value` None: unknown.

    `quiet`: there is a good reason for no value: none in the last second, but before; or it is not due yet.
    """

    slo: Slo
    value: float | None
    quiet: bool = False

    @property
    def limit(self) -> float:
        """The limit in the unit of the value."""
        return self.slo.limit if self.slo.limit_ms is None else self.slo.limit_ms

    @property
    def met(self) -> bool | None:
        return None if self.value is None else holds(self.slo, self.value)

    @property
    def left(self) -> float:
        """The margin to the limit, as a share; negative beyond it; infinite if nothing could be closer."""
        assert self.value is not None, "only for a known value"
        if self.slo.operator == "=":
            return math.inf if self.met else -math.inf
        low = self.slo.operator.startswith("<")
        distance = self.limit - self.value if low else self.value - self.limit
        scale = 100 - self.limit if not low and self.slo.unit == "%" else self.limit
        if scale:
            return distance / scale
        return math.inf if self.met else -math.inf

    @property
    def order(self) -> tuple[int, float]:
        """The sort key: the worst has the lowest."""
        if self.value is None:
            return (3 if self.quiet else 1), 0.0
        return (2 if self.met else 0), self.left


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationNow:
    """One population, in the last second.

    `name`: empty for the whole run. `metric`: its main latency. `demands`: its SLOs.
    """

    name: str
    metric: str
    p50_ms: float | None
    p99_ms: float | None
    demands: tuple[Demand, ...] = ()

    @property
    def worst(self) -> Demand | None:
        return min(self.demands, key=lambda demand: demand.order, default=None)

    @property
    def order(self) -> tuple[int, float]:
        """The key of its worst SLO; populations without SLOs come last."""
        return (4, 0.0) if self.worst is None else self.worst.order

    @property
    def text(self) -> str:
        """Its worst SLO beside the value, or its latency if it has no SLO or no value now."""
        name = self.name or "all"
        worst = self.worst
        if worst is not None and worst.value is None and not worst.quiet:
            return f"{name} {worst.slo.expression.removeprefix(f'{self.name}.')}: no data yet"
        if worst is None or worst.value is None:
            return f"{name} {self.metric} p50 {millis(self.p50_ms)} p99 {millis(self.p99_ms)} ms"
        slo = worst.slo
        if slo.kind != "time":
            return f"{name} {_shown(worst)} {_mark(worst)} {slo.operator} {slo.limit:g}{slo.unit}"
        aggregate = str(slo.aggregate)
        if aggregate in ("p50", "p99") and slo.subject == self.metric:
            times = f"p50 {millis(self.p50_ms)} p99 {millis(self.p99_ms)} ms"
            beside = "" if aggregate == "p99" else "p50 "
        else:
            times, beside = f"{aggregate} {millis(worst.value)} ms", ""
        return f"{name} {slo.subject} {times} {beside}{beyond(worst.value, worst.limit, met=bool(worst.met))}"


def worst_first(populations: Sequence[PopulationNow]) -> list[PopulationNow]:
    """The order of the live line; equal ones as in the mix."""
    return sorted(populations, key=lambda each: each.order)


def not_met(populations: Sequence[PopulationNow]) -> int:
    """How many SLOs are not met at present."""
    return sum(demand.met is False for each in populations for demand in each.demands)


def beyond(value_ms: float, limit_ms: float, *, met: bool) -> str:
    """The distance of a latency from its limit: `✓ 99.7% below 1,000`."""
    shown = percent(abs(value_ms - limit_ms) / limit_ms if limit_ms else 0.0)
    return f"{'✓' if met else '✗'} {shown} {'below' if value_ms <= limit_ms else 'above'} {millis(limit_ms)}"


def _shown(demand: Demand) -> str:
    slo, value = demand.slo, demand.value
    assert value is not None
    subject = "missing" if slo.subject == "loss" else slo.subject  # what is missing now may still arrive
    unit = "%" if slo.unit == "%" or slo.kind in ("connected", "fail_ratio") else slo.unit
    text = f"{value:.3g}" if unit == "%" else number(value)
    return " ".join(filter(None, (subject, slo.aggregate, f"{text or DASH}{unit}")))


def _mark(demand: Demand) -> str:
    return "✓" if demand.met else "✗"
