"""`json.webpubsub.azure.v1` and `json.reliable.webpubsub.azure.v1`: one JSON object a text frame.

Source: Azure Web PubSub, "JSON WebSocket subprotocol" and "Reliable JSON WebSocket subprotocol" references. The reader
is tolerant, as the protocol asks of clients: any order of properties, extra ones, null for absent, types it does not
know. What another client can put into a message is never an error: an invalid message has an unknown type and belongs
to nobody. Only what is not a message of the protocol at all is a RemoteProtocolError with code 1007 (RFC 6455 section
7.4.1).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any

import orjson

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import json_streams, json_text
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import (
    MALFORMED,
    Ack,
    CancelInvocation,
    Connected,
    DataMessage,
    DataType,
    Disconnected,
    Downstream,
    EndStream,
    Invoke,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Ping,
    Pong,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamData,
    StreamMessage,
    Upstream,
)
from wps_load.protocol.traits import PublishKind

# -- service to client ---------------------------------------------------------------------------------------

_loads = orjson.loads
_new = tuple.__new__  # a NamedTuple's own constructor is twice as slow, and this one runs once a delivery


def decode(payload: bytes) -> Downstream | None:
    """One downstream message; None for a type that this client does not know (to be ignored).

    Raises RemoteProtocolError 1007 for anything that is not a message.
    """
    try:
        message = _loads(payload)
        kind = message["type"]
    except (ValueError, TypeError, KeyError):  # perhaps not JSON; not an object; an object without a type
        message, kind = _read_slowly(payload)
    if kind == "message":
        if "stream" in message:
            return _stream_message(message)
        return _data_message(message.get)
    if kind == "ack":
        return _ack(message)
    if kind == "system":
        return _system(message)
    if kind == "invokeResponse":
        return _invoke_response(message)
    if kind == "pong":
        return Pong()
    if type(kind) is not str:
        raise RemoteProtocolError(1007, "message whose type is not a string")
    reader = _STREAM_READERS.get(kind)
    return None if reader is None else reader(message)


_STREAM_READERS = {
    "streamAck": json_streams.read_ack,
    "streamNack": json_streams.read_nack,
    "streamClosed": json_streams.read_closed,
}


def _read_slowly(payload: bytes) -> tuple[dict[str, Any], object]:
    """Reads what the fast reader refuses. Raises RemoteProtocolError 1007."""
    try:
        message = json_text.loads(payload)
        return message, message["type"]
    except (ValueError, TypeError, KeyError):
        raise RemoteProtocolError(1007, "message is not a JSON object with a type") from None


UNKNOWN = "unknown"
"""The data type of an invalid message: it arrived, but belongs to nobody."""


def _data_message(get: Callable[..., Any]) -> DataMessage:
    source = get("from")
    group = get("group")
    data_type = get("dataType", "json")
    data = get("data")
    if source != "group" or type(group) is not str:
        if source != "server":
            return _senseless(get)
        group = None
    if data_type == "text":
        if type(data) is not str:
            return _senseless(get)
    elif data_type == "binary" or data_type == "protobuf":
        data = _unbase64(data)
        if data is None:
            return _senseless(get)
    elif data_type != "json":
        return _senseless(get)
    sequence_id = get("sequenceId")
    if sequence_id is not None and (type(sequence_id) is not int or sequence_id < 0):
        return _senseless(get)
    user_id = get("fromUserId")
    if type(user_id) is not str:  # null: an anonymous sender
        user_id = None
    return _new(DataMessage, (source, group, data_type, data, sequence_id, user_id))


def _stream_message(message: dict[str, Any]) -> DataMessage | StreamMessage:
    if message.get("data") is None and json_streams.is_terminal(message):
        message = {**message, "dataType": "json"}  # its type means nothing without data
    content = _data_message(message.get)
    return content if content.data_type == UNKNOWN else json_streams.message_of(message, content)


def _senseless(get: Callable[..., Any]) -> DataMessage:
    """A message of unknown meaning. It keeps its number in a reliable stream, because it has arrived."""
    sequence_id = get("sequenceId")
    if type(sequence_id) is not int or sequence_id < 0:
        sequence_id = None
    return DataMessage("server", None, UNKNOWN, None, sequence_id)


def _unbase64(text: object) -> bytes | None:
    if type(text) is str:
        try:
            return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
        except ValueError:  # binascii.Error and UnicodeEncodeError are both ValueErrors
            pass
    return None


def _ack(message: dict[str, Any]) -> Ack:
    """The ack has no id if it answers none of ours: our ids are whole numbers."""
    ack_id = message.get("ackId")
    success = message.get("success")
    if type(ack_id) is not int or ack_id < 0 or type(success) is not bool:
        return Ack(None, False)
    error = message.get("error")
    if type(error) is not dict:
        return Ack(ack_id, success)
    name = error.get("name")
    return Ack(ack_id, success, name if type(name) is str else None, _text(error.get("message")))


def _invoke_response(message: dict[str, Any]) -> InvokeResponse | None:
    """None without an id: it answers none of ours. Without a clear outcome it is a failure, `MALFORMED`."""
    invocation_id, success = message.get("invocationId"), message.get("success")
    if type(invocation_id) is not str:
        return None
    if success is not True:
        error = message.get("error")
        name = error.get("name") if success is False and type(error) is dict else MALFORMED
        told = _text(error.get("message")) if type(error) is dict else ""
        return InvokeResponse(invocation_id, False, error=name if type(name) is str else None, error_message=told)
    if message.get("dataType") is None and message.get("data") is None:
        return InvokeResponse(invocation_id, True)
    data_type, data = message.get("dataType", "json"), message.get("data")
    if data_type in ("binary", "protobuf"):
        data = _unbase64(data)
    sound = data_type == "json" or (data is not None and (data_type != "text" or type(data) is str))
    if not sound or data_type not in ("text", "json", "binary", "protobuf"):
        return InvokeResponse(invocation_id, False, error=MALFORMED)
    return InvokeResponse(invocation_id, True, data_type, data)


def _system(message: dict[str, Any]) -> Connected | Disconnected | None:
    event = message.get("event")
    if event == "connected":
        connection_id = _text(message.get("connectionId"))
        if not connection_id:
            raise RemoteProtocolError(1007, "connected without a connectionId")
        user_id = _text(message.get("userId")) or None
        return Connected(connection_id, user_id, _text(message.get("reconnectionToken")) or None)
    if event == "disconnected":
        return Disconnected(_text(message.get("message")))
    return None


def _text(value: object) -> str:
    return value if type(value) is str else ""


# -- client to service ---------------------------------------------------------------------------------------


def encode(message: Upstream) -> bytes:
    """The text frame's payload. Raises LocalProtocolError for data that does not fit its data type."""
    return _dumps(_upstream_object(message))


