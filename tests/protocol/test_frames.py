from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as OracleFrame
from websockets.frames import Opcode as OracleOpcode
from websockets.streams import StreamReader as OracleReader
from wsproto.connection import Connection as OracleConnection
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol.frames import (
    FrameReader,
    FrameWriter,
    Opcode,
    encode_close,
    encode_frame,
    is_valid_close_code,
    mask_keys,
    parse_close,
)

Sent = list[tuple[int, bytes]]
KEY = b"\x37\xfa\x21\x3d"
SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000]


def server_frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A frame made by an independent library."""
    frame = OracleFrame(OracleOpcode(opcode), payload, fin)
    return frame.serialize(mask=False)


def feed_in_pieces(reader: FrameReader, data: bytes, piece: int) -> list[tuple[int, bytes]]:
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)]
    return [item for part in pieces for item in reader.feed(part)]


# -- RFC 6455 section 5.7, examples --------------------------------------------------------------------------


def test_masked_hello_of_the_rfc() -> None:
    assert encode_frame(Opcode.TEXT, b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("810548656c6c6f", [(1, b"Hello")]),
        ("010348656c80026c6f", [(1, b"Hello")]),
        ("890548656c6c6f", [(9, b"Hello")]),
        ("8a0548656c6c6f", [(10, b"Hello")]),
        ("827e0100" + "ab" * 256, [(2, b"\xab" * 256)]),
        ("827f0000000000010000" + "ab" * 65536, [(2, b"\xab" * 65536)]),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1_000_000])
def test_examples_of_the_rfc(wire: str, expected: Sent, piece: int) -> None:
    reader = FrameReader()
    assert feed_in_pieces(reader, bytes.fromhex(wire), piece) == expected
    assert reader.error is None


# -- out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("masked", [True, False])
def test_other_libraries_read_our_frames(size: int, masked: bool) -> None:
    payload = bytes(itertools.islice(itertools.cycle(range(256)), size))
    wire = encode_frame(Opcode.BINARY, payload, KEY if masked else None)
    stream = OracleReader()
    stream.feed_data(wire)
    parser = OracleFrame.parse(stream.read_exact, mask=masked)
    with pytest.raises(StopIteration) as done:
        next(parser)
    assert done.value.value == OracleFrame(OracleOpcode.BINARY, payload)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [1, 2, 9])
def test_a_writers_frame_is_the_encoders_with_its_next_key(size: int, opcode: int) -> None:
    payload = b"x" * size
    if opcode == 9 and size > 125:
        with pytest.raises(LocalProtocolError):
            FrameWriter(iter([KEY])).frame(opcode, payload)
    else:
        assert FrameWriter(iter([KEY])).frame(opcode, payload) == encode_frame(opcode, payload, KEY)


def test_every_frame_has_a_mask_key_of_its_own() -> None:
    writer = FrameWriter()
    frames = [writer.frame(Opcode.TEXT, b"payload") for _ in range(3000)]  # more than one pool of keys
    assert len({frame[2:6] for frame in frames}) > 2990
    server = OracleConnection(ConnectionType.SERVER)
    for frame in frames:
        server.receive_data(frame)
    assert {event.data for event in server.events() if isinstance(event, TextMessage)} == {"payload"}


def test_keys_may_be_given() -> None:
    writer = FrameWriter(iter([KEY, b"\0\0\0\0"]))
    assert writer.frame(Opcode.BINARY, b"ab")[2:6] == KEY
    assert writer.frame(Opcode.BINARY, b"ab") == b"\x82\x82\0\0\0\0ab"


def test_mask_keys_are_four_bytes() -> None:
    assert {len(key) for key in itertools.islice(mask_keys(8), 5)} == {4}


def test_long_control_frames_are_not_sent() -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(Opcode.PING, b"x" * 126, KEY)


# -- close payloads ------------------------------------------------------------------------------------------


def test_close_is_read_by_another_library() -> None:
    server = OracleConnection(ConnectionType.SERVER)
    server.receive_data(FrameWriter().close_frame(1009, "too large"))
    assert list(server.events()) == [CloseConnection(1009, "too large")]


@given(st.sampled_from([1000, 1001, 1008, 1011, 1014, 3000, 4999]), st.text())
def test_close_payload_round_trip(code: int, reason: str) -> None:
    payload = encode_close(code, reason)
    assert len(payload) <= 125
    read_code, read_reason = parse_close(payload)
    assert read_code == code
    assert reason.startswith(read_reason)
    assert read_reason == reason or len(payload) > 125 - 4


def test_close_without_a_payload_has_no_status() -> None:
    assert parse_close(b"") == (1005, "")


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"\x03", 1002), (b"\x03\xed", 1002), (b"\x00\x00", 1002), (b"\x13\x88", 1002), (b"\x03\xe8\xff", 1007)],
)
def test_bad_close_payloads(payload: bytes, code: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_close(payload)
    assert caught.value.close_code == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
def test_codes_that_may_not_be_sent(code: int) -> None:
    assert not is_valid_close_code(code)
    with pytest.raises(LocalProtocolError):
        encode_close(code)


def test_a_reason_is_cut_between_characters() -> None:
    assert parse_close(encode_close(1000, "é" * 100)) == (1000, "é" * 61)


# -- in ------------------------------------------------------------------------------------------------------

messages = st.lists(
    st.one_of(
        st.tuples(st.just(1), st.text(max_size=300).map(str.encode)),
        st.tuples(st.just(2), st.binary(max_size=300)),
        st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125)),
        st.tuples(st.just(2), st.integers(65530, 65540).map(bytes)),
    ),
    max_size=8,
)


@given(messages, st.integers(1, 70000))
def test_reads_what_another_library_writes_however_it_is_cut(sent: Sent, piece: int) -> None:
    wire = b"".join(server_frame(opcode, payload) for opcode, payload in sent)
    if len(wire) // piece > 2000:
        piece = len(wire) // 2000
    reader = FrameReader()
    assert feed_in_pieces(reader, wire, piece) == sent
    assert reader.error is None


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.booleans(), st.integers(1, 400))
def test_fragments_are_joined_and_control_frames_come_where_they_stood(
    parts: list[bytes], ping_between: bool, piece: int
) -> None:
    wire = b""
    for i, part in enumerate(parts):
        wire += server_frame(2 if i == 0 else 0, part, fin=i == len(parts) - 1)
        if ping_between and i < len(parts) - 1:
            wire += server_frame(9, b"%d" % i)
    wire += server_frame(1, b"after")
    pings = [(9, b"%d" % i) for i in range(len(parts) - 1)] if ping_between else []
    assert feed_in_pieces(FrameReader(), wire, piece) == [*pings, (2, b"".join(parts)), (1, b"after")]


def test_characters_may_be_split_over_fragments() -> None:
    euro = "€".encode()
    wire = server_frame(1, euro[:1], fin=False) + server_frame(0, euro[1:])
    assert FrameReader().feed(wire) == [(1, euro)]


def test_reads_a_server_of_another_library() -> None:
    server = OracleConnection(ConnectionType.SERVER)
    wire = server.send(TextMessage("a", message_finished=False))
    wire += server.send(Ping(b"p"))
    wire += server.send(TextMessage("b"))
    wire += server.send(BytesMessage(b"\xff"))
    wire += server.send(CloseConnection(1000, "bye"))
    reader = FrameReader()
    got = reader.feed(wire)
    assert got[:-1] == [(9, b"p"), (1, b"ab"), (2, b"\xff")]
    assert parse_close(got[-1][1]) == (1000, "bye")
    assert reader.close_received


def test_nothing_is_read_after_a_close_frame() -> None:
    reader = FrameReader()
    assert reader.feed(server_frame(8, b"") + server_frame(1, b"late")) == [(8, b"")]
    assert reader.feed(server_frame(2, b"a whole one")) == []
    assert reader.feed(b"\xff" * 1000) == []
    assert reader.error is None


BROKEN = {
    "masked": (encode_frame(1, b"x", KEY), 1002),
    "masked, 16-bit length": (encode_frame(1, b"x" * 300, KEY), 1002),
    "masked ping": (encode_frame(9, b"", KEY), 1002),
    "rsv1": (b"\xc1\x00", 1002),
    "rsv2": (b"\xa1\x00", 1002),
    "rsv3": (b"\x91\x00", 1002),
    "opcode 3": (b"\x83\x00", 1002),
    "opcode 11": (b"\x8b\x00", 1002),
    "fragmented ping": (b"\x09\x00", 1002),
    "long ping": (b"\x89\x7e\x00\x7e" + b"x" * 126, 1002),
    "16-bit length for 125 bytes": (b"\x82\x7e\x00\x7d" + b"x" * 125, 1002),
    "64-bit length for 65535 bytes": (b"\x82\x7f" + (65535).to_bytes(8, "big"), 1002),
    "64-bit length, highest bit": (b"\x82\x7f\x80" + bytes(7), 1002),
    "continuation of nothing": (b"\x80\x00", 1002),
    "message inside a message": (b"\x01\x00\x81\x00", 1002),
    "text not UTF-8": (b"\x81\x01\xff", 1007),
    "surrogate in text": (b"\x81\x03\xed\xa0\x80", 1007),
    "fragmented text not UTF-8": (b"\x01\x01\xe2\x80\x01x", 1007),
    "too long": (b"\x82\x7e\x04\x01", 1009),
    "too long, 64-bit": (b"\x82\x7f" + (2**62).to_bytes(8, "big"), 1009),
    "too long in fragments": (b"\x02\x7e\x02\x00" + b"x" * 512 + b"\x80\x7e\x02\x01", 1009),
}


@pytest.mark.parametrize("piece", [1, 1_000_000])
@pytest.mark.parametrize("name", BROKEN)
def test_what_came_before_an_offence_is_delivered(name: str, piece: int) -> None:
    wire, code = BROKEN[name]
    reader = FrameReader(max_message_bytes=1024)
    assert feed_in_pieces(reader, server_frame(1, b"before") + wire, piece) == [(1, b"before")]
    assert reader.error is not None
    assert reader.error.close_code == code
    assert reader.feed(server_frame(1, b"after")) == []


def test_a_message_of_exactly_the_limit_is_read() -> None:
    reader = FrameReader(max_message_bytes=1024)
    whole = server_frame(2, bytes(1024))
    fragments = server_frame(2, bytes(1000), fin=False) + server_frame(0, bytes(24))
    assert [len(payload) for _, payload in reader.feed(whole + fragments)] == [1024, 1024]


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_any_bytes_give_messages_or_one_recorded_error_in_bounded_memory(chunks: list[bytes]) -> None:
    reader = FrameReader(max_message_bytes=256)
    for chunk in chunks:
        before = reader.error
        for opcode, payload in reader.feed(chunk):
            assert opcode in (1, 2, 8, 9, 10)
            assert len(payload) <= 256
        if before is not None:
            assert reader.error is before
        assert len(reader._pending) <= 256 + 10
        assert len(reader._fragments) <= 256


@given(messages, st.data())
def test_a_flipped_byte_harms_nothing_that_came_before_it(sent: Sent, data: st.DataObject) -> None:
    frames = [server_frame(opcode, payload) for opcode, payload in sent]
    wire = bytearray(b"".join(frames))
    if not wire:
        return
    position = data.draw(st.integers(0, len(wire) - 1))
    wire[position] ^= data.draw(st.integers(1, 255))
    intact = sum(1 for end in itertools.accumulate(map(len, frames)) if end <= position)
    reader = FrameReader(max_message_bytes=100_000)
    assert reader.feed(bytes(wire))[:intact] == sent[:intact]
    assert reader.error is None or reader.error.close_code in (1002, 1007, 1009)


HEADS = st.tuples(
    st.sampled_from([0x81, 0x82, 0x80, 0x01, 0x89, 0x88, 0xC1, 0x83]),
    st.sampled_from([0, 1, 125, 126, 127, 128 | 3, 255]),
    st.sampled_from([b"", b"\0\x05", b"\0\x7d", b"\0\x7e", b"\0\x80", b"\1\0"]),
)


@given(st.lists(st.tuples(HEADS, st.sampled_from([0, 3, 5, 124, 125, 126, 128, 256]), st.booleans()), max_size=4))
def test_a_lone_frame_is_read_as_one_that_comes_byte_by_byte(
    frames: list[tuple[tuple[int, int, bytes], int, bool]],
) -> None:
    reader, slow = FrameReader(200), FrameReader(200)
    for (first, size, more), payload_bytes, plain in frames:
        piece = bytes((first, size)) + more + (b"t" if plain else b"\xe9") * payload_bytes
        assert reader.feed(piece) == feed_in_pieces(slow, piece, 1)
        codes = [end.error and end.error.close_code for end in (reader, slow)]
        assert codes[0] == codes[1]


@pytest.mark.parametrize("length_byte", [127, 128 | 3, 255])
def test_a_piece_as_long_as_a_length_marker_would_say_is_not_a_lone_frame(length_byte: int) -> None:
    whole = server_frame(2, bytes(70_000)) if length_byte == 127 else encode_frame(2, b"x" * 200, KEY)
    piece = bytes((0x82, length_byte)) + whole[2:].ljust(256, b"x")[:length_byte]
    reader = FrameReader()
    assert reader.feed(piece) == []
    if length_byte == 127:
        assert reader.feed(whole[len(piece) :]) == [(2, bytes(70_000))]
    else:
        assert reader.error is not None
        assert reader.error.close_code == 1002
