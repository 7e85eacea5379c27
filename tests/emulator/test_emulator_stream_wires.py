"""Streams as the emulator's wires read and write them, against the client's codecs, which are not theirs."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.fakes import payload_of
from wps_load.emulator import json_wire, protobuf_wire
from wps_load.emulator.json_reader import MALFORMED, read
from wps_load.emulator.wires import RoutedMessage, StreamInfo, Wire
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import (
    DataMessage,
    DataType,
    EndStream,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamMessage,
    StreamNack,
)

WIRES: dict[str, Wire] = {"json": json_wire.JSON, "protobuf": protobuf_wire.PROTOBUF}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": ""}},
        {"type": "sendToGroup", "group": "g", "stream": {}},
        {"type": "sendToGroup", "group": "g", "stream": "s1"},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s1"}, "dataType": "text", "data": "x"},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s1", "idleTimeoutMs": 1 << 32}},
        {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s1", "idleTimeoutMs": "1"}},
        {"type": "streamData", "streamSequenceId": 1, "dataType": "text", "data": "x"},
        {"type": "streamData", "streamId": "s1", "streamSequenceId": -1, "dataType": "text", "data": "x"},
        {"type": "streamData", "streamId": "s1", "streamSequenceId": 1, "dataType": "odd", "data": "x"},
        {"type": "streamEnd"},
        {"type": "streamEnd", "streamId": "s1", "error": "bad"},
    ],
)
def test_malformed_ones_end_the_connection(message: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match=MALFORMED) as caught:
        read(1, orjson.dumps(message))
    assert caught.value.close_code == 1007


# -- both wires, with the client's codec ---------------------------------------------------------------------

IDS_OF = st.characters(codec="utf-8")
IDS = st.text(IDS_OF, min_size=1, max_size=40)
NUMBERS = st.integers(1, 2**64 - 1)


@given(stream_id=IDS, number=NUMBERS, text=st.text(IDS_OF, max_size=100), binary=st.booleans())
def test_a_fragment_arrives_as_it_was_sent(stream_id: str, number: int, text: str, binary: bool) -> None:
    """Through the emulator's reader and writer, which are not the client's."""
    data_type = DataType.BINARY if binary else DataType.TEXT
    data: object = text.encode() if binary else text
    for name, service in WIRES.items():
        codec = CODECS[name]
        came = service.decode(codec.opcode, codec.encode(StreamData(stream_id, number, data_type, data)))
        assert came == StreamData(stream_id, number, data_type, text.encode())
        publication = RoutedMessage("group", "g", None, data_type, text.encode(), stream=StreamInfo(stream_id, number))
        frame = service.message(publication, 7)
        assert codec.decoders[codec.opcode](payload_of(frame)) == StreamMessage(
            DataMessage("group", "g", str(data_type), data, 7), stream_id, number
        )


IDLE = st.none() | st.integers(0, 2**32 - 1)
ERRORS = st.none() | st.builds(StreamError, st.just(""), st.text(IDS_OF, max_size=20), st.text(IDS_OF, max_size=9))


@given(stream_id=IDS, idle=IDLE, no_echo=st.booleans(), error=ERRORS)
def test_the_service_reads_what_a_client_writes(
    stream_id: str, idle: int | None, no_echo: bool, error: StreamError | None
) -> None:
    messages = (StartStream("g", stream_id, idle, no_echo), StreamData(stream_id), EndStream(stream_id, error))
    for name, service in WIRES.items():
        codec = CODECS[name]
        for message in messages:
            assert service.decode(codec.opcode, codec.encode(message)) == message


@given(stream_id=IDS, number=st.integers(0, 2**64 - 1), told=st.text(IDS_OF, max_size=20))
def test_a_client_reads_what_the_service_writes(stream_id: str, number: int, told: str) -> None:
    answers = (
        StreamAck(stream_id, number),
        StreamNack(stream_id, number, "TransientError", told),
        StreamClosed(stream_id),
        StreamClosed(stream_id, StreamError("IdleTimeout", told)),
    )
    for name, service in WIRES.items():
        codec = CODECS[name]
        for answer in answers:
            assert codec.decoders[codec.opcode](payload_of(service.stream(answer))) == answer
