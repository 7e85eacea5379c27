"""`json.webpubsub.azure.v1` and its reliable variant, the service's side."""

from __future__ import annotations

import base64
from functools import lru_cache

from orjson import dumps as _dumps

from wps_load.emulator import metadata
from wps_load.emulator.json_reader import read
from wps_load.emulator.server_frames import TEXT, build_frame, build_header
from wps_load.emulator.wires import Reply, RoutedMessage, StreamInfo
from wps_load.protocol import traits
from wps_load.protocol.messages import DataType, StreamAck, StreamClosed, StreamError, StreamNack
from wps_load.protocol.traits import Traits

_PONG = build_frame(TEXT, b'{"type":"pong"}')
_TEXT, _JSON = DataType.TEXT, DataType.JSON  # an enumeration's member costs more than a name, each time
_FROM_SERVER = b'{"type":"message","from":"server"'


@lru_cache(maxsize=4096)  # a publisher's messages begin alike
def _head(group: str | None, user_id: str | None, data_type: DataType) -> bytes:
    head = _FROM_SERVER if group is None else b'{"type":"message","from":"group","group":' + _dumps(group)
    if user_id is not None:
        head += b',"fromUserId":' + _dumps(user_id)
    return head + b',"dataType":"%b","data":' % data_type.value.encode()


def _body(data_type: DataType, data: bytes) -> bytes:
    """The member `data`."""
    if data_type is _TEXT:
        return _dumps(data.decode())
    return data if data_type is _JSON else b'"%b"' % base64.b64encode(data)


def _stream(info: StreamInfo) -> bytes:
    """The member `stream` of a message."""
    fields: dict[str, object] = {"streamId": info.stream_id, "streamSequenceId": info.number}
    if info.ends:
        fields["endOfStream"] = True
    if info.error is not None:
        fields["error"] = _error(info.error)
    return b',"stream":' + _dumps(fields)


def _error(error: StreamError) -> dict[str, str]:
    name, message, code = error
    return {"name": name, "message": message, **({"userErrorCode": code} if code else {})}


class JsonWire:
    """Stateless; one object serves every connection."""

    def __init__(self, traits: Traits) -> None:
        self.name, self.subprotocol, self.reliable = traits.name, traits.subprotocol, traits.reliable
        self.streams = traits.streams

    decode = staticmethod(read)

    def message(self, message: RoutedMessage, sequence_id: int | None) -> bytes:
        _, group, user_id, data_type, data, pairs, _, stream = message
        body = _body(data_type, data)
        head = _head(group, user_id, data_type)
        tail = b"}" if sequence_id is None else b',"sequenceId":%d}' % sequence_id
        if pairs:
            tail = b',"metadata":' + metadata.to_json(pairs) + tail
        if stream is not None:
            tail = _stream(stream) + tail
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

    def invoke_response(self, invocation_id: str, reply: Reply | None, error: str | None, message: str) -> bytes:
        head = b'{"type":"invokeResponse","invocationId":%b,"success":' % _dumps(invocation_id)
        if error is not None:
            return build_frame(TEXT, head + b'false,"error":%b}' % _dumps({"name": error, "message": message}))
        if reply is None:
            return build_frame(TEXT, head + b"true}")
        data_type, data, _ = reply
        return build_frame(
            TEXT, head + b'true,"dataType":"%b","data":%b}' % (data_type.encode(), _body(data_type, data))
        )

    def stream(self, answer: StreamAck | StreamNack | StreamClosed) -> bytes:
        fields: dict[str, object] = {"type": "streamClosed", "streamId": answer.stream_id}
        if isinstance(answer, StreamClosed):
            if answer.error is not None:
                fields["error"] = _error(answer.error)
        elif isinstance(answer, StreamAck):
            fields |= {"type": "streamAck", "expectedSequenceId": answer.expected}
        else:
            fields |= {"type": "streamNack", "name": answer.name, "message": answer.message}
            fields["expectedSequenceId"] = answer.expected
        return build_frame(TEXT, _dumps(fields))


JSON = JsonWire(traits.JSON)
JSON_RELIABLE = JsonWire(traits.JSON_RELIABLE)
