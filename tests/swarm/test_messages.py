"""Every kind of message arrives as it was sent, by way of plain data."""

from __future__ import annotations

import msgpack
import pytest

from tests.swarm.runs import report
from wps_load.errors import ExitCode
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm import agent, conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.message_wire import UnknownMessage, message_to_agent, message_to_coordinator, to_wire
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Failed,
    Finals,
    Grant,
    Hello,
    Move,
    Present,
    Rate,
    Release,
    Report,
    Reset,
    Retry,
    Slot,
    Status,
    ToAgent,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.stream_finals import Streams

LARGE = 2**62
STREAMS = Streams.of([[[1, 2, 1, False, 9, [3, 4]], [[0, ["constant", LARGE, 1, 1]]]]])
TO_COORDINATOR: tuple[ToCoordinator, ...] = (
    Hello("boot/ns"), Claim(3), Release(7), Status(1, 2, 3, 4), ClockReply(LARGE, -LARGE),
    report(5, presence=Presence(1, 2, 3.5, None, 0.5, 1), counts={"published": 4}), report(6, partial=True),
    Finals(STREAMS, [[0, 0, 0]], [1, 3]), Accounts(LedgerTotals(5, 1, 9, 8, 1, 0, 2, misdelivered=3), 1),
    Failed("the start failed", ExitCode.INVALID),
)  # fmt: skip
TO_AGENT: tuple[ToAgent, ...] = (
    Grant((Slot(0, 1, LARGE), Slot(2, 0, 5))), Window(1, 5, LARGE, 0, 2), Window(0, 5, 9), Rate(100, 7), Retry(),
    Move(7, Slot(3, 1, LARGE)),
    Present(5, [0, 3]), Reset(5, None), Reset(5, 3), ClockRequest(9), Clock(1, -LARGE, 3), End(LARGE),
    Expect(STREAMS, [[[0, 0, 0]]], [0, 7], 5, 6),
)  # fmt: skip


@pytest.mark.parametrize("message", [*TO_COORDINATOR, *TO_AGENT], ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: ToCoordinator | ToAgent) -> None:
    wire = msgpack.loads(msgpack.dumps(to_wire(message)))
    again = message_to_agent(wire) if isinstance(message, ToAgent) else message_to_coordinator(wire)
    assert type(again) is type(message)
    assert again == without_zeros(message)


def without_zeros(message: ToCoordinator | ToAgent) -> ToCoordinator | ToAgent:
    """What did not happen is not sent."""
    if not isinstance(message, Report):
        return message
    deltas, totals = ({name: n for name, n in counts.items() if n} for counts in (message.deltas, message.totals))
    return message._replace(deltas=deltas, totals=totals)


def test_counts_of_what_did_not_happen_are_not_sent() -> None:
    idle = report(6, counts={"published": 4})
    came = message_to_coordinator(to_wire(idle))
    assert isinstance(came, Report)
    assert came.totals == came.deltas == {"published": 4}


def test_what_was_measured_comes_back_too() -> None:
    histogram = Histogram()
    histogram.record(5_000_000, 3)
    part = EpochReport(1, 2, Snapshot({"rtt": histogram}, {("rtt", "timeout"): 4}))
    sent = report(1, parts=(part,))._replace(fired=True)
    came = message_to_coordinator(to_wire(sent))
    assert isinstance(came, Report)
    assert came.fired
    (found,) = came.parts
    assert (found.resets, found.epoch, found.snapshot.failures) == (1, 2, {("rtt", "timeout"): 4})
    assert found.snapshot.histograms["rtt"].percentile(50.0) == histogram.percentile(50.0)


@pytest.mark.parametrize("wire", [[], ["greet"], ["claim"], ["claim", 1, 2], ["accounts", 5, 1], [["claim"], 1]])
def test_a_message_of_another_version_is_reported_as_such(wire: list[object]) -> None:
    with pytest.raises(UnknownMessage, match="another version of wps-load"):
        message_to_coordinator(wire)


def test_nobody_takes_what_is_for_the_other_side() -> None:
    with pytest.raises(UnknownMessage):
        message_to_agent(to_wire(Claim(3)))
    with pytest.raises(UnknownMessage):
        message_to_coordinator(to_wire(Retry()))


def test_each_side_has_an_answer_to_every_kind_of_the_other() -> None:
    assert set(agent.OBEYED) == {type(message) for message in TO_AGENT}
    assert {*conductor.HEARD, Failed} == {type(message) for message in TO_COORDINATOR}, "the bus hears of failures"
