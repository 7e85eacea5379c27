from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.emulator.fakes import CUT, FakeLink, HubUnderTest
from wps_load.clock import NS_PER_S
from wps_load.emulator.hub import ACK_MEMORY, RECOVERY_WINDOW_NS
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.json_wire import JSON, JSON_RELIABLE
from wps_load.emulator.reliable import MAX_BYTES, MAX_MESSAGES, ReliableQueue
from wps_load.emulator.server_frames import ConnectionEnd
from wps_load.emulator.subprotocols import WIRES
from wps_load.emulator.wires import SIMPLE, RoutedMessage, Wire
from wps_load.protocol.messages import (
    DataType,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    Upstream,
)

ALL_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
HELLO = SendToGroup("g", DataType.TEXT, b"hello")


class Client:
    """A connection with its fake socket."""

    def __init__(
        self,
        world: HubUnderTest,
        name: str,
        wire: Wire = JSON,
        roles: Iterable[str] = ALL_ROLES,
        groups: tuple[str, ...] = (),
    ) -> None:
        self.world = world
        self.link = FakeLink()
        self.connection: HubConnection = world.hub.connect(name, wire, self.link, f"user-{name}", roles, groups)
        self.hello = self.link.read() if wire is not SIMPLE else []

    def send(self, message: Upstream, now_ns: int = 0) -> SendEvent | None:
        return self.world.hub.receive(self.connection, message, now_ns)

    def lose(self, now_ns: int = 0, end: ConnectionEnd = CUT) -> None:
        self.link.open = False
        self.world.hub.lose(self.connection, self.link, end, now_ns)

    def lose_and_recover(self) -> bool:
        self.lose()
        return self.recover()

    def recover(self, now_ns: int = 0, token: str | None = None) -> bool:
        token = token or self.connection.reconnection_token or ""
        found = self.world.hub.recoverable(self.connection.id, token, now_ns)
        if found is not None:
            self.link = FakeLink()
            self.world.hub.recover(found, self.link, now_ns)
        return found is not None


@pytest.fixture
def world() -> HubUnderTest:
    return HubUnderTest()


def test_connected_is_the_first_frame(world: HubUnderTest) -> None:
    hello = {"type": "system", "event": "connected", "userId": "user-a", "connectionId": "a"}
    assert Client(world, "a").hello == [hello]
    assert Client(world, "b", JSON_RELIABLE).hello[0]["reconnectionToken"] == "token1"
    assert Client(world, "c", SIMPLE).link.frames == []


def test_a_publication_reaches_every_member_and_the_sender_unless_it_wants_no_echo(
    world: HubUnderTest,
) -> None:
    a, b, outsider = Client(world, "a", groups=("g",)), Client(world, "b", groups=("g",)), Client(world, "c")
    a.send(HELLO)
    expected = {
        "type": "message",
        "from": "group",
        "group": "g",
        "fromUserId": "user-a",
        "dataType": "text",
        "data": "hello",
    }
    assert a.link.read() == b.link.read() == [expected]
    a.send(SendToGroup("g", DataType.TEXT, b"hello", None, True))
    assert (len(a.link.read()), len(b.link.read()), len(outsider.link.read())) == (0, 1, 0)


def test_members_of_one_protocol_share_one_frame(world: HubUnderTest) -> None:
    members = [Client(world, f"m{i}", groups=("g",)) for i in range(3)]
    members[0].send(HELLO)
    assert len({id(member.link.frames[0]) for member in members}) == 1
    assert world.stats.deliveries == 3


def test_one_payload_for_five_kinds_of_client(world: HubUnderTest) -> None:
    clients = [Client(world, wire.name, wire, groups=("g",)) for wire in WIRES if wire.name[0] in "sj"]
    binary = [world.hub.connect(w.name, w, FakeLink(), None, (), ("g",)) for w in WIRES if "proto" in w.name]
    clients[1].send(HELLO)
    assert clients[0].link.frames == [b"\x81\x05hello"]
    assert clients[1].link.read()[0]["data"] == "hello"
    assert clients[2].link.read()[0]["sequenceId"] == 1
    for connection, tail in zip(binary, (b"", b"\x20\x01"), strict=True):
        assert isinstance(connection.link, FakeLink)
        assert connection.link.frames[-1].endswith(b"\x1a\x07\x0a\x05hello" + tail)


@pytest.mark.parametrize(
    ("message", "deed"),
    [
        (JoinGroup("g", 1), "join group 'g'"),
        (LeaveGroup("g", 1), "leave group 'g'"),
        (SendToGroup("g", DataType.TEXT, b"x", 1), "send to group 'g'"),
    ],
)
def test_without_the_role_it_is_forbidden_and_may_be_tried_again(
    world: HubUnderTest, message: Upstream, deed: str
) -> None:
    client = Client(world, "a", roles=())
    for _ in range(2):
        client.send(message)
        [ack] = client.link.read()
        assert (ack["success"], ack["error"]["name"]) == (False, "Forbidden")
        assert deed in ack["error"]["message"]


