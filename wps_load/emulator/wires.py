"""The common interface of the kinds of clients, on the service's side: one row of `WIRES` each."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wps_load.emulator.server_frames import BINARY, TEXT, build_frame
from wps_load.errors import RemoteProtocolError
from wps_load.protocol import traits
from wps_load.protocol.messages import (
    DataType,
    Metadata,
    MqttExtra,
    SendEvent,
    SendToGroup,
    StreamAck,
    StreamClosed,
    StreamError,
    StreamNack,
    Upstream,
)


class StreamInfo(NamedTuple):
    """A message's place in a stream: fragment `number`, or its end, which may have an error."""

    stream_id: str
    number: int
    ends: bool = False
    error: StreamError | None = None


class RoutedMessage(NamedTuple):
    """A message on its way to clients. `data`: UTF-8 text, JSON text or raw bytes, by `data_type`."""

    source: str
    group: str | None
    from_user_id: str | None
    data_type: DataType
    data: bytes
    metadata: Metadata = ()
    mqtt: MqttExtra | None = None
    stream: StreamInfo | None = None


Reply = tuple[DataType, bytes, Metadata]
"""An event handler's answer for the client."""


class Wire(Protocol):
    """One subprotocol. `decode` raises RemoteProtocolError with the close code; the others build whole frames."""

    @property
    def name(self) -> str: ...

    @property
    def subprotocol(self) -> str | None: ...

    @property
    def reliable(self) -> bool: ...

    @property
    def streams(self) -> bool:
        """Whether its messages may say that they belong to a stream."""
        ...

    def decode(self, opcode: int, payload: bytes) -> Upstream: ...

    def message(self, message: RoutedMessage, sequence_id: int | None) -> bytes: ...

    def connected(self, connection_id: str, user_id: str | None, token: str | None) -> bytes: ...

    def disconnected(self, reason: str) -> bytes: ...

    def ack(self, ack_id: int, error: str | None, message: str) -> bytes: ...

    def pong(self) -> bytes: ...

    def invoke_response(self, invocation_id: str, reply: Reply | None, error: str | None, message: str) -> bytes:
        """`reply`: the handler's answer, None: it has none. `error`: why there is no answer."""
        ...

    def stream(self, answer: StreamAck | StreamNack | StreamClosed) -> bytes:
        """What the publisher of a stream gets."""
        ...


def refuse(reason: str) -> RemoteProtocolError:
    """A malformed message: the connection is closed with 1007."""
    return RemoteProtocolError(1007, reason)


class SimpleWire:
    """No subprotocol: payloads without an envelope or metadata. What a client sends is the user event `message`."""

    name, subprotocol, reliable = traits.SIMPLE.name, traits.SIMPLE.subprotocol, traits.SIMPLE.reliable
    streams = False

    def decode(self, opcode: int, payload: bytes) -> Upstream:
        return SendEvent("message", raw_type(opcode, payload), payload)

    def message(self, message: RoutedMessage, sequence_id: int | None) -> bytes:
        text = message.data_type in (DataType.TEXT, DataType.JSON)
        return build_frame(TEXT if text else BINARY, message.data)

    def connected(self, connection_id: str, user_id: str | None, token: str | None) -> bytes:
        return b""

    def disconnected(self, reason: str) -> bytes:
        return b""

    def ack(self, ack_id: int, error: str | None, message: str) -> bytes:
        raise AssertionError("a simple client cannot ask for acks")

    def pong(self) -> bytes:
        raise AssertionError("a simple client cannot send a ping message")

    def invoke_response(self, invocation_id: str, reply: Reply | None, error: str | None, message: str) -> bytes:
        raise AssertionError("a simple client cannot invoke")

    def stream(self, answer: StreamAck | StreamNack | StreamClosed) -> bytes:
        raise AssertionError("a simple client has no streams")


def raw_type(opcode: int, payload: bytes) -> DataType:
    """Text or binary, by the frame. Text that is not UTF-8 breaks RFC 6455 section 8.1."""
    if opcode == BINARY:
        return DataType.BINARY
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise refuse("The text message is not UTF-8.") from None
    return DataType.TEXT


class GroupOfRaw:
    """`webpubsub_mode=sendToGroup`: decodes a simple client's frames as publications to one group."""

    def __init__(self, group: str, no_echo: bool) -> None:
        self._group = group
        self._no_echo = no_echo

    def decode(self, opcode: int, payload: bytes) -> Upstream:
        return SendToGroup(self._group, raw_type(opcode, payload), payload, no_echo=self._no_echo)


SIMPLE = SimpleWire()
