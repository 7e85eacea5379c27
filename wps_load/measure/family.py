"""Metric families for monitoring systems, whatever the system.

Prometheus and OpenTelemetry name them by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.thresholds import Slo

Labels = tuple[str, ...]

_SIX_A_DECADE: Final = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
LADDER_MS: Final = (
    0.1, 0.2, 0.5,
    *(step * 10**decade for decade in range(4) for step in _SIX_A_DECADE),
    10_000.0, 15_000.0, 30_000.0, 60_000.0,
)  # fmt: skip
"""Bounds of buckets if no SLO has one: a percentile interpolated between them is right to about a fifth."""


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Buckets:
    """`counts`: for each bound, the values at or below it and above the previous one; last, those above all bounds."""

    counts: tuple[int, ...]
    sum_s: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def plus(self, other: Buckets, sign: int = 1) -> Buckets:
        pairs = zip(self.counts, other.counts, strict=True)
        return Buckets(tuple(a + sign * b for a, b in pairs), self.sum_s + sign * other.sum_s)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family.

    `name` has no prefix, unit or `_total`. `unit`: seconds, bytes, ratio, or empty for plain numbers.

    `labels`: the names of the labels; `points`: label values -> the figure. A histogram has `bounds_s`, and Buckets as
    points.
    """

    name: str
    kind: Kind
    help: str
    labels: Labels
    points: Mapping[Labels, float]
    unit: str = ""

    @property
    def full_name(self) -> str:
        """The name in Prometheus, without the suffix of its kind."""
        return f"wps_{self.name}_{self.unit}" if self.unit else f"wps_{self.name}"

    @property
    def dotted(self) -> str:
        """The name in OpenTelemetry, which keeps the unit separately."""
        return f"wps.{self.name}"


@dataclass(frozen=True, slots=True)
class TimeFamily:
    """Histograms of times in seconds: `points` are buckets between `bounds_s`."""

    name: str
    help: str
    labels: Labels
    bounds_s: tuple[float, ...]
    points: Mapping[Labels, Buckets]

    @property
    def unit(self) -> str:
        return "seconds"

    @property
    def full_name(self) -> str:
        return f"wps_{self.name}_{self.unit}"

    @property
    def dotted(self) -> str:
        return f"wps.{self.name}"


def bounds_ns(metric: str, slos: Sequence[Slo]) -> tuple[int, ...]:
    """The usual bounds, and each SLO's limit on the metric, so that the share within the limit is exact."""
    limits = [slo.limit_ms for slo in slos if slo.subject == metric and slo.limit_ms is not None]
    return tuple(sorted({round(bound * NS_PER_MS) for bound in (*LADDER_MS, *limits) if bound > 0}))


def buckets(
    histograms: Sequence[Histogram | None], bounds: Sequence[int], waited: Sequence[Histogram | None] = ()
) -> Buckets:
    """The buckets of all histograms together.

    `waited`: attempts that were given up, which count after all values and so above every bound, as in the report's
    percentiles.
    """
    counts, total_ns = [0] * (len(bounds) + 1), 0
    for histogram in histograms:
        if histogram is None or not histogram.count:
            continue
        below = 0
        for at, upto in enumerate([*histogram.counts_to(bounds), histogram.count]):
            counts[at] += upto - below
            below = upto
        total_ns += histogram.sum
    for histogram in waited:
        if histogram is not None:
            counts[-1] += histogram.count
            total_ns += histogram.sum
    return Buckets(tuple(counts), total_ns / NS_PER_S)
