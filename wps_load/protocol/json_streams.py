"""The frames of streams in the JSON subprotocols, a client's side, in addition to `json_v1`.

Source: Azure Web PubSub client specification, section 3.6, and npm `@azure/web-pubsub-client` 1.1.0. The reader is
tolerant: a frame that does not name its stream, or that stream's progress, has an unknown type; a message with an
invalid `stream` is an ordinary message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

# -- service to client ---------------------------------------------------------------------------------------


def message_of(fields: dict[str, Any], content: DataMessage) -> DataMessage | StreamMessage:
    """The message with the information of its member `stream`."""
    stream = fields["stream"]
    if type(stream) is not dict:
        return content
    stream_id, number = _stream_id(stream), _number(stream.get("streamSequenceId"))
    if stream_id is None or number is None:
        return content
    ends = stream.get("endOfStream") is True
    return StreamMessage(content, stream_id, number, ends, _error(stream.get("error")) if ends else None)


def is_terminal(fields: dict[str, Any]) -> bool:
    """Whether it is the last message of a stream, which may have a type but no data."""
    stream = fields["stream"]
    return type(stream) is dict and stream.get("endOfStream") is True


def read_ack(fields: dict[str, Any]) -> Downstream | None:
    stream_id, expected = _stream_id(fields), _number(fields.get("expectedSequenceId"))
    return None if stream_id is None or expected is None else StreamAck(stream_id, expected)


def read_nack(fields: dict[str, Any]) -> Downstream | None:
    stream_id, expected = _stream_id(fields), _number(fields.get("expectedSequenceId"))
    if stream_id is None or expected is None:
        return None
    return StreamNack(stream_id, expected, _text(fields.get("name")), _text(fields.get("message")))


def read_closed(fields: dict[str, Any]) -> Downstream | None:
    stream_id = _stream_id(fields)
    return None if stream_id is None else StreamClosed(stream_id, _error(fields.get("error")))


def _stream_id(fields: dict[str, Any]) -> str | None:
    stream_id = fields.get("streamId")
    return stream_id if type(stream_id) is str and stream_id else None


def _number(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _error(value: object) -> StreamError | None:
    """Null counts as absent; anything else is an error, whatever it contains."""
    if value is None:
        return None
    if type(value) is not dict:
        return StreamError(MALFORMED)
    return StreamError(
        _text(value.get("name")) or MALFORMED, _text(value.get("message")), _text(value.get("userErrorCode"))
    )


def _text(value: object) -> str:
    return value if type(value) is str else ""


# -- client to service ---------------------------------------------------------------------------------------


def fields_of(
    message: StartStream | StreamData | EndStream, write: Callable[[DataType, object], object]
) -> dict[str, object]:
    """The members of the JSON object. `write`: writes data of a type. Raises LocalProtocolError."""
    if isinstance(message, StartStream):
        stream: dict[str, object] = {"streamId": message.stream_id}
        if message.idle_timeout_ms is not None:
            stream["idleTimeoutMs"] = message.idle_timeout_ms
        return {"type": "sendToGroup", "group": message.group, "noEcho": message.no_echo, "stream": stream}
    if isinstance(message, EndStream):
        fields: dict[str, object] = {"type": "streamEnd", "streamId": message.stream_id}
        if message.error is not None:
            _, told, code = message.error
            fields["error"] = {"message": told, **({"userErrorCode": code} if code else {})}
        return fields
    fields = {"type": "streamData", "streamId": message.stream_id}
    if message.number is None or message.data_type is None:
        if (message.number, message.data_type, message.data) != (None, None, None):
            raise LocalProtocolError("a fragment has a number, a type and data, or none of them")
        return fields
    fields |= {"streamSequenceId": message.number, "dataType": str(message.data_type)}
    fields["data"] = write(message.data_type, message.data)
    return fields
