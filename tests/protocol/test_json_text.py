"""Reads what orjson refuses: held against the standard library's json, which has other limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.protocol import json_text

texts = st.text(st.characters() | st.sampled_from('\ud83d\ude00\\\\"u{}[]'), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def whole(value: object) -> object:
    """Without the surrogates that stand alone."""
    return json.loads(
        json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


@given(values)
def test_strings_are_read_with_their_pairs_and_without_what_stands_alone(value: object) -> None:
    read = json_text.loads(json.dumps(["\ud800", value]).encode())
    assert read == ["\ufffd", whole(value)]


@given(values, st.integers(1, 3 * json_text.MAX_DEPTH))
def test_what_is_deep_is_left_out_and_the_rest_is_read(value: object, depth: int) -> None:
    deep = "[" * depth + json.dumps(value) + "]" * depth
    read = json_text.loads(f'{{"before":1,"deep":{deep},"x":1e999,"behind":["[",{{}}]}}'.encode())
    assert (read["before"], read["x"], read["behind"]) == (1, None, ["[", {}])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NaN",
        b"[" * 3000,
        b"[" * 3000 + b"]" * 2999,
        b"]",
        b"[" * 3000 + b"}" * 3000,
        b'"\\ud83d',
        b'["\\ud83d" 1]',
        b'{"a":"\\ud83d"',
        b"\xef\xbb\xbf{}",
        b"01",
    ],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(json_text.NotJson):
        json_text.loads(text)


def test_a_megabyte_of_anything_is_looked_at_once() -> None:
    """With a search that restarts at each quotation mark this takes minutes."""
    for piece in (b'\\"', b'"', b"[", b"1", b"\\", b'{"a":'):
        with pytest.raises(json_text.NotJson):
            json_text.loads(b'["\\ud83d",' + piece * 500_000)
