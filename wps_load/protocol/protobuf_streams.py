"""The messages of streams in the protobuf subprotocols, a client's side, in addition to `protobuf_v1`.

Source: Azure Web PubSub client specification, section 3.6; the numbers are in `webpubsub.proto`. A message that does
not name its stream has an unknown kind.
"""

from __future__ import annotations

from collections.abc import Callable

from wps_load.errors import LocalProtocolError
from wps_load.protocol.messages import (
    MALFORMED,
    DataMessage,
    DataType,
    Downstream,
    EndStream,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamMessage,
    StreamNack,
)
from wps_load.protocol.webpubsub_pb2 import DownstreamMessage, MessageData, UpstreamMessage

# -- service to client ---------------------------------------------------------------------------------------


def message_of(content: DataMessage, stream: DownstreamMessage.StreamInfo) -> DataMessage | StreamMessage:
    """The message with the information of its field `stream`."""
    if not stream.stream_id:
        return content
    error = stream.error
    found = StreamError(error.name or MALFORMED, error.message, error.user_error_code)
    has_error = stream.end_of_stream and stream.HasField("error")
    return StreamMessage(
        content, stream.stream_id, stream.stream_sequence_id, stream.end_of_stream, found if has_error else None
    )


def read(kind: str | None, message: DownstreamMessage) -> Downstream | None:
    """The service's message to the publisher of a stream; None for any other kind."""
    if kind == "stream_ack_message":
        ack = message.stream_ack_message
        return StreamAck(ack.stream_id, ack.expected_sequence_id) if ack.stream_id else None
    if kind == "stream_nack_message":
        nack = message.stream_nack_message
        found = StreamNack(nack.stream_id, nack.expected_sequence_id, nack.name, nack.message)
        return found if nack.stream_id else None
    if kind == "stream_closed_message":
        closed = message.stream_closed_message
        if not closed.stream_id:
            return None
        has_error = closed.HasField("error")
        error = StreamError(closed.error.name or MALFORMED, closed.error.message) if has_error else None
        return StreamClosed(closed.stream_id, error)
    return None


# -- client to service ---------------------------------------------------------------------------------------


def fill(
    wire: UpstreamMessage,
    message: StartStream | StreamData | EndStream,
    write: Callable[[MessageData, DataType, object], None],
) -> None:
    """Writes the message into `wire`; `write` writes data of a type. Raises LocalProtocolError, ValueError."""
    if isinstance(message, StartStream):
        start = wire.send_to_group_message
        start.group = message.group
        if message.no_echo:
            start.no_echo = True
        start.stream.stream_id = message.stream_id
        if message.idle_timeout_ms is not None:
            start.stream.idle_timeout_ms = message.idle_timeout_ms
    elif isinstance(message, EndStream):
        end = wire.stream_end_message
        end.stream_id = message.stream_id
        if message.error is not None:
            _, told, code = message.error
            end.error.message = told
            if code:
                end.error.user_error_code = code
    else:
        data = wire.stream_data_message
        data.stream_id = message.stream_id
        if message.number is not None and message.data_type is not None:
            data.stream_sequence_id = message.number
            write(data.data, message.data_type, message.data)
        elif (message.number, message.data_type, message.data) != (None, None, None):
            raise LocalProtocolError("a fragment has a number, a type and data, or none of them")
