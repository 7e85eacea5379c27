"""The client's session against the emulator's hub, both reliable subprotocols, in memory: no socket, time as a number.

Neither side shares code with the other below the message values, so a mistake in one is not repeated by the other.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.fakes import CUT, FakeLink, HubUnderTest, payload_of
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.emulator.hub import RECOVERY_WINDOW_NS as SERVICE_WINDOW_NS
from wps_load.emulator.json_wire import JSON, JSON_RELIABLE
from wps_load.emulator.protobuf_wire import PROTOBUF_RELIABLE
from wps_load.emulator.reliable import MAX_MESSAGES
from wps_load.emulator.wires import Wire
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import Ack, DataMessage, DataType, JoinGroup, SendToGroup, SequenceAck
from wps_load.protocol.session import ACK_AFTER_NS, RECOVERY_WINDOW_NS, AckResult, Session
from wps_load.protocol.session_states import State

ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
WIRES: dict[str, Wire] = {"json-reliable": JSON_RELIABLE, "protobuf-reliable": PROTOBUF_RELIABLE}
protocols = pytest.mark.parametrize("protocol", WIRES)
GONE = 1008


class Client:
    """A session, and the hub on the other end of wires that can lose what is on them in either direction."""

    def __init__(self, world: HubUnderTest, protocol: str) -> None:
        self.world = world
        self.codec = CODECS[protocol]
        self.session = Session(self.codec)
        self.template = self.codec.publish_template("group", "g", DataType.TEXT)
        self.link = FakeLink()
        self.connection = world.hub.connect("c1", WIRES[protocol], self.link, "u", ROLES)
        self.now_ns = 0
        self.received: list[object] = []
        self.results: list[AckResult] = []
        self.published = 0
        self.lost_on_the_way = 0
        self.read()

    def send(self, payload: bytes, *, arrives: bool = True) -> None:
        """Sends one frame. If it does not arrive, the socket is lost too, as with TCP."""
        if not arrives:
            self.cut()
            return
        self.world.hub.receive(self.connection, self.connection.wire.decode(self.codec.opcode, payload), self.now_ns)

    def request(self, kind: str, payload: bytes, ack_id: int, *, arrives: bool = True) -> None:
        self.session.expect_ack(ack_id, kind, payload, payload)
        self.send(payload, arrives=arrives)

    def join(self, *, arrives: bool = True) -> None:
        ack_id = self.session.next_ack_id()
        self.request("join_group", self.codec.encode(JoinGroup("g", ack_id)), ack_id, arrives=arrives)

    def publish(self, *, arrives: bool = True) -> None:
        ack_id = self.session.next_ack_id()
        payload = self.template.encode(b"m%d" % self.published, ack_id)
        self.published += 1
        self.request("publish", payload, ack_id, arrives=arrives)

    def read(self, count: int = 1_000_000, *, sequence_ack_arrives: bool = True) -> None:
        """Takes what the service has written, at most `count` frames, and acknowledges it when that is due."""
        frames, self.link.frames[:] = self.link.frames[:count], self.link.frames[count:]
        for frame in frames:
            got = self.session.receive(frame[0] & 15, payload_of(frame))
            if isinstance(got, DataMessage):
                self.received.append(got.data)
            elif isinstance(got, Ack):
                result = self.session.resolve(got)
                if result is not None:
                    self.results.append(result)
        payload = self.session.sequence_ack_due(self.now_ns)
        if payload is not None:
            self.send(payload, arrives=sequence_ack_arrives)

    def cut(self) -> None:
        """The socket is gone, and with it what was written to it but not read."""
        self.lost_on_the_way += len(self.link.frames)
        self.link.open = False
        self.world.hub.lose(self.connection, self.link, CUT, self.now_ns)
        self.session.lost(self.now_ns)

    def recover(self) -> bool:
        query = self.session.recovery_query()
        assert query is not None
        link = FakeLink()
        token = query["awps_reconnection_token"]
        found = self.world.hub.recoverable(query["awps_connection_id"], token, self.now_ns)
        if found is None:
            self.session.lost(self.now_ns, GONE)
            return False
        self.world.hub.recover(found, link, self.now_ns)
        self.link = link
        for payload in self.session.recovered():
            self.send(payload)
        return True


class Other:
    """Another member's publications, which need no session."""

    def __init__(self, world: HubUnderTest) -> None:
        self.world = world
        self.connection = world.hub.connect("other", JSON, FakeLink(), "o", ROLES)
        self.count = 0

    def publish(self, now_ns: int = 0) -> None:
        data = b"other%d" % self.count
        self.count += 1
        self.world.hub.receive(self.connection, SendToGroup("g", DataType.TEXT, data), now_ns)


