"""How connections of tasks end, are recovered and are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import gevent
import orjson
import pytest
from gevent.event import Event

from tests.client.api_engines import (
    CONNECTED,
    client_of,
    count,
    make,
    scripted,
    silent,
    taken,
)
from tests.client.loopback import PATIENCE_S, Server, upgrade_answer
from wps_load.client.reconnect import BackoffPolicy
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ConnectFailure, ConnectionLost, Finding
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode, encode_frame


@pytest.mark.program
def test_connection_lost_is_reported_once_then_connects_again_and_rejoins() -> None:
    with EmulatorProcess.start(faults="disconnect=1/4,seed=3") as emulator:
        engine, group, lost = make(emulator), uuid4().hex, 0
        client = client_of(engine, groups=(group,))
        for number in range(40):
            try:
                client.send_to_group(group, number)
            except ConnectionLost:
                lost += 1
        client.end()
    seen = taken(engine)
    assert lost > 3
    assert seen.failures["disconnect", "closed_1006"] == lost
    assert count(seen, "connect") == seen.counters["connections_reconnected"] + 1
    assert seen.counters["connections_reconnected"] >= lost - 1
    assert count(seen, "rtt") > 3  # only a member of the group hears its own copies


@pytest.mark.program
def test_reliable_connection_is_recovered_under_the_call() -> None:
    with EmulatorProcess.start(faults="disconnect=1/6,seed=3") as emulator:
        engine, group = make(emulator, protocol="json-reliable"), uuid4().hex
        client = client_of(engine, groups=(group,))
        for number in range(30):
            client.send_to_group(group, number)
        received = [message.data for message in iter(lambda: client.receive(0.2), None)]
        client.end()
    seen = taken(engine)
    assert received == list(range(30))
    assert count(seen, "recover") == seen.counters["connections_recovered"] >= 1
    assert count(seen, "connect") == 1


def test_ack_that_does_not_come_is_a_finding() -> None:
    with Server(silent) as server:
        engine = scripted(server.port)
        client = client_of(engine)
        calls: list[tuple[Callable[[], object], str]] = [
            (lambda: client.send_to_group("g", "x", timeout=0.01), "ack_timeout"),
            (lambda: client.join_group("g", timeout=0.01), "join_timeout"),
            (lambda: client.leave_group("g", timeout=0.01), "leave_timeout"),
        ]
        for call, label in calls:
            with pytest.raises(Finding) as caught:
                call()
            assert caught.value.label == label
        assert client.user_id == "u"
        client.end()
    assert sum(taken(engine).failures.values()) == 3


def test_killed_while_connecting_leaves_no_connection() -> None:
    gone = Event()

    def mute(sock: Any, head: str) -> None:
        sock.sendall(upgrade_answer(head, CODECS["json"].subprotocol))
        arrived.set()
        try:
            while sock.recv(4096):
                pass
        except OSError:
            pass
        gone.set()

    arrived = Event()
    with Server(mute) as server:
        client = client_of(scripted(server.port))
        caller = gevent.spawn(client.connect)
        assert arrived.wait(PATIENCE_S)
        caller.kill()
        assert gone.wait(PATIENCE_S)
    assert not client.connected


def test_end_closes_the_connection_without_waiting() -> None:
    closed = Event()

    def until_close_frame(sock: Any, head: str) -> None:
        sock.sendall(upgrade_answer(head, CODECS["json"].subprotocol) + encode_frame(Opcode.TEXT, CONNECTED, None))
        while (received := sock.recv(4096)) and received[0] != 0x80 | Opcode.CLOSE:
            pass
        closed.set()

    with Server(until_close_frame) as server:
        engine = scripted(server.port)
        client = client_of(engine)
        client.connect()
        assert engine.open == 1
        gevent.get_hub().loop.run_callback(client.end)  # the hub may not wait: gevent would raise
        assert closed.wait(PATIENCE_S)
        assert not client.connected
    assert taken(engine).counters["connections_closed_by_plan"] == 1


def test_failed_connect_delays_the_next_one(emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    own, sleep = gevent.getcurrent(), gevent.sleep
    monkeypatch.setattr(  # of all modules, and so of every greenlet
        "wps_load.client.api_connector.gevent.sleep",
        lambda seconds=0.0: waits.append(seconds) if gevent.getcurrent() is own else sleep(seconds),
    )
    with Server(lambda sock, head: sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")) as server:
        engine = scripted(server.port)
        client = client_of(engine)
        for _ in range(2):
            with pytest.raises(ConnectFailure) as caught:
                client.connect()
            assert caught.value.label == "http_401"
    assert waits[0] == 0.0
    assert waits[1] == pytest.approx(BackoffPolicy().longest_s, abs=5)
    assert taken(engine).failures == {("connect", "http_401"): 2}


def test_a_loss_is_reported_with_the_services_own_words() -> None:
    def farewell(sock: Any, head: str) -> None:
        said = orjson.dumps({"type": "system", "event": "disconnected", "message": "quota\nexceeded"})
        sock.sendall(upgrade_answer(head, CODECS["json"].subprotocol) + encode_frame(Opcode.TEXT, CONNECTED, None))
        sock.recv(4096)
        sock.sendall(encode_frame(Opcode.TEXT, said, None) + encode_frame(Opcode.CLOSE, b"\x03\xf0", None))
        sock.recv(4096)

    with Server(farewell) as server:
        engine = scripted(server.port)
        client = client_of(engine)
        with pytest.raises(ConnectionLost) as caught:
            client.send_to_group("g", "x")
        client.end()
    assert caught.value.label == "closed_1008"
    assert str(caught.value) == "the service closed the connection with code 1008: quota exceeded"
    sentence = taken(engine).sentences["disconnect", "closed_1008"]
    assert sentence == f"a connection dropped: {caught.value}"
