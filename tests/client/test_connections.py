"""What is open, what it carried, and how it came and went: counted without a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from wps_load.client.connections import Connections, OpenLink, Traffic
from wps_load.client.context import PopulationContext
from wps_load.client.ping_words import PingWords
from wps_load.errors import ConnectFailure, ConnectionLost, EndedBy
from wps_load.measure.recorder import Recorder


class Harness:
    """Connections of a population whose failures and warnings are kept."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.words = PingWords(enveloped=True)
        self.recorder = Recorder()
        context: Any = SimpleNamespace(
            recorder=self.recorder,
            ping_words=self.words,
            failed=lambda metric, label, message, advice="": self.told.append((metric, label)),
            run=SimpleNamespace(warn=lambda kind, sentence: self.told.append((kind,))),
        )
        self.connections = Connections(cast(PopulationContext, context))

    def counters(self) -> dict[str, int]:
        return self.recorder.total().counters


class Link:
    def __init__(self, connection: Any) -> None:
        self.connection = connection


def link(sent: int = 0, received: int = 0, stalls: int = 0) -> OpenLink:
    outbox = SimpleNamespace(bytes_sent=sent, stalls=stalls, stalled_ns=stalls * 10)
    return cast(OpenLink, Link(SimpleNamespace(outbox=outbox, bytes_received=received)))


def test_traffic_of_what_is_closed_stays_counted() -> None:
    found = Harness().connections
    first, second = link(1, 2, 1), link(10, 20)
    for each in (first, second):
        found.connected(each, 5, again=False)
    assert found.traffic() == Traffic(11, 22, 1, 10)
    found.closed(first, ConnectionLost(1000), counted=False)
    assert found.traffic() == Traffic(11, 22, 1, 10)
    assert found.open_links == {second}


def test_one_that_ended_before_it_was_told_of_is_not_open() -> None:
    made = Harness()
    made.connections.connected(None, 5, again=True)
    assert made.connections.open_time.count == 0
    assert made.counters() == {"connections_opened": 1, "connections_reconnected": 1}


def test_one_whose_join_was_refused_does_not_count_as_open_until_it_is_in_its_groups() -> None:
    found, one = Harness().connections, link()
    found.in_groups(one, joined=False)
    assert found.open_time.count == 0, "it is not open at all"
    found.opened(one)
    for _ in range(2):
        found.in_groups(one, joined=False)
        assert found.open_time.count == 0
    for _ in range(2):
        found.in_groups(one, joined=True)
        assert found.open_time.count == 1
    found.in_groups(one, joined=False)
    found.closed(one, ConnectionLost(1006), counted=False)
    assert found.open_time.count == 0


@pytest.mark.parametrize("counted", [True, False])
def test_only_an_end_that_nobody_planned_is_a_failure(counted: bool) -> None:
    made, one = Harness(), link()
    made.connections.opened(one)
    made.connections.closed(one, ConnectionLost(1008, "gone"), counted=counted)
    assert made.told == ([("disconnect", "closed_1008")] if counted else [])
    assert made.counters().get("connections_dropped", 0) == counted


def test_an_attempt_that_our_time_limit_has_ended_is_kept_with_what_it_waited() -> None:
    made = Harness()
    for label in ("connect_timeout", "http_503"):
        made.connections.attempts.begin(label, 0)
        made.connections.failed(label, ConnectFailure(label, "no"))
    assert made.told == [("connect", "connect_timeout"), ("connect", "http_503")]
    assert made.recorder.total().histograms["connect_waited"].count == 1


def test_the_service_that_ends_the_scout_for_its_ping_is_told_of_once() -> None:
    made, scout, other = Harness(), link(), link()
    assert made.words.scout(scout)
    lost = ConnectionLost(1007, "what is that", EndedBy.SERVICE)
    assert not made.connections.ping_refused(other, lost)
    assert made.connections.ping_refused(scout, lost)
    assert not made.connections.ping_refused(scout, lost)
    assert made.told == [("keepalive/unknown",)]
