"""The knee of a throughput-latency curve: where more load begins to buy more latency than throughput.

Kleinrock's power (L. Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
communications", ICC 1979): throughput divided by response time. Its maximum is the knee; for an M/M/1 queue that is
half of the capacity. Below it the service is underused, above it queues grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Point(NamedTuple):
    """One step's steady state. `latency_ms`: a percentile or the mean, the same for all points."""

    load: float
    throughput_per_s: float
    latency_ms: float


def power(point: Point) -> float:
    """Throughput per unit of latency."""
    return point.throughput_per_s / point.latency_ms


def knee(points: Sequence[Point]) -> Point | None:
    """The point of greatest power.

    None for fewer than three points, or if the greatest is the last one: then no knee was reached.
    """
    usable = sorted((point for point in points if point.latency_ms > 0), key=lambda point: point.load)
    if len(usable) < 3:
        return None
    best = max(usable, key=power)
    return None if best is usable[-1] else best
