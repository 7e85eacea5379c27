"""What is read and written by hand, against the protobuf library."""

from __future__ import annotations

from typing import Literal

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wps_load.errors import LocalProtocolError
from wps_load.protocol import protobuf_fast, protobuf_v1
from wps_load.protocol.messages import DataMessage, DataType, SendEvent, SendToGroup
from wps_load.protocol.webpubsub_pb2 import DownstreamMessage, UpstreamMessage

ANY = b"\x0a\x03t/x\x12\x02\x08\x01"
uint64 = st.integers(0, 2**64 - 1)


def library_writes(source: str, group: str | None, data: str | bytes, sequence_id: int | None) -> bytes:
    wire = DownstreamMessage()
    setattr(wire.data_message, "from", source)
    if group is not None:
        wire.data_message.group = group
    if isinstance(data, str):
        wire.data_message.data.text_data = data
    else:
        wire.data_message.data.binary_data = data
    if sequence_id is not None:
        wire.data_message.sequence_id = sequence_id
    return bytes(wire.SerializeToString())


def library_reads(payload: bytes) -> DataMessage | None:
    """None: malformed, or no data message."""
    try:
        message = DownstreamMessage.FromString(payload)
    except DecodeError:
        return None
    if message.WhichOneof("message") != "data_message":
        return None
    wire = message.data_message
    field = wire.data.WhichOneof("data") or "none_data"
    return DataMessage(
        getattr(wire, "from"),
        wire.group if wire.HasField("group") else None,
        field.removesuffix("_data"),
        getattr(wire.data, field, None),
        wire.sequence_id if wire.HasField("sequence_id") else None,
    )


@given(
    st.none() | st.text(max_size=42),
    st.text(max_size=200) | st.binary(max_size=300) | st.integers(0, 15_000).map(bytes),
    st.none() | st.integers(0, 2**63 - 1),
)
def test_usual_deliveries_are_read_by_hand(group: str | None, data: str | bytes, sequence_id: int | None) -> None:
    source = "server" if group is None else "group"
    payload = library_writes(source, group, data, sequence_id)
    message = protobuf_fast.read_delivery(payload)
    assert message is not None
    assert message == library_reads(payload)


@pytest.mark.parametrize(
    "payload",
    [
        library_writes("group", "g" * 200, "x", None),
        library_writes("group", "g", bytes(20_000), None),
        library_writes("group", "g", "x", 2**64 - 1),
        library_writes("server", "g", "x", None),
        library_writes("moon", "g", "x", None),
        b"\x0a\x04\x08\x01\x10\x01",  # an ack
        b"",
    ],
)
def test_the_rest_is_left_to_the_library(payload: bytes) -> None:
    assert protobuf_fast.read_delivery(payload) is None


@settings(max_examples=500)
@given(
    st.sampled_from(
        [
            library_writes("group", "room", "hello", 300),
            library_writes("server", None, b"\x01\x02", None),
            library_writes("group", "r", "x" * 200, 1),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 3),
    st.binary(max_size=2),
)
@example(library_writes("group", "room", "hello", 300), [], 1, b"")
def test_it_never_reads_what_the_library_reads_otherwise(
    payload: bytes, changes: list[tuple[int, int]], cut: int, tail: bytes
) -> None:
    wire = bytearray(payload[: len(payload) - cut] + tail)
    for position, value in changes:
        wire[position % len(wire)] = value
    message = protobuf_fast.read_delivery(bytes(wire))
    assert message is None or message == library_reads(bytes(wire))


@given(st.binary(max_size=40), st.binary(max_size=12))
def test_any_body_is_read_as_the_library_reads_it(inner: bytes, tail: bytes) -> None:
    body = b"\x0a\x05group\x12\x01g\x1a" + inner + tail
    wire = b"\x12" + bytes([len(body)]) + body
    message = protobuf_fast.read_delivery(wire)
    assert message is None or message == library_reads(wire)


def cut_length(size: int) -> bytes:
    """A length of three bytes without its last one: the next byte of the message would be taken for it."""
    return bytes([0x80 | size - 16_512, 0x81])


def with_cut_lengths() -> bytes:
    text = b"\x0a" + cut_length(16_600) + b"a" * 16_600
    body = b"\x0a\x05group\x12\x01g\x1a" + cut_length(len(text)) + text
    return b"\x12" + cut_length(len(body)) + body


MALFORMED = {
    "lengths without their last byte": with_cut_lengths(),
    "a group's length of two bytes": b"\x12\x92\x01\x0a\x05group\x12\x84" + b"g" * 132 + b"\x1a\x03\x0a\x01x",
    "a sequence id without an end": b"\x12\x11\x0a\x05group\x12\x01g\x1a\x03\x0a\x01x\x20\xff",
    "a tag of a sequence id alone": b"\x12\x10\x0a\x05group\x12\x01g\x1a\x03\x0a\x01x\x20",
    "data beyond the end": b"\x12\x0f\x0a\x05group\x12\x01g\x1a\x09\x0a\x07x",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_lengths_are_not_read_by_hand(name: str) -> None:
    assert library_reads(MALFORMED[name]) is None
    assert protobuf_fast.read_delivery(MALFORMED[name]) is None


samples = st.sampled_from(
    [
        (DataType.TEXT, "héllo"),
        (DataType.TEXT, "x" * 130),
        (DataType.JSON, '{"a":1}'),
        (DataType.BINARY, bytes(20000)),
        (DataType.BINARY, b""),
        (DataType.PROTOBUF, ANY),
    ]
)


@given(
    st.sampled_from(["group", "event"]),
    st.text(max_size=150),
    samples,
    st.none() | uint64,
    st.booleans(),
)
def test_a_template_means_what_the_library_writes(
    kind: Literal["group", "event"], name: str, sample: tuple[DataType, str | bytes], ack_id: int | None, no_echo: bool
) -> None:
    data_type, data = sample
    message: SendToGroup | SendEvent
    if kind == "group":
        message = SendToGroup(name, data_type, data, ack_id, no_echo)
    else:
        message = SendEvent(name, data_type, data, ack_id)
    template = protobuf_fast.publish_template(kind, name, data_type, no_echo)
    raw = data.encode() if isinstance(data, str) else data
    expected = UpstreamMessage.FromString(protobuf_v1.encode(message))
    for _ in range(2):  # the second one from the kept head
        assert UpstreamMessage.FromString(template.encode(raw, ack_id)) == expected


def test_kept_heads_are_bounded() -> None:
    template = protobuf_fast.publish_template("group", "g", DataType.BINARY)
    for size in range(5000):
        template.encode_safe(bytes(size))
    assert len(template._heads) <= 4096


def test_a_template_refuses_what_protobuf_cannot_hold() -> None:
    template = protobuf_fast.publish_template("group", "g", DataType.TEXT)
    for ack_id in (-1, 2**64):
        with pytest.raises(LocalProtocolError):
            template.encode(b"x", ack_id)
    with pytest.raises(LocalProtocolError):
        template.encode(b"\xff")
    with pytest.raises(LocalProtocolError):
        protobuf_fast.publish_template("group", "\ud800", DataType.TEXT)