def test_without_an_ack_id_a_refusal_is_silent(world: HubUnderTest) -> None:
    client = Client(world, "a", roles=())
    client.send(HELLO)
    assert client.link.read() == []


def test_a_repeated_ack_id_is_not_executed_again(world: HubUnderTest) -> None:
    client = Client(world, "a", groups=("g",))
    client.send(SendToGroup("g", DataType.TEXT, b"x", 7))
    assert [m["type"] for m in client.link.read()] == ["message", "ack"]
    client.send(SendToGroup("g", DataType.TEXT, b"x", 7))
    error = {"name": "Duplicate", "message": "Message with ack-id: 7 has been processed"}
    assert client.link.read() == [{"type": "ack", "ackId": 7, "success": False, "error": error}]


def test_only_the_last_thousand_ack_ids_are_remembered(world: HubUnderTest) -> None:
    client = Client(world, "a")
    for ack_id in range(1, ACK_MEMORY + 2):
        client.send(JoinGroup("g", ack_id))
    client.link.read()
    client.send(JoinGroup("g", 1))
    client.send(JoinGroup("g", ACK_MEMORY))
    assert [ack["success"] for ack in client.link.read()] == [True, False]


def test_joining_twice_and_leaving_unjoined_succeed(world: HubUnderTest) -> None:
    client = Client(world, "a")
    for message in (JoinGroup("g", 1), JoinGroup("g", 2), LeaveGroup("g", 3), LeaveGroup("g", 4)):
        client.send(message)
    assert all(ack["success"] for ack in client.link.read())
    assert world.hub.groups == {}


def test_an_event_is_answered_before_it_is_acked(world: HubUnderTest) -> None:
    client = Client(world, "a", roles=())
    event = client.send(SendEvent("e", DataType.JSON, b'{"a":1}', 3))
    assert event is not None
    assert client.link.read() == []
    world.hub.answer(client.connection, event, (DataType.JSON, b'{"a":1}', (("k", "v"),)), 0)
    message = {"type": "message", "from": "server", "dataType": "json", "data": {"a": 1}, "metadata": {"k": "v"}}
    assert client.link.read() == [message, {"type": "ack", "ackId": 3, "success": True}]


def test_a_failed_event_is_an_error_ack_or_the_end_of_a_simple_client(world: HubUnderTest) -> None:
    client, simple = Client(world, "a"), Client(world, "s", SIMPLE)
    world.hub.fail(client.connection, SendEvent("e", DataType.TEXT, b"", 1))
    assert client.link.read()[0]["error"]["name"] == "InternalServerError"
    world.hub.fail(client.connection, SendEvent("e", DataType.TEXT, b"", 2), closes=True)
    assert client.link.closed == (1011, "Internal server error")
    world.hub.fail(simple.connection, SendEvent("message", DataType.TEXT, b""))
    assert simple.link.closed == (1011, "Internal server error")


def test_a_simple_client_that_may_not_publish_to_its_group_is_closed(world: HubUnderTest) -> None:
    simple = Client(world, "s", SIMPLE, roles=())
    simple.send(HELLO)
    assert simple.link.closed == (1008, "The connection is not authorized for raw sendToGroup mode.")
    assert world.gone == [("s", "The connection is not authorized for raw sendToGroup mode.")]


def test_ping_is_answered(world: HubUnderTest) -> None:
    client = Client(world, "a")
    client.send(Ping())
    assert client.link.read() == [{"type": "pong"}]


def test_a_lost_socket_ends_a_connection_that_cannot_recover(world: HubUnderTest) -> None:
    client = Client(world, "a", groups=("g",))
    client.lose()
    assert (world.hub.connections, world.hub.groups, world.hub.users) == ({}, {}, {})
    assert [identity for identity, _ in world.gone] == ["a"]


def test_closing_says_disconnected_first(world: HubUnderTest) -> None:
    client = Client(world, "a", JSON_RELIABLE)
    world.hub.close(client.connection, "bye")
    assert client.link.read() == [{"type": "system", "event": "disconnected", "message": "bye"}]
    assert client.link.closed == (1000, "")
    assert not client.recover()


# -- reliable ----------------------------------------------------------------------------------------------


def test_recovery_sends_again_what_was_not_acknowledged_and_what_came_meanwhile(world: HubUnderTest) -> None:
    client, other = Client(world, "a", JSON_RELIABLE, groups=("g",)), Client(world, "b")
    for _ in range(3):
        other.send(HELLO)
    client.send(SequenceAck(1))
    client.lose()
    other.send(HELLO)
    assert client.recover()
    assert [m["sequenceId"] for m in client.link.read()] == [2, 3, 4]
    other.send(HELLO)
    assert [m["sequenceId"] for m in client.link.read()] == [5]
    assert world.gone == []


