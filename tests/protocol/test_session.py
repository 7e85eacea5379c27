"""The session against a tiny model of the service's rules (reliable subprotocols), losses at every step."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import Ack, Connected, DataMessage, DataType, Disconnected, Pong
from wps_load.protocol.session import (
    ACK_AFTER_BYTES,
    ACK_AFTER_MESSAGES,
    ACK_AFTER_NS,
    RECOVERY_WINDOW_NS,
    AckResult,
    PendingAck,
    Session,
    State,
)

TEXT, BINARY = int(Opcode.TEXT), int(Opcode.BINARY)
SECOND = 1_000_000_000


def wire(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def connected(token: str | None = "token-1") -> bytes:
    return wire(type="system", event="connected", connectionId="c1", userId="u1", reconnectionToken=token)


def message(sequence_id: int | None, data: str = "x") -> bytes:
    fields = {"type": "message", "from": "group", "group": "g", "dataType": "text", "data": data}
    return wire(**fields) if sequence_id is None else wire(**fields, sequenceId=sequence_id)


def session_of(name: str) -> Session:
    session = Session(CODECS[name])
    session.receive(TEXT, connected("token-1" if CODECS[name].reliable else None))
    assert session.state is State.CONNECTED
    return session


# -- states --------------------------------------------------------------------------------------------------


def test_a_pubsub_client_is_connected_by_the_first_message():
    session = Session(CODECS["json"])
    assert session.state is State.NEW
    assert session.receive(TEXT, connected(None)) == Connected("c1", "u1")
    assert session.state is State.CONNECTED
    assert (session.connection_id, session.user_id) == ("c1", "u1")


def test_a_simple_client_is_connected_by_the_upgrade():
    session = Session(CODECS["simple"])
    assert session.state is State.CONNECTED
    assert session.receive(TEXT, b"hi") == DataMessage("server", None, "text", "hi")
    assert session.receive(BINARY, b"\xff") == DataMessage("server", None, "binary", b"\xff")


@pytest.mark.parametrize("early", [message(None), wire(type="ack", ackId=1, success=True)])
def test_a_message_before_connected_breaks_the_protocol(early):
    with pytest.raises(RemoteProtocolError) as caught:
        Session(CODECS["json"]).receive(TEXT, early)
    assert caught.value.close_code == 1002


@pytest.mark.parametrize("name", ["json", "json-reliable", "protobuf", "protobuf-reliable"])
def test_the_wrong_frame_type_breaks_the_protocol(name):
    wrong = BINARY if name.startswith("json") else TEXT
    with pytest.raises(RemoteProtocolError) as caught:
        Session(CODECS[name]).receive(wrong, b"{}")
    assert caught.value.close_code == 1003


def test_other_messages_pass_through():
    session = session_of("json")
    assert session.receive(TEXT, message(None)) == DataMessage("group", "g", "text", "x")
    assert session.receive(TEXT, wire(type="pong")) == Pong()
    assert session.receive(TEXT, wire(type="ack", ackId=1, success=True)) == Ack(1, True)
    assert session.receive(TEXT, wire(type="system", event="disconnected", message="m")) == Disconnected("m")
    assert session.receive(TEXT, wire(type="fromTheFuture")) is None


@pytest.mark.parametrize("name", ["simple", "json", "protobuf"])
def test_without_reliability_a_loss_is_final(name):
    session = Session(CODECS[name])
    session.lost(0)
    assert session.state is State.CLOSED
    assert session.recovery_query() is None
    with pytest.raises(LocalProtocolError):
        session.recovered()


def test_nothing_comes_in_without_a_connection():
    session = session_of("json-reliable")
    session.lost(0)
    with pytest.raises(LocalProtocolError):
        session.receive(TEXT, message(1))
    session.close()
    with pytest.raises(LocalProtocolError):
        session.receive(TEXT, message(1))


def test_the_socket_may_end_after_we_closed():
    session = session_of("json-reliable")
    session.close()
    session.lost(5)
    session.close()
    assert session.state is State.CLOSED
    assert not session.may_recover(5)


def test_a_connection_cannot_recover_before_it_is_lost():
    with pytest.raises(LocalProtocolError):
        session_of("json-reliable").recovered()


# -- acks ----------------------------------------------------------------------------------------------------


def test_acks_find_their_requests():
    session = session_of("json")
    first, second = session.next_ack_id(), session.next_ack_id()
    assert (first, second) == (1, 2)
    session.expect_ack(first, "join_group", "context-1")
    session.expect_ack(second, "publish", "context-2", b"payload")
    assert session.resolve(Ack(2, True)) == AckResult("publish", "context-2", True, False, None)
    denied = session.resolve(Ack(1, False, "Forbidden", "free text"))
    assert denied == AckResult("join_group", "context-1", False, False, "Forbidden")
    assert session.pending_acks == 0


def test_duplicate_is_success():
    session = session_of("json")
    session.expect_ack(1, "publish", None)
    assert session.resolve(Ack(1, False, "Duplicate")) == AckResult("publish", None, True, True, "Duplicate")


def test_acks_that_nobody_waits_for_are_counted():
    session = session_of("json")
    session.expect_ack(1, "publish", None)
    session.resolve(Ack(1, True))
    assert session.resolve(Ack(1, True)) is None
    assert session.resolve(Ack(99, True)) is None
    assert session.unknown_acks == 2


def test_waiting_can_be_given_up():
    session = session_of("json-reliable")
    for ack_id in (1, 2, 3):
        session.expect_ack(ack_id, "publish", ack_id, b"%d" % ack_id)
    assert session.abandon(2) == PendingAck("publish", 2, b"2")
    assert session.abandon(2) is None
    assert [pending.context for pending in session.abandon_all()] == [1, 3]
    session.lost(0)
    assert session.recovered() == []


def test_payloads_are_kept_only_where_they_can_be_sent_again():
    session = session_of("json")
    session.expect_ack(1, "publish", None, b"payload")
    assert session.abandon_all() == [PendingAck("publish", None, None)]


# -- sequence ids --------------------------------------------------------------------------------------------


def acked(payload: bytes | None) -> int | None:
    if payload is None:
        return None
    fields = json.loads(payload)
    assert fields["type"] == "sequenceAck"
    return int(fields["sequenceId"])


def test_duplicates_are_dropped_and_counted_and_acked_again():
    session = session_of("json-reliable")
    assert session.receive(TEXT, message(1)) is not None
    assert acked(session.sequence_ack_due(0)) == 1
    assert session.receive(TEXT, message(1)) is None
    assert session.duplicates_dropped == 1
    assert acked(session.sequence_ack_due(ACK_AFTER_NS)) == 1


def test_gaps_are_counted():
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    assert session.receive(TEXT, message(5)) is not None
    assert session.sequence_gaps == 3


def test_a_slow_stream_is_acked_once_a_second():
    session = session_of("json-reliable")
    assert session.sequence_ack_due(0) is None
    session.receive(TEXT, message(1))
    assert acked(session.sequence_ack_due(100)) == 1
    session.receive(TEXT, message(2))
    assert session.sequence_ack_due(100 + ACK_AFTER_NS - 1) is None
    assert acked(session.sequence_ack_due(100 + ACK_AFTER_NS)) == 2
    assert session.sequence_ack_due(100 + 10 * ACK_AFTER_NS) is None


def test_a_fast_stream_is_acked_by_count():
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    session.sequence_ack_due(0)
    for sequence_id in range(2, ACK_AFTER_MESSAGES + 1):
        session.receive(TEXT, message(sequence_id))
    assert session.sequence_ack_due(1) is None
    session.receive(TEXT, message(ACK_AFTER_MESSAGES + 1))
    assert acked(session.sequence_ack_due(1)) == ACK_AFTER_MESSAGES + 1


def test_big_messages_are_acked_by_bytes():
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    session.sequence_ack_due(0)
    session.receive(TEXT, message(2, "x" * (ACK_AFTER_BYTES // 2)))
    assert session.sequence_ack_due(1) is None
    session.receive(TEXT, message(3, "x" * (ACK_AFTER_BYTES // 2)))
    assert acked(session.sequence_ack_due(1)) == 3


def test_the_services_queue_does_not_overflow_at_2000_messages_a_second():
    """With 100 ms between a message's departure and its ack's arrival, the queue of 1,000 stays below."""
    session = session_of("json-reliable")
    on_the_way: list[tuple[int, int]] = []  # (arrives at, up to)
    trimmed = worst = 0
    for sequence_id in range(1, 6001):
        now_ns = sequence_id * SECOND // 2000
        session.receive(TEXT, message(sequence_id))
        payload = session.sequence_ack_due(now_ns)
        if payload is not None:
            on_the_way.append((now_ns + SECOND // 10, acked(payload) or 0))
        while on_the_way and on_the_way[0][0] <= now_ns:
            trimmed = on_the_way.pop(0)[1]
        worst = max(worst, sequence_id - trimmed)
    assert worst <= 2 * ACK_AFTER_MESSAGES + 1


def test_no_sequence_acks_without_reliability():
    session = session_of("json")
    session.receive(TEXT, message(None))
    assert session.sequence_ack_due(10 * SECOND) is None


def test_the_protobuf_variant_keeps_sequence_ids_too():
    session = Session(CODECS["protobuf-reliable"])
    session.receive(BINARY, bytes.fromhex("1a100a0e0a01631201751a06736563726574"))
    one = bytes.fromhex("12160a0567726f75701204726f6f6d1a050a036f6e652001")
    assert session.receive(BINARY, one) == DataMessage("group", "room", "text", "one", 1)
    assert session.receive(BINARY, one) is None
    assert session.sequence_ack_due(0) == bytes.fromhex("42020801")
    query = session.recovery_query()
    assert query == {"awps_connection_id": "c", "awps_reconnection_token": "secret"}


# -- recovery ------------------------------------------------------------------------------------------------


def test_unanswered_requests_are_sent_again_after_a_recovery():
    session = session_of("json-reliable")
    for ack_id in (1, 2, 3):
        session.expect_ack(ack_id, "publish", ack_id, b"payload %d" % ack_id)
    session.resolve(Ack(2, True))
    session.lost(0)
    assert session.state is State.RECOVERING
    assert session.recovered() == [b"payload 1", b"payload 3"]
    assert session.state is State.CONNECTED


def test_the_window_is_thirty_seconds_from_the_loss():
    session = session_of("json-reliable")
    session.lost(100)
    assert session.may_recover(100 + RECOVERY_WINDOW_NS - 1)
    session.lost(100 + 20 * SECOND)  # an attempt failed
    assert session.may_recover(100 + RECOVERY_WINDOW_NS - 1)
    assert not session.may_recover(100 + RECOVERY_WINDOW_NS)


def test_a_recovered_connection_has_a_new_window():
    session = session_of("json-reliable")
    session.lost(0)
    session.recovered()
    assert not session.may_recover(SECOND)
    session.lost(40 * SECOND)
    assert session.may_recover(60 * SECOND)


@pytest.mark.parametrize("after_101", [True, False])
def test_1008_means_gone(after_101):
    session = session_of("json-reliable")
    session.expect_ack(1, "publish", "context", b"payload")
    session.lost(0)
    if after_101:
        session.recovered()
    session.lost(SECOND, code=1008)
    assert session.state is State.CLOSED
    assert not session.may_recover(SECOND)
    assert [pending.context for pending in session.abandon_all()] == ["context"]


def test_connected_after_a_recovery_updates_the_token_and_nothing_else():
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    session.lost(0)
    session.recovered()
    again = {"connectionId": "other", "userId": "other", "reconnectionToken": "token-2"}
    session.receive(TEXT, wire(type="system", event="connected", **again))
    assert (session.connection_id, session.user_id) == ("c1", "u1")
    query = session.recovery_query()
    assert query == {"awps_connection_id": "c1", "awps_reconnection_token": "token-2"}
    assert session.receive(TEXT, message(1)) is None


def test_the_last_ack_is_said_again_after_a_recovery():
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    assert acked(session.sequence_ack_due(0)) == 1
    session.lost(1)
    assert session.sequence_ack_due(SECOND * 5) is None
    session.recovered()
    assert acked(session.sequence_ack_due(2)) == 1
    assert session.sequence_ack_due(2) is None


def test_secrets_are_not_shown():
    assert "token-1" not in repr(session_of("json-reliable"))
    assert "token-1" not in repr(Connected("c1", "u1", "token-1"))


# -- against a model of the service --------------------------------------------------------------------------


class Service:
    """The rules of the reliable subprotocol: queue, cumulative acks, ack memory, replay, 30 s of state."""

    def __init__(self) -> None:
        self.unacked: dict[int, str] = {}
        self.next_sequence_id = 1
        self.done: set[int] = set()
        self.executed: list[str] = []
        self.lost_ns: int | None = None
        self.wire: list[bytes] = [connected()]
        """What is on its way to the client; dies with the socket."""

    def publish(self, data: str) -> None:
        self.unacked[self.next_sequence_id] = data
        if self.lost_ns is None:
            self.wire.append(message(self.next_sequence_id, data))
        self.next_sequence_id += 1

    def take(self, payload: bytes) -> None:
        fields = json.loads(payload)
        if fields["type"] == "sequenceAck":
            self.unacked = {n: data for n, data in self.unacked.items() if n > fields["sequenceId"]}
            return
        ack_id = fields["ackId"]
        if ack_id in self.done:
            error = {"name": "Duplicate", "message": f"Message with ack-id: {ack_id} has been processed"}
            self.wire.append(wire(type="ack", ackId=ack_id, success=False, error=error))
            return
        self.done.add(ack_id)
        self.executed.append(fields["data"])
        self.publish(fields["data"])
        self.wire.append(wire(type="ack", ackId=ack_id, success=True))

    def cut(self, now_ns: int) -> None:
        self.wire.clear()
        self.lost_ns = now_ns

    def recover(self, query: dict[str, str], now_ns: int) -> int | None:
        """None: recovered; else the close code."""
        assert query == {"awps_connection_id": "c1", "awps_reconnection_token": "token-1"}
        assert self.lost_ns is not None
        if now_ns - self.lost_ns > RECOVERY_WINDOW_NS:
            return 1008
        self.lost_ns = None
        self.wire.extend(message(n, data) for n, data in self.unacked.items())
        return None


class Client:
    """What a caller does with a session: no more than this is needed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.session = Session(CODECS["json-reliable"])
        self.template = CODECS["json-reliable"].publish_template("group", "g", DataType.TEXT)
        self.received: list[object] = []
        self.results: list[AckResult] = []
        self.now_ns = 0
        self.published = 0
        self.read(1)

    def publish(self, reaches_service: bool) -> None:
        if self.session.state is not State.CONNECTED:
            return
        data = f"m{self.published}"
        self.published += 1
        ack_id = self.session.next_ack_id()
        payload = self.template.encode(data.encode(), ack_id)
        self.session.expect_ack(ack_id, "publish", data, payload)
        if reaches_service:
            self.service.take(payload)
        else:
            self.cut()  # written to a socket whose other end is gone

    def read(self, count: int) -> None:
        for _ in range(min(count, len(self.service.wire))):
            got = self.session.receive(TEXT, self.service.wire.pop(0))
            if isinstance(got, DataMessage):
                self.received.append(got.data)
            elif isinstance(got, Ack):
                result = self.session.resolve(got)
                if result is not None:
                    self.results.append(result)
        payload = self.session.sequence_ack_due(self.now_ns)
        if payload is not None:
            self.service.take(payload)

    def cut(self) -> None:
        if self.session.state is State.CONNECTED:
            self.service.cut(self.now_ns)
            self.session.lost(self.now_ns)

    def recover(self) -> None:
        query = self.session.recovery_query()
        if self.session.state is not State.RECOVERING or query is None:
            return
        code = self.service.recover(query, self.now_ns)
        if code is not None:
            self.session.lost(self.now_ns, code)
            return
        for payload in self.session.recovered():
            self.service.take(payload)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.booleans()),
        st.tuples(st.just("service"), st.integers(1, 3)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("recover"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 2 * SECOND)),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps)
