"""The ledger against a brute-force oracle that walks through every message, receiver and window."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.measure.ledger_schedule import DRAIN_NS, count_before, due_ns
from wps_load.measure.intervals import IntervalSet
from wps_load.measure.ledger import (
    DUPLICATE,
    FRESH,
    MISDELIVERED,
    REORDERED,
    Ledger,
    LedgerTotals,
    StreamFinal,
)
from wps_load.measure.settlement import evaluate

END_NS = 140


def unasked(final: StreamFinal, t_ns: int) -> int:
    raise AssertionError("the schedule is of no interest here")


@dataclass
class Publisher:
    stream: int
    audience: int
    owner: int | None
    no_echo: bool
    count: int
    failed: set[int]


@dataclass
class Subscriber:
    index: int
    windows: dict[int, list[tuple[int, int | None, bool]]]  # audience -> [(joined, left, planned)]
    gone: int | None = None  # stopped by plan at this instant, wherever it is
    early: list[tuple[int, int]] = field(default_factory=list)  # (stream, seq) in order of arrival
    late: list[tuple[int, int]] = field(default_factory=list)  # those after `settle`


@dataclass
class History:
    publishers: list[Publisher]
    subscribers: list[Subscriber]


@st.composite
def windows(draw: st.DrawFn) -> list[tuple[int, int | None, bool]]:
    instants = sorted(draw(st.sets(st.integers(0, END_NS), max_size=5)))
    pairs = list(zip(instants[::2], instants[1::2], strict=False))
    found: list[tuple[int, int | None, bool]] = [(a, b, draw(st.booleans())) for a, b in pairs]
    if len(instants) % 2:
        found.append((instants[-1], None, False))
    return found


@st.composite
def arrivals(draw: st.DrawFn, publisher: Publisher) -> list[tuple[int, int]]:
    """What a network makes of a stream: most in order, some dropped, doubled, swapped; the end missing."""
    seqs = [seq for seq in range(publisher.count) if seq not in publisher.failed]
    got: list[tuple[int, int]] = []
    for seq in seqs:
        fate = draw(st.sampled_from("iiiiddr2"))
        if fate == "i":
            got.append((publisher.stream, seq))
        elif fate == "2":
            got += [(publisher.stream, seq)] * 2
        elif fate == "r":
            got.insert(draw(st.integers(0, len(got))), (publisher.stream, seq))
    return got


@st.composite
def histories(draw: st.DrawFn) -> History:
    publishers = []
    for stream in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 12))
        failed = draw(st.sets(st.integers(0, max(count - 1, 0)), max_size=4)) if count else set()
        owner = draw(st.sampled_from([None, 0, 1]))
        publishers.append(Publisher(stream, draw(st.integers(1, 2)), owner, draw(st.booleans()), count, failed))
    subscribers = []
    for index in range(draw(st.integers(1, 3))):
        subscriber = Subscriber(index, {audience: draw(windows()) for audience in (1, 2)})
        subscriber.gone = draw(st.sampled_from([None, END_NS - 30, END_NS]))
        streams = [draw(arrivals(publisher)) for publisher in publishers if draw(st.booleans())]
        merged = [pair for some in streams for pair in some]
        cut = draw(st.integers(0, len(merged)))
        subscriber.early, subscriber.late = merged[:cut], merged[cut:]
        subscribers.append(subscriber)
    return History(publishers, subscribers)


def oracle_expected(publisher: Publisher, subscriber: Subscriber, got: set[int]) -> set[int]:
    expected = set(got)
    if publisher.no_echo and publisher.owner == subscriber.index:
        return expected
    mine = subscriber.windows[publisher.audience]
    for joined, left, planned in mine:
        for seq in set(range(publisher.count)) - publisher.failed:
            due = due_ns(publisher.stream, seq)
            if due < joined or (left is not None and due >= left):
                continue
            if left is not None and planned and due >= left - DRAIN_NS:
                last = (joined, left, planned) == mine[-1]
                later = [other for other in got if other > seq and (last or due_ns(publisher.stream, other) < left)]
                if not later:
                    continue
            expected.add(seq)
    return expected


def oracle_missed(publisher: Publisher, subscriber: Subscriber, got: set[int]) -> set[int]:
    """What never came of what was due after an unasked end and before the next beginning."""
    if publisher.no_echo and publisher.owner == subscriber.index:
        return set()
    mine = subscriber.windows[publisher.audience]
    found = set()
    for at, (_, left, planned) in enumerate(mine):
        if left is None or planned:
            continue
        gone = subscriber.gone if subscriber.gone is not None and at + 1 == len(mine) else END_NS * 100
        back = mine[at + 1][0] if at + 1 < len(mine) else gone
        for seq in set(range(publisher.count)) - publisher.failed - got:
            if left <= due_ns(publisher.stream, seq) < back:
                found.add(seq)
    return found


def oracle(history: History, with_late: bool) -> LedgerTotals:
    expected = delivered = duplicated = reordered = missed = 0
    for subscriber in history.subscribers:
        came = subscriber.early + (subscriber.late if with_late else [])
        for publisher in history.publishers:
            seqs = [seq for stream, seq in came if stream == publisher.stream]
            seen: set[int] = set()
            for seq in seqs:
                if seq in seen:
                    duplicated += 1
                elif seen and seq < max(seen):
                    reordered += 1
                seen.add(seq)
            delivered += len(seen)
            expected += len(oracle_expected(publisher, subscriber, seen))
            missed += len(oracle_missed(publisher, subscriber, seen))
    published = sum(publisher.count - len(publisher.failed) for publisher in history.publishers)
    failed = sum(len(publisher.failed) for publisher in history.publishers)
    lost = expected - delivered
    return LedgerTotals(published, failed, expected, delivered, lost, duplicated, reordered, missed=missed)


def play(history: History, workers: int) -> list[Ledger]:
    """The history up to `settle`, its publishers and subscribers dealt to several processes' ledgers."""
    ledgers = [Ledger(run=7) for _ in range(workers)]
    for n, publisher in enumerate(history.publishers):
        out = ledgers[n % workers].open_stream(publisher.stream, publisher.audience, publisher.owner, publisher.no_echo)
        for _ in range(publisher.count):
            seq = out.take()
            if seq in publisher.failed:
                out.failed(seq)
    for subscriber in history.subscribers:
        receiver = ledgers[subscriber.index % workers].receiver(subscriber.index)
        for audience, spans in subscriber.windows.items():
            for joined, left, planned in spans:
                receiver.joined(audience, joined)
                if left is not None:
                    receiver.left(audience, left, planned)
            if subscriber.gone is not None and spans and spans[-1][1] is not None:
                receiver.left(audience, max(subscriber.gone, spans[-1][1]), planned=True)
        for stream, seq in subscriber.early:
            receiver.arrive(stream, seq)
    finals = [StreamFinal.from_wire(list(final)) for ledger in ledgers for final in ledger.finals()]
    streams = IntervalSet((stream, stream + 1) for stream in sorted({final.stream for final in finals}))
    for ledger in ledgers:
        heard = [final for final in finals if final.audience in ledger.audiences()]
        ledger.settle(heard, count_before, DRAIN_NS, streams)
    return ledgers