def test_ack_ids_survive_recovery(world: HubUnderTest) -> None:
    client = Client(world, "a", JSON_RELIABLE)
    client.send(JoinGroup("g", 1))
    client.lose()
    client.recover()
    client.send(JoinGroup("g", 1))
    assert client.link.read()[0]["error"]["name"] == "Duplicate"


def test_recovery_needs_its_own_token_and_is_over_after_the_window(world: HubUnderTest) -> None:
    client = Client(world, "a", JSON_RELIABLE)
    client.lose(now_ns=0)
    assert not client.recover(token="guess")
    world.hub.expire(RECOVERY_WINDOW_NS - 1)
    assert client.recover(RECOVERY_WINDOW_NS - 1)
    client.lose(now_ns=0)
    assert not client.recover(RECOVERY_WINDOW_NS), "to the nanosecond, not when somebody looks"
    assert len(world.gone) == 1


@pytest.mark.parametrize(
    ("code", "by_client", "comes_back"),
    [
        (None, False, True),
        (1000, True, False),
        (1005, True, False),
        (1001, True, True),
        (1011, True, True),
        (3000, True, True),
        (4000, True, True),
        (1007, False, False),
        (1009, False, False),
    ],
)
def test_a_reliable_client_may_come_back_unless_it_or_the_service_meant_to_end(
    world: HubUnderTest, code: int | None, by_client: bool, comes_back: bool
) -> None:
    client = Client(world, "a", JSON_RELIABLE)
    client.lose(end=ConnectionEnd(code, "why", by_client))
    assert client.recover() is comes_back
    assert world.gone == ([] if comes_back else [("a", "why")])


def test_the_recovery_window_is_the_hub_s_own() -> None:
    world = HubUnderTest(recovery_window_ns=5)
    client = Client(world, "a", JSON_RELIABLE)
    client.lose(now_ns=0)
    world.hub.expire(4)
    assert client.recover(4)
    client.lose(now_ns=10)
    assert not client.recover(15)
    assert not Client(HubUnderTest(recovery_window_ns=0), "a", JSON_RELIABLE).lose_and_recover()


def test_what_is_not_reliable_cannot_be_recovered(world: HubUnderTest) -> None:
    assert not Client(world, "a", JSON).recover()


def test_a_second_socket_replaces_the_first(world: HubUnderTest) -> None:
    client = Client(world, "a", JSON_RELIABLE, groups=("g",))
    first = client.link
    assert client.recover()
    assert first.aborted
    world.hub.lose(client.connection, first, CUT, 0)  # the first one's end, told late, means nothing
    client.send(HELLO)
    assert len(client.link.read()) == 1


def test_more_than_a_thousand_unacknowledged_messages_end_the_connection(world: HubUnderTest) -> None:
    client, other = Client(world, "a", JSON_RELIABLE, groups=("g",)), Client(world, "b", groups=("g",))
    for _ in range(MAX_MESSAGES):
        other.send(HELLO)
    assert client.link.closed is None
    other.send(HELLO)
    assert client.link.closed is not None
    assert client.link.closed[0] == 1008
    assert not client.recover()
    assert len(other.link.read()) == MAX_MESSAGES + 1  # the others are served on


def test_sixteen_megabytes_are_too_many_as_well() -> None:
    queue = ReliableQueue()
    assert queue.add(bytes(MAX_BYTES), None)
    assert not queue.add(b"x", None)
    queue.acknowledge(1)
    assert queue.add(b"x", None)
    assert len(queue) == 2


def test_a_message_whose_time_to_live_has_passed_is_not_sent_again(world: HubUnderTest) -> None:
    client = Client(world, "a", JSON_RELIABLE)
    message = RoutedMessage("server", None, None, DataType.TEXT, b"x")
    world.hub.deliver((client.connection,), message, None, 0, ttl_ns=10)
    world.hub.deliver((client.connection,), message, None, 0)
    client.lose()
    assert client.recover(now_ns=10)
    assert [m["sequenceId"] for m in client.link.read()] == [2]


def test_a_client_gives_its_publications_a_time_to_live_and_metadata(world: HubUnderTest) -> None:
    client, other = Client(world, "a", JSON_RELIABLE, groups=("g",)), Client(world, "b")
    other.send(SendToGroup("g", DataType.TEXT, b"x", ttl_s=1, metadata=(("k", "v"),)), 0)
    other.send(SendToGroup("g", DataType.TEXT, b"y", metadata=(("k", "w"),)), 0)
    assert [m["metadata"] for m in client.link.read()] == [{"k": "v"}, {"k": "w"}]
    client.lose()
    assert client.recover(now_ns=NS_PER_S)
    assert [(m["data"], m["metadata"]) for m in client.link.read()] == [("y", {"k": "w"})]
