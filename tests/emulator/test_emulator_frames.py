"""The frame reader against frames that `wsproto` makes, and against what RFC 6455 forbids."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from wps_load.emulator.server_frames import MAX_MESSAGE_BYTES, ServerFrameReader, build_close, build_frame, read_close
from wps_load.errors import RemoteProtocolError

MASK = b"\1\2\3\4"


def client_frames(payload: bytes, opcode: Opcode, cuts: list[int]) -> bytes:
    client = FrameProtocol(client=True, extensions=[])
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    parts = [payload[a:b] for a, b in pairwise(edges)]
    data = b""
    for number, part in enumerate(parts):
        send = opcode if number == 0 else Opcode.CONTINUATION
        data += bytes(client._serialize_frame(send, part, fin=number == len(parts) - 1))
        data += bytes(client.ping(b"between"))
    return data


@given(
    payload=st.binary(max_size=70_000),
    cuts=st.lists(st.integers(0, 70_000), max_size=3),
    step=st.integers(1, 5000),
)
def test_reads_any_fragmentation_in_any_pieces(payload: bytes, cuts: list[int], step: int) -> None:
    data = client_frames(payload, Opcode.BINARY, cuts)
    reader = ServerFrameReader()
    messages = [m for at in range(0, len(data), step) for m in reader.feed(data[at : at + step])]
    assert reader.error is None
    assert [body for opcode, body in messages if opcode == 2] == [payload]
    assert [body for opcode, body in messages if opcode == 9] == [b"between"] * (len(cuts) + 1)


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 255, 256, 65535, 65536])
def test_reads_one_message_of_every_length_encoding(size: int) -> None:
    payload = bytes(range(256)) * 257
    client = FrameProtocol(client=True, extensions=[])
    reader = ServerFrameReader()
    for _ in range(2):
        data = bytes(client._serialize_frame(Opcode.TEXT, payload[:size]))
        assert reader.feed(data) == [(1, payload[:size])]
        assert reader.feed(data[:-1]) + reader.feed(data[-1:]) == [(1, payload[:size])]


@given(payload=st.binary(max_size=70_000))
def test_wsproto_reads_what_we_build(payload: bytes) -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(build_frame(2, payload))
    parts = [frame.payload for frame in client.received_frames()]
    assert b"".join(part for part in parts if isinstance(part, bytes | bytearray)) == payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x00", 1002),  # not masked
        (b"\xc1\x80" + MASK, 1002),  # reserved bit
        (b"\x83\x80" + MASK, 1002),  # unknown opcode
        (b"\x09\x80" + MASK, 1002),  # fragmented ping
        (b"\x89\xfe\x00\x7e" + MASK, 1002),  # ping of 126 bytes
        (b"\x80\x80" + MASK, 1002),  # continuation of nothing
        (b"\x01\x80" + MASK + b"\x81\x80" + MASK, 1002),  # a new message inside a fragmented one
        (b"\x81\xfe\x00\x05" + MASK, 1002),  # length not minimal
        (b"\x81\xff" + (1 << 63).to_bytes(8, "big") + MASK, 1002),  # top bit of the length
        (b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"), 1009),  # judged by its header
    ],
)
def test_refuses_what_the_rfc_forbids_after_what_came_before(data: bytes, code: int) -> None:
    reader = ServerFrameReader()
    assert reader.feed(b"\x82\x80" + MASK + data) == [(2, b"")]
    assert reader.error is not None
    assert reader.error.close_code == code
    assert reader.feed(b"\x82\x80" + MASK) == []


@pytest.mark.parametrize("size", [11, 126])
def test_the_limit_holds_for_a_message_that_comes_alone(size: int) -> None:
    client = FrameProtocol(client=True, extensions=[])
    reader = ServerFrameReader(limit_bytes=10)
    assert reader.feed(bytes(client._serialize_frame(Opcode.TEXT, bytes(size)))) == []
    assert reader.error is not None
    assert reader.error.close_code == 1009


def test_the_limit_counts_all_fragments() -> None:
    reader = ServerFrameReader(limit_bytes=10)
    assert reader.feed(b"\x02\x86" + MASK + bytes(6) + b"\x80\x85" + MASK + bytes(5)) == []
    assert reader.error is not None
    assert reader.error.close_code == 1009


@given(st.binary(max_size=300))
def test_any_bytes_give_messages_or_a_protocol_error(data: bytes) -> None:
    ServerFrameReader().feed(data)


def test_close_payloads() -> None:
    assert read_close(build_close(1008, "gone")[2:]) == (1008, "gone")
    assert read_close(b"") == (1005, "")
    assert len(build_close(1000, "é" * 100)) <= 127
    for bad, code in ((b"\x03", 1002), (b"\x03\xed", 1002), (b"\x03\xe8\xff", 1007)):
        with pytest.raises(RemoteProtocolError) as caught:
            read_close(bad)
        assert caught.value.close_code == code
