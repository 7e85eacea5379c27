"""The client of a locustfile's tasks: what it sends and hears, and what is counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest
from gevent.event import Event

from tests.client.api_engines import (
    client_of,
    connections_of,
    count,
    make,
    scripted,
    taken,
)
from tests.client.loopback import PATIENCE_S, Server
from wps_load.client.api import WebPubSubClient
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ConnectFailure, Finding, LocalProtocolError
from wps_load.protocol.traits import SUBPROTOCOLS, TRAITS


@pytest.mark.parametrize("protocol", SUBPROTOCOLS)
def test_messages_come_back_and_every_action_is_counted(emulator: EmulatorProcess, protocol: str) -> None:
    engine = make(emulator, protocol=protocol)
    client = client_of(engine)
    group = uuid4().hex
    client.join_group(group)
    for data in ("text", b"\x00bytes", {"b": [1, 2.5], "a": None}):
        client.send_to_group(group, data)
        message = client.receive(PATIENCE_S)
        assert message is not None
        assert message.group == group
        if isinstance(data, dict) and protocol.startswith("protobuf"):
            assert orjson.loads(str(message.data)) == data
        elif TRAITS[protocol].typed:
            assert message.data == data
        client.send_event("any", data, ack=False)
        answer = client.receive(PATIENCE_S)
        assert answer is not None
        assert answer.source == "server"
    client.leave_group(group)
    client.send_to_group(group, "nobody hears it")
    assert client.receive(0) is None
    client.end()
    seen = taken(engine)
    assert {name: count(seen, name) for name in ("connect", "connect_ready", "join_group")} == {
        "connect": 1,
        "connect_ready": 1,
        "join_group": 1,
    }
    assert count(seen, "publish_ack") == 4
    assert count(seen, "rtt") == count(seen, "rtt_service") == 6
    assert not seen.failures


def test_simple_client_hears_the_event_handler(emulator: EmulatorProcess) -> None:
    engine = make(emulator, protocol="simple")
    client = client_of(engine)
    for data, back in (("text", "text"), (b"\x00", b"\x00"), ({"a": 1}, '{"a":1}')):
        client.send(data)
        message = client.receive(PATIENCE_S)
        assert message is not None
        assert message.data == back
    client.end()
    assert count(taken(engine), "rtt") == 3


def test_simple_client_is_in_its_groups_by_its_token(emulator: EmulatorProcess) -> None:
    group = uuid4().hex
    listener = client_of(make(emulator, protocol="simple"), groups=(group,))
    listener.connect()
    client_of(make(emulator)).send_to_group(group, "hello")
    message = listener.receive(PATIENCE_S)
    assert message is not None
    assert message.data == "hello"


def test_no_echo_and_foreign_copies_are_not_rtt(emulator: EmulatorProcess) -> None:
    engine, group = make(emulator), uuid4().hex
    ours, theirs = (
        client_of(engine, groups=(group,)),
        client_of(make(emulator), groups=(group,)),
    )
    ours.connect()
    theirs.send_to_group(group, "same words")
    assert ours.receive(PATIENCE_S) is not None
    ours.send_to_group(group, "same words", no_echo=True)
    theirs.send_to_group(group, "same words")
    assert ours.receive(PATIENCE_S) is not None
    assert count(taken(engine), "rtt") == 0


def test_messages_count_in_the_measure_phase_only(emulator: EmulatorProcess) -> None:
    engine, group = make(emulator, measured=False), uuid4().hex
    client = client_of(engine, groups=(group,))
    client.send_to_group(group, "early")
    assert client.receive(PATIENCE_S) is not None
    before = taken(engine)
    assert count(before, "connect") == count(before, "join_group") == 1
    assert count(before, "rtt") == count(before, "publish_ack") == 0


def test_refused_join_is_a_finding_with_a_label(emulator: EmulatorProcess) -> None:
    engine = make(emulator, roles="webpubsub.sendToGroup")
    client = client_of(engine)
    with pytest.raises(Finding) as caught:
        client.join_group("g")
    assert caught.value.label == "ack_forbidden"
    client.send_to_group("g", "allowed")
    assert taken(engine).failures == {("join_group", "ack_forbidden"): 1}


def test_wrong_calls_are_mistakes_of_the_locustfile(emulator: EmulatorProcess) -> None:
    simple = client_of(make(emulator, protocol="simple"))
    enveloped = client_of(make(emulator))
    calls: list[Callable[[], object]] = [
        lambda: simple.join_group("g"),
        lambda: simple.send_to_group("g", "x"),
        lambda: simple.send_event("e", "x"),
        lambda: enveloped.send("x"),
        lambda: enveloped.send_to_group("g", object()),
    ]
    for wrong in calls:
        with pytest.raises(LocalProtocolError):
            wrong()
    assert not simple.connected


def test_callbacks_run_in_order_and_may_call_the_client(emulator: EmulatorProcess) -> None:
    group, done = uuid4().hex, Event()
    seen: list[Any] = []
    errors: list[Exception] = []
    client = client_of(make(emulator), on_callback_error=errors.append)

    @client.on_message
    def handle(message: Any) -> None:
        seen.append(message.data)
        if message.data == 0:
            client.send_event("ask", "and acked")
            raise ValueError("told, not fatal")
        if len(seen) == 6:
            done.set()

    client.join_group(group)
    for number in range(5):
        client.send_to_group(group, number)
    assert done.wait(PATIENCE_S)
    assert [data for data in seen if data != "and acked"] == list(range(5))
    assert [type(error) for error in errors] == [ValueError]
    with pytest.raises(LocalProtocolError):
        client.receive(0)
    client.end()


def test_a_connection_is_wanted_from_the_first_attempt_until_it_is_closed_or_lost(emulator: EmulatorProcess) -> None:
    engine = make(emulator)
    client = client_of(engine)
    assert connections_of(engine).wanted_time.count == 0, "a user that has not begun wants nothing"
    client.connect()
    counted = connections_of(engine)
    assert (counted.wanted_time.count, counted.open_time.count) == (1, 1)
    client.close()
    assert connections_of(engine).wanted_time.count == 0
    with Server(lambda sock, head: sock.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")) as server:
        refused = connections_of(scripted(server.port))
        client = WebPubSubClient(refused)
        with pytest.raises(ConnectFailure):
            client.connect()
        assert (refused.wanted_time.count, refused.open_time.count, len(refused.attempts)) == (1, 0, 0)
        client.end()
        assert refused.wanted_time.count == 0


def test_minted_tokens_may_publish_unless_roles_are_given(emulator: EmulatorProcess) -> None:
    with pytest.raises(Finding):
        client_of(make(emulator, roles="none")).send_to_group("g", "x")
    client = client_of(make(emulator), user_id="anna")
    client.join_group("g")
    assert client.user_id == client.name == "anna"
    assert client.connection_id
    client.end()


def test_wrong_values_are_refused_before_anything_is_sent(emulator: EmulatorProcess) -> None:
    engine = make(emulator)
    for wrong in ({"user_id": 42}, {"groups": ["g" * 2000]}, {"groups": "g"}):
        with pytest.raises((TypeError, ValueError)):
            client_of(engine, **wrong)
    client: Any = client_of(engine)
    calls: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: client.join_group(""), ValueError),
        (lambda: client.join_group("g", timeout=math.nan), ValueError),
        (lambda: client.leave_group(7), TypeError),
        (lambda: client.send_to_group("g" * 2000, "x"), ValueError),
        (lambda: client.send_to_group("g", "cut \ud83d"), ValueError),
        (lambda: client.send_to_group("g", {"a": math.nan}), ValueError),
        (lambda: client.send_to_group("g", None), TypeError),
        (lambda: client.send_event("not allowed", "x"), ValueError),
        (lambda: client.receive(timeout="1"), TypeError),
        (lambda: client.on_message("print"), TypeError),
    ]
    for call, error in calls:
        with pytest.raises(error):
            call()
    assert not client.connected
    for ack in (True, False):
        with pytest.raises(ValueError, match="the service takes 1,048,576"):
            client.send_to_group("g", "x" * (1 << 20), ack=ack)
    client.send_to_group("g", b"the connection goes on")
    client.end()
    found = taken(engine)
    assert found.failures == {}
    assert found.counters["connections_opened"] == 1
