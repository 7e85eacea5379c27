"""Whose doing it is that a message was not sent: each one counted once, with the cause that is true."""

from __future__ import annotations

from fractions import Fraction

import gevent
import pytest

from tests.client.contexts import population_context
from tests.client.engine_runs import Done, Run, until
from wps_load.client import tcp
from wps_load.client.connection import Cut
from wps_load.client.publisher import BACKLOG_MESSAGES, LATE_NS, PATIENCE_NS, OutletConnection, OutletOutbox, Publisher
from wps_load.client.publishing_window import PublishingWindow
from wps_load.clock import NS_PER_S, now_ns
from wps_load.emulator.process import EmulatorProcess
from wps_load.measure.causes import Cause, cause_of
from wps_load.measure.ledger import Ledger, OutStream
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session
from wps_load.workload.pacer import Schedule, make_pacer

SERVICE, PLAN, GENERATOR = Cause.SERVICE, Cause.PLAN, Cause.GENERATOR


def publisher() -> Publisher:
    """One without a link yet, at work."""
    with population_context() as context:
        pass
    made = Publisher(
        context, stream=1, audience=1, kind="group", name="g", no_echo=False, owner=1, phase=0.0, seed=1
    )  # fmt: skip
    pacer = make_pacer("constant", 0, Fraction(10), phase=0.0, seed=1)
    made.window = PublishingWindow(made, Schedule(pacer), OutStream(1, 1, 1, False), 10**18)
    return made


def blamed(found: Publisher) -> dict[Cause, int]:
    assert found.window is not None
    return found.window.out.failed_by


class Unread:
    """A connection whose peer reads nothing."""

    writable = False
    echo = None

    def __init__(self) -> None:
        self.session = Session(CODECS["json"])

    @property
    def connection(self) -> OutletConnection:
        return self

    @property
    def outbox(self) -> OutletOutbox:
        return self

    def send(self, frame: bytes, /) -> bool:
        raise AssertionError("what cannot be written is not tried")

    def window_full(self) -> None:
        raise AssertionError("nothing is in flight")

    def stalled_on(self, publisher: Publisher, seq: int) -> None:
        raise AssertionError("nothing was sent")

    def unanswered(self, pending: PendingAck, why: str) -> None:
        raise AssertionError("nothing asks for an answer")


def with_link(found: Publisher) -> Publisher:
    found.link = Unread()
    return found


@pytest.mark.parametrize("cause", list(Cause))
def test_without_a_connection_it_is_whoever_ended_or_refused_it(cause: Cause) -> None:
    found = publisher()
    found.lost(cause, holds=False)
    found.publish(now_ns())
    assert blamed(found) == {cause: 1}


def test_before_its_slot_it_is_the_plan_and_a_connect_that_hangs_is_the_services() -> None:
    found, at_ns = publisher(), now_ns()
    found.publish(at_ns)
    found.asks(at_ns)
    found.publish(at_ns + PATIENCE_NS)
    assert blamed(found) == {PLAN: 2}
    found.publish(at_ns + PATIENCE_NS + 1)
    assert blamed(found) == {PLAN: 2, SERVICE: 1}


def test_what_was_due_while_there_was_a_connection_is_the_generators_to_have_sent() -> None:
    found = with_link(publisher())
    found.lost(SERVICE, holds=False)
    at_ns = now_ns()
    found.publish(at_ns - LATE_NS - NS_PER_S)
    found.publish(at_ns)
    assert blamed(found) == {GENERATOR: 1, SERVICE: 1}


def test_what_a_peer_does_not_read_is_not_the_generators_whether_too_much_of_it_or_for_too_long() -> None:
    found = with_link(publisher())
    for _ in range(BACKLOG_MESSAGES + 3):
        found.publish(now_ns())
    assert blamed(found) == {SERVICE: 3}
    found.end(0)
    assert blamed(found) == {SERVICE: BACKLOG_MESSAGES + 3}


def test_what_was_held_for_a_recovery_is_the_services_when_that_fails_and_nobodys_when_it_does_not() -> None:
    found = with_link(publisher())
    found.lost(PLAN, holds=True)
    found.publish(now_ns())
    assert blamed(found) == {}
    found.lost(SERVICE, holds=False)
    assert blamed(found) == {SERVICE: 1}


def test_what_the_loop_never_came_to_is_the_generators() -> None:
    found = with_link(publisher())
    found.end(2 * NS_PER_S)
    assert blamed(found) == {GENERATOR: 20}


def test_a_message_fails_once_and_of_the_first_cause() -> None:
    out = Ledger(7).open_stream(1, 1, 1, False)
    out.failed(out.take(), SERVICE)
    out.failed(0, GENERATOR)
    assert (out.failed_by, out.send_failed) == ({SERVICE: 1}, 1)
    out.restart()
    assert out.failed_by == {}


@pytest.mark.parametrize(
    ("label", "cause"),
    [
        ("connect_files_exhausted", GENERATOR),
        ("rest_connect_ports_exhausted", GENERATOR),
        ("http_503", SERVICE),
        ("connect_timeout", SERVICE),
        ("rest_429", SERVICE),
    ],
)
def test_only_limits_of_this_machine_are_the_generators(label: str, cause: Cause) -> None:
    assert cause_of(label) is cause


# -- whole engines -----------------------------------------------------------------------------------------------------


def by_cause(done: Done) -> dict[Cause, int]:
    """Those that are not 0; they add up to what was not sent."""
    found = {cause: count for cause, count in done.totals.send_failed_by.items() if count}
    assert sum(found.values()) == done.totals.send_failed
    return found


@pytest.mark.program
def test_a_service_that_ends_connections() -> None:
    with EmulatorProcess.start(faults="disconnect=1/40,seed=3") as ending:
        done = Run(ending.connection_string, 6, engines=2, rate="100").settle().measure(400).finish()
    assert list(by_cause(done)) == [SERVICE]


@pytest.mark.program
def test_a_service_that_refuses_connections() -> None:
    with EmulatorProcess.start(faults="refuse=1/1") as refusing:
        done = Run(refusing.connection_string, 3, rate="100").settle().measure(100).finish()
    assert by_cause(done) == {SERVICE: 30}


def test_our_own_cuts(live_emulator: str) -> None:
    run = Run(live_emulator, 4, rate="100").settle()
    engine = run.engines[0]

    def cut() -> None:
        until(lambda: engine.run.ledger.running().published > 10, "some were published")
        for member in list(engine.populations[0].users.values()):
            member.cut(Cut.RESET)

    gevent.spawn(cut)
    causes = set(by_cause(run.measure(250).finish()))
    assert PLAN in causes
    assert SERVICE not in causes  # a loop that a busy machine holds up is the generator's own, beside the plan


def test_a_machine_without_files(live_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "RESERVED_FILES", 1 << 30)
    done = Run(live_emulator, 3, rate="100").settle().measure(100).finish()
    assert by_cause(done) == {GENERATOR: 30}
