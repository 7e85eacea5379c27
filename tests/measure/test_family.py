"""Families of figures for monitoring systems: where buckets end, what is in each, and how families are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.measure.family import LADDER_MS, Buckets, Family, Kind, TimeFamily, bounds_ns, buckets
from wps_load.measure.histogram import Histogram
from wps_load.measure.thresholds import parse


def of(*values_ms: float) -> Histogram:
    found = Histogram()
    found.record_many([int(value * NS_PER_MS) for value in values_ms])
    return found


def test_each_limit_of_an_slo_on_the_metric_is_a_bound_of_its_own() -> None:
    slos = parse("rtt p99 < 123ms, rtt p50 < 2ms, connect p99 < 77ms, loss = 0")
    found = bounds_ns("rtt", slos)
    assert {*found} - {*bounds_ns("rtt", ())} == {123 * NS_PER_MS}, "2 ms has one already"
    assert found == tuple(sorted(found))
    assert len(bounds_ns("rtt", ())) == len(LADDER_MS)


def test_a_bucket_has_what_is_above_the_bound_before_and_not_above_its_own() -> None:
    bounds = [NS_PER_MS, 10 * NS_PER_MS]
    found = buckets([of(0.5, 0.9, 2, 9, 11), None, Histogram(), of(500)], bounds)
    assert found.counts == (2, 2, 2)
    assert found.count == 6
    assert found.sum_s == pytest.approx(0.5234, rel=0.01)


def test_what_was_given_up_stands_above_every_bound_however_long_it_was_waited_for() -> None:
    found = buckets([of(1)], [10 * NS_PER_MS], [of(2, 3), None])
    assert found.counts == (1, 2)
    assert found.sum_s == pytest.approx(0.006, rel=0.01)


COUNTS = st.lists(st.integers(0, 1000), min_size=3, max_size=3).map(tuple)


@given(COUNTS, COUNTS)
def test_what_was_added_can_be_taken_out_again(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    mine, other = Buckets(ours, 3.0), Buckets(theirs, 1.5)
    both = mine.plus(other)
    assert (both.count, both.sum_s) == (mine.count + other.count, 4.5)
    assert both.plus(other, -1) == mine


@pytest.mark.parametrize(("unit", "name"), [("", "wps_workers"), ("bytes", "wps_workers_bytes")])
def test_a_family_is_called_by_its_unit_where_it_has_one(unit: str, name: str) -> None:
    family = Family("workers", Kind.GAUGE, "help", (), {(): 1}, unit)
    assert (family.full_name, family.dotted) == (name, "wps.workers")


def test_times_are_in_seconds() -> None:
    family = TimeFamily("rtt", "help", (), (NS_PER_MS / NS_PER_S,), {})
    assert (family.full_name, family.dotted, family.unit) == ("wps_rtt_seconds", "wps.rtt", "seconds")
