"""`protobuf.webpubsub.azure.v1` and its reliable variant, the service's side."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from wps_load.emulator import metadata, raw_json
from wps_load.emulator.server_frames import BINARY, build_frame
from wps_load.emulator.valid_names import valid_event, valid_group
from wps_load.emulator.wires import Reply, RoutedMessage, StreamInfo, refuse
from wps_load.errors import RemoteProtocolError
from wps_load.protocol import traits
from wps_load.protocol import webpubsub_pb2 as pb
from wps_load.protocol.messages import (
    DataType,
    EndStream,
    JoinGroup,
    LeaveGroup,
    Metadata,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamNack,
    Upstream,
)
from wps_load.protocol.traits import NO_INVOKE, Traits

_MAX_TTL_S = 300
_new = tuple.__new__  # half the cost of a NamedTuple's own
_PING = Ping()
_PONG = build_frame(BINARY, bytes.fromhex("2200"))  # DownstreamMessage { pong_message {} }


class _Malformed(Exception):
    """A message that fits the schema, but not the protocol."""


class ProtobufWire:
    """Stateless. JSON goes out as `text_data` holding the JSON text, as the documentation's table says."""

    def __init__(self, traits: Traits) -> None:
        self.name, self.subprotocol, self.reliable = traits.name, traits.subprotocol, traits.reliable
        self.streams = traits.streams

    def decode(self, opcode: int, payload: bytes) -> Upstream:
        if opcode != BINARY:
            raise RemoteProtocolError(1003, f"The {self.subprotocol} subprotocol requires binary messages.")
        try:
            return _read(payload)
        except (DecodeError, _Malformed, metadata.MetadataError):
            raise refuse(f"The client message is not a valid {self.subprotocol} protocol message.") from None

    def message(self, message: RoutedMessage, sequence_id: int | None) -> bytes:
        down = pb.DownstreamMessage()
        target = down.data_message
        setattr(target, "from", message.source)
        if message.group is not None:
            target.group = message.group
        if message.data_type is DataType.BINARY:
            target.data.binary_data = message.data
        elif message.data_type is DataType.PROTOBUF:
            target.data.protobuf_data.ParseFromString(message.data)
        else:
            target.data.text_data = message.data.decode()
        if sequence_id is not None:
            target.sequence_id = sequence_id
        if message.metadata:
            target.metadata.update(message.metadata)
        if message.stream is not None:
            _write_stream(target.stream, message.stream)
        return build_frame(BINARY, down.SerializeToString())

    def connected(self, connection_id: str, user_id: str | None, token: str | None) -> bytes:
        down = pb.DownstreamMessage()
        hello = down.system_message.connected_message
        hello.connection_id = connection_id
        hello.user_id = user_id or ""
        hello.reconnection_token = token or ""
        return build_frame(BINARY, down.SerializeToString())

    def disconnected(self, reason: str) -> bytes:
        down = pb.DownstreamMessage()
        down.system_message.disconnected_message.reason = reason
        return build_frame(BINARY, down.SerializeToString())

    def ack(self, ack_id: int, error: str | None, message: str) -> bytes:
        down = pb.DownstreamMessage()
        down.ack_message.ack_id = ack_id
        down.ack_message.success = error is None
        if error is not None:
            down.ack_message.error.name = error
            down.ack_message.error.message = message
        return build_frame(BINARY, down.SerializeToString())

    def pong(self) -> bytes:
        return _PONG

    def invoke_response(self, invocation_id: str, reply: Reply | None, error: str | None, message: str) -> bytes:
        raise AssertionError(NO_INVOKE)

    def stream(self, answer: StreamAck | StreamNack | StreamClosed) -> bytes:
        down = pb.DownstreamMessage()
        if isinstance(answer, StreamClosed):
            down.stream_closed_message.stream_id = answer.stream_id
            if answer.error is not None:
                down.stream_closed_message.error.name = answer.error.name
                down.stream_closed_message.error.message = answer.error.message
        elif isinstance(answer, StreamAck):
            down.stream_ack_message.stream_id = answer.stream_id
            down.stream_ack_message.expected_sequence_id = answer.expected
        else:
            nack = down.stream_nack_message
            nack.stream_id, nack.expected_sequence_id = answer.stream_id, answer.expected
            nack.name, nack.message = answer.name, answer.message
        return build_frame(BINARY, down.SerializeToString())


def _write_stream(wire: pb.DownstreamMessage.StreamInfo, info: StreamInfo) -> None:
    wire.stream_id, wire.stream_sequence_id = info.stream_id, info.number
    if info.ends:
        wire.end_of_stream = True
    if info.error is not None:
        wire.error.name, wire.error.message = info.error.name, info.error.message
        if info.error.user_error_code:
            wire.error.user_error_code = info.error.user_error_code


