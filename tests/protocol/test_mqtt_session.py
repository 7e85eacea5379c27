"""One MQTT client's state: connecting, each QoS in both directions, resumption, and how the service ends it."""

from __future__ import annotations

import pytest

from wps_load.errors import RemoteProtocolError
from wps_load.protocol.codecs import codec_of
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import Ack, Connected, DataMessage, DataType, Downstream, Ended, JoinGroup, Pong
from wps_load.protocol.mqtt_packets import (
    PINGRESP,
    V5,
    ConnAck,
    Connect,
    Disconnect,
    Granted,
    Packet,
    PacketKind,
    Property,
    Publish,
    PublishResponse,
    encode,
)
from wps_load.protocol.mqtt_reader import decode
from wps_load.protocol.mqtt_session import MqttSession
from wps_load.protocol.session_states import State


def take(session: MqttSession, packet: Packet) -> Downstream | None:
    return session.receive(Opcode.BINARY, encode(packet, V5))


def connected(qos: int = 1) -> MqttSession:
    session = MqttSession(codec_of("mqtt5", qos))
    hello = decode(session.hello(), V5)
    assert isinstance(hello, Connect)
    assert hello.client_id.isalnum()
    assert (hello.clean, hello.properties) == (True, {Property.SESSION_EXPIRY: 30})
    assert take(session, ConnAck()) == Connected(hello.client_id)
    return session


def published(session: MqttSession, qos: int) -> bytes:
    ack_id = session.next_ack_id()
    payload = codec_of("mqtt5", qos).publish_template("group", "g", DataType.BINARY).encode(b"x", ack_id)
    session.expect_ack(ack_id, "publish", ack_id, payload)
    return payload


def sent(session: MqttSession) -> list[Packet]:
    due, session.outgoing = session.outgoing, b""
    return [decode(each, V5) for each in MqttSession(codec_of("mqtt5")).packets(due)]


def test_acks_come_by_packet_identifier_and_refusals_keep_their_code() -> None:
    session = connected()
    for _ in range(2):
        published(session, 1)
    assert take(session, PublishResponse(PacketKind.PUBACK, 2, 0x10)) == Ack(2, True), "nobody subscribed is no failure"
    assert take(session, PublishResponse(PacketKind.PUBACK, 1, 0x87)) == Ack(1, False, "0x87")
    session.expect_ack(3, "join", None, codec_of("mqtt5", 1).encode(JoinGroup("g", 3)))
    assert take(session, Granted(PacketKind.SUBACK, 3, (0xA2,))) == Ack(3, False, "0xa2")
    assert take(session, PublishResponse(PacketKind.PUBACK, 9)) == Ack(None, True), "of nothing of ours"
    assert take(session, PINGRESP) == Pong()


def test_quality_of_service_two_is_reported_once_in_both_directions() -> None:
    session = connected(2)
    published(session, 2)
    assert take(session, PublishResponse(PacketKind.PUBREC, 1)) is None
    assert sent(session) == [PublishResponse(PacketKind.PUBREL, 1)]
    assert take(session, PublishResponse(PacketKind.PUBCOMP, 1)) == Ack(1, True)
    assert isinstance(take(session, Publish("g", b"x", 2, 7)), DataMessage)
    assert take(session, Publish("g", b"x", 2, 7, dup=True)) is None
    assert session.duplicates_dropped == 1
    assert sent(session) == [PublishResponse(PacketKind.PUBREC, 7)] * 2
    take(session, PublishResponse(PacketKind.PUBREL, 7))
    assert sent(session) == [PublishResponse(PacketKind.PUBCOMP, 7)]
    assert isinstance(take(session, Publish("g", b"x", 2, 7)), DataMessage), "the identifier is free again"


def test_a_session_that_goes_on_sends_again_what_was_not_acknowledged() -> None:
    session = connected(2)
    first, _ = published(session, 2), published(session, 2)
    take(session, PublishResponse(PacketKind.PUBREC, 2))
    session.lost(0)
    assert session.state is State.RECOVERING
    assert session.recovery_query() == {}
    [hello] = session.recovered()
    again = decode(hello, V5)
    assert isinstance(again, Connect)
    assert (again.clean, again.client_id) == (False, session.connection_id)
    assert isinstance(take(session, ConnAck(0, True)), Connected)
    assert sent(session) == [decode(bytes((first[0] | 8,)) + first[1:], V5), PublishResponse(PacketKind.PUBREL, 2)]


def test_without_a_session_to_continue_it_is_gone() -> None:
    session = connected()
    session.lost(0)
    session.recovered()
    ended = take(session, ConnAck(0, False))
    assert isinstance(ended, Ended)
    assert ended.how == "session"
    session.lost(1)
    assert session.state is State.CLOSED


def test_the_window_is_what_the_service_says() -> None:
    session = MqttSession(codec_of("mqtt5", 1))
    take(session, ConnAck(0, False, {Property.RECEIVE_MAXIMUM: 2, Property.SERVER_KEEP_ALIVE: 10}))
    published(session, 1)
    assert session.room
    published(session, 1)
    assert not session.room
    take(session, PublishResponse(PacketKind.PUBACK, 1))
    assert session.room
    assert session.sequence_ack_due(0) is None
    assert session.sequence_ack_due(4_999_999_999) is None
    assert session.sequence_ack_due(5_000_000_000) == b"\xc0\x00", "half the keep alive"


@pytest.mark.parametrize("packet", [ConnAck(0x87), Disconnect(0x8B, {Property.REASON_STRING: "moved"})])
def test_ends_are_reported_with_their_code(packet: ConnAck | Disconnect) -> None:
    session = MqttSession(codec_of("mqtt5")) if isinstance(packet, ConnAck) else connected()
    ended = take(session, packet)
    assert isinstance(ended, Ended)
    assert ended.code == packet.code


def test_what_breaks_the_protocol_ends_the_connection() -> None:
    with pytest.raises(RemoteProtocolError):
        take(MqttSession(codec_of("mqtt5")), Publish("g", b""))
    with pytest.raises(RemoteProtocolError):
        connected().receive(Opcode.TEXT, b"\xd0\x00")
    with pytest.raises(RemoteProtocolError):
        take(connected(), Connect("c"))


def test_an_event_that_failed_is_not_a_message() -> None:
    topic = "$webpubsub/server/events/e/failed"
    status: dict[int, object] = {Property.USER_PROPERTY: (("azure-status-code", "400"),)}
    assert take(connected(), Publish(topic, b"", properties=status)) == Ack(None, False, "400")
    heard = take(connected(), Publish("$webpubsub/server/messages", b"x"))
    assert isinstance(heard, DataMessage)
    assert heard.source == "server"
