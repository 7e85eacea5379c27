"""The session against a tiny model of the service's rules (reliable subprotocols), losses at every step."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.session_messages import SECOND, TEXT, connected, message, wire
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import Ack, DataMessage, DataType
from wps_load.protocol.session import ACK_AFTER_NS, RECOVERY_WINDOW_NS, AckResult, Session
from wps_load.protocol.session_states import State


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
def test_nothing_is_lost_or_done_twice_whenever_the_socket_goes(script: list[tuple[str, int]]) -> None:
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
    assert client.session.unanswered == 0
    assert client.session.sequence_gaps == 0
    assert client.session.unknown_acks == 0
    assert service.unacked == {}


def test_a_recovery_that_comes_too_late_loses_what_the_service_forgot() -> None:
    service = Service()
    client = Client(service)
    client.publish(True)
    client.cut()
    client.now_ns += RECOVERY_WINDOW_NS + 1
    assert not client.session.may_recover(client.now_ns)
    client.recover()
    assert client.session.state is State.CLOSED
    assert [pending.context for pending in client.session.abandon_all()] == ["m0"]
