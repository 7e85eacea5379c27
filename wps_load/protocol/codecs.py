"""How each protocol of `protocol.traits` is written and read on a client's side: one module and one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from wps_load.protocol import json_v1, mqtt, protobuf_fast, protobuf_v1, simple
from wps_load.protocol.envelopes import Endings, Envelopes, JsonEnvelopes, MqttEnvelopes, NoEnvelopes, ProtobufEnvelopes
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataType, Downstream, Upstream
from wps_load.protocol.traits import (
    JSON,
    JSON_RELIABLE,
    MQTT,
    MQTT5,
    PROTOBUF,
    PROTOBUF_RELIABLE,
    SIMPLE,
    Frames,
    PublishKind,
    Traits,
)


class Template(Protocol):
    """A publication in which only the data and the ack id change; for an invocation the latter is its own id.

    `opcode`: the frame to send it in.
    """

    opcode: int

    def encode(self, data: bytes, ack_id: int | None = None) -> bytes:
        """The frame's payload. `data`: the message's data themselves (UTF-8 of a text, JSON text, raw binary)."""
        ...

    def encode_safe(self, data: bytes, ack_id: int | None = None) -> bytes:
        """As `encode` without checks: text must be printable ASCII without quotes and backslashes."""
        ...


class PublishTemplate(Protocol):
    def __call__(self, kind: PublishKind, name: str, data_type: DataType, no_echo: bool = False) -> Template: ...


Decoder = Callable[[bytes], Downstream | None]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one protocol is written and read. Features that it lacks raise LocalProtocolError."""

    traits: Traits
    decoders: Mapping[int, Decoder]
    """Readers by the frame's opcode; any other frame has the wrong type (close code 1003)."""
    encode: Callable[[Upstream], bytes]
    publish_template: PublishTemplate
    envelopes: Callable[[Endings], Envelopes]
    """Recognises deliveries by their bytes; `NoEnvelopes` if each message has to be decoded."""

    @property
    def name(self) -> str:
        return self.traits.name

    @property
    def subprotocol(self) -> str | None:
        return self.traits.subprotocol

    @property
    def reliable(self) -> bool:
        return self.traits.reliable

    @property
    def enveloped(self) -> bool:
        return self.traits.enveloped

    @property
    def opcode(self) -> int:
        """The frame of a message; `binary_opcode` if its data are binary or protobuf."""
        return _BINARY if self.traits.frames is Frames.BINARY else _TEXT

    @property
    def binary_opcode(self) -> int:
        return _TEXT if self.traits.frames is Frames.TEXT else _BINARY

    def opcode_for(self, data_type: DataType) -> int:
        """The frame in which a message with such data is sent."""
        binary = data_type in (DataType.BINARY, DataType.PROTOBUF)
        return self.binary_opcode if binary else self.opcode


_TEXT = int(Opcode.TEXT)
_BINARY = int(Opcode.BINARY)


def _json(traits: Traits) -> Codec:
    return Codec(
        traits,
        MappingProxyType({_TEXT: json_v1.decode}),
        json_v1.encode,
        json_v1.publish_template,
        NoEnvelopes if traits.reliable else JsonEnvelopes,
    )


def _protobuf(traits: Traits) -> Codec:
    return Codec(
        traits,
        MappingProxyType({_BINARY: protobuf_v1.decode}),
        protobuf_v1.encode,
        protobuf_fast.publish_template,
        NoEnvelopes if traits.reliable else ProtobufEnvelopes,
    )


def _mqtt(traits: Traits, qos: int = 0) -> Codec:
    words = mqtt.MqttWords(traits.mqtt_version, qos)
    return Codec(traits, MappingProxyType({_BINARY: words.decode}), words.encode, words.publish_template, MqttEnvelopes)


_SIMPLE = Codec(
    SIMPLE,
    MappingProxyType({_TEXT: simple.decode_text, _BINARY: simple.decode_binary}),
    simple.encode,
    simple.publish_template,
    NoEnvelopes,
)

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        codec.name: codec
        for codec in (
            _SIMPLE,
            _json(JSON),
            _json(JSON_RELIABLE),
            _protobuf(PROTOBUF),
            _protobuf(PROTOBUF_RELIABLE),
            _mqtt(MQTT),
            _mqtt(MQTT5),
        )
    }
)
"""Codecs by the name that `--wps-protocol` takes."""


def codec_of(protocol: str, qos: int = 0) -> Codec:
    """`qos`: that of MQTT's subscriptions and acknowledged publications; other protocols have none."""
    codec = CODECS[protocol]
    return _mqtt(codec.traits, qos) if qos and codec.traits.is_mqtt else codec
