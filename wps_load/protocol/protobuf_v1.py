"""`protobuf.webpubsub.azure.v1` and `protobuf.reliable.webpubsub.azure.v1`: one message a binary frame.

Source: Azure Web PubSub, "Protobuf WebSocket subprotocol" references; the schema is `webpubsub.proto`. The schema has
no `fromUserId`. JSON has two fields in it, `text_data` (documentation) and `json_data` (C# client, emulator): what
arrives in `text_data` can only be read as text; what we send goes into `json_data`.
"""

from __future__ import annotations

from operator import attrgetter

from google.protobuf.message import DecodeError

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import protobuf_streams
from wps_load.protocol.messages import (
    Ack,
    CancelInvocation,
    Connected,
    DataMessage,
    DataType,
    Disconnected,
    Downstream,
    EndStream,
    Invoke,
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
from wps_load.protocol.protobuf_fast import read_delivery
from wps_load.protocol.traits import NO_INVOKE
from wps_load.protocol.webpubsub_pb2 import DownstreamMessage, MessageData, UpstreamMessage

# -- service to client ---------------------------------------------------------------------------------------

_parse = DownstreamMessage.FromString
_from = attrgetter("from")  # a keyword of Python's


def decode(payload: bytes) -> Downstream | None:
    """One downstream message; None for a kind that this client does not know (to be ignored).

    Raises RemoteProtocolError 1007 for anything that is not a message.
    """
    delivery = read_delivery(payload)  # nearly all of a load's messages; the rest continues below
    if delivery is not None:
        return delivery
    try:
        message = _parse(payload)
    except DecodeError:
        raise RemoteProtocolError(1007, "message is not a DownstreamMessage") from None
    kind = message.WhichOneof("message")
    if kind == "data_message":
        return _data_message(message.data_message)
    if kind == "ack_message":
        return _ack(message.ack_message)
    if kind == "system_message":
        return _system(message.system_message)
    if kind == "pong_message":
        return Pong()
    return protobuf_streams.read(kind, message)


def _data_message(message: DownstreamMessage.DataMessage) -> DataMessage | StreamMessage:
    source = _from(message)
    if source == "group":
        group: str | None = message.group
    elif source == "server":
        group = None
    else:
        raise RemoteProtocolError(1007, "message from neither a group nor the server")
    data_type, data = _read_data(message.data)
    sequence_id = message.sequence_id if message.HasField("sequence_id") else None
    content = DataMessage(source, group, data_type, data, sequence_id)
    return protobuf_streams.message_of(content, message.stream) if message.HasField("stream") else content


def _read_data(data: MessageData) -> tuple[str, object]:
    match data.WhichOneof("data"):
        case "text_data":
            return "text", data.text_data
        case "binary_data":
            return "binary", data.binary_data
        case "json_data":
            return "json", data.json_data
        case "protobuf_data":
            return "protobuf", data.protobuf_data.SerializeToString()
        case _:
            return "json", None  # the end of a stream, with absent data as the JSON reader shows them


def _ack(message: DownstreamMessage.AckMessage) -> Ack:
    if not message.HasField("error"):
        return Ack(message.ack_id, message.success)
    return Ack(message.ack_id, message.success, message.error.name or None, message.error.message)


def _system(message: DownstreamMessage.SystemMessage) -> Connected | Disconnected | None:
    match message.WhichOneof("message"):
        case "connected_message":
            it = message.connected_message
            if not it.connection_id:
                raise RemoteProtocolError(1007, "connected without a connection_id")
            return Connected(it.connection_id, it.user_id or None, it.reconnection_token or None)
        case "disconnected_message":
            return Disconnected(message.disconnected_message.reason)
        case _:
            return None


# -- client to service ---------------------------------------------------------------------------------------


def encode(message: Upstream) -> bytes:
    """The binary frame's payload. Raises LocalProtocolError for data that does not fit its data type."""
    wire = UpstreamMessage()
    try:
        _fill(wire, message)
        return bytes(wire.SerializeToString())
    except (TypeError, ValueError) as error:  # ids out of range, strings that UTF-8 cannot hold, bad Any
        raise LocalProtocolError(f"message cannot be written as protobuf: {error}") from error


def _fill(wire: UpstreamMessage, message: Upstream) -> None:
    match message:
        case SendToGroup():
            send = wire.send_to_group_message
            send.group = message.group
            _write_data(send.data, message.data_type, message.data)
            if message.no_echo:
                send.no_echo = True
            if message.ttl_s is not None:
                send.ttl_seconds = message.ttl_s
            send.metadata.update(message.metadata)
            _write_ack_id(send, message.ack_id)
        case SendEvent():
            event = wire.event_message
            event.event = message.event
            _write_data(event.data, message.data_type, message.data)
            event.metadata.update(message.metadata)
            _write_ack_id(event, message.ack_id)
        case JoinGroup():
            wire.join_group_message.group = message.group
            _write_ack_id(wire.join_group_message, message.ack_id)
        case LeaveGroup():
            wire.leave_group_message.group = message.group
            _write_ack_id(wire.leave_group_message, message.ack_id)
        case SequenceAck():
            wire.sequence_ack_message.sequence_id = message.sequence_id
        case Ping():
            wire.ping_message.SetInParent()
        case StartStream() | StreamData() | EndStream():
            protobuf_streams.fill(wire, message, _write_data)
        case Invoke() | CancelInvocation():
            raise LocalProtocolError(NO_INVOKE)


_Acknowledged = (
    UpstreamMessage.SendToGroupMessage
    | UpstreamMessage.EventMessage
    | UpstreamMessage.JoinGroupMessage
    | UpstreamMessage.LeaveGroupMessage
)


def _write_ack_id(wire: _Acknowledged, ack_id: int | None) -> None:
    if ack_id is not None:
        wire.ack_id = ack_id


def _write_data(wire: MessageData, data_type: DataType, data: object) -> None:
    if data_type is DataType.TEXT and isinstance(data, str):
        wire.text_data = data
    elif data_type is DataType.BINARY and isinstance(data, bytes):
        wire.binary_data = data
    elif data_type is DataType.JSON and isinstance(data, str):
        wire.json_data = data
    elif data_type is DataType.PROTOBUF and isinstance(data, bytes):
        try:
            wire.protobuf_data.MergeFromString(data)
        except DecodeError as error:
            raise LocalProtocolError("protobuf data is not a serialized google.protobuf.Any") from error
    else:
        kind = type(data).__name__
        raise LocalProtocolError(f"{kind} cannot be sent as {data_type} in a protobuf subprotocol")
