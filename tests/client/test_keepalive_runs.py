"""Connections that nothing comes on: pinged in a way that the service understands, dropped when it has gone silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from wsproto import events as ws

from tests.client.connection_peer import Peer
from tests.client.contexts import Link, population_context
from tests.client.engine_runs import Run, until
from tests.client.json_service import JsonService, say, usual
from tests.client.loopback import Server, upgrade_answer
from wps_load.client.connections import Connections
from wps_load.client.keepalive_sweep import Sweep
from wps_load.client.ping_words import PingWords
from wps_load.clock import NS_PER_S
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.protocol.keepalive import Keepalive

TIMES: dict[str, Any] = {"keepalive_interval": "100ms", "keepalive_timeout": "400ms"}


def knows_ping(peer: Peer, message: dict[str, Any]) -> None:
    usual(peer, message)
    if message["type"] == "ping":
        say(peer, type="pong")


def refuses_what_it_does_not_know(peer: Peer, message: dict[str, Any]) -> None:
    if message["type"] == "ping":
        peer.send(ws.CloseConnection(1007, "The client message is not a valid JSON protocol message."))
    else:
        usual(peer, message)


def drops(peer: Peer, message: dict[str, Any]) -> None:
    if message["type"] == "ping":
        peer.sock.close()
    else:
        usual(peer, message)


@contextmanager
def idle(service: JsonService, users: int = 3, **options: Any) -> Iterator[Run]:
    """This many idle connections with keepalive."""
    with service:
        run = Run(service.connection_string, users, scenario="idle", **{**TIMES, **options}).settle()
        beat = gevent.spawn(run.beat)
        try:
            yield run
        finally:
            beat.kill()
            run.close()


def counters(run: Run) -> dict[str, int]:
    return run.engines[0].run.recorder.peek().counters


def disconnects(run: Run) -> dict[str, int]:
    failures = run.engines[0].run.recorder.peek().failures
    return {label: n for (metric, label), n in failures.items() if metric == "disconnect"}


def test_a_service_that_knows_the_ping_message_gets_it_from_every_connection() -> None:
    with idle(JsonService(knows_ping)) as run:
        service_words = run.engines[0].populations[0].context.ping_words
        until(lambda: service_words.known, "one connection has found it out")
        until(lambda: counters(run).get("pings_sent", 0) >= 12, "all go on to ping")
        assert not disconnects(run)


@pytest.mark.parametrize(
    ("behaviour", "timeout"),
    [(usual, "1s"), (refuses_what_it_does_not_know, "10s"), (drops, "10s")],  # the usual one is found out by it
)
def test_a_service_that_does_not_know_it_gets_websocket_pings_and_loses_nobody_for_silence(
    behaviour: Any, timeout: str
) -> None:
    with idle(service := JsonService(behaviour), keepalive_timeout=timeout) as run:
        until(lambda: run.engines[0].populations[0].context.ping_words.known is False, "found out by the scout")
        before = service.pings
        until(lambda: service.pings >= before + 9, "three connections are pinged on and on")
        assert service.count("ping") == 1
        assert "keepalive_timeout" not in disconnects(run)
        until(lambda: run.engines[0].open == 3, "the scout is back, if it was ended")


def test_what_the_scout_provoked_is_not_counted_against_the_service() -> None:
    with idle(JsonService(refuses_what_it_does_not_know)) as run:
        until(lambda: counters(run).get("connections_reconnected"), "the scout is back")
        assert counters(run)["connections_cut"] == 1
        assert not disconnects(run)
        assert any("ping message" in warning for warning in run.warnings)


@pytest.mark.parametrize("protocol", ["json", "simple"])
def test_a_frozen_peer_is_noticed_counted_and_left(protocol: str) -> None:
    service = JsonService(reads=False)
    with idle(service, protocol=protocol) as run:
        until(lambda: disconnects(run) == {"keepalive_timeout": 3}, "each is dropped once")
        assert counters(run)["connections_silent"] == 3, "suspicious before they were dropped"
        assert any("went silent" in warning for warning in run.warnings)
        until(lambda: counters(run).get("connections_reconnected", 0) >= 3, "and connected anew")


def test_a_simple_client_sends_websocket_pings() -> None:
    with idle(service := JsonService(), protocol="simple") as run:
        until(lambda: service.pings >= 6, "pinged")
        assert not service.messages
        assert not disconnects(run)


def test_zero_turns_it_off() -> None:
    with idle(service := JsonService(reads=False), keepalive_interval="0", keepalive_timeout="100ms") as run:
        gevent.sleep(0.4)
        assert not disconnects(run)
        assert "pings_sent" not in counters(run)
        assert service.pings == 0


def test_a_silent_connection_of_a_reliable_subprotocol_is_recovered() -> None:
    """The first socket freezes; what it was is continued on the next one."""
    seen: list[str] = []

    def script(sock: Any, head: str) -> None:
        seen.append(head.split("\r\n", 1)[0])
        sock.sendall(upgrade_answer(head, "json.reliable.webpubsub.azure.v1"))
        peer = Peer(sock)
        connected = {"type": "system", "event": "connected", "connectionId": "c", "reconnectionToken": "t"}
        peer.send(ws.TextMessage(json.dumps(connected)))
        if len(seen) == 1:
            peer.ended.wait()
        for event in peer.events():
            if isinstance(event, ws.Ping):
                peer.send(event.response())

    with Server(script) as server:
        key = "Endpoint=http://127.0.0.1:%d;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"
        run = Run(key % server.port, 1, scenario="idle", protocol="json-reliable", **TIMES).settle()
        beat = gevent.spawn(run.beat)
        until(lambda: counters(run).get("connections_recovered"), "recovered")
        assert disconnects(run) == {"keepalive_timeout": 1}
        assert "awps_connection_id=c" in seen[1]
        beat.kill()
        run.close()


# -- which ping --------------------------------------------------------------------------------------------------------


def test_one_connection_asks_for_all() -> None:
    words = PingWords(enveloped=True)
    assert words.scout("a")
    assert not words.scout("b")
    words.answered()
    assert words.known is True
    assert not words.scout("b"), "it is known: nobody needs to ask"


@pytest.mark.parametrize(
    ("lost", "blamed_on_us", "known"),
    [
        (ConnectionLost(1007), True, False),
        (ConnectionLost(1008), True, False),
        (ConnectionLost(1001), False, False),
        (ConnectionLost(1006), False, False),
        (ConnectionLost(1006, "", EndedBy.SILENCE), False, None),
    ],
)
def test_how_the_scout_ended_says_whether_the_message_is_known(
    lost: ConnectionLost, blamed_on_us: bool, known: bool | None
) -> None:
    words = PingWords(enveloped=True)
    words.scout("a")
    assert not words.ended("b", ConnectionLost(1007)), "another one's end says nothing"
    assert words.ended("a", lost) is blamed_on_us
    assert words.known is known
    assert words.scout("c") is (known is None)


def test_a_simple_client_never_asks() -> None:
    assert not PingWords(enveloped=False).scout("a")


class Looked(Link):
    """A connection that nothing comes on, and how often it was looked at."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "open":
            self.looks += 1
        return super().__getattribute__(name)


def test_a_sweep_looks_at_every_connection_in_each_round_and_at_a_part_in_each_beat() -> None:
    clock = iter(range(0, 10**12, 100_000_000))  # a beat each 100 ms
    links = [Looked() for _ in range(1000)]
    with population_context(protocol="simple") as context:
        connections = Connections(context)
    for link in links:
        connections.opened(link)
    sweep = Sweep(connections, Keepalive(20 * NS_PER_S, 0), lambda: next(clock))
    looked = []
    for _ in range(190):  # less than an interval, so that no ping is due
        before = sum(link.looks for link in links)
        sweep.beat()
        looked.append(sum(link.looks for link in links) - before)
    assert max(looked) <= 60, "a round takes two seconds, twenty beats"
    assert {link.looks for link in links} <= {8, 9, 10}