def summed(ledgers: list[Ledger]) -> LedgerTotals:
    totals = ledgers[0].totals()
    for ledger in ledgers[1:]:
        totals = totals.plus(ledger.totals())
    return totals


# A planned end, then a rejoin: what came after the rejoin says nothing about the time before it.
REJOINED = History(
    [Publisher(0, 1, None, False, 12, set())],
    [
        Subscriber(
            0,
            {1: [(0, 60, True), (90, None, False)], 2: []},
            early=[(0, seq) for seq in (0, 1, 2, 7, 8)],
            late=[(0, 9)],
        )
    ],
)


# A planned end for good: a message sent to a member on its way out shows that those before it were due as
# well.
LEAVING = History(
    [Publisher(0, 1, None, False, 12, set())],
    [Subscriber(0, {1: [(0, 60, True)], 2: []}, early=[(0, 0), (0, 1)], late=[(0, 5)])],
)


# Lost, and back: what was due meanwhile is missed, but for what came all the same.
AWAY = History(
    [Publisher(0, 1, None, False, 12, {5})],
    [Subscriber(0, {1: [(0, 40, False), (90, None, False)], 2: []}, early=[(0, 0), (0, 1)], late=[(0, 6), (0, 11)])],
)


@settings(max_examples=300, deadline=None)
@given(histories(), st.integers(1, 3))
@example(REJOINED, 1)
@example(AWAY, 1)
@example(LEAVING, 1)
def test_totals_are_the_oracles_whatever_happens_and_on_any_number_of_workers(history: History, workers: int) -> None:
    ledgers = play(history, workers)
    assert summed(ledgers) == oracle(history, with_late=False)
    assert sum(ledger.outstanding() for ledger in ledgers) == summed(ledgers).lost

    for subscriber in history.subscribers:
        receiver = ledgers[subscriber.index % workers].receiver(subscriber.index)
        for stream, seq in subscriber.late:
            receiver.arrive(stream, seq)
    totals = summed(ledgers)
    assert totals == oracle(history, with_late=True)
    assert sum(ledger.outstanding() for ledger in ledgers) == totals.lost


