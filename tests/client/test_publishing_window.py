"""A stream's part in an epoch: what is due and what is not any more, open loop and closed."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from wps_load.client.publishing_window import PublishingWindow
from wps_load.clock import NS_PER_S
from wps_load.measure.causes import Cause
from wps_load.measure.ledger import OutStream
from wps_load.workload.pacer import Schedule, make_pacer

UNTIL_NS = 10 * NS_PER_S


@dataclass
class Source:
    """A publisher that takes each message's number."""

    out: OutStream = field(default_factory=lambda: OutStream(5, 9, None, False))
    window: PublishingWindow | None = None
    ready: bool = True
    published: list[int] = field(default_factory=list)

    def publish(self, due_ns: int) -> None:
        self.out.take()
        self.published.append(due_ns)


def window(rate: int | None = 1, until_ns: int = UNTIL_NS) -> tuple[PublishingWindow, Source]:
    """`rate` None: the closed loop."""
    source = Source()
    pacer = make_pacer("constant", 0, None if rate is None else Fraction(rate), phase=0.0, seed=1)
    source.window = made = PublishingWindow(source, Schedule(pacer), source.out, until_ns)
    return made, source


def test_each_message_tells_when_the_next_one_is_due_until_the_end() -> None:
    made, source = window()
    at: int | None = made.schedule.next_due()
    while at is not None:
        at = made.due(at)
    assert source.published == [second * NS_PER_S for second in range(10)], "what is due at the end is not published"


def test_another_pacer_tells_from_the_next_message_on() -> None:
    made, source = window()
    assert made.due(made.schedule.next_due()) == NS_PER_S
    first = made.change(make_pacer("constant", 2 * NS_PER_S, Fraction(10), phase=0.0, seed=1))
    assert first == 2 * NS_PER_S
    assert made.due(first) == first + NS_PER_S // 10
    assert [number for number, _ in made.schedule.describe()] == [0, 1]
    assert source.out.seq == 2


@pytest.mark.parametrize(("at_ns", "left"), [(NS_PER_S // 4, 0.75), (NS_PER_S, 0.0)])
def test_how_much_of_its_period_is_left_until_the_next_message(at_ns: int, left: float) -> None:
    made, _ = window()
    made.due(made.schedule.next_due())
    assert made.left_of_period(at_ns) == pytest.approx(left)


def test_what_was_due_and_nobody_was_there_to_publish_has_failed_for_want_of_time() -> None:
    made, source = window()
    made.due(made.schedule.next_due())
    made.miss(4 * NS_PER_S)
    assert (source.out.seq, source.out.send_failed) == (4, 3)
    assert source.out.failed_by == {Cause.GENERATOR: 3}
    made.miss(4 * NS_PER_S)
    assert source.out.seq == 4, "once"
    made.miss(2 * UNTIL_NS)
    assert source.out.seq == 10, "no more than was due before its own end"


def test_its_end_may_be_moved_brought_forward_or_undone() -> None:
    made, _ = window()
    made.end_at(2 * UNTIL_NS)
    assert made.until_ns == UNTIL_NS, "it ends no later for that"
    made.move_end(2 * UNTIL_NS)
    assert made.until_ns == 2 * UNTIL_NS
    made.end_at(NS_PER_S)
    made.close()
    made.move_end(UNTIL_NS)
    assert made.until_ns == 0, "it is closed"
    made.reopen(UNTIL_NS)
    assert made.until_ns == UNTIL_NS


def test_in_a_closed_loop_the_next_message_leaves_when_one_is_back() -> None:
    made, source = window(None)
    assert made.closed is not None
    made.start_closed(5)
    assert (source.published, made.last_due_ns) == ([5], 5)
    made.advance(9)
    assert (source.published, made.last_due_ns) == ([5, 9], 9)
    made.advance(UNTIL_NS)
    assert (source.published, made.last_due_ns) == ([5, 9], None), "publishing is over"
    assert made.left_of_period(9) is None
    made.miss(UNTIL_NS)
    assert source.out.send_failed == 0, "nothing was due by a clock"


def test_who_is_not_ready_begins_when_somebody_else_tells_it_to() -> None:
    made, source = window(None)
    source.ready = False
    made.start_closed(5)
    assert source.published == []
    made.advance(7)
    assert source.published == [7]


def test_a_window_that_another_has_replaced_publishes_nothing() -> None:
    made, source = window(None)
    made.start_closed(5)
    source.window = window(None)[0]
    made.advance(6)
    assert (source.published, made.last_due_ns) == ([5], None)


def test_of_a_message_that_is_lost_nothing_comes_back() -> None:
    made, source = window(None)
    made.start_closed(5)
    made.lost()
    assert made.last_due_ns is None
    assert source.published == [5]
