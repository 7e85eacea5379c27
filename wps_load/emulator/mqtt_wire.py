"""MQTT, the service's side: how publications become packets, and what is unacknowledged in a session.

Pure.

Source: Azure Web PubSub, "Cross-protocol communication" and "MQTT cloud events"; what no page says is
decided in docs/emulator.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wps_load.emulator.server_frames import BINARY, build_frame
from wps_load.emulator.valid_names import valid_event
from wps_load.emulator.wires import Reply, RoutedMessage
from wps_load.errors import RemoteProtocolError
from wps_load.protocol import traits
from wps_load.protocol.messages import (
    DataType,
    MqttExtra,
    SendEvent,
    SendToGroup,
    StreamAck,
    StreamClosed,
    StreamNack,
    Upstream,
)
from wps_load.protocol.mqtt import CONTENT_TYPES, DATA_TYPES
from wps_load.protocol.mqtt_packets import (
    MAX_PACKET_ID,
    PINGRESP,
    V5,
    ConnAck,
    Disconnect,
    Packet,
    PacketKind,
    Property,
    Publish,
    PublishResponse,
    encode,
)
from wps_load.protocol.mqtt_reader import decode
from wps_load.protocol.traits import ANSWER_TOPIC, EVENT_TOPIC, SERVER_TOPICS, Traits

MESSAGES_TOPIC: Final = SERVER_TOPICS + "messages"
"""The topic of REST's sends to all, a user or a connection."""
_EVENTS: Final = EVENT_TOPIC.format(event="")
MAX_UNACKED: Final = 1000
NOT_AUTHORIZED: Final = 0x87
_UNSPECIFIED: Final = 0x80
_ADMINISTRATIVE: Final = 0x98
_KEPT: Final = frozenset({Property.TOPIC_ALIAS, Property.SUBSCRIPTION_ID})
"""Properties of a link, which do not travel from publisher to subscriber."""


def ack_id(serial: int, qos: int, packet_id: int) -> int:
    """The hub's id for a PUBLISH to be acknowledged: unlike packet identifiers, it is never used again."""
    return serial << 18 | qos << 16 | packet_id


class MqttWire:
    """One version of MQTT; stateless. `message`'s number: None, QoS 0; else the QoS and the packet identifier."""

    reliable = streams = False

    def __init__(self, traits: Traits) -> None:
        self.name, self.subprotocol, self.version = traits.name, traits.subprotocol, traits.mqtt_version

    def frame(self, packet: Packet) -> bytes:
        return build_frame(BINARY, encode(packet, self.version))

    def decode(self, opcode: int, payload: bytes) -> Upstream:
        """A frame that is a publication, without its session. Raises RemoteProtocolError."""
        packet = decode(payload, self.version)
        found = upstream_of(packet, None) if isinstance(packet, Publish) else None
        if found is None:
            raise RemoteProtocolError(1002, "no publication to a group or an event")
        return found

    def message(self, message: RoutedMessage, sequence_id: int | None) -> bytes:
        number = sequence_id or 0
        topic = MESSAGES_TOPIC if message.group is None else message.group
        found: Mapping[int, object] = {} if self.version != V5 else _properties(message)
        return self.frame(Publish(topic, message.data, number >> 16, number & 0xFFFF or None, properties=found))

    def connected(self, connection_id: str, user_id: str | None, token: str | None) -> bytes:
        return self.frame(ConnAck())

    def disconnected(self, reason: str) -> bytes:
        if self.version != V5:
            return b""
        return self.frame(Disconnect(_ADMINISTRATIVE, {Property.REASON_STRING: reason}))

    def ack(self, ack_id: int, error: str | None, message: str) -> bytes:
        code = 0 if error is None else NOT_AUTHORIZED if error == "Forbidden" else _UNSPECIFIED
        kind = PacketKind.PUBACK if ack_id >> 16 & 3 == 1 else PacketKind.PUBREC
        return self.frame(PublishResponse(kind, ack_id & 0xFFFF, code))

    def pong(self) -> bytes:
        return self.frame(PINGRESP)

    def invoke_response(self, invocation_id: str, reply: Reply | None, error: str | None, message: str) -> bytes:
        raise AssertionError("an MQTT client cannot invoke")

    def stream(self, answer: StreamAck | StreamNack | StreamClosed) -> bytes:
        raise AssertionError("an MQTT client has no streams")


def _properties(message: RoutedMessage) -> Mapping[int, object]:
    """An MQTT publisher's own properties; for others, the type of the data."""
    extra = message.mqtt
    if extra is not None:
        return {number: value for number, value in extra.properties.items() if number not in _KEPT}
    return {} if message.data_type is DataType.BINARY else {Property.CONTENT_TYPE: CONTENT_TYPES[message.data_type]}