@settings(max_examples=100, deadline=None)
@given(histories())
def test_settling_again_changes_nothing(history: History) -> None:
    (ledger,) = play(history, 1)
    for subscriber in history.subscribers:
        for stream, seq in subscriber.late:
            ledger.receiver(subscriber.index).arrive(stream, seq)
    once = ledger.totals()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.totals() == once


def test_each_arrival_is_told_apart() -> None:
    receiver = Ledger(1).receiver(0)
    verdicts = [receiver.arrive(5, seq) for seq in (0, 2, 1, 1, 2, 4, 3, 0)]
    assert verdicts == [FRESH, FRESH, REORDERED, DUPLICATE, DUPLICATE, FRESH, REORDERED, DUPLICATE]


def test_the_first_and_the_last_message_of_a_stream_are_not_forgotten() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(3, audience=9, owner=None, no_echo=False)
    receiver = ledger.receiver(0)
    receiver.joined(9, 0)
    for _ in range(4):
        out.take()
    receiver.arrive(3, 1)
    receiver.arrive(3, 2)
    assert ledger.totals().lost is None, "unknown before the finals are"
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.outstanding() == 2
    assert receiver.arrive(3, 3) == FRESH
    assert receiver.arrive(3, 0) == REORDERED
    assert ledger.outstanding() == 0
    assert ledger.totals() == LedgerTotals(4, 0, 4, 4, 0, 0, 1)


def test_a_socket_lost_owes_what_was_due_before_and_a_leave_does_not() -> None:
    lost = {}
    for planned in (False, True):
        ledger = Ledger(1)
        out = ledger.open_stream(0, 1, None, False)
        receiver = ledger.receiver(0)
        receiver.joined(1, 0)
        for seq in range(5):
            out.take()
            if seq < 3:
                receiver.arrive(0, seq)
        receiver.left_all(due_ns(0, 4), planned)
        ledger.settle(ledger.finals(), count_before, DRAIN_NS)
        lost[planned] = ledger.totals().lost
    assert lost == {False: 1, True: 0}


def test_what_is_missed_is_told_apart_by_why_the_member_was_away() -> None:
    missed = {}
    for planned in (False, True):
        ledger = Ledger(1)
        out = ledger.open_stream(0, 1, None, False)
        out.seq = 6
        receiver = ledger.receiver(0)
        receiver.joined(1, 0)
        receiver.left_all(due_ns(0, 1), planned)
        receiver.joined(1, due_ns(0, 4))
        for seq in (0, 4, 5):
            receiver.arrive(0, seq)
        assert ledger.totals().missed is None, "unknown before the finals are"
        ledger.settle(ledger.finals(), count_before, DRAIN_NS)
        missed[planned] = ledger.totals().missed, ledger.totals().lost
    assert missed == {False: (3, 0), True: (0, 0)}


def test_who_never_comes_back_misses_on_in_the_next_epoch_and_who_never_joined_misses_nothing() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    lost, back = ledger.receiver(0), ledger.receiver(1)
    ledger.receiver(2)
    for receiver in (lost, back):
        receiver.joined(1, -20)
        receiver.left_all(-10, planned=False)
    back.joined(1, -5)
    ledger.new_epoch(2, closed_before_ns=0)
    out.seq = 4
    for seq in range(4):
        back.arrive(0, seq)
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert (ledger.totals().missed, ledger.totals().lost, ledger.totals().expected) == (4, 0, 4)


def test_a_stream_without_a_final_is_expected_up_to_its_highest_number_seen() -> None:
    ledger = Ledger(1)
    receiver = ledger.receiver(0)
    for seq in (0, 1, 4):
        receiver.arrive(8, seq)
    ledger.settle([], unasked, DRAIN_NS)
    assert ledger.totals() == LedgerTotals(0, 0, 5, 3, 2, 0, 0)
    receiver.arrive(8, 3)
    assert ledger.outstanding() == 1


def test_a_new_epoch_forgets_counts_and_keeps_memberships() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    receiver = ledger.receiver(0)
    receiver.joined(1, 0)
    out.failed(out.take())
    receiver.arrive(0, 1)
    for _ in range(3):
        ledger.stranger()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)

    ledger.new_epoch(2)
    assert ledger.epoch == 2
    assert out.take() == 0, "numbers start anew"
    assert receiver.arrive(0, 0) == FRESH
    out.take()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.totals() == LedgerTotals(2, 0, 2, 1, 1, 0, 0)


