"""The input of the doubts: a run's facts with the rows of its metrics, and how many samples a row has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wps_load.measure.catalog import LATENCIES, main_metric
from wps_load.measure.thresholds import Slo, demanded, parse
from wps_load.report.document import Level, Row, Summary, numbers
from wps_load.report.measured import best_step
from wps_load.report.model import RunFacts

SAMPLES_BEYOND = 10
"""A percentile with fewer samples above it depends on single messages: p99 needs 1,000 samples, p99.9 needs 10,000."""

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99_9": 0.999, "p99_99": 0.9999}
CARRIED = ("p99", "p95", "p90")
"""The headline shows the first of these with enough samples above it beside p50, else `max`."""


@dataclass(frozen=True, slots=True)
class Doubt:
    name: str
    level: Level
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The checks' input: the facts, and the computed rows of `metrics`."""

    facts: RunFacts
    metrics: Mapping[str, Row]

    @property
    def main_metric(self) -> str:
        """The run's main latency."""
        return main_metric_of(self.facts, self.metrics)

    @property
    def named(self) -> dict[str, set[str]]:
        """The percentiles (and `max`, `mean`) that an SLO or the headline names, by metric, as keys of rows."""
        main = self.main_metric
        found = {main: {"p50", high_percentile(main, self.metrics.get(main, {}), self.facts.slos)}}
        for slo in self.facts.slos:
            if slo.kind == "time" and slo.aggregate is not None:
                found.setdefault(slo.subject, set()).add(slo.aggregate.replace(".", "_"))
        return found

    @property
    def cpu_percent(self) -> float | None:
        """The busiest second; for a search, in the step that its answer is based on."""
        if self.facts.capacity is None:
            return self.facts.generator.cpu_percent_max
        step = best_step(self.facts.capacity)
        return None if step is None else step["cpu_percent_max"]

    @property
    def nothing_connected(self) -> bool:
        """No connection ever, although some were requested, tried, or both."""
        found = self.facts.connections
        wanted = found.failed or found.connecting or found.requested_mean or found.requested_end
        return found.opened == 0 and not found.peak and bool(wanted)


def main_metric_of(facts: RunFacts, metrics: Mapping[str, Row]) -> str:
    """`catalog.main_metric` of a run, finished or not."""
    timed = {name for name, row in metrics.items() if samples(row)}
    own = facts.latencies or [name for name in LATENCIES if name in timed]
    return main_metric(own, demanded(facts.slos), timed)


def headline(summary: Summary) -> str:
    """The main latency of a run, from its summary; summaries of older versions do not name it."""
    known = summary["run"].get("main_metric")
    if known is not None:
        return str(known)
    timed = {name for name, row in summary["metrics"].items() if samples(numbers(row))}
    return main_metric([name for name in LATENCIES if name in timed], demanded(slos_of(summary)), timed)


def slos_of(summary: Summary) -> list[Slo]:
    """The SLOs of the whole run: a population's are about its own figures."""
    return [slo for row in summary["slo"] for slo in parse(row["expression"]) if not slo.population]


def high_percentile(metric: str, row: Row, slos: Iterable[Slo]) -> str:
    """The percentile of a metric that the headline shows beside p50.

    It is the highest that an SLO names, or else the highest with enough samples.
    """
    asked = [slo.aggregate.replace(".", "_") for slo in slos if slo.subject == metric and slo.aggregate]
    found = [name for name in reversed(PERCENTILES) if name in asked and name != "p50"]
    thin = thin_percentiles(row)
    return next(iter((*found, *(name for name in CARRIED if samples(row) and name not in thin))), "max")


def samples(row: Row) -> int:
    """The number of values behind a row's times: its count is of attempts, and a failure has no time."""
    return int((row.get("count") or 0) - (row.get("failures") or 0))


def thin_percentiles(row: Row) -> list[str]:
    """The percentiles of a row that have fewer than `SAMPLES_BEYOND` samples above them.

    Empty when there is no data.
    """
    count = samples(row)
    # 1 - 0.99 is slightly more than 0.01 in binary; with the rounding, 1,000 samples are enough for p99.
    return [name for name, share in PERCENTILES.items() if count and round(count * (1 - share), 6) < SAMPLES_BEYOND]
