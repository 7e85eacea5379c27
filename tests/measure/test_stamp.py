from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure import stamp

u32 = st.integers(0, 2**32 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
stamps = st.tuples(st.integers(0, 255), u32, u32, u32, i64, i64)


@given(stamps, st.text(max_size=50))
def test_text_and_json(fields: stamp.Stamp, rest: str) -> None:
    text = stamp.pack_text(*fields)
    assert len(text) == stamp.TEXT_CHARS
    assert json.loads(f'"{text.decode()}"') == text.decode(), "safe in JSON"
    data = text.decode() + rest
    assert stamp.read_text(data) == fields
    assert stamp.read_json(data) == fields
    assert stamp.read_json({"p": 1, "wps": text.decode()}) == fields
    assert stamp.read_json(json.dumps({"wps": text.decode(), "p": rest})) == fields
    assert stamp.read_json(f'{{"wps":"{text.decode()}","p":""}}') == fields


@given(stamps, st.binary(max_size=50))
def test_binary(fields: stamp.Stamp, rest: bytes) -> None:
    raw = stamp.pack_binary(*fields)
    assert len(raw) == stamp.RAW_BYTES
    assert stamp.read_binary(raw + rest) == fields
    assert stamp.read_binary(bytearray(raw + rest)) == fields


def test_the_layout() -> None:
    raw = stamp.pack_binary(1, 2, 3, 4, 5, -1)
    assert raw.hex() == "a7010000000200000003000000040000000000000005ffffffffffffffff"
    assert stamp.pack_text(1, 2, 3, 4, 5, -1) == base64.b64encode(raw)


def test_the_epoch_wraps() -> None:
    assert stamp.read_binary(stamp.pack_binary(257, 0, 0, 0, 0, 0)) == (1, 0, 0, 0, 0, 0)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("wps"), inner),
    max_leaves=5,
)
READERS = (stamp.read_text, stamp.read_binary, stamp.read_json)


@given(anything)
def test_nothing_makes_a_reader_raise(data: object) -> None:
    for read in READERS:
        found = read(data)
        assert found is None or isinstance(found, tuple)


@given(st.binary(min_size=28, max_size=32).map(lambda raw: b"\xa7" + raw[1:]))
def test_garbled_text_is_not_ours(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    assert (stamp.read_text(text) is not None) == (len(raw) >= stamp.RAW_BYTES)


WHOLE = stamp.pack_text(0, 1, 2, 3, 4, 5).decode()


@pytest.mark.parametrize(
    "data",
    [
        "",
        WHOLE[:39],
        WHOLE[:20] + "\n" + WHOLE[20:],
        WHOLE[:20] + "=" + WHOLE[21:],
        "ü" + WHOLE[1:],
        "A" * 40,
        " " + WHOLE,
        '{"wps":',
        '{"wps"',
        '{"p":"wps"}',
        {"wps": 5},
        {},
    ],
)
def test_what_is_not_a_stamp(data: object) -> None:
    assert [read(data) for read in READERS] == [None] * 3
