"""The ledger of streams against the truth: a service of the test's own drops, doubles, swaps and delays fragments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client.engine_runs import Done, play
from tests.client.stream_service import Delaying, Doubling, Dropping, Fault, StreamService, Swapping

OPTIONS: dict[str, Any] = {"scenario": "stream", "stream_length": "200ms", "group_size": "3"}
Measure = Callable[[Fault], tuple[Done, StreamService]]
SOME = {(2, 0), (5, 0), (5, 1), (7, 1)}
"""Numbers of fragments, and to which subscriber: of each stream of ten."""


@pytest.fixture(params=[1, 4])
def measured(request: pytest.FixtureRequest) -> Measure:
    """Streams of one publisher to two subscribers, each of which is whole: 600 ms are three of them, one after the
    other, or of four at once.
    """

    def measure(fault: Fault) -> tuple[Done, StreamService]:
        options = {**OPTIONS, "streams": str(request.param), "rate": str(50 * request.param)}
        with StreamService(fault) as service:
            done = play(service.connection_string, 3, duration_ms=600, drain_ns=500_000_000, **options)
            assert service.open_at_once == request.param
            return done, service

    return measure


def counts(done: Done) -> tuple[int | None, int, int, int, int]:
    totals = done.totals
    assert totals.expected == 2 * totals.published
    assert done.counter("streams_heard_whole") == 2 * done.counter("streams_ended")
    assert (done.counter("streams_cut_off"), totals.foreign, totals.misdelivered) == (0, 0, 0)
    return totals.lost, totals.duplicated, totals.reordered, totals.corrupted, done.count("delivery")


def test_what_was_dropped_is_lost_no_more_and_no_less(measured: Measure) -> None:
    dropping = Dropping(SOME)
    done, service = measured(dropping)
    assert counts(done) == (dropping.count, 0, 0, 0, service.delivered)
    assert dropping.count > 0
    assert done.totals.delivered == service.delivered
    assert done.count("first_fragment") == 2 * done.counter("streams_started"), "the first of each had come"


def test_a_first_fragment_that_never_comes_is_not_what_the_reader_waits_for(measured: Measure) -> None:
    dropping = Dropping({(1, 0)})
    done, _ = measured(dropping)
    assert dropping.count > 0
    assert done.totals.lost == dropping.count
    assert done.count("first_fragment") == 2 * done.counter("streams_started"), "the second was, for one of the two"
    histogram = done.snapshot.histograms["first_fragment"]
    assert histogram.max is not None
    assert histogram.max >= 20_000_000, "it came an interval later"


def test_what_was_doubled_is_duplicated(measured: Measure) -> None:
    doubling = Doubling(SOME)
    done, service = measured(doubling)
    assert counts(done) == (0, doubling.count, 0, 0, service.delivered - doubling.count)
    assert doubling.count > 0


def test_what_was_overtaken_is_reordered(measured: Measure) -> None:
    swapping = Swapping({(2, 0), (5, 1), (7, 1)})
    done, service = measured(swapping)
    assert counts(done) == (0, 0, swapping.count, 0, service.delivered)
    assert swapping.count > 0


def test_a_delay_is_in_delivery_and_in_the_gap_before(measured: Measure) -> None:
    delay_ns = 60_000_000  # three intervals: the next ones overtake it
    delaying = Delaying({(5, 0)}, delay_ns / 1e9)
    done, _ = measured(delaying)
    lost, duplicated, reordered, corrupted, _ = counts(done)
    assert (lost, duplicated, corrupted) == (0, 0, 0)
    assert delaying.count > 0
    assert reordered == delaying.count
    longest = done.snapshot.histograms["delivery"].max
    assert longest is not None
    assert longest >= delay_ns


@pytest.mark.parametrize("last", [10])
def test_a_fragment_that_comes_behind_the_end_of_its_stream_has_come(measured: Measure, last: int) -> None:
    delaying = Delaying({(last, 0)}, 0.03)
    done, service = measured(delaying)
    assert counts(done) == (0, 0, 0, 0, service.delivered)


def test_a_fragment_at_another_place_of_its_stream_is_not_a_delivery(measured: Measure) -> None:
    """Its content says who it is: what the service says of it must agree."""

    def renumbers(fragment: Any) -> bool:
        if fragment.number == 4:
            fragment.fields["stream"] = {**fragment.fields["stream"], "streamSequenceId": 9}
        return False

    done, _ = measured(renumbers)
    assert done.totals.corrupted > 0
    assert done.totals.lost == done.totals.corrupted
