"""A task's measured message on its way: which number it takes, in which epoch, and what becomes of it."""

from __future__ import annotations

from wps_load.client.task_streams import Sending, TaskStream, TaskStreams
from wps_load.measure.causes import Cause
from wps_load.measure.ledger import Ledger
from wps_load.workload.pacer import ScheduleCounter

PRESENT, NEXT = 1, 2
AUDIENCE = 9


def opened() -> tuple[TaskStreams, TaskStream]:
    streams = TaskStreams(Ledger(7))
    return streams, streams.open(5, AUDIENCE, None, no_echo=False)


def test_a_message_has_one_number_in_the_epoch_that_it_was_due_in_and_none_in_another() -> None:
    _, stream = opened()
    first, second = (Sending(stream, due_ns, PRESENT) for due_ns in (10, 20))
    assert (first.take(PRESENT), second.take(PRESENT), first.take(PRESENT)) == (0, 1, 0)
    assert Sending(stream, 30, PRESENT).take(NEXT) is None
    assert Sending(stream, 30, None).take(PRESENT) is None, "it was due in no measured epoch"
    assert stream.out.seq == 2


def test_what_left_later_than_it_was_due_is_counted_in_the_order_in_which_it_left() -> None:
    _, stream = opened()
    for due_ns in (10, 30, 20, 40):
        stream.take(due_ns)
    due = ScheduleCounter(stream.schedule())
    assert [due.before(at) for at in (10, 11, 30, 31, 40, 41)] == [0, 1, 1, 3, 3, 4]


def test_what_failed_is_expected_nowhere_and_what_is_uncertain_only_where_it_comes() -> None:
    _, stream = opened()
    Sending(stream, 10, PRESENT).failed(PRESENT, Cause.SERVICE)
    Sending(stream, 20, PRESENT).forget(PRESENT)
    never_left = Sending(stream, 30, PRESENT)
    never_left.uncertain(PRESENT)
    assert never_left.seq is None
    has_left = Sending(stream, 40, PRESENT)
    has_left.take(PRESENT)
    has_left.uncertain(NEXT)
    assert stream.out.final().failed == (0, 2)
    has_left.uncertain(PRESENT)
    assert stream.out.final().failed == (0, 3)
    assert (stream.out.seq, stream.out.send_failed) == (3, 2), "it counts as published"
    assert stream.out.failed_by == {Cause.SERVICE: 1, Cause.GENERATOR: 1}


def test_a_failure_in_an_epoch_that_is_over_takes_no_number_of_the_next() -> None:
    _, stream = opened()
    Sending(stream, 10, PRESENT).failed(NEXT, Cause.SERVICE)
    assert (stream.out.seq, stream.out.send_failed) == (0, 0)


def test_an_epoch_begins_with_a_schedule_of_its_own_and_only_streams_that_sent_have_one() -> None:
    streams, stream = opened()
    silent = streams.open(6, AUDIENCE, None, no_echo=True)
    stream.take(10)
    assert list(streams.schedules()) == [5]
    streams.restart()
    silent.take(1_000)
    assert ScheduleCounter(streams.schedules()[6]).before(1_001) == 1
    assert ScheduleCounter(stream.schedule()).before(1_000_000) == 0