def test_nothing_is_lost_or_done_twice_whenever_the_socket_goes(script):
    service = Service()
    client = Client(service)
    others = 0
    for action, argument in script:
        if action == "publish":
            client.publish(bool(argument))
        elif action == "service":
            for _ in range(argument):
                service.publish(f"other {others}")
                others += 1
        elif action == "read":
            client.read(argument)
        elif action == "cut":
            client.cut()
        elif action == "recover":
            client.recover()
        elif client.session.state is State.CONNECTED:
            client.now_ns += argument
    client.recover()
    client.read(10_000)
    client.now_ns += ACK_AFTER_NS
    client.read(10_000)

    assert service.executed.count("m0") <= 1
    assert sorted(service.executed) == sorted(f"m{i}" for i in range(client.published))
    assert len(client.received) == len(set(client.received)) == client.published + others
    assert sorted(str(result.context) for result in client.results) == sorted(service.executed)
    assert all(result.ok for result in client.results)
    assert client.session.pending_acks == 0
    assert client.session.sequence_gaps == 0
    assert client.session.unknown_acks == 0
    assert service.unacked == {}


def test_a_recovery_that_comes_too_late_loses_what_the_service_forgot():
    service = Service()
    client = Client(service)
    client.publish(True)
    client.cut()
    client.now_ns += RECOVERY_WINDOW_NS + 1
    assert not client.session.may_recover(client.now_ns)
    client.recover()
    assert client.session.state is State.CLOSED
    assert [pending.context for pending in client.session.abandon_all()] == ["m0"]