def _read(payload: bytes) -> Upstream:
    message = pb.UpstreamMessage()
    message.ParseFromString(payload)
    kind = message.WhichOneof("message")
    if kind == "send_to_group_message":
        send = message.send_to_group_message
        return _start_stream(send) if send.HasField("stream") else _send_to_group(send)
    if kind == "stream_data_message":
        return _stream_data(message.stream_data_message)
    if kind == "stream_end_message":
        return _end_stream(message.stream_end_message)
    if kind == "event_message":
        return _event(message.event_message)
    if kind == "join_group_message":
        join = message.join_group_message
        return JoinGroup(_group(join.group), _ack_id(join))
    if kind == "leave_group_message":
        leave = message.leave_group_message
        return LeaveGroup(_group(leave.group), _ack_id(leave))
    if kind == "sequence_ack_message":
        return SequenceAck(message.sequence_ack_message.sequence_id)
    if kind == "ping_message":
        return _PING
    raise _Malformed


_Acked = (
    pb.UpstreamMessage.SendToGroupMessage
    | pb.UpstreamMessage.EventMessage
    | pb.UpstreamMessage.JoinGroupMessage
    | pb.UpstreamMessage.LeaveGroupMessage
)
_Published = pb.UpstreamMessage.SendToGroupMessage | pb.UpstreamMessage.EventMessage


def _ack_id(message: _Acked) -> int | None:
    return message.ack_id if message.HasField("ack_id") else None


def _group(group: str) -> str:
    if not valid_group(group):
        raise _Malformed
    return group


def _content(message: _Published) -> tuple[DataType, bytes, Metadata]:
    """Data and metadata; metadata alone are a message with an empty text."""
    pairs = metadata.checked(message.metadata.items()) if message.metadata else ()
    found = _data(message.data)
    if found is not None:
        return *found, pairs
    if not pairs:
        raise _Malformed
    return DataType.TEXT, b"", pairs


def _data(data: pb.MessageData) -> tuple[DataType, bytes] | None:
    kind = data.WhichOneof("data")
    if kind == "text_data":
        return DataType.TEXT, data.text_data.encode()
    if kind == "binary_data":
        return DataType.BINARY, data.binary_data
    if kind == "protobuf_data":
        return DataType.PROTOBUF, data.protobuf_data.SerializeToString()
    if kind == "json_data":
        text = data.json_data.encode()
        if not raw_json.well_formed(text):
            raise _Malformed
        return DataType.JSON, text
    return None


def _stream_id(stream_id: str) -> str:
    if not stream_id:
        raise _Malformed
    return stream_id


def _start_stream(message: pb.UpstreamMessage.SendToGroupMessage) -> Upstream:
    if message.HasField("data"):
        raise _Malformed
    stream = message.stream
    idle_timeout_ms = stream.idle_timeout_ms if stream.HasField("idle_timeout_ms") else None
    return StartStream(_group(message.group), _stream_id(stream.stream_id), idle_timeout_ms, message.no_echo)


def _stream_data(message: pb.UpstreamMessage.StreamDataMessage) -> Upstream:
    number = message.stream_sequence_id if message.HasField("stream_sequence_id") else None
    data_type, data = _data(message.data) or (None, None)
    return StreamData(_stream_id(message.stream_id), number, data_type, data)


def _end_stream(message: pb.UpstreamMessage.StreamEndMessage) -> Upstream:
    error = message.error
    found = StreamError("", error.message, error.user_error_code) if message.HasField("error") else None
    return EndStream(_stream_id(message.stream_id), found)


def _send_to_group(message: pb.UpstreamMessage.SendToGroupMessage) -> Upstream:
    data_type, data, pairs = _content(message)
    ttl_s = message.ttl_seconds or None
    if ttl_s is not None and ttl_s > _MAX_TTL_S:
        raise _Malformed
    return _new(
        SendToGroup, (_group(message.group), data_type, data, _ack_id(message), message.no_echo, ttl_s, pairs, None)
    )


def _event(message: pb.UpstreamMessage.EventMessage) -> Upstream:
    if not valid_event(message.event):
        raise _Malformed
    data_type, data, pairs = _content(message)
    return SendEvent(message.event, data_type, data, _ack_id(message), pairs, message.HasField("stream"))


PROTOBUF = ProtobufWire(traits.PROTOBUF)
PROTOBUF_RELIABLE = ProtobufWire(traits.PROTOBUF_RELIABLE)
