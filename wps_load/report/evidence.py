"""What the doubts look at: a run's facts with the rows of its metrics, and what a row can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wps_load.capacity.measured import best_step
from wps_load.report.model import RunFacts

Level = Literal["warning", "error"]
Row = Mapping[str, float | int | None]

SAMPLES_BEYOND = 10
"""A percentile with fewer samples above it is the work of single messages: p99 wants 1,000, p99.9 wants
10,000."""

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99_9": 0.999, "p99_99": 0.9999}
MESSAGE_METRICS = ("rtt", "delivery", "rest_publish", "recover")
"""The latencies that scenarios are about, the most telling first; `connect` takes their place where there are
none."""


@dataclass(frozen=True, slots=True)
class Doubt:
    name: str
    level: Level
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks look at: the facts, and the rows of `metrics` already computed."""

    facts: RunFacts
    metrics: Mapping[str, Row]

    @property
    def p50_ms(self) -> float | None:
        """The median of the run's main latency."""
        name = headline(self.metrics)
        return None if name is None else self.metrics[name]["p50"]

    @property
    def cpu_percent(self) -> float | None:
        """The busiest second; of a search, in the step that its answer rests on."""
        if self.facts.capacity is None:
            return self.facts.generator.cpu_percent_max
        step = best_step(self.facts.capacity)
        return None if step is None else step["cpu_percent_max"]

    @property
    def nothing_connected(self) -> bool:
        found = self.facts.connections
        return bool(found.failed) and not found.opened and not found.peak


def headline(metrics: Mapping[str, Row]) -> str | None:
    """The metric that a run is about: the first of `MESSAGE_METRICS` with data, else `connect`."""
    return next((name for name in (*MESSAGE_METRICS, "connect") if samples(metrics.get(name) or {})), None)


def samples(row: Row) -> int:
    """How many values a row's times rest on: its count is of attempts, and a failure has no time."""
    return int((row.get("count") or 0) - (row.get("failures") or 0))


def thin_percentiles(row: Row) -> list[str]:
    """The percentiles of a row that have fewer than `SAMPLES_BEYOND` samples above them. Empty when there is
    no data."""
    count = samples(row)
    # 1 - 0.99 is a little more than 0.01 in binary; the rounding keeps 1,000 samples enough for p99.
    return [name for name, share in PERCENTILES.items() if count and round(count * (1 - share), 6) < SAMPLES_BEYOND]
