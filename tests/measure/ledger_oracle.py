"""A brute-force oracle of the ledger, which walks through every message, receiver and window."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.measure.ledger_schedule import DRAIN_NS, count_before, due_ns
from wps_load.measure.intervals import IntervalSet
from wps_load.measure.ledger import (
    Ledger,
    LedgerTotals,
    StreamFinal,
)

END_NS = 140


def never_called(final: StreamFinal, t_ns: int) -> int:
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
    pauses: set[int] = field(default_factory=set)  # how many of `early` had come when its connection ended by plan


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
        subscriber.pauses = draw(st.sets(st.integers(0, cut), max_size=2))
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
    """Messages that were due between a dropped connection and the next join, and never arrived."""
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
        for came, (stream, seq) in enumerate(subscriber.early):
            if came in subscriber.pauses:
                receiver.left_all(0, planned=True)
            receiver.arrive(stream, seq)
        for audience, spans in subscriber.windows.items():
            for joined, left, planned in spans:
                receiver.joined(audience, joined)
                if left is not None:
                    receiver.left(audience, left, planned)
            if subscriber.gone is not None and spans and spans[-1][1] is not None:
                receiver.left(audience, max(subscriber.gone, spans[-1][1]), planned=True)
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