def test_windows_that_ended_before_the_epoch_go() -> None:
    ledger = Ledger(1)
    receiver = ledger.receiver(0)
    for at in range(0, 100, 10):
        receiver.joined(1, at)
        receiver.left(1, at + 5, planned=True)
    ledger.new_epoch(1, closed_before_ns=80)
    assert receiver.memberships[1].past == [(80, 85, True), (90, 95, True)]


def test_the_live_numbers() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    out.seq += 10
    out.failed(9)
    receiver = ledger.receiver(0)
    for seq in (2, 3, 6, 5, 5):  # 0 and 1 may have been before it joined
        receiver.arrive(0, seq)
    live = ledger.running()
    assert (live.published, live.delivered, live.duplicated, live.reordered) == (9, 4, 1, 1)
    assert (live.missing, live.missing_opened) == (1, 2)
    receiver.arrive(0, 1)
    assert ledger.running().missing == 1, "it was never among the missing"


def test_a_reopened_stream_continues_and_another_audience_is_refused() -> None:
    ledger = Ledger(1)
    ledger.open_stream(4, 1, 4, False).take()
    assert ledger.open_stream(4, 1, 4, False).take() == 1
    with pytest.raises(ValueError, match="stream 4"):
        ledger.open_stream(4, 2, 4, False)


def test_gaps_beyond_the_limit_are_lost_and_counted() -> None:
    ledger = Ledger(1, gaps_limit=10)
    out = ledger.open_stream(0, 1, None, False)
    receiver = ledger.receiver(0)
    receiver.joined(1, 0)
    for seq in range(1, 101, 2):
        receiver.arrive(0, seq)
    out.seq = 101
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    totals = ledger.totals()
    assert (totals.unrecorded, totals.delivered, totals.lost, totals.expected) == (40, 50, 51, 101)


def test_malformed_finals_are_refused() -> None:
    for wire in (
        [1, 2, 3],
        [1, "x", None, False, 3, []],
        [1, 2, "o", False, 3, []],
        [1, 2, None, False, 3, 4],
    ):
        with pytest.raises(ValueError, match=r"final|unpack"):
            StreamFinal.from_wire(wire)


@given(st.lists(st.integers(0, 200), unique=True).map(sorted), st.integers(1, 90))
def test_a_schedule_is_asked_where_it_changes_only(points: list[int], step: int) -> None:
    asked = []

    def rising(t: int) -> int:
        asked.append(t)
        return t // step

    assert evaluate(rising, points) == {t: t // step for t in points}
    assert len(asked) == len(set(asked))
    distinct = len({t // step for t in points})
    assert len(asked) <= 2 + (distinct - 1) * len(points).bit_length()


def test_what_may_have_been_published_is_expected_only_where_it_came() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(7, 1, None, no_echo=False)
    for index in (0, 1):
        ledger.receiver(index).joined(1, 0)
    for _ in range(6):
        out.take()
    out.uncertain(1)
    out.uncertain(4)
    out.failed(3)
    for seq in (0, 1, 2, 5):
        ledger.receiver(0).arrive(7, seq)
    for seq in (0, 2):
        ledger.receiver(1).arrive(7, seq)
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    totals = ledger.totals()
    assert (totals.published, totals.send_failed) == (5, 1)
    assert (totals.expected, totals.delivered, totals.lost) == (7, 6, 1), "number 5 at the second receiver"


def test_what_reaches_a_receiver_outside_its_audience_is_misdelivered_and_nothing_else() -> None:
    asked: list[tuple[int, int]] = []

    def entitled(index: int, stream: int) -> bool:
        asked.append((index, stream))
        return index == stream

    ledger = Ledger(1, entitled=entitled)
    receiver = ledger.receiver(7)
    receiver.joined(1, 0)
    assert [receiver.arrive(8, seq) for seq in (0, 1, 5, 5)] == [MISDELIVERED] * 4
    assert [receiver.arrive(7, seq) for seq in (0, 1)] == [FRESH, FRESH]
    assert asked == [(7, 8), (7, 7)], "once for each stream"
    assert ledger.running().misdelivered == 4
    out = ledger.open_stream(7, 1, None, no_echo=False)
    out.seq = 2
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert receiver.arrive(8, 6) == MISDELIVERED
    totals = ledger.totals()
    assert (totals.expected, totals.delivered, totals.duplicated, totals.misdelivered) == (2, 2, 0, 5)
    ledger.new_epoch(2)
    assert ledger.totals().misdelivered == 0
