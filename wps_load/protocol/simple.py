"""Simple WebSocket clients: no subprotocol, no envelope, payloads as they are.

Source: Azure Web PubSub, "Client protocols". What a simple client sends becomes the user event `message`; what it
receives is shown as a `DataMessage` from the server, because the wire does not distinguish a group's message.
"""

from __future__ import annotations

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataMessage, DataType, SendEvent, Upstream
from wps_load.protocol.traits import PublishKind

EVENT = "message"
"""The only event that a simple client can raise (`azure.webpubsub.user.message`)."""

_new = tuple.__new__


def decode_text(payload: bytes) -> DataMessage:
    """Text and JSON both come as text frames. Raises RemoteProtocolError 1007 for text that is not UTF-8."""
    try:
        return _new(DataMessage, ("server", None, "text", payload.decode(), None, None))
    except UnicodeDecodeError:
        raise RemoteProtocolError(1007, "text message is not UTF-8") from None


def decode_binary(payload: bytes) -> DataMessage:
    return _new(DataMessage, ("server", None, "binary", payload, None, None))


def encode(message: Upstream) -> bytes:
    """The frame's payload. Raises LocalProtocolError for all but the event `message` without an ack id."""
    if not isinstance(message, SendEvent) or message.event != EVENT or message.ack_id is not None:
        raise LocalProtocolError("a simple client sends raw messages only: the event 'message', without ack")
    if isinstance(message.data, bytes):
        return message.data
    if not isinstance(message.data, str):
        raise LocalProtocolError("a simple client sends str or bytes")
    try:
        return message.data.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError("text that UTF-8 cannot hold") from error


class SimpleTemplate:
    """The data is the message."""

    __slots__ = ("opcode",)

    def __init__(self, opcode: int) -> None:
        self.opcode = opcode

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        """`data`: UTF-8 of a text, JSON text, or raw binary. LocalProtocolError: not UTF-8, or an ack id."""
        if self.opcode == Opcode.TEXT and not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                raise LocalProtocolError("text data is not UTF-8") from error
        return self.encode_safe(data, ack_id)

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """As `encode`, for text that the caller knows to be ASCII."""
        if ack_id is not None:
            raise LocalProtocolError("a simple client gets no acks")
        return data


def publish_template(kind: PublishKind, name: str, data_type: DataType, no_echo: bool = False) -> SimpleTemplate:
    """Raises LocalProtocolError for all but the event `message`: a simple client cannot name a group."""
    if kind != "event" or name != EVENT:
        raise LocalProtocolError(f"a simple client can only raise the event {EVENT!r}")
    binary = data_type in (DataType.BINARY, DataType.PROTOBUF)
    return SimpleTemplate(int(Opcode.BINARY if binary else Opcode.TEXT))