def _dumps(fields: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError as error:
        raise LocalProtocolError(f"message cannot be written as JSON: {error}") from error


def _upstream_object(message: Upstream) -> dict[str, object]:
    match message:
        case SendToGroup():
            fields: dict[str, object] = {"type": "sendToGroup", "group": message.group}
            if message.no_echo:
                fields["noEcho"] = True
            fields["dataType"] = str(message.data_type)
            fields["data"] = _json_data(message.data_type, message.data)
            if message.ttl_s is not None:
                fields["ttlSeconds"] = message.ttl_s
        case SendEvent():
            fields = {"type": "event", "event": message.event, "dataType": str(message.data_type)}
            fields["data"] = _json_data(message.data_type, message.data)
        case JoinGroup():
            fields = {"type": "joinGroup", "group": message.group}
        case LeaveGroup():
            fields = {"type": "leaveGroup", "group": message.group}
        case Invoke():
            return _invoke_object(message)
        case StartStream() | StreamData() | EndStream():
            return json_streams.fields_of(message, _json_data)
        case CancelInvocation():
            return {"type": "cancelInvocation", "invocationId": message.invocation_id}
        case SequenceAck():
            return {"type": "sequenceAck", "sequenceId": message.sequence_id}
        case Ping():
            return {"type": "ping"}
    if isinstance(message, SendToGroup | SendEvent) and message.metadata:
        fields["metadata"] = dict(message.metadata)
    if message.ack_id is not None:
        fields["ackId"] = message.ack_id
    return fields


def _invoke_object(message: Invoke) -> dict[str, object]:
    fields: dict[str, object] = {"type": "invoke", "invocationId": message.invocation_id}
    fields |= {"target": "event", "event": message.event}
    if message.data_type is not None:
        fields |= {"dataType": str(message.data_type), "data": _json_data(message.data_type, message.data)}
    return fields


def _json_data(data_type: DataType, data: object) -> object:
    if data_type is DataType.TEXT and isinstance(data, str):
        return data
    if data_type is DataType.BINARY and isinstance(data, bytes):
        return binascii.b2a_base64(data, newline=False).decode("ascii")
    if data_type is DataType.JSON and data is not None:  # the service refuses null
        return data
    raise LocalProtocolError(f"{type(data).__name__} cannot be sent as {data_type} in a JSON subprotocol")


class JsonTemplate:
    """A publication in which only the data change: bytes around bytes, without a serializer on the hot path.

    `number`: how the ack's or the invocation's id follows the data.
    """

    __slots__ = ("_base64", "_head", "_number", "_quote", "_tail", "opcode")

    def __init__(self, head: bytes, data_type: DataType, number: bytes = b',"ackId":%d}') -> None:
        self.opcode = int(Opcode.TEXT)
        self._base64 = data_type is DataType.BINARY
        self._quote = data_type is DataType.TEXT
        quoted = self._base64 or self._quote
        self._head = head + (b'"' if quoted else b"")
        self._tail = b'"' if quoted else b""
        self._number = b"%b%b%b" + number

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        """`data`: UTF-8 of a text, JSON text, or raw binary. Raises LocalProtocolError if the text is not UTF-8."""
        if self._quote:
            try:
                data = orjson.dumps(data.decode())[1:-1]
            except UnicodeDecodeError as error:
                raise LocalProtocolError("text data is not UTF-8") from error
        return self.encode_safe(data, ack_id)

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """As `encode`, for text in which the caller knows that no character needs an escape in JSON."""
        if self._base64:
            data = binascii.b2a_base64(data, newline=False)
        if ack_id is None:
            return self._head + data + self._tail + b"}"
        return self._number % (self._head, data, self._tail, ack_id)


def publish_template(kind: PublishKind, name: str, data_type: DataType, no_echo: bool = False) -> JsonTemplate:
    """A template of publications to one group, of one event, of its invocations, or of a stream's fragments.

    The numbers of fragments are where ack ids are. Raises LocalProtocolError for protobuf data.
    """
    if data_type is DataType.PROTOBUF:
        raise LocalProtocolError("protobuf data cannot be sent in a JSON subprotocol")
    if kind == "invoke":
        fields: dict[str, object] = {"type": "invoke", "target": "event", "event": name, "dataType": str(data_type)}
        return JsonTemplate(_dumps(fields)[:-1] + b',"data":', data_type, b',"invocationId":"%d"}')
    if kind == "stream":
        fields = {"type": "streamData", "streamId": name, "dataType": str(data_type)}
        return JsonTemplate(_dumps(fields)[:-1] + b',"data":', data_type, b',"streamSequenceId":%d}')
    fields = {"type": "sendToGroup", "group": name} if kind == "group" else {"type": "event", "event": name}
    if no_echo and kind == "group":
        fields["noEcho"] = True
    fields["dataType"] = str(data_type)
    return JsonTemplate(_dumps(fields)[:-1] + b',"data":', data_type)