def joined(protocol: str, window_ns: int = SERVICE_WINDOW_NS) -> tuple[HubUnderTest, Client, Other]:
    world = HubUnderTest(window_ns)
    client = Client(world, protocol)
    client.join()
    client.read()
    assert client.results.pop().ok
    return world, client, Other(world)


# -- losses at every step ------------------------------------------------------------------------------------


@protocols
def test_the_first_frame_makes_the_session(protocol: str) -> None:
    client = Client(HubUnderTest(), protocol)
    assert (client.session.state, client.session.connection_id) == (State.CONNECTED, "c1")
    assert client.session.user_id == "u"


@protocols
def test_a_join_that_never_arrived_is_done_by_the_recovery(protocol: str) -> None:
    world = HubUnderTest()
    client = Client(world, protocol)
    client.join(arrives=False)
    assert "g" not in world.hub.groups
    assert client.recover()
    client.read()
    assert [(result.kind, result.ok, result.duplicate) for result in client.results] == [("join_group", True, False)]
    assert list(world.hub.groups["g"]) == ["c1"]


@protocols
def test_a_lost_ack_comes_as_duplicate_and_nothing_is_done_twice(protocol: str) -> None:
    _, client, _ = joined(protocol)
    client.publish()
    client.cut()  # the echo and the ack were under way
    assert client.lost_on_the_way == 2
    assert client.recover()
    client.read()
    assert client.received == ["m0"]
    assert [(result.ok, result.duplicate) for result in client.results] == [(True, True)]
    assert client.session.unanswered == 0


@protocols
def test_a_refused_request_is_refused_again_after_a_recovery(protocol: str) -> None:
    """`Forbidden` is not a success, so its id is not remembered: the same id is a new request."""
    _, client, _ = joined(protocol)
    client.connection.permissions.revoke("sendToGroup", "g")
    client.publish()
    client.cut()
    assert client.recover()
    client.read()
    assert [(result.ok, result.error) for result in client.results] == [(False, "Forbidden")]


@protocols
def test_a_lost_sequence_ack_brings_replays_which_are_dropped_and_counted(protocol: str) -> None:
    _, client, other = joined(protocol)
    for _ in range(3):
        other.publish()
    client.read(sequence_ack_arrives=False)
    assert client.session.state is State.RECOVERING
    other.publish()  # while nobody listens
    assert client.recover()
    client.read()
    assert client.received == ["other0", "other1", "other2", "other3"]
    assert client.session.duplicates_dropped == 3
    assert client.session.sequence_gaps == 0
    assert client.connection.queue is not None
    assert len(client.connection.queue) == 0, "the recovery made the acknowledgement due at once"


@protocols
def test_a_socket_lost_again_during_the_replay(protocol: str) -> None:
    _, client, other = joined(protocol)
    client.cut()
    for _ in range(5):
        other.publish()
    for readable in range(5):
        assert client.recover()
        client.read(readable, sequence_ack_arrives=False)
        if client.session.state is State.CONNECTED:
            client.cut()
    assert client.recover()
    client.read()
    assert client.received == [f"other{number}" for number in range(5)]
    assert client.session.sequence_gaps == 0


@protocols
def test_a_recovery_within_the_service_s_window_but_beyond_ours_is_not_tried(protocol: str) -> None:
    world, client, _ = joined(protocol, 2 * RECOVERY_WINDOW_NS)
    client.cut()
    client.now_ns += RECOVERY_WINDOW_NS
    assert not client.session.may_recover(client.now_ns)
    world.hub.expire(client.now_ns)
    assert "c1" in world.hub.connections, "a service may keep a connection longer than it must"


@protocols
def test_a_recovery_beyond_the_window_is_gone_and_its_requests_are_known(protocol: str) -> None:
    world, client, other = joined(protocol)
    client.publish(arrives=False)
    client.now_ns += SERVICE_WINDOW_NS
    world.hub.expire(client.now_ns)
    assert world.gone == [("c1", "The recovery window has passed.")]
    assert not client.recover()
    assert client.session.state is State.CLOSED
    assert [pending.kind for pending in client.session.abandon_all()] == ["publish"]
    other.publish()
    assert "g" not in world.hub.groups


