"""Web PubSub's MQTT on a client's side: messages to packets and back.

A topic is a group's name, literally: SUBSCRIBE joins, PUBLISH sends to the group. Topics below `$webpubsub/` are the
service's own. Packet identifiers are ack ids: 1 to 65,535, then from 1 again. The session's state is in `mqtt_session`.
Source: Azure Web PubSub, "MQTT support", and "Cross-protocol communication" for types between protocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wps_load.errors import LocalProtocolError
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import (
    Connected,
    DataMessage,
    DataType,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    Upstream,
)
from wps_load.protocol.mqtt_packets import (
    MAX_PACKET_ID,
    NO_PROPERTIES,
    PINGREQ,
    V5,
    ConnAck,
    PacketKind,
    Property,
    Publish,
    Subscribe,
    Unsubscribe,
    encode,
    properties,
    text,
    varint,
)
from wps_load.protocol.mqtt_reader import decode as decode_packet
from wps_load.protocol.traits import EVENT_TOPIC, NO_INVOKE, NO_STREAMS, SERVER_TOPICS, PublishKind

CONTENT_TYPES: Final[Mapping[DataType, str]] = {
    DataType.TEXT: "text/plain",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
    DataType.PROTOBUF: "application/x-protobuf",
}
DATA_TYPES: Final = {content: data_type for data_type, content in CONTENT_TYPES.items()}


def packet_id(ack_id: int) -> int:
    return (ack_id - 1) % MAX_PACKET_ID + 1


def read_publish(packet: Publish) -> DataMessage:
    """A publication that arrived, as other protocols show it. Without a content type, as in 3.1.1, it is binary."""
    source = "server" if packet.topic.startswith(SERVER_TOPICS) else "group"
    content = str(packet.properties.get(Property.CONTENT_TYPE, "")).partition(";")[0].strip().lower()
    data_type = DATA_TYPES.get(content, DataType.BINARY)
    data: object = packet.payload
    if data_type in (DataType.TEXT, DataType.JSON):
        try:
            data = packet.payload.decode()
        except UnicodeDecodeError:
            data_type = DataType.BINARY
    return DataMessage(source, packet.topic, str(data_type), data)


class MqttWords:
    """How one version writes messages.

    `qos`: that of subscriptions, and of acknowledged publications (at least 1).
    """

    def __init__(self, version: int, qos: int = 0) -> None:
        self.version = version
        self.qos = qos

    def decode(self, payload: bytes) -> DataMessage | Connected | None:
        """Reads one packet that needs no session state: a publication, or CONNACK 0."""
        packet = decode_packet(payload, self.version)
        if isinstance(packet, ConnAck) and not packet.code:
            return Connected("-")
        return read_publish(packet) if isinstance(packet, Publish) else None

    def encode(self, message: Upstream) -> bytes:
        """Raises LocalProtocolError for what MQTT cannot express."""
        match message:
            case SendToGroup(no_echo=False, ttl_s=None, metadata=()):
                template = self.publish_template("group", message.group, message.data_type)
                return template.encode(_raw(message.data_type, message.data), message.ack_id)
            case SendEvent():
                template = self.publish_template("event", message.event, message.data_type)
                return template.encode(_raw(message.data_type, message.data), message.ack_id)
            case JoinGroup():
                number = packet_id(_id(message.ack_id))
                return encode(Subscribe(number, ((message.group, self.qos),)), self.version)
            case LeaveGroup():
                return encode(Unsubscribe(packet_id(_id(message.ack_id)), (message.group,)), self.version)
            case Ping():
                return encode(PINGREQ, self.version)
        raise LocalProtocolError(f"MQTT has no {type(message).__name__} of this kind")

    def publish_template(
        self, kind: PublishKind, name: str, data_type: DataType, no_echo: bool = False
    ) -> MqttTemplate:
        if kind == "invoke":
            raise LocalProtocolError(NO_INVOKE)
        if kind == "stream":
            raise LocalProtocolError(NO_STREAMS)
        if no_echo:
            raise LocalProtocolError("MQTT publications have no noEcho")
        block = b""
        if self.version == V5:
            plain = data_type is DataType.BINARY
            block = properties(NO_PROPERTIES if plain else {Property.CONTENT_TYPE: CONTENT_TYPES[data_type]})
        return MqttTemplate(name if kind == "group" else EVENT_TOPIC.format(event=name), block, max(1, self.qos))


def _id(ack_id: int | None) -> int:
    if ack_id is None:
        raise LocalProtocolError("MQTT subscribes with a packet identifier")
    return ack_id


def _raw(data_type: DataType, data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, str) and data_type in (DataType.TEXT, DataType.JSON):
        try:
            return data.encode()
        except UnicodeEncodeError as error:
            raise LocalProtocolError("text that UTF-8 cannot hold") from error
    raise LocalProtocolError(f"{type(data).__name__} cannot be sent as {data_type} in MQTT")


class MqttTemplate:
    """A publication in which only the payload changes. With an ack id it has QoS `qos`, else QoS 0."""

    __slots__ = ("_block", "_first", "_head", "_rest", "opcode")

    def __init__(self, topic: str, block: bytes, qos: int) -> None:
        self.opcode = int(Opcode.BINARY)
        self._head = text(topic)
        self._block = block
        self._rest = len(self._head) + len(block)
        self._first = bytes((PacketKind.PUBLISH << 4 | qos << 1,))

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        return self.encode_safe(data, ack_id)

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """The payload is not checked: any bytes are valid."""
        if ack_id is None:
            return b"\x30" + varint(self._rest + len(data)) + self._head + self._block + data
        number = packet_id(ack_id).to_bytes(2, "big")
        return self._first + varint(self._rest + 2 + len(data)) + self._head + number + self._block + data
