"""The generator's own lag, beside each latency that an SLO or the headline names: at the same percentile.

Latencies count from the instant a message was due, so they include the generator's lag. A pause shorter than a
hundredth of the run is in no p99, but dominates a p99.9 or a maximum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import PERCENTILES
from wps_load.report.evidence import Evidence, thin_percentiles

Lag = Literal["send_lag", "loop_lag"]

LAG_LIMIT_MS = 10.0
LAG_SHARE = 0.10
"""The share of a latency above which the generator's own lag decides, not the service."""

FROM_DUE = ("rtt", "delivery", "publish_ack")
"""Latencies that count from the due time of a message, and so include its send lag."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """One latency, and the lags at the same percentile: that of all workers together, and that of the worst one.

    `limit_ms`: the latency's SLO. `carried`: enough samples lie above the percentile.
    """

    metric: str
    at: str
    latency_ms: float
    lag_ms: float
    worst_ms: float
    limit_ms: float | None
    carried: bool

    @property
    def missed(self) -> bool:
        """Whether the SLO was not met."""
        return self.limit_ms is not None and self.latency_ms > self.limit_ms

    @property
    def decides(self) -> bool:
        """Whether it was not met, and might have been without the lag of one worker."""
        limit, worst_ms = self.limit_ms, self.worst_ms
        return self.missed and limit is not None and worst_ms > LAG_LIMIT_MS and self.latency_ms - worst_ms <= limit

    @property
    def matters(self) -> bool:
        return (self.lag_ms > LAG_LIMIT_MS and self.lag_ms > LAG_SHARE * self.latency_ms) or self.decides

    @property
    def certain(self) -> bool:
        """A high percentile of few samples depends on single messages: chance, unless an SLO was missed by it."""
        return self.carried or self.missed


def lateness(seen: Evidence, name: Lag) -> Iterator[Lateness]:
    """One for each latency that an SLO or the headline names and that includes the lag."""
    for metric, aggregates in seen.named.items():
        row = seen.metrics.get(metric)
        if row is None or (name == "send_lag" and metric not in FROM_DUE):
            continue
        # a broadcast of twenty messages has thousands of deliveries, and twenty lags
        thin = {*thin_percentiles(row), *thin_percentiles({"count": _count(seen, name), "failures": 0}), "max"}
        for at in sorted(aggregates):
            latency_ms, lag_ms = row.get(at), _merged(seen, name, at)
            if latency_ms is None or lag_ms is None:
                continue
            worst_ms = _worst(seen, name, at) if metric in FROM_DUE else None
            yield Lateness(
                metric=metric,
                at=at.replace("_", "."),
                latency_ms=latency_ms,
                lag_ms=lag_ms,
                worst_ms=lag_ms if worst_ms is None else worst_ms,
                limit_ms=_limit_ms(seen, metric, at),
                carried=at not in thin,
            )


def _limit_ms(seen: Evidence, metric: str, at: str) -> float | None:
    """The strictest SLO on this aggregate."""
    found = [
        slo.limit_ms
        for slo in seen.facts.slos
        if slo.subject == metric and slo.limit_ms is not None and (slo.aggregate or "").replace(".", "_") == at
    ]
    return min(found, default=None)


def _count(seen: Evidence, name: Lag) -> int:
    histogram = seen.facts.snapshot.histograms.get(name)
    if histogram is not None:
        return histogram.count
    totals = seen.facts.totals
    return 0 if totals is None else totals.published


def _merged(seen: Evidence, name: Lag, at: str) -> float | None:
    """The lag of all workers together. Without a histogram, only p99 is known."""
    found = _at(seen.facts.snapshot.histograms.get(name), at)
    if found is not None or at != "p99":
        return found
    generator = seen.facts.generator
    return generator.send_lag_ms_p99 if name == "send_lag" else generator.loop_lag_ms_p99


def _worst(seen: Evidence, name: Lag, at: str) -> float | None:
    """The lag of the worst worker in the measure phase.

    Messages are measured only then, and a connecting crowd before it keeps event loops busy.
    """
    found = [_at(lags.get(name), at) for lags in seen.facts.generator.lags]
    return max((lag_ms for lag_ms in found if lag_ms is not None), default=None)


def _at(histogram: Histogram | None, at: str) -> float | None:
    if histogram is None or not histogram.count:
        return None
    if at in PERCENTILES:
        value: float | None = histogram.percentile(PERCENTILES[at])
    else:
        value = {"max": histogram.max, "min": histogram.min, "mean": histogram.mean}[at]
    return None if value is None else value / NS_PER_MS
