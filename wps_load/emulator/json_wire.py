"""`json.webpubsub.azure.v1` and its reliable variant, the service's side: strict in what it reads."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from orjson import dumps as _dumps
from orjson import loads as _loads

from wps_load.emulator.frames import TEXT, build_frame, build_header
from wps_load.emulator.names import valid_event, valid_group
from wps_load.emulator.wires import Publication, refuse
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.messages import (
    DataType,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    Upstream,
)

_MALFORMED = "The client message is not a valid JSON protocol message."
_MAX_ID = (1 << 64) - 1
_MAX_TTL_S = 300
_PING = Ping()
_PONG = build_frame(TEXT, b'{"type":"pong"}')


_new = tuple.__new__  # half the cost of a NamedTuple's own
_TEXT, _JSON = DataType.TEXT, DataType.JSON  # an enumeration's member costs more than a name, each time

_FROM_SERVER = b'{"type":"message","from":"server"'


@lru_cache(maxsize=4096)  # a publisher's messages begin alike
def _head(group: str | None, user_id: str | None, data_type: DataType) -> bytes:
    head = _FROM_SERVER if group is None else b'{"type":"message","from":"group","group":' + _dumps(group)
    if user_id is not None:
        head += b',"fromUserId":' + _dumps(user_id)
    return head + b',"dataType":"%b","data":' % data_type.value.encode()


_TEXT_DATA, _END, _ACK_ID = b'"data":"', b'"}', b'"ackId"'
_PLAIN = bytes(char for char in range(0x20, 0x7F) if char not in b'"\\')
_SHORT_BYTES = 2048
"""Beyond, a parser that looks at many bytes at once is faster than a look at each."""


@lru_cache(maxsize=4096)
def _plain_group(start: bytes) -> str | None:
    """The group of any publication that is `start`, plain text, a quote and a brace, and asks for nothing else.

    What follows from the start is the same for each text without a quote or a backslash: a client's messages begin
    alike, and only the first is parsed. None: none is, and they are to be parsed one by one.
    """
    if start.endswith(b"\\"):  # what looked like the member `data` is the end of a longer name
        return None
    try:
        message = _loads(start + _TEXT_DATA + _END)
        publication = _READERS[message["type"]](message)
    except (ValueError, LookupError, TypeError, RemoteProtocolError):
        return None
    plain = isinstance(publication, SendToGroup) and publication[1:] == (_TEXT, b"", None, False)
    return cast(SendToGroup, publication).group if plain else None


class JsonWire:
    """Stateless; one object serves every connection."""

    def __init__(self, name: str, subprotocol: str, *, reliable: bool) -> None:
        self.name = name
        self.subprotocol: str | None = subprotocol
        self.reliable = reliable

    def decode(self, opcode: int, payload: bytes) -> Upstream:
        if opcode != TEXT:
            raise RemoteProtocolError(1003, "The JSON subprotocol requires text messages.")
        start, quote, text = payload.partition(_TEXT_DATA)
        if quote and len(payload) <= _SHORT_BYTES and text.endswith(_END) and _ACK_ID not in start:
            data = text[:-2]
            if not data.translate(None, _PLAIN) and (group := _plain_group(start)) is not None:
                return _new(SendToGroup, (group, _TEXT, data, None, False))
        try:
            message = _loads(payload)
            kind = message["type"]
            reader = _READERS.get(kind) or _READERS[kind.lower()]
        except (ValueError, LookupError, TypeError, AttributeError):  # no JSON, no object, no type, none that we know
            raise refuse(_MALFORMED) from None
        return reader(message)

    def message(self, message: Publication, sequence_id: int | None) -> bytes:
        _, group, user_id, data_type, data = message
        if data_type is _TEXT:
            body = _dumps(data.decode())
        elif data_type is _JSON:
            body = data
        else:
            body = b'"%b"' % base64.b64encode(data)
        head = _head(group, user_id, data_type)
        tail = b"}" if sequence_id is None else b',"sequenceId":%d}' % sequence_id
        return build_header(TEXT, len(head) + len(body) + len(tail)) + head + body + tail

    def connected(self, connection_id: str, user_id: str | None, token: str | None) -> bytes:
        message = {"type": "system", "event": "connected", "userId": user_id, "connectionId": connection_id}
        if token is not None:
            message["reconnectionToken"] = token
        return build_frame(TEXT, _dumps(message))

    def disconnected(self, reason: str) -> bytes:
        return build_frame(TEXT, _dumps({"type": "system", "event": "disconnected", "message": reason}))

    def ack(self, ack_id: int, error: str | None, message: str) -> bytes:
        if error is None:
            return build_frame(TEXT, b'{"type":"ack","ackId":%d,"success":true}' % ack_id)
        details = _dumps({"name": error, "message": message})
        return build_frame(TEXT, b'{"type":"ack","ackId":%d,"success":false,"error":%b}' % (ack_id, details))

    def pong(self) -> bytes:
        return _PONG


def _identity(message: dict[str, Any], name: str) -> int | None:
    """An unsigned 64-bit integer; null counts as absent. Zero is refused: SDKs count from 1."""
    value = message.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 < value <= _MAX_ID:
        raise refuse(_MALFORMED)
    return value


def _group(message: dict[str, Any]) -> str:
    group = message.get("group")
    if not isinstance(group, str) or not valid_group(group):
        raise refuse(_MALFORMED)
    return group


def _data(message: dict[str, Any]) -> tuple[DataType, bytes]:
    kind = message.get("dataType", "json")
    value = message.get("data")
    if not isinstance(kind, str):
        raise refuse(_MALFORMED)
    if value is None and isinstance(message.get("metadata"), dict):
        return DataType.TEXT, b""
    kind = kind.lower()
    if kind == "json" and value is not None:
        return DataType.JSON, _dumps(value)
    if kind == "text" and isinstance(value, str):
        return DataType.TEXT, _utf8(value)
    if kind in ("binary", "protobuf") and isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise refuse(_MALFORMED) from None
        return DataType(kind), data
    raise refuse(_MALFORMED)


def _utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        raise refuse(_MALFORMED) from None


def _join(message: dict[str, Any]) -> Upstream:
    return JoinGroup(_group(message), _identity(message, "ackId"))


def _leave(message: dict[str, Any]) -> Upstream:
    return LeaveGroup(_group(message), _identity(message, "ackId"))


def _send_to_group(message: dict[str, Any]) -> Upstream:
    data_type, data = _data(message)
    no_echo = message.get("noEcho")
    if no_echo is not None and not isinstance(no_echo, bool):
        raise refuse(_MALFORMED)
    ttl_s = message.get("ttlSeconds")
    if ttl_s is not None and (type(ttl_s) is not int or not 0 <= ttl_s <= _MAX_TTL_S):
        raise refuse(_MALFORMED)
    return SendToGroup(_group(message), data_type, data, _identity(message, "ackId"), bool(no_echo))


def _event(message: dict[str, Any]) -> Upstream:
    event = message.get("event")
    if not isinstance(event, str) or not valid_event(event):
        raise refuse(_MALFORMED)
    data_type, data = _data(message)
    return SendEvent(event, data_type, data, _identity(message, "ackId"))


def _sequence_ack(message: dict[str, Any]) -> Upstream:
    sequence_id = message.get("sequenceId")
    if type(sequence_id) is not int or not 0 <= sequence_id <= _MAX_ID:
        raise refuse(_MALFORMED)
    return SequenceAck(sequence_id)


def _ping(message: dict[str, Any]) -> Upstream:
    return _PING


_READERS: dict[str, Callable[[dict[str, Any]], Upstream]] = {
    "joinGroup": _join,
    "joingroup": _join,
    "leaveGroup": _leave,
    "leavegroup": _leave,
    "sendToGroup": _send_to_group,
    "sendtogroup": _send_to_group,
    "event": _event,
    "sequenceAck": _sequence_ack,
    "sequenceack": _sequence_ack,
    "ping": _ping,
}

JSON = JsonWire("json", "json.webpubsub.azure.v1", reliable=False)
JSON_RELIABLE = JsonWire("json-reliable", "json.reliable.webpubsub.azure.v1", reliable=True)
