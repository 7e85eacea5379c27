"""The two messages of the protobuf subprotocols that a load consists of, by hand: publication and delivery.

For a delivery of 160 bytes the library takes 2.4 µs, this one 1.3 µs. Everything else, and everything unusual, is left
to the library (`protobuf_v1`), with which tests compare this one. Source of the wire format: Protocol Buffers
documentation, "Encoding".
"""

from __future__ import annotations

from wps_load.errors import LocalProtocolError
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataMessage, DataType
from wps_load.protocol.traits import NO_INVOKE, PublishKind

# -- service to client ---------------------------------------------------------------------------------------

_FROM_GROUP = b"\x0a\x05group\x12"  # the field `from`, then the tag of `group`
_FROM_SERVER = b"\x0a\x06server\x1a"  # the field `from`, then the tag of `data`

_new = tuple.__new__  # see json_v1


def read_delivery(payload: bytes) -> DataMessage | None:
    """The usual delivery, or None for anything else, including malformed messages: the library must judge those.

    Usual: a DataMessage with its fields in the order of their numbers, as serializers write them; text or binary data;
    a group's name below 128 bytes, the whole below 16 KiB; nothing unknown.
    """
    try:
        return _read_delivery(payload)
    except (IndexError, UnicodeDecodeError):
        return None


def _read_delivery(payload: bytes) -> DataMessage | None:
    end = len(payload)
    if payload[0] != 0x12 or end >= 0x4000:  # so no length has more than two bytes
        return None
    size, at = payload[1], 2
    if size > 0x7F:
        size += (payload[2] << 7) - 0x80
        at = 3
    if at + size != end:
        return None
    if payload.startswith(_FROM_GROUP, at):
        source = "group"
        start = at + 9
        at = start + payload[start - 1]
        if payload[start - 1] > 0x7F or payload[at] != 0x1A:
            return None
        group = payload[start:at].decode()
        at += 1
    elif payload.startswith(_FROM_SERVER, at):
        source, group = "server", None
        at += 9
    else:
        return None
    size = payload[at]  # of MessageData
    at += 1
    if size > 0x7F:
        size += (payload[at] << 7) - 0x80
        at += 1
    stop = at + size
    tag = payload[at]
    size = payload[at + 1]  # of the text or binary in it
    at += 2
    if size > 0x7F:
        size += (payload[at] << 7) - 0x80
        at += 1
    if at + size != stop or (tag != 0x0A and tag != 0x12):
        return None
    sequence_id = None
    if stop != end:  # an IndexError if it is beyond the end
        sequence_id = _read_sequence_id(payload, stop)
        if sequence_id is None:
            return None
    if tag == 0x0A:
        return _new(DataMessage, (source, group, "text", payload[at:stop].decode(), sequence_id, None))
    return _new(DataMessage, (source, group, "binary", payload[at:stop], sequence_id, None))


def _read_sequence_id(payload: bytes, at: int) -> int | None:
    """Field 4 as the last one of the message; None if it is anything else, or longer than nine bytes."""
    if payload[at] != 0x20 or not 2 <= len(payload) - at <= 10 or payload[-1] > 0x7F:
        return None
    value = payload[-1]
    for byte in reversed(payload[at + 1 : -1]):
        if byte < 0x80:
            return None
        value = value << 7 | byte & 0x7F
    return value


# -- client to service ---------------------------------------------------------------------------------------

_DATA_FIELD = {
    DataType.TEXT: b"\x0a",
    DataType.BINARY: b"\x12",
    DataType.PROTOBUF: b"\x1a",
    DataType.JSON: b"\x22",
}
_MAX_CACHED_HEADS = 4096


class ProtobufTemplate:
    """A publication in which only the data change: the library's bytes, built by hand in a third of its time.

    Everything before the data depends only on lengths, so it is cached by lengths. Writers may choose the order of
    fields: the ack id comes last.
    """

    __slots__ = ("_ack_tag", "_constant", "_data_tag", "_data_type", "_heads", "_outer_tag", "opcode")

    def __init__(self, outer_tag: bytes, constant: bytes, ack_tag: bytes, data_tag: bytes, data_type: DataType) -> None:
        self.opcode = int(Opcode.BINARY)
        self._outer_tag = outer_tag
        self._constant = constant
        self._ack_tag = ack_tag
        self._data_tag = data_tag
        self._data_type = data_type
        self._heads: dict[tuple[int, int], bytes] = {}

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        """`data`: UTF-8 of a text, JSON text, raw binary, serialized Any. LocalProtocolError: not UTF-8."""
        if self._data_type in (DataType.TEXT, DataType.JSON) and not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                raise LocalProtocolError(f"{self._data_type} data is not UTF-8") from error
        return self.encode_safe(data, ack_id)

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """As `encode`, for text that the caller knows to be ASCII."""
        ack = b"" if ack_id is None else self._ack_tag + _varint(ack_id)
        lengths = (len(data), len(ack))
        head = self._heads.get(lengths)
        if head is None:
            head = self._head(*lengths)
        return head + data + ack

    def _head(self, data_bytes: int, ack_bytes: int) -> bytes:
        value = _DATA_FIELD[self._data_type] + _varint(data_bytes)
        field = self._data_tag + _varint(len(value) + data_bytes) + value
        body_bytes = len(self._constant) + len(field) + data_bytes + ack_bytes
        head = self._outer_tag + _varint(body_bytes) + self._constant + field
        if len(self._heads) < _MAX_CACHED_HEADS:
            self._heads[data_bytes, ack_bytes] = head
        return head


def _varint(value: int) -> bytes:
    """Base-128, lowest group first (protobuf's "Encoding" page). Raises LocalProtocolError if it is not a uint64."""
    if not 0 <= value < 2**64:
        raise LocalProtocolError(f"{value} is not an unsigned 64-bit number")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _string_field(tag: bytes, text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError("a name that UTF-8 cannot hold") from error
    return tag + _varint(len(raw)) + raw


def publish_template(kind: PublishKind, name: str, data_type: DataType, no_echo: bool = False) -> ProtobufTemplate:
    """A template for one group, one event, or a stream's fragments, whose numbers are where ack ids are."""
    constant = _string_field(b"\x0a", name)
    if kind == "invoke":
        raise LocalProtocolError(NO_INVOKE)
    if kind == "stream":
        return ProtobufTemplate(b"\x6a", constant, b"\x10", b"\x1a", data_type)
    if kind == "group":
        constant += b"\x20\x01" if no_echo else b""
        return ProtobufTemplate(b"\x0a", constant, b"\x10", b"\x1a", data_type)
    return ProtobufTemplate(b"\x2a", constant, b"\x18", b"\x12", data_type)
