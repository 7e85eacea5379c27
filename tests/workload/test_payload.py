from __future__ import annotations

import base64
import json
import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.workload.payload import (
    MIN_BYTES,
    STAMP_BINARY_BYTES,
    STAMP_TEXT_BYTES,
    PayloadPart,
    PayloadPlan,
    mean_bytes,
    parse_mix,
    read_samples,
    wire_bytes,
)

STAMP_RAW = bytes(range(STAMP_BINARY_BYTES))
STAMP_TEXT = base64.b64encode(STAMP_RAW)
SIZES = st.integers(MIN_BYTES, 5000)


def data_of(plan: PayloadPlan, data_type: str, stream: int = 0, seq: int = 0) -> bytes:
    """The data as a receiver gets it, out of its envelope."""
    filler = plan.choose(stream, seq)
    inside = filler.wrap(STAMP_TEXT if plan.stamp_is_text else STAMP_RAW)
    if plan.envelope and data_type == "binary":
        data = base64.b64decode(inside, validate=True)
    elif plan.envelope and data_type == "text":
        data = json.loads(b'"' + inside + b'"').encode()
    else:
        data = inside
    assert len(data) == filler.size_bytes
    return data


def test_mixes() -> None:
    assert parse_mix("2KiB") == (PayloadPart(2048),)
    assert parse_mix("512B*9, 16KiB*1") == (PayloadPart(512, 9), PayloadPart(16384, 1))
    assert parse_mix("1KB:compressible") == (PayloadPart(1000, 1, True),)
    assert mean_bytes(parse_mix("100B*3,200B*1")) == 125


@pytest.mark.parametrize("text", ["", "63B", "2MiB", "512B*0", "512B*", "*9", "512B*1001", "1KiB:zip", "512B*9;1KiB"])
def test_what_is_not_a_mix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="512B\\*9,16KiB\\*1"):
        parse_mix(text)


@given(SIZES, st.sampled_from(["text", "json", "binary"]), st.booleans(), st.booleans(), st.integers(0, 99))
def test_the_stamp_never_changes_the_size(size: int, kind: str, envelope: bool, compressible: bool, seed: int) -> None:
    plan = PayloadPlan.generated([PayloadPart(size, 1, compressible)], kind, envelope=envelope, seed=seed)
    data = data_of(plan, kind)
    assert len(data) == size
    if kind == "json":
        assert json.loads(data)["wps"] == STAMP_TEXT.decode()
    else:
        assert data.startswith(STAMP_RAW if kind == "binary" else STAMP_TEXT)


def test_content_comes_from_the_seed() -> None:
    def content(seed: int) -> list[bytes]:
        plan = PayloadPlan.generated(parse_mix("64B*2,128B*1"), "text", envelope=True, seed=seed)
        return [data_of(plan, "text", 3, seq) for seq in range(20)]

    assert content(1) == content(1)
    assert content(1) != content(2)


def test_random_text_does_not_compress_and_the_other_does() -> None:
    def ratio(mix: str) -> float:
        data = data_of(PayloadPlan.generated(parse_mix(mix), "text", envelope=False, seed=1), "text")
        return len(zlib.compress(data)) / len(data)

    assert ratio("16KiB") > 0.7  # 6 bits of 8
    assert ratio("16KiB:compressible") < 0.05


def test_a_mix_keeps_its_weights_over_short_stretches_too() -> None:
    plan = PayloadPlan.generated(parse_mix("512B*9,16KiB*1"), "text", envelope=True, seed=5)
    sizes = Counter(plan.choose(0, seq).size_bytes for seq in range(1000))
    assert sizes[512] == pytest.approx(900, abs=9)
    for begin in range(0, 1000, 100):
        stretch = Counter(plan.choose(0, seq).size_bytes for seq in range(begin, begin + 100))
        assert 8 <= stretch[16384] <= 12


def test_streams_do_not_send_their_large_messages_together() -> None:
    plan = PayloadPlan.generated(parse_mix("512B*9,16KiB*1"), "text", envelope=True, seed=5)
    large = sum(plan.choose(stream, 0).size_bytes == 16384 for stream in range(200))
    assert 5 <= large <= 45


@given(st.text(min_size=20, max_size=200), st.booleans())
def test_text_samples_keep_their_size_whatever_characters_they_have(text: str, envelope: bool) -> None:
    line = ("é" * 10 + "\"\\'☃" * 20 + text.replace("\r", "").replace("\n", "")).encode()
    plan = PayloadPlan.from_samples(read_samples(line, "text"), "text", envelope=envelope, seed=0)
    data = data_of(plan, "text")
    assert len(data) == len(line)
    assert data.startswith(STAMP_TEXT)
    assert data[STAMP_TEXT_BYTES + 3 :] == line[STAMP_TEXT_BYTES + 3 :]


def test_text_is_cut_between_characters() -> None:
    line = ("x" * 39 + "☃" + "y" * 30).encode()  # bytes 39, 40, 41 are one character
    plan = PayloadPlan.from_samples(read_samples(line, "text"), "text", envelope=False, seed=0)
    assert data_of(plan, "text") == STAMP_TEXT + b"  " + b"y" * 30


@pytest.mark.parametrize("sample", [b"{}", b'{"a":1}', b' { "a" : {"b":[1,2]} } '])
def test_json_samples_get_a_first_member(sample: bytes) -> None:
    plan = PayloadPlan.from_samples(read_samples(sample, "json"), "json", envelope=True, seed=0)
    data = data_of(plan, "json")
    assert json.loads(data) == {"wps": STAMP_TEXT.decode(), **json.loads(sample)}
    assert next(iter(json.loads(data))) == "wps"


def test_binary_samples_are_base64_lines() -> None:
    raw = bytes(range(100))
    samples = read_samples(base64.b64encode(raw) + b"\n\n", "binary")
    for envelope in (True, False):
        plan = PayloadPlan.from_samples(samples, "binary", envelope=envelope, seed=0)
        assert data_of(plan, "binary") == STAMP_RAW + raw[STAMP_BINARY_BYTES:]


@pytest.mark.parametrize(
    ("content", "data_type", "says"),
    [
        (b"\n\n", "text", "no message"),
        (b"x" * 64 + b"\n" + b"x" * 63, "text", "line 2 has 63 bytes"),
        (b"\xff" * 80, "text", "line 1 is not UTF-8"),
        (b"{", "json", "line 1 is not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "json", "byte order mark"),
        (b"\xef\xbb\xbf" + b"x" * 80, "text", "byte order mark"),
        (b'{"a":1}\n{"a":NaN}', "json", "line 2 is not JSON"),
        (b'{"a":-Infinity}', "json", "line 1 is not JSON"),
        (b'{"a":"\\ud83d"}', "json", "line 1 is not JSON: no low surrogate"),
        (b'{"a":1e999}', "json", "line 1 is not JSON"),
        (b"[1]", "json", "line 1 is not a JSON object"),
        (b'{"wps":1}', "json", 'line 1 has a member "wps"'),
        (b"x" * 80 + b"!", "binary", "line 1 is not base64"),
        (base64.b64encode(b"x" * 63), "binary", "line 1 has 63 bytes"),
    ],
)
def test_samples_that_cannot_carry_a_stamp_are_refused_by_line(content: bytes, data_type: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_samples(content, data_type)


def test_base64_in_an_envelope_grows_by_a_third() -> None:
    assert wire_bytes(786_432, "binary", "json") > 1_048_576
    assert wire_bytes(786_432, "binary", "protobuf") < 790_000
    assert wire_bytes(64, "text", "simple") == 64
