from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure import thresholds
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.abort import GRACE_S, AbortWatch


class FakeCollector:
    """What a watch asks of a collector; `now` is set by the test."""

    def __init__(self) -> None:
        self.total = Snapshot()
        self.now: dict[str, int] = {}

    def running(self, name: str) -> int:
        return self.now.get(name, 0)


def watch(slo: str, *, measured_s: float = 30.0, left_s: float | None = 30.0) -> tuple[AbortWatch, Any]:
    collector = FakeCollector()
    coordinator: Any = SimpleNamespace(
        collector=collector,
        plan=SimpleNamespace(config=SimpleNamespace(drain_ns=2 * NS_PER_S)),
        planned_end_ns=None if left_s is None else now_ns() + int(left_s * NS_PER_S),
        measured_s=measured_s,
        stopping=False,
    )
    return AbortWatch(coordinator, thresholds.parse(slo)), collector


def seconds(watching: AbortWatch, collector: Any, count: int, **now: int) -> str | None:
    collector.now = now
    return [watching.hopeless() for _ in range(count)][-1]


def test_a_gap_older_than_the_drain_is_lost_for_certain() -> None:
    watching, collector = watch("loss = 0", left_s=None)
    assert seconds(watching, collector, 3, delivered=900, missing=5, missing_opened=5) is None, "it may still come"
    assert seconds(watching, collector, 2, delivered=900, missing=5, missing_opened=5) == "loss = 0"


def test_gaps_that_open_and_fill_are_not_lost() -> None:
    watching, collector = watch("loss = 0")
    for opened in range(5, 100, 5):
        assert seconds(watching, collector, 1, delivered=900, missing=5, missing_opened=opened) is None


def test_nothing_is_certain_where_a_member_was_away() -> None:
    watching, collector = watch("loss = 0")
    collector.total.counters["connections_dropped"] = 1
    assert seconds(watching, collector, 10, delivered=900, missing=5, missing_opened=5) is None


def test_a_percentile_that_the_rest_cannot_mend() -> None:
    watching, collector = watch("rtt p99 < 100ms", left_s=1.0)
    recorder = collector.total.histograms
    recorder["rtt"] = Histogram()
    recorder["rtt"].record(500_000_000, 100)
    recorder["rtt"].record(1_000_000, 900)
    assert seconds(watching, collector, 1, delivered=1_000) == "rtt p99 < 100ms"


def test_the_rest_may_still_mend_it() -> None:
    watching, collector = watch("rtt p99 < 100ms", left_s=3_000.0)
    collector.total.histograms["rtt"] = Histogram()
    collector.total.histograms["rtt"].record(500_000_000, 20)
    collector.total.histograms["rtt"].record(1_000_000, 980)
    assert seconds(watching, collector, 1, delivered=1_000) is None


def test_a_cold_start_is_no_verdict() -> None:
    watching, collector = watch("loss = 0", measured_s=GRACE_S - 1)
    assert seconds(watching, collector, 10, delivered=900, missing=5, missing_opened=5) is None
