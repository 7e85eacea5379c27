"""How a client's messages are written in MQTT, and how publications are read, as tables."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from wps_load.errors import LocalProtocolError
from wps_load.protocol.messages import (
    Connected,
    DataMessage,
    DataType,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    Upstream,
)
from wps_load.protocol.mqtt import MqttWords, packet_id
from wps_load.protocol.mqtt_packets import (
    PINGREQ,
    PINGRESP,
    V5,
    V311,
    ConnAck,
    Packet,
    Property,
    Publish,
    Subscribe,
    Unsubscribe,
    encode,
)
from wps_load.protocol.mqtt_reader import decode
from wps_load.protocol.traits import PublishKind

TEXT, JSON, BINARY, PROTOBUF = DataType.TEXT, DataType.JSON, DataType.BINARY, DataType.PROTOBUF
AS_TEXT: Mapping[int, object] = {Property.CONTENT_TYPE: "text/plain"}
AS_JSON: Mapping[int, object] = {Property.CONTENT_TYPE: "application/json"}
AS_PROTOBUF: Mapping[int, object] = {Property.CONTENT_TYPE: "application/x-protobuf"}
AS_JSON_IN_FULL: Mapping[int, object] = {Property.CONTENT_TYPE: "Application/JSON ; charset=utf-8"}
AS_PICTURE: Mapping[int, object] = {Property.CONTENT_TYPE: "image/png"}
OF_THE_SERVER = "$webpubsub/server/events/ask"

WRITTEN: list[tuple[MqttWords, Upstream, Packet]] = [
    (MqttWords(V5), SendToGroup("room", TEXT, "grüß", 3), Publish("room", "grüß".encode(), 1, 3, properties=AS_TEXT)),
    (MqttWords(V5), SendToGroup("room", JSON, '{"a":1}'), Publish("room", b'{"a":1}', properties=AS_JSON)),
    (MqttWords(V5), SendToGroup("room", BINARY, b"\xff", 3), Publish("room", b"\xff", 1, 3)),
    (MqttWords(V5), SendToGroup("room", PROTOBUF, b"\n", 3), Publish("room", b"\n", 1, 3, properties=AS_PROTOBUF)),
    (MqttWords(V5, qos=2), SendToGroup("room", BINARY, b"x", 65_536), Publish("room", b"x", 2, 1)),
    (MqttWords(V5, qos=2), SendToGroup("room", BINARY, b"x"), Publish("room", b"x")),
    (MqttWords(V311, qos=1), SendToGroup("room", TEXT, "x", 65_535), Publish("room", b"x", 1, 65_535)),
    (MqttWords(V5), SendEvent("ask", TEXT, "x", 3), Publish(OF_THE_SERVER, b"x", 1, 3, properties=AS_TEXT)),
    (MqttWords(V311), SendEvent("ask", JSON, "1"), Publish(OF_THE_SERVER, b"1")),
    (MqttWords(V5, qos=1), JoinGroup("room", 7), Subscribe(7, (("room", 1),))),
    (MqttWords(V311), JoinGroup("room", 65_537), Subscribe(2, (("room", 0),))),
    (MqttWords(V5), LeaveGroup("room", 8), Unsubscribe(8, ("room",))),
    (MqttWords(V311), LeaveGroup("room", 65_536), Unsubscribe(1, ("room",))),
    (MqttWords(V5), Ping(), PINGREQ),
    (MqttWords(V311), Ping(), PINGREQ),
]


@pytest.mark.parametrize(("words", "message", "packet"), WRITTEN)
def test_what_is_written(words: MqttWords, message: Upstream, packet: Packet) -> None:
    assert decode(words.encode(message), words.version) == packet


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (SendToGroup("room", TEXT, "x", no_echo=True), "MQTT has no SendToGroup of this kind"),
        (SendToGroup("room", TEXT, "x", ttl_s=1), "MQTT has no SendToGroup of this kind"),
        (SendToGroup("room", TEXT, "x", metadata=(("a", "b"),)), "MQTT has no SendToGroup of this kind"),
        (Invoke("1", "ask"), "MQTT has no Invoke of this kind"),
        (SequenceAck(1), "MQTT has no SequenceAck of this kind"),
        (JoinGroup("room"), "MQTT subscribes with a packet identifier"),
        (LeaveGroup("room"), "MQTT subscribes with a packet identifier"),
        (SendToGroup("room", TEXT, "\ud800"), "text that UTF-8 cannot hold"),
        (SendToGroup("room", BINARY, "x"), "str cannot be sent as binary in MQTT"),
        (SendEvent("ask", JSON, {"a": 1}), "dict cannot be sent as json in MQTT"),
    ],
)
@pytest.mark.parametrize("version", [V5, V311])
def test_what_mqtt_cannot_say(version: int, message: Upstream, sentence: str) -> None:
    with pytest.raises(LocalProtocolError, match=sentence):
        MqttWords(version).encode(message)


@pytest.mark.parametrize(
    ("kind", "no_echo", "sentence"),
    [
        ("invoke", False, "only .* can invoke"),
        ("stream", False, "has no streams, and nor has MQTT"),
        ("group", True, "MQTT publications have no noEcho"),
    ],
)
def test_templates_that_mqtt_has_not(kind: PublishKind, no_echo: bool, sentence: str) -> None:
    with pytest.raises(LocalProtocolError, match=sentence):
        MqttWords(V5).publish_template(kind, "room", TEXT, no_echo)


READ: list[tuple[Packet, DataMessage | Connected | None]] = [
    (ConnAck(), Connected("-")),
    (ConnAck(0x87), None),
    (PINGRESP, None),
    (Publish("room", b"x"), DataMessage("group", "room", "binary", b"x")),
    (Publish("room", b"x", properties=AS_TEXT), DataMessage("group", "room", "text", "x")),
    (Publish("room", b"1", properties=AS_JSON), DataMessage("group", "room", "json", "1")),
    (Publish("room", b"\n", properties=AS_PROTOBUF), DataMessage("group", "room", "protobuf", b"\n")),
    (
        Publish("room", b"1", properties=AS_JSON_IN_FULL),
        DataMessage("group", "room", "json", "1"),
    ),
    (
        Publish("room", b"x", properties=AS_PICTURE),
        DataMessage("group", "room", "binary", b"x"),
    ),
    (Publish("room", b"\xff", properties=AS_TEXT), DataMessage("group", "room", "binary", b"\xff")),
    (Publish("room", b"\xff", properties=AS_JSON), DataMessage("group", "room", "binary", b"\xff")),
    (Publish(OF_THE_SERVER, b"x"), DataMessage("server", OF_THE_SERVER, "binary", b"x")),
]


@pytest.mark.parametrize(("packet", "message"), READ)
def test_what_is_read(packet: Packet, message: DataMessage | Connected | None) -> None:
    assert MqttWords(V5).decode(encode(packet, V5)) == message


@pytest.mark.parametrize(("ack_id", "number"), [(1, 1), (65_535, 65_535), (65_536, 1), (131_070, 65_535)])
def test_packet_identifiers_begin_again_at_one(ack_id: int, number: int) -> None:
    assert packet_id(ack_id) == number
