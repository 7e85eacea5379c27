"""Intervals of a run are merged, copied and shown as rows, with each population's share."""

from __future__ import annotations

import pytest

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.interval import Interval, p99_ms, with_tasks
from wps_load.report.portion import PORTIONS, Portion


def timed(milliseconds: int) -> Snapshot:
    histogram = Histogram()
    histogram.record(milliseconds * NS_PER_MS)
    return Snapshot({"rtt": histogram}, {("connect", "timeout"): 1}, {"bytes": milliseconds})


def second(number: int, phase: str, cpu_percent: float | None = None, **portions: Portion) -> Interval:
    counts = {"published": number, "missing": 1}
    return Interval(number - 1.0, float(number), {phase: 1.0}, number, cpu_percent, counts, timed(number), portions)


@pytest.mark.parametrize(
    ("first", "later", "both"),
    [(None, None, None), (10.0, None, 10.0), (None, 20.0, 20.0), (30.0, 20.0, 30.0)],
)
def test_both_together(first: float | None, later: float | None, both: float | None) -> None:
    one = second(1, "ramp", first)
    other = second(2, "measure", later)
    one.absorb(other)
    one.absorb(second(3, "measure", None))
    assert (one.from_s, one.to_s, one.users, one.cpu_percent) == (0.0, 3.0, 3, both)
    assert (one.phases, one.phase) == ({"ramp": 1.0, "measure": 2.0}, "measure")
    assert one.counts == {"published": 6, "missing": 3}
    assert one.snapshot.counters == {"bytes": 6}
    assert one.snapshot.histograms["rtt"].count == 3
    assert other.snapshot.histograms["rtt"].count == 1, "what is absorbed stays as it is"


def test_each_population_is_put_together_with_itself() -> None:
    one = second(1, "measure", a=Portion(4, {"published": 1}, timed(1)))
    late = Portion(7, {"published": 5, "missing": 2}, timed(5))
    one.absorb(second(2, "measure", a=Portion(3, {"published": 2}, timed(3)), b=late))
    one.absorb(second(3, "measure", b=Portion(8, {"delivered": 1})))
    a, b = one.portions["a"], one.portions["b"]
    assert (a.users, a.counts, a.snapshot.histograms["rtt"].count) == (3, {"published": 3}, 2)
    assert (b.users, b.counts) == (8, {"published": 5, "missing": 2, "delivered": 1})
    assert (late.users, late.counts) == (7, {"published": 5, "missing": 2}), "a copy of it was taken"
    view = one.row()[PORTIONS]
    assert isinstance(view, dict)
    assert view["b"]["counts"] == {"published": 5, "delivered": 1, "lost": 2}
    assert view["b"]["times"]["rtt"] == pytest.approx([5.0, 5.0], rel=0.01)


def test_a_copy_goes_its_own_way() -> None:
    one = second(1, "measure", a=Portion(4, {"published": 1}, timed(1)))
    copied, bare = one.copy(), one.without_times()
    copied.absorb(second(2, "drain", a=Portion(9, {"published": 9}, timed(9))))
    assert (one.to_s, one.phases, one.counts) == (1.0, {"measure": 1.0}, {"published": 1, "missing": 1})
    assert (one.portions["a"].users, one.portions["a"].counts) == (4, {"published": 1})
    assert one.snapshot.histograms["rtt"].count == one.portions["a"].snapshot.histograms["rtt"].count == 1
    assert bare.snapshot.empty
    assert bare.portions == {}
    assert (bare.counts, bare.users) == (one.counts, one.users)


def test_the_row_calls_missing_messages_lost() -> None:
    row = second(2, "measure").row()
    assert (row["lost"], row["published"], row["duplicated"], row["t_s"]) == (1, 2, 0, 2.0)
    assert PORTIONS not in row


def test_nothing_measured_has_no_percentile() -> None:
    assert p99_ms(None) is p99_ms(Histogram()) is None
    assert p99_ms(timed(7).histograms["rtt"]) == pytest.approx(7.0, rel=0.01)


def test_what_tasks_sent_is_added_to_what_the_ledger_counts() -> None:
    counts = {"published": 5, "missing": 1}
    assert with_tasks(counts, {"tasks_published": 2, "tasks_delivered": 3}) == {
        "published": 7,
        "missing": 1,
        "delivered": 3,
    }
    assert with_tasks(counts, {}) == {"published": 5, "missing": 1, "delivered": 0}
    assert counts == {"published": 5, "missing": 1}
