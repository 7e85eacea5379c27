"""MQTT's control packets as values, 3.1.1 and 5.0, and as bytes. Both directions, no state.

Source: OASIS MQTT Version 3.1.1 and Version 5.0. What breaks the format is a RemoteProtocolError with close code 1002.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from wps_load.errors import LocalProtocolError, RemoteProtocolError

V311: Final = 4
V5: Final = 5
MAX_PACKET_ID: Final = 65_535
MAX_REMAINING: Final = 268_435_455


class PacketKind(IntEnum):
    """The type in a packet's first four bits."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Property(IntEnum):
    """MQTT 5.0's properties (section 2.2.2.2)."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    RESPONSE_INFO = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


Properties = Mapping[int, Any]
"""By id: numbers, texts, bytes; of USER_PROPERTY a tuple of (name, value)."""
NO_PROPERTIES: Final[Properties] = {}


class Will(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


class Connect(NamedTuple):
    """`version`: 4 (3.1.1) or 5; any other is a client's error."""

    client_id: str
    version: int = V5
    clean: bool = True
    keep_alive_s: int = 0
    properties: Properties = NO_PROPERTIES
    will: Will | None = None
    username: str | None = None
    password: bytes | None = None


class ConnAck(NamedTuple):
    code: int = 0
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


class Publish(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int | None = None
    dup: bool = False
    retain: bool = False
    properties: Properties = NO_PROPERTIES


class PublishResponse(NamedTuple):
    """PUBACK, PUBREC, PUBREL or PUBCOMP. 3.1.1 has no codes."""

    kind: PacketKind
    packet_id: int
    code: int = 0
    properties: Properties = NO_PROPERTIES


class Subscribe(NamedTuple):
    """`filters`: (topic filter, options): bits 0-1 QoS, 2 no local, 3 retain as published, 4-5 retain handling."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]
    properties: Properties = NO_PROPERTIES


class Unsubscribe(NamedTuple):
    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


class Granted(NamedTuple):
    """SUBACK or UNSUBACK: a code for each filter; 3.1.1's UNSUBACK has none."""

    kind: PacketKind
    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


class Disconnect(NamedTuple):
    code: int = 0
    properties: Properties = NO_PROPERTIES


class Bare(NamedTuple):
    """PINGREQ or PINGRESP."""

    kind: PacketKind


PINGREQ: Final = Bare(PacketKind.PINGREQ)
PINGRESP: Final = Bare(PacketKind.PINGRESP)
Packet = Connect | ConnAck | Publish | PublishResponse | Subscribe | Unsubscribe | Granted | Disconnect | Bare


def malformed(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(1002, f"malformed MQTT packet: {what}")


# -- writing -------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """Seven bits a byte, low ones first (section 1.5.5)."""
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if number > MAX_REMAINING:
        raise LocalProtocolError("an MQTT packet has at most 256 MiB")
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: str) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError("text that UTF-8 cannot hold") from error
    return binary(encoded)


def binary(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise LocalProtocolError(f"a text of {len(value):,} bytes; MQTT takes 65,535")
    return len(value).to_bytes(2, "big") + value


def _pairs(value: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(b"\x26" + text(name) + text(said) for name, said in value)


def _number(size: int) -> Callable[[int], bytes]:
    return lambda value: value.to_bytes(size, "big")


_ONE, _TWO, _FOUR = _number(1), _number(2), _number(4)
_P = Property
_WRITERS: Final[Mapping[int, Callable[..., bytes]]] = {
    **dict.fromkeys((_P.PAYLOAD_FORMAT, _P.REQUEST_PROBLEM, _P.REQUEST_RESPONSE, _P.MAXIMUM_QOS), _ONE),
    **dict.fromkeys((_P.RETAIN_AVAILABLE, _P.WILDCARD_AVAILABLE, _P.SHARED_AVAILABLE), _ONE),
    _P.SUBSCRIPTION_ID_AVAILABLE: _ONE,
    **dict.fromkeys((_P.SERVER_KEEP_ALIVE, _P.RECEIVE_MAXIMUM, _P.TOPIC_ALIAS_MAXIMUM, _P.TOPIC_ALIAS), _TWO),
    **dict.fromkeys((_P.MESSAGE_EXPIRY, _P.SESSION_EXPIRY, _P.WILL_DELAY, _P.MAXIMUM_PACKET_SIZE), _FOUR),
    **dict.fromkeys((_P.CONTENT_TYPE, _P.RESPONSE_TOPIC, _P.ASSIGNED_CLIENT_ID, _P.AUTH_METHOD), text),
    **dict.fromkeys((_P.RESPONSE_INFO, _P.SERVER_REFERENCE, _P.REASON_STRING), text),
    **dict.fromkeys((_P.CORRELATION_DATA, _P.AUTH_DATA), binary),
    _P.SUBSCRIPTION_ID: varint,
}


def properties(found: Properties) -> bytes:
    """The block, with its length."""
    body = b"".join(
        _pairs(value) if number == _P.USER_PROPERTY else bytes((number,)) + _WRITERS[number](value)
        for number, value in found.items()
    )
    return varint(len(body)) + body


def framed(first: int, body: bytes) -> bytes:
    """A packet: the fixed header, and what follows it."""
    return bytes((first,)) + varint(len(body)) + body


def encode(packet: Packet, version: int) -> bytes:
    """The whole packet. Raises LocalProtocolError."""
    five = version == V5
    match packet:
        case Publish():
            first = PacketKind.PUBLISH << 4 | packet.dup << 3 | packet.qos << 1 | packet.retain
            number = b""
            if packet.qos:
                if packet.packet_id is None:
                    raise LocalProtocolError("a publication of QoS 1 or 2 without a packet id")
                number = _TWO(packet.packet_id)
            block = properties(packet.properties) if five else b""
            return framed(first, text(packet.topic) + number + block + packet.payload)
        case PublishResponse():
            body = _TWO(packet.packet_id) + _outcome(packet.code, packet.properties, five)
            return framed(packet.kind << 4 | (2 if packet.kind is PacketKind.PUBREL else 0), body)
        case Bare():
            return bytes((packet.kind << 4, 0))
        case Connect():
            return framed(PacketKind.CONNECT << 4, _connect(packet))
        case ConnAck():
            block = properties(packet.properties) if five else b""
            return framed(PacketKind.CONNACK << 4, bytes((packet.session_present, packet.code)) + block)
        case Subscribe():
            filters = b"".join(
                text(name) + bytes((options if five else options & 3,)) for name, options in packet.filters
            )
            return framed(PacketKind.SUBSCRIBE << 4 | 2, _TWO(packet.packet_id) + _block(packet, five) + filters)
        case Unsubscribe():
            filters = b"".join(map(text, packet.filters))
            return framed(PacketKind.UNSUBSCRIBE << 4 | 2, _TWO(packet.packet_id) + _block(packet, five) + filters)
        case Granted():
            codes = bytes(packet.codes) if five or packet.kind is PacketKind.SUBACK else b""
            return framed(packet.kind << 4, _TWO(packet.packet_id) + _block(packet, five) + codes)
        case Disconnect():
            return framed(PacketKind.DISCONNECT << 4, _outcome(packet.code, packet.properties, five))


def _block(packet: Subscribe | Unsubscribe | Granted, five: bool) -> bytes:
    return properties(packet.properties) if five else b""


def _outcome(code: int, found: Properties, five: bool) -> bytes:
    """5.0's reason code and properties, left out where they say nothing."""
    if not five or not (code or found):
        return b""
    return bytes((code,)) + (properties(found) if found else b"")


def _connect(packet: Connect) -> bytes:
    five, will = packet.version == V5, packet.will
    flags = packet.clean << 1 | (packet.password is not None) << 6 | (packet.username is not None) << 7
    body = b""
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        body = (properties(will.properties) if five else b"") + text(will.topic) + binary(will.payload)
    if packet.username is not None:
        body += text(packet.username)
    if packet.password is not None:
        body += binary(packet.password)
    head = text("MQTT") + bytes((packet.version, flags)) + _TWO(packet.keep_alive_s)
    return head + (properties(packet.properties) if five else b"") + text(packet.client_id) + body
