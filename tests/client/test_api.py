"""The client of a locustfile's tasks, against the emulator and against servers that misbehave."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import gevent
import orjson
import pytest
from gevent.event import Event

from tests.client.loopback import PATIENCE_S, Server, upgrade_answer
from wps_load.client.access import UrlAccess
from wps_load.client.api import WebPubSubClient
from wps_load.client.connections import Connections
from wps_load.client.engine import Engine
from wps_load.client.epochs import Epoch
from wps_load.client.reconnect import BackoffPolicy
from wps_load.clock import now_ns
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import ConnectFailure, ConnectionLost, Finding, LocalProtocolError
from wps_load.measure.snapshot import Snapshot
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode, encode_frame
from wps_load.protocol.traits import SUBPROTOCOLS, TRAITS
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.sources import Locustfile
from wps_load.swarm.engines import make_engine

NEVER_NS = 1 << 62
TASKS = Locustfile(plays_scenario=False, classes=(TaskClass("Own"),))
CONNECTED = orjson.dumps({"type": "system", "event": "connected", "userId": "u", "connectionId": "c"})


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with EmulatorProcess.start() as process:
        yield process


def make(emulator: EmulatorProcess, measured: bool = True, **options: str) -> Engine:
    values = {f"wps_{name}": text for name, text in options.items()}
    config = load(values, users=1, spawn_rate=1.0, environ={}, locustfile=TASKS)
    config = config.with_emulator(emulator.connection_string)
    identity = {"run_id": uuid4().hex[:8], "number": 1, "users": 1}
    engine = make_engine(config, identity, lambda kind, sentence: None)
    if measured:
        began = Event()
        engine.announce(Epoch(1, now_ns(), NEVER_NS))
        engine.run.scheduler.call_at(now_ns(), lambda _: began.set())
        assert began.wait(PATIENCE_S)
    return engine


def connections_of(engine: Engine) -> Connections:
    return engine.populations[0].connections


def client_of(engine: Engine, **options: Any) -> WebPubSubClient:
    return WebPubSubClient(connections_of(engine), **options)


def taken(engine: Engine) -> Snapshot:
    return engine.run.recorder.take()


def count(snapshot: Snapshot, name: str) -> int:
    histogram = snapshot.histograms.get(name)
    return 0 if histogram is None else histogram.count


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


def test_no_echo_and_foreign_copies_are_no_rtt(emulator: EmulatorProcess) -> None:
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


@pytest.mark.program
def test_connection_lost_is_told_once_then_connects_anew_and_rejoins() -> None:
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


def scripted(port: int, **options: str) -> Engine:
    """An engine whose target is a Server of loopback's."""
    url = f"ws://127.0.0.1:{port}/client/hubs/h?access_token=T"
    config = load({"wps_client_url": url, **options}, users=1, spawn_rate=1.0, environ={})
    engine = make_engine(config, {"run_id": "r", "number": 1, "users": 1}, lambda kind, sentence: None)
    assert isinstance(engine.populations[0].context.access, UrlAccess)
    return engine


def silent(sock: Any, head: str) -> None:
    """Connects, and answers no request until the client goes."""
    sock.sendall(upgrade_answer(head, CODECS["json"].subprotocol) + encode_frame(Opcode.TEXT, CONNECTED, None))
    while sock.recv(4096):
        pass


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


def test_a_loss_is_told_with_the_services_own_words() -> None:
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
    assert sentence == f"a connection ended unasked: {caught.value}"
