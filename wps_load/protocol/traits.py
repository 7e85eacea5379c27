"""The properties of each protocol of Web PubSub, as one table: everything that other rooms ask about a protocol.

How its bytes are written and read is elsewhere: `protocol.codecs` for a client's side, the emulator's wires for the
service's. A new protocol begins with a row here. Source: Azure Web PubSub, references of the WebSocket subprotocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

PublishKind = Literal["group", "event", "invoke", "stream"]
"""The kinds of publication: to a group, an event, an event with an answer of its own, or a fragment of a stream."""


class First(StrEnum):
    """Who speaks first once the upgrade is answered, and so when a connection is usable."""

    SERVICE = "service"  # it is usable when `connected` has come
    NOBODY = "nobody"  # it is usable at once
    CLIENT = "client"  # it is usable when the service has answered CONNECT


class Frames(StrEnum):
    """Which WebSocket frames carry the messages."""

    TEXT = "text"
    BINARY = "binary"
    BY_DATA = "by data"  # binary data in binary frames, all other data in text frames


class Binary(StrEnum):
    """How binary data are written in a frame."""

    RAW = "raw"
    BASE64 = "base64"


CLIENT_PATH: Final = "/client/hubs/"
"""The path of the client endpoint, for all protocols except MQTT; the hub's name follows it."""


@dataclass(frozen=True, slots=True)
class Traits:
    """One protocol.

    `name` is the value of `--wps-protocol`; `subprotocol`: `Sec-WebSocket-Protocol`, None: nothing is offered.
    """

    name: str
    subprotocol: str | None
    frames: Frames
    speaks_first: First
    enveloped: bool
    """Whether there are groups, events by name, and acks; without them a frame's payload is the message."""
    reliable: bool = False
    """A lost connection can be recovered."""
    numbered: bool = False
    """Messages have sequence ids, which the client acknowledges."""
    mqtt_version: int = 0
    """MQTT's protocol level; 0: it is not MQTT. A frame may hold part of a packet, or several."""
    escapes_text: bool = False
    """Whether text and JSON are in a JSON document: quotes, backslashes and control characters are escaped."""
    binary: Binary = Binary.RAW
    json_as_text: bool = False
    """JSON data arrive as their text, not as a value."""
    invokes: bool = False
    """A client can call the event handler and get the answer as this call's own (`invoke`)."""
    streams: bool = False
    """A client can publish a stream of fragments to a group, and messages say which stream they belong to."""
    client_path: str = CLIENT_PATH
    """The path of the service's client endpoint; the hub's name follows it."""
    client_type: str = ""
    """The name of such clients for `:generateToken`; empty: its default."""

    @property
    def is_mqtt(self) -> bool:
        return self.mqtt_version > 0

    @property
    def typed(self) -> bool:
        """Whether a message has the type of its data. MQTT 3.1.1 has no types: its data are bytes."""
        return self.mqtt_version != 4

    @property
    def answers_on_topics(self) -> bool:
        """Whether the event handler's answers come on a topic that is joined first."""
        return self.is_mqtt

    def escapes(self, data_type: str) -> bool:
        """Whether data of this type are escaped in a frame: binary data never are."""
        return self.escapes_text and data_type != "binary"

    def encoded_bytes(self, size: int, data_type: str) -> int:
        """The size of such data in a frame, without escapes."""
        return 4 * -(-size // 3) if data_type == "binary" and self.binary is Binary.BASE64 else size


def _json(name: str, subprotocol: str, *, reliable: bool = False) -> Traits:
    return Traits(
        name,
        subprotocol,
        Frames.TEXT,
        First.SERVICE,
        enveloped=True,
        reliable=reliable,
        numbered=reliable,
        escapes_text=True,
        binary=Binary.BASE64,
        invokes=True,
        streams=True,
    )


def _protobuf(name: str, subprotocol: str, *, reliable: bool = False) -> Traits:
    return Traits(
        name,
        subprotocol,
        Frames.BINARY,
        First.SERVICE,
        enveloped=True,
        reliable=reliable,
        numbered=reliable,
        json_as_text=True,
        streams=True,
    )


def _mqtt(name: str, version: int) -> Traits:
    return Traits(
        name,
        "mqtt",
        Frames.BINARY,
        First.CLIENT,
        enveloped=True,
        reliable=True,
        mqtt_version=version,
        json_as_text=True,
        client_path="/clients/mqtt/hubs/",
        client_type="MQTT",
    )


SERVER_TOPICS: Final = "$webpubsub/server/"
"""MQTT topics that are not groups."""
EVENT_TOPIC: Final = SERVER_TOPICS + "events/{event}"
"""The topic to which an MQTT client publishes a user event."""
ANSWER_TOPIC: Final = EVENT_TOPIC + "/succeeded"
"""The topic of the event handler's answer; failures come on `/failed`."""

SIMPLE = Traits("simple", None, Frames.BY_DATA, First.NOBODY, enveloped=False)
JSON = _json("json", "json.webpubsub.azure.v1")
JSON_RELIABLE = _json("json-reliable", "json.reliable.webpubsub.azure.v1", reliable=True)
PROTOBUF = _protobuf("protobuf", "protobuf.webpubsub.azure.v1")
PROTOBUF_RELIABLE = _protobuf("protobuf-reliable", "protobuf.reliable.webpubsub.azure.v1", reliable=True)
MQTT = _mqtt("mqtt", 4)
MQTT5 = _mqtt("mqtt5", 5)

TRAITS: Mapping[str, Traits] = MappingProxyType(
    {row.name: row for row in (SIMPLE, JSON, JSON_RELIABLE, PROTOBUF, PROTOBUF_RELIABLE, MQTT, MQTT5)}
)
"""Traits by the name that `--wps-protocol` takes."""

PROTOCOLS = tuple(TRAITS)
SUBPROTOCOLS = tuple(row.name for row in TRAITS.values() if row.enveloped)
"""The protocols with groups and acks."""
MQTTS = tuple(row.name for row in TRAITS.values() if row.is_mqtt)
WEB_PUBSUB = tuple(row.name for row in TRAITS.values() if not row.is_mqtt)
"""The service's own protocols."""
INVOKING = tuple(row.name for row in TRAITS.values() if row.invokes)
NO_INVOKE = f"only {' and '.join(INVOKING)} can invoke: the numbers of its protobuf messages are not public"
NO_STREAMS = "a simple client has no streams, and nor has MQTT"
STREAMING = tuple(row.name for row in TRAITS.values() if row.streams)
RELIABLE = tuple(row.name for row in TRAITS.values() if row.reliable)
CLIENT_PATHS = tuple(dict.fromkeys(row.client_path for row in TRAITS.values()))