def answered(event: SendEvent, reply: Reply | None, status: int) -> RoutedMessage:
    """What the publisher of an event gets: the handler's answer, on the topic of its outcome."""
    extra = event.mqtt or MqttExtra()
    data_type, data, _ = reply or (DataType.BINARY, b"", ())
    found: dict[int, object] = {Property.USER_PROPERTY: (("azure-status-code", str(status)),)}
    if Property.CORRELATION_DATA in extra.properties:
        found[Property.CORRELATION_DATA] = extra.properties[Property.CORRELATION_DATA]
    if reply is not None and data_type is not DataType.BINARY:
        found[Property.CONTENT_TYPE] = CONTENT_TYPES[data_type]
    succeeded = 200 <= status < 300
    topic = ANSWER_TOPIC.format(event=event.event) if succeeded else EVENT_TOPIC.format(event=event.event) + "/failed"
    return RoutedMessage("server", topic, None, data_type, data, (), MqttExtra(extra.qos, found))


def upstream_of(packet: Publish, asked: int | None, *, quiet: bool = False) -> SendToGroup | SendEvent | None:
    """What a publication requests: a user event, or a message to a group; None: another topic of the service's own.

    `asked`: the hub's id for it, if it must be acknowledged. `quiet`: the publisher gets no copy.
    """
    topic, data_type = packet.topic, _content(packet)
    extra = MqttExtra(packet.qos, packet.properties)
    event = topic.removeprefix(_EVENTS)
    if topic.startswith(_EVENTS) and valid_event(event):
        return SendEvent(event, data_type, packet.payload, asked, mqtt=extra)
    if topic.startswith(SERVER_TOPICS):
        return None
    expiry = packet.properties.get(Property.MESSAGE_EXPIRY)
    ttl_s = expiry if isinstance(expiry, int) else None
    return SendToGroup(topic, data_type, packet.payload, asked, quiet, ttl_s, (), extra)


def _content(packet: Publish) -> DataType:
    """By the Content Type property, if the payload matches it; without one, as in 3.1.1, binary."""
    content = str(packet.properties.get(Property.CONTENT_TYPE, "")).partition(";")[0].strip().lower()
    found = DATA_TYPES.get(content, DataType.BINARY)
    if found in (DataType.TEXT, DataType.JSON) and not packet.payload.isascii():
        try:
            packet.payload.decode()
        except UnicodeDecodeError:
            return DataType.BINARY
    return found


class MqttQueue:
    """A session's subscriptions, and its deliveries of QoS 1 and 2 until they are acknowledged.

    `incoming`: QoS 2, the client's: identifiers of publications that have come and are not released.
    """

    __slots__ = ("_last", "_unacked", "incoming", "no_local", "subscriptions")

    def __init__(self) -> None:
        self.subscriptions: dict[str, int] = {}
        self.no_local: set[str] = set()
        self.incoming: set[int] = set()
        self._unacked: dict[int, bytes | None] = {}
        self._last: int | None = 0

    def __len__(self) -> int:
        return len(self._unacked)

    def number(self, message: RoutedMessage) -> int | None:
        """QoS and packet identifier of the delivery that is about to be made.

        The QoS is the publication's (1 for other protocols), lowered by the subscription's.
        """
        qos = min(1 if message.mqtt is None else message.mqtt.qos, self.subscriptions.get(message.group or "", 2))
        if not qos:
            self._last = None
            return None
        packet_id = next(iter(reversed(self._unacked)), 0)
        while (packet_id := packet_id % MAX_PACKET_ID + 1) in self._unacked:
            pass
        self._last = packet_id
        return qos << 16 | packet_id

    def add(self, frame: bytes, expires_ns: int | None) -> bool:
        """Keeps the frame of the last `number`, if it must be acknowledged; False if there are too many."""
        if self._last is not None:
            self._unacked[self._last] = frame
        return len(self._unacked) <= MAX_UNACKED

    def acknowledge(self, sequence_id: int) -> None:
        """Does nothing: sequence ids belong to other protocols."""

    def respond(self, response: PublishResponse) -> PublishResponse | None:
        """The client's answer to a delivery, and ours to that."""
        packet_id = response.packet_id
        if response.kind is PacketKind.PUBREC and response.code < _UNSPECIFIED:
            if packet_id in self._unacked:
                self._unacked[packet_id] = None  # released
            return PublishResponse(PacketKind.PUBREL, packet_id)
        if response.kind is PacketKind.PUBREL:
            self.incoming.discard(packet_id)
            return PublishResponse(PacketKind.PUBCOMP, packet_id)
        self._unacked.pop(packet_id, None)
        return None

    def unacked(self, now_ns: int) -> list[bytes]:
        """What must be sent again when the session continues, oldest first."""
        return [
            build_frame(BINARY, encode(PublishResponse(PacketKind.PUBREL, packet_id), V5))
            if frame is None
            else _again(frame)
            for packet_id, frame in self._unacked.items()
        ]


def _again(frame: bytes) -> bytes:
    """The same PUBLISH, with DUP set."""
    at = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[:at] + bytes((frame[at] | 8,)) + frame[at + 1 :]


MQTT = MqttWire(traits.MQTT)
MQTT5 = MqttWire(traits.MQTT5)
