"""MQTT packets out of bytes: cut out of the stream of WebSocket frames, and read. Source: see mqtt_packets.

A frame may hold a part of a packet, or several (MQTT 5.0, section 6), so a connection's bytes are one stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from wps_load.protocol.mqtt_packets import (
    PINGREQ,
    PINGRESP,
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Granted,
    Packet,
    PacketKind,
    Properties,
    Property,
    Publish,
    PublishResponse,
    Subscribe,
    Unsubscribe,
    Will,
    malformed,
)

_P = Property
_FIXED: Final = {
    **dict.fromkeys((_P.PAYLOAD_FORMAT, _P.REQUEST_PROBLEM, _P.REQUEST_RESPONSE, _P.MAXIMUM_QOS), 1),
    **dict.fromkeys((_P.RETAIN_AVAILABLE, _P.WILDCARD_AVAILABLE, _P.SHARED_AVAILABLE, _P.SUBSCRIPTION_ID_AVAILABLE), 1),
    **dict.fromkeys((_P.SERVER_KEEP_ALIVE, _P.RECEIVE_MAXIMUM, _P.TOPIC_ALIAS_MAXIMUM, _P.TOPIC_ALIAS), 2),
    **dict.fromkeys((_P.MESSAGE_EXPIRY, _P.SESSION_EXPIRY, _P.WILL_DELAY, _P.MAXIMUM_PACKET_SIZE), 4),
}
_BYTES: Final = {_P.CORRELATION_DATA, _P.AUTH_DATA}
_TEXTS: Final = {_P.CONTENT_TYPE, _P.RESPONSE_TOPIC, _P.ASSIGNED_CLIENT_ID, _P.AUTH_METHOD} | {
    _P.RESPONSE_INFO, _P.SERVER_REFERENCE, _P.REASON_STRING
}  # fmt: skip
_SLOW_BYTES: Final = 5
"""The most bytes of a fixed header."""


class PacketReader:
    """Cuts a connection's bytes into packets. `max_bytes`: the longest that is taken."""

    __slots__ = ("_held", "_max_bytes")

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._held = b""
        self._max_bytes = max_bytes

    @property
    def midway(self) -> bool:
        """A packet has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes) -> Sequence[bytes]:
        """The packets that are whole by now, each with its header. Raises RemoteProtocolError."""
        size = len(data)
        if size > 2 and not self._held:  # the usual frame is one packet of less than 16 KiB: recognised by two bytes
            low, high = data[1], data[2]
            if size == low + 2 if low < 0x80 else high < 0x80 and size == (low & 0x7F) + (high << 7) + 3:
                return (data,)
        data = self._held + data
        found, at = [], 0
        while (length := _size(data, at, self._max_bytes)) is not None and at + length <= len(data):
            found.append(data[at : at + length])
            at += length
        self._held = data[at:]
        return found


def _size(data: bytes, at: int, max_bytes: int) -> int | None:
    """The size of the packet that begins there, header included; None: too little of it is there to say."""
    remaining = shift = 0
    for place in range(at + 1, min(len(data), at + _SLOW_BYTES)):
        byte = data[place]
        remaining |= (byte & 0x7F) << shift
        if byte < 0x80:
            size = place + 1 - at + remaining
            if size > max_bytes:
                raise malformed(f"it has {size:,} bytes; {max_bytes:,} are taken")
            return size
        shift += 7
    if len(data) - at >= _SLOW_BYTES:
        raise malformed("its length has more than four bytes")
    return None


class _Cursor:
    """Reads a packet's fields one after the other. Raises RemoteProtocolError for what is not there."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self._data, self._at, self._end = data, at, end

    @property
    def left(self) -> int:
        return self._end - self._at

    def take(self, size: int) -> bytes:
        at = self._at
        if at + size > self._end:
            raise malformed("it ends in the middle of a field")
        self._at = at + size
        return self._data[at : at + size]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.number(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
            if shift > 21:
                raise malformed("a number has more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        try:
            found = self.binary().decode()
        except UnicodeDecodeError:
            raise malformed("a text is not UTF-8") from None
        if "\0" in found:
            raise malformed("a text has a null character")
        return found

    def rest(self) -> bytes:
        return self.take(self.left)

    def packet_id(self) -> int:
        number = self.number(2)
        if not number:
            raise malformed("packet identifier 0")
        return number

    def properties(self, five: bool) -> Properties:
        if not five or not self.left:
            return {}
        size = self.varint()
        inner = _Cursor(self._data, self._at, self._at + size)
        self.take(size)
        found: dict[int, Any] = {}
        while inner.left:
            number = inner.varint()
            if number == _P.USER_PROPERTY:
                found[number] = (*found.get(number, ()), (inner.text(), inner.text()))
                continue
            if number in found and number != _P.SUBSCRIPTION_ID:
                raise malformed(f"property 0x{number:02x} comes twice")
            found[number] = inner.property(number)
        return found

    def property(self, number: int) -> Any:
        if number in _FIXED:
            return self.number(_FIXED[_P(number)])
        if number in _TEXTS:
            return self.text()
        if number in _BYTES:
            return self.binary()
        if number == _P.SUBSCRIPTION_ID:
            return self.varint()
        raise malformed(f"unknown property 0x{number:02x}")


def decode(packet: bytes, version: int) -> Packet:
    """One whole packet, as `PacketReader` cuts it. Raises RemoteProtocolError."""
    if _size(packet, 0, len(packet)) != len(packet):
        raise malformed("it is not whole")
    at = 1
    while packet[at] > 0x7F:
        at += 1
    cursor = _Cursor(packet, at + 1, len(packet))
    first, five = packet[0], version == V5
    kind = first >> 4
    if kind == PacketKind.PUBLISH:
        return _publish(cursor, first, five)
    if first & 0x0F != (2 if kind in (PacketKind.PUBREL, PacketKind.SUBSCRIBE, PacketKind.UNSUBSCRIBE) else 0):
        raise malformed("reserved flags")
    match kind:
        case PacketKind.PUBACK | PacketKind.PUBREC | PacketKind.PUBREL | PacketKind.PUBCOMP:
            number = cursor.packet_id()
            code = cursor.number(1) if five and cursor.left else 0
            return PublishResponse(PacketKind(kind), number, code, cursor.properties(five))
        case PacketKind.CONNECT:
            return _connect(cursor)
        case PacketKind.CONNACK:
            present, code = cursor.number(1), cursor.number(1)
            return ConnAck(code, bool(present & 1), cursor.properties(five))
        case PacketKind.SUBSCRIBE:
            return _subscribe(cursor, five)
        case PacketKind.UNSUBSCRIBE:
            number, found = cursor.packet_id(), cursor.properties(five)
            names = []
            while cursor.left:
                names.append(cursor.text())
            return Unsubscribe(number, tuple(names), found)
        case PacketKind.SUBACK | PacketKind.UNSUBACK:
            number, found = cursor.packet_id(), cursor.properties(five)
            return Granted(PacketKind(kind), number, tuple(cursor.rest()), found)
        case PacketKind.PINGREQ:
            return PINGREQ
        case PacketKind.PINGRESP:
            return PINGRESP
        case PacketKind.DISCONNECT:
            code = cursor.number(1) if five and cursor.left else 0
            return Disconnect(code, cursor.properties(five))
    raise malformed(f"type {kind}")


def _publish(cursor: _Cursor, first: int, five: bool) -> Publish:
    qos = first >> 1 & 3
    if qos == 3:
        raise malformed("QoS 3")
    topic = cursor.text()
    number = cursor.packet_id() if qos else None
    found = cursor.properties(five)
    return Publish(topic, cursor.rest(), qos, number, bool(first & 8), bool(first & 1), found)


def _subscribe(cursor: _Cursor, five: bool) -> Subscribe:
    number, found = cursor.packet_id(), cursor.properties(five)
    filters = []
    while cursor.left:
        name, options = cursor.text(), cursor.number(1)
        if options & 3 == 3 or options >> 6 or (not five and options > 2):
            raise malformed("subscription options")
        filters.append((name, options))
    if not filters:
        raise malformed("a subscription without a topic")
    return Subscribe(number, tuple(filters), found)


def _connect(cursor: _Cursor) -> Connect:
    """Of a version that nobody knows, the version alone: what follows may mean anything."""
    name, version = cursor.text(), cursor.number(1)
    if name != "MQTT" or version not in (V311, V5):
        return Connect("", version if name == "MQTT" else 0)
    five = version == V5
    flags, keep_alive_s = cursor.number(1), cursor.number(2)
    if flags & 1:
        raise malformed("reserved flags")
    found = cursor.properties(five)
    client_id = cursor.text()
    will = None
    if flags & 4:
        about = cursor.properties(five)
        will = Will(cursor.text(), cursor.binary(), flags >> 3 & 3, bool(flags & 32), about)
    username = cursor.text() if flags & 128 else None
    password = cursor.binary() if flags & 64 else None
    return Connect(client_id, version, bool(flags & 2), keep_alive_s, found, will, username, password)
