"""What is open, what it carried, and how it came and went: counted without a socket."""

from __future__ import annotations

import pytest

from tests.client.contexts import Link, population_context
from wps_load.client.connections import Connections, Traffic
from wps_load.errors import ConnectFailure, ConnectionLost, EndedBy


class Harness:
    """Connections of a population whose failures and warnings are kept, by their kinds."""

    def __init__(self) -> None:
        self.told: list[str] = []
        with population_context(lambda kind, sentence: self.told.append(kind)) as context:
            self.connections = Connections(context)
        self.words, self.recorder = context.ping_words, context.recorder

    def counters(self) -> dict[str, int]:
        return self.recorder.peek().counters


def test_traffic_of_what_is_closed_stays_counted() -> None:
    found = Harness().connections
    first, second = Link(1, 2, 1), Link(10, 20)
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
    found, one = Harness().connections, Link()
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
    made, one = Harness(), Link()
    made.connections.opened(one)
    made.connections.closed(one, ConnectionLost(1008, "gone"), counted=counted)
    assert made.told == (["disconnect/closed_1008"] if counted else [])
    assert made.counters().get("connections_dropped", 0) == counted


def test_an_attempt_that_our_time_limit_has_ended_is_kept_with_what_it_waited() -> None:
    made = Harness()
    for label in ("connect_timeout", "http_503"):
        made.connections.attempts.begin(label, 0)
        made.connections.failed(label, ConnectFailure(label, "no"))
    assert made.told == ["connect/connect_timeout", "connect/http_503"]
    assert made.recorder.peek().histograms["connect_waited"].count == 1


def test_the_service_that_ends_the_scout_for_its_ping_is_told_of_once() -> None:
    made, scout, other = Harness(), Link(), Link()
    assert made.words.scout(scout)
    lost = ConnectionLost(1007, "what is that", EndedBy.SERVICE)
    assert not made.connections.ping_refused(other, lost)
    assert made.connections.ping_refused(scout, lost)
    assert not made.connections.ping_refused(scout, lost)
    assert made.told == ["keepalive/unknown"]
