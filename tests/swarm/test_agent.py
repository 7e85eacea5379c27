"""An agent with an engine that has no users: what it answers to each message of the coordinator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import gevent
import pytest

from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.load import load
from wps_load.swarm.agent import Agent
from wps_load.swarm.bus import LocalBus
from wps_load.swarm.clocks import host_identity
from wps_load.swarm.engines import make_engine
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    Clock,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Finals,
    Grant,
    Hello,
    Report,
    Reset,
    Slot,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.stream_finals import NO_STREAMS

PATIENCE_S = 30
NUMBER = 7
HOUR_NS = 3600 * NS_PER_S
Kind = TypeVar("Kind", bound=ToCoordinator)


class Side:
    """A coordinator that says what the test says, and keeps what it hears."""

    def __init__(self) -> None:
        self.bus = LocalBus()
        self.bus.on_coordinator = self._hear
        self.heard: list[ToCoordinator] = []
        self.runs: set[int] = set()
        self.shown: list[Snapshot] = []
        config = load(
            {"wps_client_url": "ws://127.0.0.1:9/client/hubs/h?access_token=T"}, users=4, spawn_rate=10.0, environ={}
        )
        engine = make_engine(config, lambda kind, sentence: None, run_id="r", number=NUMBER, users=4)
        self.agent = Agent(engine, self.bus, now_ns(), on_interval=lambda part: self.shown.append(part.counted()))

    def _hear(self, agent: str, run: int, message: ToCoordinator) -> None:
        self.runs.add(run)
        self.heard.append(message)

    def await_one(self, kind: type[Kind]) -> Kind:
        """The first message of a kind; waits for it."""
        with gevent.Timeout(PATIENCE_S):
            while True:
                found = next((each for each in self.heard if isinstance(each, kind)), None)
                if found is not None:
                    return found
                gevent.sleep(0.005)


@pytest.fixture
def side() -> Iterator[Side]:
    made = Side()
    yield made
    made.agent.close()


def test_nothing_is_said_before_it_starts_and_hello_then(side: Side) -> None:
    gevent.sleep(0)
    assert (side.heard, side.bus.on_agent) == ([], None)
    side.agent.start()
    assert side.heard == [Hello(host_identity())]
    assert side.runs == {NUMBER}


def test_a_ping_is_answered_with_its_own_clock_at_once(side: Side) -> None:
    side.agent.start()
    before = now_ns()
    side.agent.told(ClockRequest(5))
    pong = side.heard[-1]
    assert isinstance(pong, ClockReply)
    assert pong.sent_ns == 5
    assert before <= pong.agent_ns <= now_ns()


def test_users_that_come_together_claim_together_and_get_slots_in_order(side: Side) -> None:
    side.agent.start()
    side.agent.told(Clock(0, 0, 0))
    users = [gevent.spawn(side.agent.players.sit_down) for _ in range(3)]
    assert side.await_one(Claim) == Claim(3)
    later_ns = now_ns() + HOUR_NS
    side.agent.told(Grant([Slot(4, 0, later_ns), Slot(2, 1, later_ns)]))
    with gevent.Timeout(PATIENCE_S):
        gevent.joinall(users[:2])
    assert [user.value.sitter.user_index for user in users[:2]] == [4, 2]
    assert not users[2].ready(), "its slot is still to come"
    side.agent.close()
    with gevent.Timeout(PATIENCE_S):
        users[2].join()
    assert isinstance(users[2].value, gevent.GreenletExit), "and never comes"


def test_seconds_are_reported_once_the_runs_time_is_known(side: Side) -> None:
    side.agent.start()
    side.agent.told(Clock(0, 0, 0))
    report = side.await_one(Report)
    assert (report.partial, report.epoch, report.presence) == (False, 0, None)
    assert report.vitals.rss_bytes > 0
    assert len(side.shown) >= len(report.parts) > 0


def test_a_window_begins_an_epoch_and_a_reset_in_it_the_next(side: Side) -> None:
    side.agent.start()
    side.agent.told(Clock(0, 0, 0))
    start_ns = now_ns() + 20 * NS_PER_MS
    side.agent.told(Window(1, start_ns, start_ns + HOUR_NS, 0, 1))
    side.agent.told(Reset(start_ns + 20 * NS_PER_MS, 2))
    side.agent.told(Window(2, start_ns + 20 * NS_PER_MS, start_ns + HOUR_NS, 0, 1))
    report = side.await_one(Report)
    with gevent.Timeout(PATIENCE_S):
        while report.epoch < 2:
            side.heard.clear()
            report = side.await_one(Report)
    assert report.presence is not None
    assert report.parts[-1].resets == 1


def test_the_end_is_answered_with_finals_and_the_finals_of_all_with_accounts(side: Side) -> None:
    side.agent.start()
    side.agent.told(Clock(0, 0, 0))
    end_ns = now_ns()
    side.agent.told(End(end_ns))
    finals = side.await_one(Finals)
    assert len(finals.streams) == 0
    side.agent.told(Expect(NO_STREAMS, [finals.clock], [], NS_PER_S, end_ns))
    accounts = side.await_one(Accounts)
    assert (accounts.totals.expected, accounts.connecting) == (0, 0)
    assert [each.partial for each in side.heard if isinstance(each, Report)][-1] is True, "the last part comes before"
    assert isinstance(side.heard[-1], Accounts)


def test_an_agent_that_never_knew_the_runs_time_answers_the_end_all_the_same(side: Side) -> None:
    side.agent.start()
    side.agent.told(End(now_ns() + HOUR_NS))
    assert len(side.await_one(Finals).streams) == 0


def test_closing_again_does_nothing(side: Side) -> None:
    side.agent.start()
    side.agent.close()
    shown = len(side.shown)
    side.agent.close()
    assert len(side.shown) == shown
