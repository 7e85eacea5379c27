"""The session, rule by rule: states, acks, sequence ids, recovery."""

from __future__ import annotations

import pytest

from tests.protocol.session_messages import BINARY, SECOND, TEXT, acked, connected, message, session_of, wire
from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import webpubsub_pb2 as pb
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import Ack, Connected, DataMessage, Disconnected, Pong
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import (
    ACK_AFTER_BYTES,
    ACK_AFTER_MESSAGES,
    ACK_AFTER_NS,
    RECOVERY_WINDOW_NS,
    AckResult,
    Session,
)
from wps_load.protocol.session_states import State

# -- states --------------------------------------------------------------------------------------------------


def test_a_pubsub_client_is_connected_by_the_first_message() -> None:
    session = Session(CODECS["json"])
    assert session.state.name == "NEW"
    assert session.receive(TEXT, connected(None)) == Connected("c1", "u1")
    assert session.state is State.CONNECTED
    assert (session.connection_id, session.user_id) == ("c1", "u1")


def test_a_simple_client_is_connected_by_the_upgrade() -> None:
    session = Session(CODECS["simple"])
    assert session.state is State.CONNECTED
    assert session.receive(TEXT, b"hi") == DataMessage("server", None, "text", "hi")
    assert session.receive(BINARY, b"\xff") == DataMessage("server", None, "binary", b"\xff")


