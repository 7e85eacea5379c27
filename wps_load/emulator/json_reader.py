"""Messages of JSON clients: read strictly, in one pass, with `data` as written in the message."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, UnsetType

from wps_load.emulator import metadata, raw_json
from wps_load.emulator.server_frames import TEXT
from wps_load.emulator.valid_names import valid_event, valid_group
from wps_load.emulator.wires import refuse
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.messages import (
    CancelInvocation,
    DataType,
    EndStream,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Metadata,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamData,
    StreamError,
    Upstream,
)

MALFORMED = "The client message is not a valid JSON protocol message."
_MAX_ID = (1 << 64) - 1
_MAX_TTL_S = 300
_MAX_IDLE_TIMEOUT_MS = (1 << 32) - 1
"""The numbers that protobuf can express."""
_MAX_DEPTH = raw_json.MAX_DEPTH - 1
"""The depth of data, which are one level down."""

_PING = Ping()
_NULL = b"null"
_QUOTE = ord('"')
_TEXT, _JSON = DataType.TEXT, DataType.JSON  # an enumeration's member costs more than a name, each time
_new = tuple.__new__  # half the cost of a NamedTuple's own


class _Stream(msgspec.Struct, rename="camel", gc=False):
    """The stream that `sendToGroup` starts."""

    stream_id: str
    idle_timeout_ms: int | None = None


class _Error(msgspec.Struct, rename="camel", gc=False):
    """Why a client ends a stream before its end."""

    message: str | None = None
    user_error_code: str | None = None


class _Message(msgspec.Struct, rename="camel", gc=False):
    """The members of every kind of message. msgspec refuses 1.0 as an integer, and accepts null where it may be."""

    type: str
    group: str | UnsetType = UNSET
    event: str | UnsetType = UNSET
    ack_id: int | UnsetType | None = UNSET
    no_echo: bool | UnsetType = UNSET
    data_type: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    ttl_seconds: int | UnsetType | None = UNSET
    metadata: Raw | UnsetType = UNSET
    sequence_id: int | UnsetType | None = UNSET
    invocation_id: str | UnsetType = UNSET
    target: str | UnsetType = UNSET
    stream: _Stream | UnsetType | None = UNSET
    stream_id: str | UnsetType = UNSET
    stream_sequence_id: int | UnsetType | None = UNSET
    error: _Error | UnsetType | None = UNSET


_parse = msgspec.json.Decoder(_Message).decode
_parse_string = msgspec.json.Decoder(str).decode
_MEMBERS = frozenset(field.encode_name for field in msgspec.structs.fields(_Message))

_DATA, _END, _ACK_ID = b'"data":"', b'"}', b'"ackId"'
_PLAIN = bytes(char for char in range(0x20, 0x7F) if char not in b'"\\')
_SHORT_BYTES = 2048
"""For longer texts, a parser that reads many bytes at once is faster than checking each."""


def read(opcode: int, payload: bytes) -> Upstream:
    """A client's message. Raises RemoteProtocolError for one that is malformed."""
    if opcode != TEXT:
        raise RemoteProtocolError(1003, "The JSON subprotocol requires text messages.")
    if len(payload) <= _SHORT_BYTES:
        start, quote, text = payload.partition(_DATA)
        if quote and text.endswith(_END) and _ACK_ID not in start:
            data = text[:-2]
            if not data.translate(None, _PLAIN) and (group := _plain_group(start)) is not None:
                return _new(SendToGroup, (group, _TEXT, data, None, False, None, (), None))
    return _read(payload)


@lru_cache(maxsize=4096)
def _plain_group(start: bytes) -> str | None:
    """The group of any publication that consists of `start`, plain text, a quote and a brace, without other demands.

    What follows from the start is the same for each text without a quote or a backslash: a client's messages begin
    alike, and only the first is parsed. None: there is none, so they must be parsed one by one.
    """
    if start.endswith(b"\\"):  # what looked like the member `data` is the end of a longer name
        return None
    try:
        publication = _read(start + _DATA + _END)
    except RemoteProtocolError:
        return None
    plain = isinstance(publication, SendToGroup) and publication[1:] == (_TEXT, b"", None, False, None, (), None)
    return publication.group if plain and isinstance(publication, SendToGroup) else None


def _read(payload: bytes) -> Upstream:
    if not payload.isascii() and not raw_json.is_utf8(payload):
        raise refuse(MALFORMED)
    try:
        message = _parse(payload)
    except msgspec.DecodeError:
        message = _with_surrogates(payload)
    except RecursionError:
        raise refuse(MALFORMED) from None
    kind = message.type
    reader = _READERS.get(kind) or _READERS.get(kind.lower())
    if reader is None:
        raise refuse(MALFORMED)
    return reader(message, _number(message.ack_id, _MAX_ID))


def _with_surrogates(payload: bytes) -> _Message:
    """A message whose data contain halves of surrogate pairs: read without its data, which are put back unchanged."""
    found = None
    if raw_json.has_surrogates(payload) and not raw_json.is_deep(payload, raw_json.MAX_DEPTH):
        found = raw_json.members(payload.decode())
    if found is None or "data" not in found:
        raise refuse(MALFORMED)
    data = found.pop("data")
    rest = ",".join(f'"{name}":{value}' for name, value in found.items() if name in _MEMBERS)
    try:
        message = _parse(b"{%b}" % rest.encode())
    except msgspec.DecodeError:
        raise refuse(MALFORMED) from None
    message.data = Raw(data.encode())
    return message


def _number(value: int | UnsetType | None, highest: int) -> int | None:
    """Null counts as absent."""
    if value is UNSET or value is None:
        return None
    if not 0 <= value <= highest:
        raise refuse(MALFORMED)
    return value


