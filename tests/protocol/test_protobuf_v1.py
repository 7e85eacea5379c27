from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.protocol_vectors import PROTOBUF_DOWNSTREAM, PROTOBUF_UNKNOWN, PROTOBUF_UPSTREAM
from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import protobuf_v1
from wps_load.protocol.messages import (
    Ack,
    Connected,
    DataMessage,
    DataType,
    Disconnected,
    JoinGroup,
    Pong,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from wps_load.protocol.webpubsub_pb2 import DownstreamMessage, UpstreamMessage

DOWNSTREAM = (DataMessage, Connected, Disconnected, Ack, Pong, type(None))
ANY = b"\x0a\x03t/x\x12\x02\x08\x01"
uint64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(("wire", "message"), PROTOBUF_UPSTREAM)
def test_writes_the_specification_byte_for_byte(wire: str, message: Any) -> None:
    assert protobuf_v1.encode(message) == bytes.fromhex(wire)


@pytest.mark.parametrize(("wire", "message"), PROTOBUF_DOWNSTREAM)
def test_reads_the_specification(wire: str, message: Any) -> None:
    assert protobuf_v1.decode(bytes.fromhex(wire)) == message


@pytest.mark.parametrize("wire", PROTOBUF_UNKNOWN)
def test_unknown_kinds_are_ignored(wire: str) -> None:
    assert protobuf_v1.decode(bytes.fromhex(wire)) is None


@pytest.mark.parametrize(("wire", "message"), PROTOBUF_DOWNSTREAM)
def test_a_cut_message_is_no_other_message(wire: str, message: Any) -> None:
    whole = bytes.fromhex(wire)
    for end in range(1, len(whole)):
        with pytest.raises(RemoteProtocolError) as caught:
            protobuf_v1.decode(whole[:end])
        assert caught.value.close_code == 1007


def data_message(source: str, group: str | None, field: str, data: object, sequence_id: int | None = None) -> bytes:
    """Written by the library."""
    wire = DownstreamMessage()
    setattr(wire.data_message, "from", source)
    if group is not None:
        wire.data_message.group = group
    if field == "protobuf_data":
        wire.data_message.data.protobuf_data.MergeFromString(data)
    elif field:
        setattr(wire.data_message.data, field, data)
    if sequence_id is not None:
        wire.data_message.sequence_id = sequence_id
    return bytes(wire.SerializeToString())


data_fields = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=300)),
    st.tuples(st.just("binary"), st.binary(max_size=300)),
    st.tuples(st.just("json"), st.text(max_size=300)),
    st.just(("protobuf", ANY)),
)


@given(st.none() | st.text(max_size=200), data_fields, st.none() | uint64)
def test_reads_every_kind_of_data(group: str | None, data: tuple[str, str | bytes], sequence_id: int | None) -> None:
    data_type, value = data
    source = "server" if group is None else "group"
    wire = data_message(source, group, f"{data_type}_data", value, sequence_id)
    assert protobuf_v1.decode(wire) == DataMessage(source, group, data_type, value, sequence_id)


@given(st.permutations(range(4)), uint64)
def test_order_of_fields_and_unknown_ones_do_not_matter(order: list[int], sequence_id: int) -> None:
    sequence = UpstreamMessage.SequenceAckMessage(sequence_id=sequence_id).SerializeToString()
    fields = [b"\x0a\x05group", b"\x12\x01g", b"\x1a\x03\x0a\x01x"]
    fields.append(b"\x20" + sequence[1:] if sequence else b"\x20\x00")
    body = b"".join(fields[i] for i in order) + b"\x7a\x02hi"  # field 15 is not in the schema
    wire = b"\x12" + bytes([len(body)]) + body
    assert protobuf_v1.decode(wire) == DataMessage("group", "g", "text", "x", sequence_id)


def test_the_end_of_a_stream_has_no_data() -> None:
    message = protobuf_v1.decode(data_message("group", "g", "", None))
    assert message == DataMessage("group", "g", "json", None)


@pytest.mark.parametrize(
    "wire",
    [
        data_message("moon", "g", "text_data", "x"),
        b"\x1a\x02\x0a\x00",  # connected without a connection id
        b"\xff",
        b"\x12\x05\x0a\x03\xff\xfe\xfd",  # `from` that is not UTF-8
        b"\x12\x12\x0a\x05group\x12\x01g\x1a\x06\x0a\x04\xff\xff\xff\xff",  # text that is not UTF-8
    ],
)
def test_malformed_messages_break_the_protocol(wire: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        protobuf_v1.decode(wire)
    assert caught.value.close_code == 1007


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda body: bytes([0x12, len(body)]) + body))
def test_any_bytes_give_a_message_or_a_protocol_error(payload: bytes) -> None:
    try:
        message = protobuf_v1.decode(payload)
    except RemoteProtocolError:
        return
    assert isinstance(message, DOWNSTREAM)


@pytest.mark.parametrize(
    "message",
    [
        SendToGroup("g", DataType.TEXT, b"bytes"),
        SendToGroup("g", DataType.JSON, {"a": 1}),
        SendToGroup("g", DataType.BINARY, "text"),
        SendToGroup("g", DataType.PROTOBUF, b"\xff"),
        SendEvent("e", DataType.TEXT, "\ud800"),
        JoinGroup("g", 2**64),
        SequenceAck(-1),
    ],
)
def test_what_cannot_be_written_is_our_error(message: Any) -> None:
    with pytest.raises(LocalProtocolError):
        protobuf_v1.encode(message)
