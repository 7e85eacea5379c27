"""MQTT 5.0 against another codec, `mqtt5`: what it writes is what we write, and each reads the other."""

from __future__ import annotations

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.protocol.mqtt_packets import (
    PINGREQ,
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
    Subscribe,
    Unsubscribe,
    encode,
)
from wps_load.protocol.mqtt_reader import decode

PAIRS: list[tuple[Packet, mqtt5.Packet]] = [
    (
        Connect("device", V5, True, 60, {Property.SESSION_EXPIRY: 30}),
        mqtt5.ConnectPacket("device", clean_start=True, keep_alive=60, session_expiry_interval=30),
    ),
    (
        Connect("device", V5, False, 0, username="somebody", password=b"secret"),
        mqtt5.ConnectPacket("device", username="somebody", password=b"secret"),
    ),
    (ConnAck(session_present=True), mqtt5.ConnAckPacket(session_present=True)),
    (ConnAck(0x87), mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED)),
    (Publish("room", b"x"), mqtt5.PublishPacket("room", b"x")),
    (
        Publish("room", b"x", 2, 9, dup=True, retain=True),
        mqtt5.PublishPacket("room", b"x", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=9, duplicate=True, retain=True),
    ),
    (PublishResponse(PacketKind.PUBACK, 7), mqtt5.PubAckPacket(7)),
    (PublishResponse(PacketKind.PUBREC, 7), mqtt5.PubRecPacket(7)),
    (PublishResponse(PacketKind.PUBREL, 7), mqtt5.PubRelPacket(7)),
    (PublishResponse(PacketKind.PUBCOMP, 7), mqtt5.PubCompPacket(7)),
    (
        PublishResponse(PacketKind.PUBACK, 7, 0x87),
        mqtt5.PubAckPacket(7, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED),
    ),
    (
        Granted(PacketKind.SUBACK, 5, (1, 0x87)),
        mqtt5.SubAckPacket(
            5, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
        ),
    ),
    (Unsubscribe(6, ("room", "other")), mqtt5.UnsubscribePacket(6, ["room", "other"])),
    (Disconnect(), mqtt5.DisconnectPacket()),
    (PINGREQ, mqtt5.PingReqPacket()),
]


def read_by_them(content: bytes) -> mqtt5.Packet:
    return mqtt5.read(memoryview(content))[0]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda each: type(each).__name__)
def test_each_reads_what_the_other_writes(ours: Packet, theirs: mqtt5.Packet) -> None:
    assert read_by_them(encode(ours, V5)) == theirs
    assert decode(theirs.write(), V5) == ours


def test_it_reads_what_we_subscribe_to() -> None:
    """Web PubSub has no retained messages: only a filter's name and QoS count."""
    read = read_by_them(encode(Subscribe(1, (("room", 1), ("other", 0))), V5))
    assert isinstance(read, mqtt5.SubscribePacket)
    assert [(each.pattern, int(each.max_qos)) for each in read.topic_filters] == [("room", 1), ("other", 0)]


topics = st.text(st.characters(exclude_characters="\0+#", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


@given(topics, st.binary(max_size=300), st.integers(0, 2), st.booleans(), st.integers(1, 65535))
def test_any_publication_is_the_same_bytes(topic: str, payload: bytes, qos: int, retain: bool, number: int) -> None:
    ours = Publish(topic, payload, qos, number if qos else None, retain=retain)
    theirs = mqtt5.PublishPacket(
        topic, payload, qos=mqtt5.QoS(qos), packet_id=number if qos else None, retain=retain
    )  # fmt: skip
    assert encode(ours, V5) == theirs.write()
    assert read_by_them(encode(ours, V5)) == theirs
