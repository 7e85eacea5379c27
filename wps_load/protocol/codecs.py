"""The five ways to speak to Web PubSub, as one table: a new subprotocol is one module and one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from wps_load.protocol import json_v1, protobuf_fast, protobuf_v1, simple
from wps_load.protocol.envelopes import Endings, Envelopes, JsonEnvelopes, NoEnvelopes, ProtobufEnvelopes
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataType, Downstream, Upstream


class Template(Protocol):
    """A publication of which only the data and the ack id change. `opcode`: the frame to send it in."""

    opcode: int

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        """The frame's payload. `data`: the message's data itself (UTF-8 of a text, JSON text, raw binary)."""
        ...

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """As `encode` without checks: text must be printable ASCII without quotes and backslashes."""
        ...


class PublishTemplate(Protocol):
    def __call__(
        self, kind: Literal["group", "event"], name: str, data_type: DataType, no_echo: bool = False
    ) -> Template: ...


Decoder = Callable[[bytes], Downstream | None]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one subprotocol is written and read. What is missing in it raises LocalProtocolError."""

    name: str
    """The value of `--wps-protocol`."""
    subprotocol: str | None
    """For `Sec-WebSocket-Protocol`; None: offer nothing."""
    reliable: bool
    """Messages have sequence ids, and a lost connection can be recovered."""
    enveloped: bool
    """There are `connected`, acks and groups; without, the payload is the message."""
    opcode: int
    """The frame of a message; `binary_opcode` where its data is binary or protobuf."""
    binary_opcode: int
    decoders: Mapping[int, Decoder]
    """By the frame's opcode; a frame that is not here is of the wrong type (close code 1003)."""
    encode: Callable[[Upstream], bytes]
    publish_template: PublishTemplate
    envelopes: Callable[[Endings], Envelopes]
    """Recognises deliveries by their bytes; `NoEnvelopes` where each message has to be decoded."""

    def opcode_for(self, data_type: DataType) -> int:
        """The frame that a message with such data is sent in."""
        binary = data_type in (DataType.BINARY, DataType.PROTOBUF)
        return self.binary_opcode if binary else self.opcode


_TEXT = int(Opcode.TEXT)
_BINARY = int(Opcode.BINARY)


def _json(name: str, subprotocol: str, *, reliable: bool) -> Codec:
    return Codec(
        name=name,
        subprotocol=subprotocol,
        reliable=reliable,
        enveloped=True,
        opcode=_TEXT,
        binary_opcode=_TEXT,
        decoders=MappingProxyType({_TEXT: json_v1.decode}),
        encode=json_v1.encode,
        publish_template=json_v1.publish_template,
        envelopes=NoEnvelopes if reliable else JsonEnvelopes,
    )


def _protobuf(name: str, subprotocol: str, *, reliable: bool) -> Codec:
    return Codec(
        name=name,
        subprotocol=subprotocol,
        reliable=reliable,
        enveloped=True,
        opcode=_BINARY,
        binary_opcode=_BINARY,
        decoders=MappingProxyType({_BINARY: protobuf_v1.decode}),
        encode=protobuf_v1.encode,
        publish_template=protobuf_fast.publish_template,
        envelopes=NoEnvelopes if reliable else ProtobufEnvelopes,
    )


_SIMPLE = Codec(
    name="simple",
    subprotocol=None,
    reliable=False,
    enveloped=False,
    opcode=_TEXT,
    binary_opcode=_BINARY,
    decoders=MappingProxyType({_TEXT: simple.decode_text, _BINARY: simple.decode_binary}),
    encode=simple.encode,
    publish_template=simple.publish_template,
    envelopes=NoEnvelopes,
)

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        codec.name: codec
        for codec in (
            _SIMPLE,
            _json("json", "json.webpubsub.azure.v1", reliable=False),
            _json("json-reliable", "json.reliable.webpubsub.azure.v1", reliable=True),
            _protobuf("protobuf", "protobuf.webpubsub.azure.v1", reliable=False),
            _protobuf("protobuf-reliable", "protobuf.reliable.webpubsub.azure.v1", reliable=True),
        )
    }
)
"""By the name that `--wps-protocol` takes."""
