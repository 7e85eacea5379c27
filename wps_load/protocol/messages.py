"""The messages of Web PubSub's subprotocols, as values. Both directions, no bytes.

Source: Azure Web PubSub documentation, `json.webpubsub.azure.v1`, `protobuf.webpubsub.azure.v1` and their
reliable variants. A simple client (no subprotocol) has raw payloads on the wire; `simple.py` shows what it
receives as `DataMessage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple


class DataType(StrEnum):
    """`dataType` of a message's data; `PROTOBUF` is a serialized google.protobuf.Any."""

    TEXT = "text"
    JSON = "json"
    BINARY = "binary"
    PROTOBUF = "protobuf"


# -- service to client ---------------------------------------------------------------------------------------


class DataMessage(NamedTuple):
    """`message`: a publication that arrived. A NamedTuple, because one is built per delivery, on the hot path.

    `data`: str for text, bytes for binary and protobuf, the parsed value for json (str of JSON text in
    protobuf subprotocols; None: absent). `source`: the wire's `from`, "group" or "server".
    """

    source: str
    group: str | None
    data_type: str
    data: object
    sequence_id: int | None = None
    from_user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """`system`/`connected`: always the first frame of a PubSub client."""

    connection_id: str
    user_id: str | None = None
    reconnection_token: str | None = field(default=None, repr=False)  # a secret


@dataclass(frozen=True, slots=True)
class Disconnected:
    """`system`/`disconnected`: the service is about to close; `reason` is free text, never a label."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """`ack`: the answer to an `ackId`. `error`: its name (`Forbidden`, `Duplicate`, ...) or None.

    `ack_id` None: the id is not one that a client can have sent.
    """

    ack_id: int | None
    success: bool
    error: str | None = None
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Pong:
    pass


class InvokeResponse(NamedTuple):
    """`invokeResponse`: the outcome of an invocation. `data`: as in `DataMessage`; None if there are none.

    `error`: the name of the failure; `MALFORMED`: it states neither success nor a failure.
    """

    invocation_id: str
    success: bool
    data_type: str | None = None
    data: object = None
    error: str | None = None
    error_message: str = ""


MALFORMED = "Malformed"


class Ended(NamedTuple):
    """MQTT: the service ends the connection and says why; `code` is its own, verbatim.

    `how`: `connack` (it is refused), `disconnect`, or `session` (there was none to continue).
    """

    how: Literal["connack", "disconnect", "session"]
    code: int
    reason: str = ""


class StreamError(NamedTuple):
    """Why a stream failed. A client that ends one gives no name; the service calls it `UserError`."""

    name: str = ""
    message: str = ""
    user_error_code: str = ""


class StreamMessage(NamedTuple):
    """A message of a stream at a subscriber: a fragment, or the terminal message, which is not a fragment.

    `number`: `streamSequenceId`, from 1 in each stream; the terminal message has the one after the last fragment's.
    `content.data` None: it has no data.
    """

    content: DataMessage
    stream_id: str
    number: int
    ends: bool = False
    error: StreamError | None = None

    @property
    def sequence_id(self) -> int | None:
        """The message's number on the connection, as of any message."""
        return self.content.sequence_id


class StreamAck(NamedTuple):
    """`streamAck`: all fragments below `expected` have been accepted; the first one accepts the stream itself."""

    stream_id: str
    expected: int


class StreamNack(NamedTuple):
    """`streamNack`: a fragment was refused and the stream stays open: send again from `expected` on."""

    stream_id: str
    expected: int
    name: str = ""
    message: str = ""


class StreamClosed(NamedTuple):
    """`streamClosed`: the stream is over for its publisher; `error` None: it ended as the publisher wanted."""

    stream_id: str
    error: StreamError | None = None


Downstream = (
    DataMessage
    | Connected
    | Disconnected
    | Ack
    | Pong
    | InvokeResponse
    | Ended
    | StreamMessage
    | StreamAck
    | StreamNack
    | StreamClosed
)

# -- client to service ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JoinGroup:
    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    group: str
    ack_id: int | None = None


Metadata = tuple[tuple[str, str], ...]
"""String pairs that travel with a message; names keep their case and are unique."""


class MqttExtra(NamedTuple):
    """On the service's side: an MQTT publisher's properties beside the message. `properties`: 5.0's, by number."""

    qos: int = 1
    properties: Mapping[int, object] = MappingProxyType({})


class SendToGroup(NamedTuple):
    """A NamedTuple, as `SendEvent` is, because the emulator builds one per incoming message."""

    group: str
    data_type: DataType
    data: object
    ack_id: int | None = None
    no_echo: bool = False
    ttl_s: int | None = None
    metadata: Metadata = ()
    mqtt: MqttExtra | None = None


class SendEvent(NamedTuple):
    event: str
    data_type: DataType
    data: object
    ack_id: int | None = None
    metadata: Metadata = ()
    starts_stream: bool = False
    invocation_id: str | None = None
    """On the service's side: its answer is the response of this invocation."""
    mqtt: MqttExtra | None = None


class Invoke(NamedTuple):
    """`invoke`: a user event whose answer is this call's own. `data_type` None: without data."""

    invocation_id: str
    event: str
    data_type: DataType | None = None
    data: object = None


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """The caller no longer wants the answer."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class SequenceAck:
    sequence_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    pass


class StartStream(NamedTuple):
    """`sendToGroup` with `stream`: what is sent in the stream goes to this group. It has no data and no ack id.

    `idle_timeout_ms` None: the service's own, 300,000.
    """

    group: str
    stream_id: str
    idle_timeout_ms: int | None = None
    no_echo: bool = False


class StreamData(NamedTuple):
    """`streamData`: a fragment; without number, type and data it is a keepalive, which nobody receives."""

    stream_id: str
    number: int | None = None
    data_type: DataType | None = None
    data: object = None


class EndStream(NamedTuple):
    """`streamEnd`: the publisher has finished and, if there is an `error`, why."""

    stream_id: str
    error: StreamError | None = None


Upstream = (
    JoinGroup
    | LeaveGroup
    | SendToGroup
    | SendEvent
    | Invoke
    | CancelInvocation
    | SequenceAck
    | Ping
    | StartStream
    | StreamData
    | EndStream
)