@protocols
def test_a_connection_that_overflowed_while_it_was_away_cannot_be_recovered(protocol: str) -> None:
    world, client, other = joined(protocol)
    client.cut()
    for _ in range(MAX_MESSAGES + 1):
        other.publish()
    assert "c1" not in world.hub.connections
    assert not client.recover()
    assert client.session.state is State.CLOSED


@protocols
def test_a_thousand_messages_wait_for_one_that_is_away(protocol: str) -> None:
    _, client, other = joined(protocol)
    client.cut()
    for _ in range(MAX_MESSAGES):
        other.publish()
    assert client.recover()
    client.read()
    assert client.received == [f"other{number}" for number in range(MAX_MESSAGES)]
    assert client.session.duplicates_dropped == 0


# -- any order of anything -----------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.booleans()),
        st.tuples(st.just("other"), st.integers(1, 3)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.tuples(st.just("read, ack lost"), st.integers(1, 5)),
        st.tuples(st.just("cut"), st.just(0)),
        st.tuples(st.just("recover"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 2 * NS_PER_S)),
    ),
    max_size=40,
)


def do(client: Client, other: Other, action: str, argument: int) -> None:
    there = client.session.state is State.CONNECTED
    if action == "other":
        for _ in range(argument):
            other.publish(client.now_ns)
    elif action == "recover" and client.session.state is State.RECOVERING:
        assert client.recover()
    elif action == "publish" and there:
        client.publish(arrives=bool(argument))
    elif action.startswith("read") and there:
        client.read(argument, sequence_ack_arrives=action == "read")
    elif action == "cut" and there:
        client.cut()
    elif action == "wait" and there:
        client.now_ns += argument


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(WIRES)), steps)
def test_nothing_is_lost_or_done_twice_whatever_gets_lost(protocol: str, script: list[tuple[str, int]]) -> None:
    _, client, other = joined(protocol)
    for action, argument in script:
        do(client, other, action, argument)
    if client.session.state is State.RECOVERING:
        assert client.recover()
    client.read()
    client.now_ns += ACK_AFTER_NS
    client.read()

    ours = [f"m{number}" for number in range(client.published)]
    theirs = [f"other{number}" for number in range(other.count)]
    assert sorted(map(str, client.received)) == sorted(ours + theirs)
    assert [data for data in client.received if data in theirs] == theirs, "another's messages keep their order"
    assert len(client.results) == client.published
    assert all(result.ok for result in client.results)
    assert client.session.unanswered == 0
    assert (client.session.sequence_gaps, client.session.unknown_acks) == (0, 0)
    assert client.connection.queue is not None
    assert len(client.connection.queue) == 0


# -- pace ----------------------------------------------------------------------------------------------------


@protocols
@pytest.mark.parametrize(("rate", "one_way_ms"), [(2_000, 1), (2_000, 100), (2_000, 180), (100, 400)])
def test_the_services_queue_of_a_thousand_never_overflows(protocol: str, rate: int, one_way_ms: int) -> None:
    """Five seconds at `rate`: a message is so long on its way to the client, and an acknowledgement back."""
    world, client, other = joined(protocol)
    queue = client.connection.queue
    assert queue is not None
    down: deque[tuple[int, list[bytes]]] = deque()
    up: deque[tuple[int, bytes]] = deque()
    acked: list[SequenceAck] = []
    longest = 0
    for number in range(5 * rate):
        now_ns = number * NS_PER_S // rate
        while up and up[0][0] <= now_ns:
            message = client.connection.wire.decode(client.codec.opcode, up.popleft()[1])
            assert isinstance(message, SequenceAck)
            acked.append(message)
            world.hub.receive(client.connection, message, now_ns)
        other.publish(now_ns)
        down.append((now_ns + one_way_ms * NS_PER_MS, client.link.frames[:]))
        client.link.frames.clear()
        while down and down[0][0] <= now_ns:
            for frame in down.popleft()[1]:
                assert client.session.receive(frame[0] & 15, payload_of(frame)) is not None
            payload = client.session.sequence_ack_due(now_ns)
            if payload is not None:
                up.append((now_ns + one_way_ms * NS_PER_MS, payload))
        longest = max(longest, len(queue))
    assert client.connection.alive
    assert longest < MAX_MESSAGES
    # by count: a fifth of the queue; by time: within a second at any rate
    assert len(acked) >= 4 * max(1, rate // 400)
