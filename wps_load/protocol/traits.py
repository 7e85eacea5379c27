"""What each of the five ways to speak to Web PubSub is, as one table: everything that others ask about a protocol.

How its bytes are written and read stands elsewhere: `protocol.codecs` for a client's side, the emulator's wires for the
service's. A new protocol begins with a row here. Source: Azure Web PubSub, references of the WebSocket subprotocols.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

PublishKind = Literal["group", "event", "invoke"]
"""What a publication is: to a group, an event, or an event whose answer is the invocation's own."""


class First(StrEnum):
    """Who speaks first once the upgrade is answered, and so when a connection is usable."""

    SERVICE = "service"  # it is usable when `connected` has come
    NOBODY = "nobody"  # it is usable at once


class Frames(StrEnum):
    """Which WebSocket frames carry the messages."""

    TEXT = "text"
    BINARY = "binary"
    BY_DATA = "by data"  # binary data in binary frames, all other data in text frames


class Binary(StrEnum):
    """How binary data stand in a frame."""

    RAW = "raw"
    BASE64 = "base64"


_CLIENT_PATH: Final = "/client/hubs/"


@dataclass(frozen=True, slots=True)
class Traits:
    """One protocol. `name` is the value of `--wps-protocol`; `subprotocol` stands in `Sec-WebSocket-Protocol`, None:
    nothing is offered.
    """

    name: str
    subprotocol: str | None
    frames: Frames
    speaks_first: First
    enveloped: bool
    """There are groups, events by name and acks; without, a frame's payload is the message."""
    reliable: bool = False
    """Messages have sequence ids, and a lost connection can be recovered."""
    escapes_text: bool = False
    """Text and JSON stand in a JSON document: quotes, backslashes and controls are escaped."""
    binary: Binary = Binary.RAW
    json_as_text: bool = False
    """JSON data arrive as their text, not as a value."""
    invokes: bool = False
    """A client can call the event handler and get the answer as this call's own (`invoke`)."""
    client_path: str = _CLIENT_PATH
    """The path of the service's client endpoint; the hub's name follows it."""

    def escapes(self, data_type: str) -> bool:
        """Whether data of this type are escaped in a frame: binary data never are."""
        return self.escapes_text and data_type != "binary"

    def encoded_bytes(self, size: int, data_type: str) -> int:
        """The size of such data in a frame, escapes left out."""
        return 4 * -(-size // 3) if data_type == "binary" and self.binary is Binary.BASE64 else size


def _json(name: str, subprotocol: str, *, reliable: bool = False) -> Traits:
    return Traits(
        name,
        subprotocol,
        Frames.TEXT,
        First.SERVICE,
        enveloped=True,
        reliable=reliable,
        escapes_text=True,
        binary=Binary.BASE64,
        invokes=True,
    )


def _protobuf(name: str, subprotocol: str, *, reliable: bool = False) -> Traits:
    return Traits(name, subprotocol, Frames.BINARY, First.SERVICE, enveloped=True, reliable=reliable, json_as_text=True)


SIMPLE = Traits("simple", None, Frames.BY_DATA, First.NOBODY, enveloped=False)
JSON = _json("json", "json.webpubsub.azure.v1")
JSON_RELIABLE = _json("json-reliable", "json.reliable.webpubsub.azure.v1", reliable=True)
PROTOBUF = _protobuf("protobuf", "protobuf.webpubsub.azure.v1")
PROTOBUF_RELIABLE = _protobuf("protobuf-reliable", "protobuf.reliable.webpubsub.azure.v1", reliable=True)

TRAITS: Mapping[str, Traits] = MappingProxyType(
    {row.name: row for row in (SIMPLE, JSON, JSON_RELIABLE, PROTOBUF, PROTOBUF_RELIABLE)}
)
"""By the name that `--wps-protocol` takes."""

PROTOCOLS = tuple(TRAITS)
SUBPROTOCOLS = tuple(row.name for row in TRAITS.values() if row.enveloped)
"""Those with groups and acks."""
INVOKING = tuple(row.name for row in TRAITS.values() if row.invokes)
NO_INVOKE = f"only {' and '.join(INVOKING)} can invoke: the numbers of its protobuf messages are not public"
RELIABLE = tuple(row.name for row in TRAITS.values() if row.reliable)
CLIENT_PATHS = tuple(dict.fromkeys(row.client_path for row in TRAITS.values()))