@pytest.mark.parametrize("early", [message(None), wire(type="ack", ackId=1, success=True)])
def test_a_message_before_connected_breaks_the_protocol(early: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Session(CODECS["json"]).receive(TEXT, early)
    assert caught.value.close_code == 1002


@pytest.mark.parametrize("name", ["json", "json-reliable", "protobuf", "protobuf-reliable"])
def test_the_wrong_frame_type_breaks_the_protocol(name: str) -> None:
    wrong = BINARY if name.startswith("json") else TEXT
    with pytest.raises(RemoteProtocolError) as caught:
        Session(CODECS[name]).receive(wrong, b"{}")
    assert caught.value.close_code == 1003


def test_other_messages_pass_through() -> None:
    session = session_of("json")
    assert session.receive(TEXT, message(None)) == DataMessage("group", "g", "text", "x")
    assert session.receive(TEXT, wire(type="pong")) == Pong()
    assert session.receive(TEXT, wire(type="ack", ackId=1, success=True)) == Ack(1, True)
    assert session.receive(TEXT, wire(type="system", event="disconnected", message="m")) == Disconnected("m")
    assert session.receive(TEXT, wire(type="fromTheFuture")) is None


@pytest.mark.parametrize("name", ["json", "json-reliable", "protobuf", "protobuf-reliable"])
def test_what_a_later_service_says_is_ignored_and_counted(name: str) -> None:
    """Presence of the preview among it: `groupStateUpdate`; a protobuf message of a kind that has no name yet."""
    codec = CODECS[name]
    if name.startswith("json"):
        session = session_of(name)
        later = [wire(type=kind, group="g", items=[{}]) for kind in ("groupStateUpdate", "groupStateSnapshot", "x")]
        pong = wire(type="pong")
    else:
        session, hello = Session(codec), pb.DownstreamMessage()
        hello.system_message.connected_message.connection_id = "c"
        session.receive(BINARY, hello.SerializeToString())
        later = [bytes((number << 3 | 2, 3)) + b"abc" for number in (5, 10, 15)]
        pong = b"\x22\x00"
    for number, payload in enumerate(later, 1):
        assert session.receive(codec.opcode, payload) is None
        assert session.unknown_messages == number
    assert session.receive(codec.opcode, pong) == Pong()
    assert session.state is State.CONNECTED
    assert session.unknown_messages == 3, "a pong is none"


@pytest.mark.parametrize("name", ["simple", "json", "protobuf"])
def test_without_reliability_a_loss_is_final(name: str) -> None:
    session = Session(CODECS[name])
    session.lost(0)
    assert session.state is State.CLOSED
    assert session.recovery_query() is None
    with pytest.raises(LocalProtocolError):
        session.recovered()


def test_nothing_comes_in_without_a_connection() -> None:
    session = session_of("json-reliable")
    session.lost(0)
    with pytest.raises(LocalProtocolError):
        session.receive(TEXT, message(1))
    session.close()
    with pytest.raises(LocalProtocolError):
        session.receive(TEXT, message(1))


def test_the_socket_may_end_after_we_closed() -> None:
    session = session_of("json-reliable")
    session.close()
    session.lost(5)
    session.close()
    assert session.state is State.CLOSED
    assert not session.may_recover(5)


def test_a_connection_cannot_recover_before_it_is_lost() -> None:
    with pytest.raises(LocalProtocolError):
        session_of("json-reliable").recovered()


# -- acks ----------------------------------------------------------------------------------------------------


def test_acks_find_their_requests() -> None:
    session = session_of("json")
    first, second = session.next_ack_id(), session.next_ack_id()
    assert (first, second) == (1, 2)
    session.expect_ack(first, "join_group", "context-1")
    session.expect_ack(second, "publish", "context-2", b"payload")
    assert session.resolve(Ack(2, True)) == AckResult("publish", "context-2", True, False, None)
    denied = session.resolve(Ack(1, False, "Forbidden", "free text"))
    assert denied == AckResult("join_group", "context-1", False, False, "Forbidden")
    assert session.unanswered == 0


def test_duplicate_is_success() -> None:
    session = session_of("json")
    session.expect_ack(1, "publish", None)
    assert session.resolve(Ack(1, False, "Duplicate")) == AckResult("publish", None, True, True, "Duplicate")


def test_acks_that_nobody_waits_for_are_counted() -> None:
    session = session_of("json")
    session.expect_ack(1, "publish", None)
    session.resolve(Ack(1, True))
    assert session.resolve(Ack(1, True)) is None
    assert session.resolve(Ack(99, True)) is None
    assert session.unknown_acks == 2


def test_waiting_can_be_given_up() -> None:
    session = session_of("json-reliable")
    for ack_id in (1, 2, 3):
        session.expect_ack(ack_id, "publish", ack_id, b"%d" % ack_id)
    assert session.abandon(2) == PendingAck("publish", 2, b"2")
    assert session.abandon(2) is None
    assert [pending.context for pending in session.abandon_all()] == [1, 3]
    session.lost(0)
    assert session.recovered() == []


def test_payloads_are_kept_only_where_they_can_be_sent_again() -> None:
    session = session_of("json")
    session.expect_ack(1, "publish", None, b"payload")
    assert session.abandon_all() == [PendingAck("publish", None, None)]


# -- sequence ids --------------------------------------------------------------------------------------------


def test_duplicates_are_dropped_and_counted_and_acked_again() -> None:
    session = session_of("json-reliable")
    assert session.receive(TEXT, message(1)) is not None
    assert acked(session.sequence_ack_due(0)) == 1
    assert session.receive(TEXT, message(1)) is None
    assert session.duplicates_dropped == 1
    assert acked(session.sequence_ack_due(ACK_AFTER_NS)) == 1


def test_gaps_are_counted() -> None:
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    assert session.receive(TEXT, message(5)) is not None
    assert session.sequence_gaps == 3


def test_a_slow_stream_is_acked_once_a_second() -> None:
    session = session_of("json-reliable")
    assert session.sequence_ack_due(0) is None
    session.receive(TEXT, message(1))
    assert acked(session.sequence_ack_due(100)) == 1
    session.receive(TEXT, message(2))
    assert session.sequence_ack_due(100 + ACK_AFTER_NS - 1) is None
    assert acked(session.sequence_ack_due(100 + ACK_AFTER_NS)) == 2
    assert session.sequence_ack_due(100 + 10 * ACK_AFTER_NS) is None


def test_a_fast_stream_is_acked_by_count() -> None:
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    session.sequence_ack_due(0)
    for sequence_id in range(2, ACK_AFTER_MESSAGES + 1):
        session.receive(TEXT, message(sequence_id))
    assert session.sequence_ack_due(1) is None
    session.receive(TEXT, message(ACK_AFTER_MESSAGES + 1))
    assert acked(session.sequence_ack_due(1)) == ACK_AFTER_MESSAGES + 1


def test_big_messages_are_acked_by_bytes() -> None:
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    session.sequence_ack_due(0)
    session.receive(TEXT, message(2, "x" * (ACK_AFTER_BYTES // 2)))
    assert session.sequence_ack_due(1) is None
    session.receive(TEXT, message(3, "x" * (ACK_AFTER_BYTES // 2)))
    assert acked(session.sequence_ack_due(1)) == 3


def test_the_services_queue_does_not_overflow_at_2000_messages_a_second() -> None:
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


def test_no_sequence_acks_without_reliability() -> None:
    session = session_of("json")
    session.receive(TEXT, message(None))
    assert session.sequence_ack_due(10 * SECOND) is None


def test_the_protobuf_variant_keeps_sequence_ids_too() -> None:
    session = Session(CODECS["protobuf-reliable"])
    session.receive(BINARY, bytes.fromhex("1a100a0e0a01631201751a06736563726574"))
    one = bytes.fromhex("12160a0567726f75701204726f6f6d1a050a036f6e652001")
    assert session.receive(BINARY, one) == DataMessage("group", "room", "text", "one", 1)
    assert session.receive(BINARY, one) is None
    assert session.sequence_ack_due(0) == bytes.fromhex("42020801")
    query = session.recovery_query()
    assert query == {"awps_connection_id": "c", "awps_reconnection_token": "secret"}


# -- recovery ------------------------------------------------------------------------------------------------


def test_unanswered_requests_are_sent_again_after_a_recovery() -> None:
    session = session_of("json-reliable")
    for ack_id in (1, 2, 3):
        session.expect_ack(ack_id, "publish", ack_id, b"payload %d" % ack_id)
    session.resolve(Ack(2, True))
    session.lost(0)
    assert session.state.name == "RECOVERING"
    assert session.recovered() == [b"payload 1", b"payload 3"]
    assert session.state is State.CONNECTED


def test_the_window_is_thirty_seconds_from_the_loss() -> None:
    session = session_of("json-reliable")
    session.lost(100)
    assert session.may_recover(100 + RECOVERY_WINDOW_NS - 1)
    session.lost(100 + 20 * SECOND)  # an attempt failed
    assert session.may_recover(100 + RECOVERY_WINDOW_NS - 1)
    assert not session.may_recover(100 + RECOVERY_WINDOW_NS)


def test_a_recovered_connection_has_a_new_window() -> None:
    session = session_of("json-reliable")
    session.lost(0)
    session.recovered()
    assert not session.may_recover(SECOND)
    session.lost(40 * SECOND)
    assert session.may_recover(60 * SECOND)


@pytest.mark.parametrize("after_101", [True, False])
def test_1008_means_gone(after_101: bool) -> None:
    session = session_of("json-reliable")
    session.expect_ack(1, "publish", "context", b"payload")
    session.lost(0)
    if after_101:
        session.recovered()
    session.lost(SECOND, code=1008)
    assert session.state is State.CLOSED
    assert not session.may_recover(SECOND)
    assert [pending.context for pending in session.abandon_all()] == ["context"]


def test_connected_after_a_recovery_updates_the_token_and_nothing_else() -> None:
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


def test_the_last_ack_is_said_again_after_a_recovery() -> None:
    session = session_of("json-reliable")
    session.receive(TEXT, message(1))
    assert acked(session.sequence_ack_due(0)) == 1
    session.lost(1)
    assert session.sequence_ack_due(SECOND * 5) is None
    session.recovered()
    assert acked(session.sequence_ack_due(2)) == 1
    assert session.sequence_ack_due(2) is None


def test_secrets_are_not_shown() -> None:
    assert "token-1" not in repr(session_of("json-reliable"))
    assert "token-1" not in repr(Connected("c1", "u1", "token-1"))
