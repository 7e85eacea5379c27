from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wps_load.measure import stamp

u32 = st.integers(0, 2**32 - 1)
FIELDS = st.tuples(st.integers(0, 255), u32, u32, u32, st.integers(0, 2**62), st.integers(0, 2**41))
"""(epoch, run, stream, seq, due_ns, lag_ns)"""


def pack(epoch: int, run: int, stream: int, seq: int, due_ns: int, lag_ns: int) -> bytes:
    return stamp.pack_binary(epoch, stamp.make_mark(epoch, run) ^ stream, stream, seq, due_ns, lag_ns)


def pack_text(epoch: int, run: int, stream: int, seq: int, due_ns: int, lag_ns: int) -> bytes:
    return stamp.pack_text(epoch, stamp.make_mark(epoch, run) ^ stream, stream, seq, due_ns, lag_ns)


def shown(found: stamp.Stamp | None) -> tuple[int, ...]:
    """The fields of a stamp, its wait in ns."""
    assert found is not None
    epoch, _, stream, seq, due_ns, wait = found
    mark = stamp.mark_of(found)
    assert mark >> 32 == epoch
    return epoch, mark & 0xFFFFFFFF, stream, seq, due_ns, wait << stamp.WAIT_SHIFT


def whole(fields: tuple[int, ...]) -> tuple[int, ...]:
    return *fields[:5], fields[5] >> stamp.WAIT_SHIFT << stamp.WAIT_SHIFT


@given(FIELDS, st.text(max_size=50))
def test_text_and_json(fields: tuple[int, int, int, int, int, int], rest: str) -> None:
    text = pack_text(*fields)
    assert len(text) == stamp.TEXT_CHARS
    assert json.loads(f'"{text.decode()}"') == text.decode(), "safe in JSON"
    data = text.decode() + rest
    for found in (
        stamp.read_text(data),
        stamp.read_json(data),
        stamp.read_json({"p": 1, "wps": text.decode()}),
        stamp.read_json(json.dumps({"wps": text.decode(), "p": rest})),
        stamp.read_json(f'{{"wps":"{text.decode()}","p":""}}'),
    ):
        assert shown(found) == whole(fields)


@given(FIELDS, st.binary(max_size=50))
def test_binary(fields: tuple[int, int, int, int, int, int], rest: bytes) -> None:
    raw = pack(*fields)
    assert len(raw) == stamp.RAW_BYTES
    assert shown(stamp.read_binary(raw + rest)) == whole(fields)
    assert shown(stamp.read_binary(bytearray(raw + rest))) == whole(fields)


def test_the_layout() -> None:
    raw = pack(1, 2, 3, 4, 5, 6 << 10)
    assert (
        raw.hex() == "a701" + f"{(1 << 32 | 2) ^ 3 ^ 4 ^ 5 ^ 6:016x}" + "00000003000000040000000000000005" + "00000006"
    )
    assert pack_text(1, 2, 3, 4, 5, 6 << 10) == base64.b64encode(raw)


@pytest.mark.parametrize(("lag_ns", "wait"), [(-1, 0), (0, 0), (1023, 0), (1 << 50, 0xFFFFFFFF)])
def test_a_wait_is_held_to_what_fits(lag_ns: int, wait: int) -> None:
    for raw in (pack(1, 2, 3, 4, 5, lag_ns), base64.b64decode(pack_text(1, 2, 3, 4, 5, lag_ns))):
        found = stamp.read_binary(raw)
        assert found is not None
        assert found[5] == wait
        assert stamp.mark_of(found) == stamp.make_mark(1, 2)


MARK = stamp.make_mark(1, 0xDEADBEEF)


@given(FIELDS, st.integers(0, 239))
def test_a_flipped_bit_anywhere_is_seen_and_the_stamp_was_ours(
    fields: tuple[int, int, int, int, int, int], bit: int
) -> None:
    fields = (1, 0xDEADBEEF, *fields[2:])
    raw = bytearray(pack(*fields))
    raw[bit // 8] ^= 1 << bit % 8
    found = stamp.read_binary(bytes(raw))
    if 8 <= bit < 16:
        assert found is not None  # the epoch stands in the key as well
        assert stamp.mark_of(found) == MARK
        return
    assert found is None or stamp.mark_of(found) != MARK
    assert stamp.was_ours(bytes(raw), MARK)


@given(FIELDS, st.integers(0, 39), st.characters(min_codepoint=33, max_codepoint=126))
@example((0, 0, 0, 0, 0, 0), 0, "{")  # as JSON begins
def test_a_changed_character_is_seen_and_the_stamp_was_ours(
    fields: tuple[int, int, int, int, int, int], at: int, put: str
) -> None:
    text = pack_text(1, 0xDEADBEEF, *fields[2:]).decode()
    changed = text[:at] + put + text[at + 1 :]
    found = stamp.read_text(changed)
    if changed != text and (found is None or found[0] == 1):
        assert found is None or stamp.mark_of(found) != MARK
    assert stamp.was_ours(changed + "rest", MARK)
    assert stamp.was_ours({"wps": changed}, MARK)


@given(st.text(max_size=60) | st.binary(max_size=60) | st.none() | st.dictionaries(st.just("wps"), st.integers()))
def test_data_of_others_were_not_ours(data: object) -> None:
    assert not stamp.was_ours(data, MARK)


def test_the_stamp_of_another_run_was_not_ours() -> None:
    assert not stamp.was_ours(pack(1, 0x12345678, 3, 4, 5, 6), MARK)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("wps"), inner),
    max_leaves=5,
)


@given(st.binary(max_size=20), st.binary(max_size=80))
def test_in_an_envelope_it_is_what_it_is_alone(envelope: bytes, text: bytes) -> None:
    written = stamp.pack_text(1, 2, 3, 4, 5, 6)
    for each in (written, written + text, text):
        assert stamp.read_text_at(envelope + each, len(envelope)) == stamp.read_text(each)


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


WHOLE = pack_text(0, 1, 2, 3, 4, 5).decode()


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
