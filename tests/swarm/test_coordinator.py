"""What carries out the conductor's decisions: in their order, also where sending one brings an answer at once."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from tests.client.engine_runs import PATIENCE_S, until
from tests.swarm.runs import NUMBER, FakeCrowd, conducted, configured, planned, report
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.ledger import LedgerTotals
from wps_load.swarm.bus import LocalBus
from wps_load.swarm.conductor import Phase
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.messages import (
    Accounts,
    Claim,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Finals,
    Grant,
    Hello,
    Rate,
    Reset,
    Retry,
    Status,
    ToAgent,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.run_plan import Expected
from wps_load.swarm.stream_finals import NO_STREAMS

USERS = 4


class Site:
    """A coordinator, and an agent in the same process, which answers each message before sending it has returned."""

    def __init__(self, *, answers: bool = True) -> None:
        self.bus = LocalBus()
        self.bus.on_agent = self._told
        self.heard: list[ToAgent] = []
        self.said: list[str] = []
        self.crowd = FakeCrowd(USERS, per_second=1000.0)
        config = configured(USERS, warmup="0s", settle="10s", drain="1s")
        conductor = conducted(planned(config, started_ns=now_ns()), self.crowd)
        self.coordinator = Coordinator(conductor, self.bus, self.crowd, say=self.said.append)
        self._answers = answers

    def say(self, message: ToCoordinator) -> None:
        self.bus.to_coordinator(NUMBER, message)

    def _told(self, message: ToAgent) -> None:
        self.heard.append(message)
        if not self._answers:
            return
        match message:
            case ClockRequest(sent_ns):
                self.say(ClockReply(sent_ns, now_ns()))
            case Grant(slots):
                self.say(Status(len(slots), len(slots), 0, 0))
            case End():
                self.say(Finals(NO_STREAMS, [[0, 0, 0]], []))
            case Expect():
                self.say(report(1, partial=True))
                self.say(Accounts(LedgerTotals(7, 0, 7, 7, 0, 0, 0), 0))

    def connect(self, users: int = USERS) -> Site:
        """The users are there."""
        self.coordinator.start()
        for message in (Hello("here"), Claim(users)):
            self.say(message)
        until(lambda: any(isinstance(each, Grant) for each in self.heard), "the agent's clock is known")
        self.coordinator.spawning_complete()
        return self

    def publish(self) -> Site:
        self.connect()
        until(lambda: self.coordinator.conductor.measure_start_ns is not None, "all have settled")
        return self

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.heard]


def test_what_was_decided_first_is_sent_first_though_answers_come_in_between() -> None:
    site = Site().publish()
    found = [kind for kind in site.kinds() if kind != "ClockRequest"]
    assert found[:2] == ["Clock", "Grant"]
    assert found.index("Window") > found.index("Grant")
    assert any("4 of 4 connected" in sentence for sentence in site.said)


def test_what_was_decided_first_has_left_before_anything_else_does_where_sending_takes_its_time() -> None:
    site = Site()
    sent: list[int] = []

    def slowly(message: ToAgent) -> None:
        if isinstance(message, Rate):
            gevent.sleep(0.02 / message.per_second)
            sent.append(message.per_second)

    site.bus.on_agent = slowly
    gevent.joinall([gevent.spawn(site.coordinator.set_rate, rate, 0) for rate in (1, 2, 50)], raise_error=True)
    assert sent == [1, 2, 50]


def test_the_driver_of_the_load_is_called_once_when_publishing_is_set() -> None:
    site = Site()
    told: list[int | None] = []
    site.coordinator.on_publish = lambda: told.append(site.coordinator.conductor.measure_start_ns)
    site.publish()
    until(lambda: told, "it was told")
    site.coordinator.drain()
    assert len(told) == 1
    assert told[0] is not None


def test_a_drain_returns_when_all_accounts_are_there_and_a_second_one_with_it() -> None:
    site = Site().publish()
    second = gevent.spawn(site.coordinator.drain)
    site.coordinator.drain()
    second.join(PATIENCE_S)
    assert second.successful()
    conductor = site.coordinator.conductor
    assert conductor.phase is Phase.DONE
    totals = conductor.collector.totals()
    assert totals is not None
    assert totals.delivered == 7
    assert site.kinds().count("End") == 1
    heard = len(site.heard)
    site.coordinator.drain()
    assert len(site.heard) == heard, "there is nothing left to do"


def test_an_agent_that_answers_nothing_is_given_up_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wps_load.swarm.conductor.ANSWER_NS", NS_PER_S // 100)
    site = Site(answers=False)
    site.coordinator.start()
    site.say(Hello("here"))
    site.coordinator.drain()
    assert site.coordinator.conductor.roster.lost == {"local"}


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda it: it.set_rate(50, now_ns()), Rate),
        (lambda it: it.retry(), Retry),
        (lambda it: it.reset(), Reset),
    ],
)
def test_what_somebody_asks_for_is_sent_at_once(ask: Callable[[Coordinator], None], kind: type) -> None:
    site = Site().publish()
    ask(site.coordinator)
    assert any(isinstance(each, kind) for each in site.heard)


def test_a_reset_begins_another_epoch_of_publishing() -> None:
    site = Site().publish()
    until(lambda: site.coordinator.conductor.phase is Phase.MEASURE, "it is measured")
    site.coordinator.reset()
    assert [each.epoch for each in site.heard if isinstance(each, Window)] == [1, 2]


def test_users_are_awaited_until_they_are_there() -> None:
    site = Site().publish()
    site.crowd.users = 6
    waiting = gevent.spawn(site.coordinator.await_users, 6, 60 * NS_PER_S)
    gevent.sleep(0.05)
    assert not waiting.ready()
    site.say(Claim(2))
    site.say(Status(6, 6, 0, 0))
    waiting.join(PATIENCE_S)
    assert waiting.value == Expected(6, 6, 6)