def _group(message: _Message) -> str:
    group = message.group
    if group is UNSET or not valid_group(group):
        raise refuse(MALFORMED)
    return group


def _data(message: _Message) -> tuple[DataType, bytes]:
    if message.data is UNSET:
        if message.metadata is not UNSET and _metadata(message):
            return _TEXT, b""
        raise refuse(MALFORMED)
    data = bytes(message.data)
    kind = "json" if message.data_type is UNSET else message.data_type.lower()
    if kind == "json" and data != _NULL and not raw_json.is_deep(data, _MAX_DEPTH):
        return _JSON, data
    if kind == "text":
        return _TEXT, _string(data)
    if kind in ("binary", "protobuf"):
        return DataType(kind), _bytes(_string(data))
    raise refuse(MALFORMED)


def _bytes(text: bytes) -> bytes:
    """Bytes of base64, in which white space means nothing."""
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except ValueError:
        pass
    try:
        return base64.b64decode(text.translate(None, b" \t\r\n"), validate=True)
    except ValueError:
        raise refuse(MALFORMED) from None


def _string(data: bytes) -> bytes:
    """The UTF-8 of a JSON string; half a surrogate pair has none."""
    if data[0] == _QUOTE and b"\\" not in data:
        return data[1:-1]
    try:
        return _parse_string(data).encode()
    except msgspec.DecodeError:
        raise refuse(MALFORMED) from None


def _metadata(message: _Message) -> Metadata:
    if message.metadata is UNSET or (text := bytes(message.metadata)) == _NULL:
        return ()
    try:
        return metadata.of_json(text)
    except metadata.MetadataError:
        raise refuse(MALFORMED) from None


def _join(message: _Message, ack_id: int | None) -> Upstream:
    return JoinGroup(_group(message), ack_id)


def _leave(message: _Message, ack_id: int | None) -> Upstream:
    return LeaveGroup(_group(message), ack_id)


def _send_to_group(message: _Message, ack_id: int | None) -> Upstream:
    if type(message.stream) is _Stream:
        return _start_stream(message, message.stream)
    data_type, data = _data(message)
    ttl_s = _number(message.ttl_seconds, _MAX_TTL_S)
    no_echo = message.no_echo is True
    pairs = () if message.metadata is UNSET else _metadata(message)
    return _new(SendToGroup, (_group(message), data_type, data, ack_id, no_echo, ttl_s, pairs, None))


def _event(message: _Message, ack_id: int | None) -> Upstream:
    event = message.event
    if event is UNSET or not valid_event(event):
        raise refuse(MALFORMED)
    data_type, data = _data(message)
    pairs = () if message.metadata is UNSET else _metadata(message)
    return _new(SendEvent, (event, data_type, data, ack_id, pairs, False, None, None))


def _invoke(message: _Message, ack_id: int | None) -> Upstream:
    """Without data it has no type either."""
    event = message.event
    if message.target != "event" or event is UNSET or not valid_event(event):
        raise refuse(MALFORMED)
    if message.data is UNSET and message.data_type is UNSET:
        return Invoke(_invocation_id(message), event)
    data_type, data = _data(message)
    return Invoke(_invocation_id(message), event, data_type, data)


def _cancel(message: _Message, ack_id: int | None) -> Upstream:
    return CancelInvocation(_invocation_id(message))


def _invocation_id(message: _Message) -> str:
    if message.invocation_id is UNSET or not message.invocation_id:
        raise refuse(MALFORMED)
    return message.invocation_id


def _start_stream(message: _Message, stream: _Stream) -> Upstream:
    """It has no data: those follow."""
    idle_timeout_ms = stream.idle_timeout_ms
    too_long = idle_timeout_ms is not None and idle_timeout_ms > _MAX_IDLE_TIMEOUT_MS
    if message.data is not UNSET or message.data_type is not UNSET or not stream.stream_id or too_long:
        raise refuse(MALFORMED)
    return StartStream(_group(message), stream.stream_id, idle_timeout_ms, message.no_echo is True)


def _stream_data(message: _Message, ack_id: int | None) -> Upstream:
    """An incomplete fragment is a valid message, but is refused with its stream."""
    number = _number(message.stream_sequence_id, _MAX_ID)
    if message.data is UNSET:
        data_type = None if message.data_type is UNSET else _TEXT
        return StreamData(_stream_id(message), number, data_type)
    return StreamData(_stream_id(message), number, *_data(message))


def _end_stream(message: _Message, ack_id: int | None) -> Upstream:
    error = message.error
    found = StreamError("", error.message or "", error.user_error_code or "") if type(error) is _Error else None
    return EndStream(_stream_id(message), found)


def _stream_id(message: _Message) -> str:
    if message.stream_id is UNSET or not message.stream_id:
        raise refuse(MALFORMED)
    return message.stream_id


def _sequence_ack(message: _Message, ack_id: int | None) -> Upstream:
    number = _number(message.sequence_id, _MAX_ID)
    if number is None:
        raise refuse(MALFORMED)
    return SequenceAck(number)


def _ping(message: _Message, ack_id: int | None) -> Upstream:
    return _PING


_READERS: dict[str, Callable[[_Message, int | None], Upstream]] = {
    "joinGroup": _join,
    "joingroup": _join,
    "leaveGroup": _leave,
    "leavegroup": _leave,
    "sendToGroup": _send_to_group,
    "sendtogroup": _send_to_group,
    "event": _event,
    "invoke": _invoke,
    "cancelInvocation": _cancel,
    "cancelinvocation": _cancel,
    "streamData": _stream_data,
    "streamdata": _stream_data,
    "streamEnd": _end_stream,
    "streamend": _end_stream,
    "sequenceAck": _sequence_ack,
    "sequenceack": _sequence_ack,
    "ping": _ping,
}
