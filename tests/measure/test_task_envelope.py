"""The stamp of a task's message: carried by any data, given up again, and never taken for what it is not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.stamp import make_mark, pack_text
from wps_load.measure.task_envelope import seal, unseal
from wps_load.measure.task_stamp import (
    COUNTED,
    TASKS,
    TaskStamp,
    audience_number,
    new_number,
    population_of,
    read_raw,
    read_text,
)

MARK = make_mark(3, 0xDEADBEEF)
STAMP = TaskStamp(MARK, COUNTED, TASKS | 7, TASKS | 9, 5, 123_456_789_012, 17, 0)
JSON = st.recursive(
    st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def same(stamp: TaskStamp) -> bool:
    return stamp._replace(check=0, flags=COUNTED) == STAMP


@given(st.text() | st.binary() | JSON)
def test_data_come_back_as_they_were(data: Any) -> None:
    opened = unseal(seal(data, STAMP))
    assert opened is not None
    assert same(opened.stamp)
    assert opened.intact
    assert opened.data == data
    assert type(opened.data) is type(data)


@given(JSON)
def test_json_that_comes_as_text_is_given_back_as_the_text_that_was_written(data: Any) -> None:
    if isinstance(data, str):
        return
    opened = unseal(orjson.dumps(seal(data, STAMP)).decode())
    assert opened is not None
    assert opened.intact
    assert opened.data == orjson.dumps(data).decode()


@pytest.mark.parametrize(("data", "back"), [("é", "é".encode()), ({"a": "é"}, '{"a":"é"}'.encode()), ([1], b"[1]")])
def test_text_and_json_that_come_as_bytes(data: Any, back: bytes) -> None:
    sealed = seal(data, STAMP)
    opened = unseal(sealed.encode() if isinstance(sealed, str) else orjson.dumps(sealed))
    assert opened is not None
    assert opened.intact
    assert opened.data == back
    assert unseal(b"{\xff") is None


@pytest.mark.parametrize("data", [{"a": 1.0, "b": [2]}, [1, {"z": 1, "a": 2}], {"wps": "mine", "data": 5}, 7])
def test_a_service_may_write_json_differently(data: Any) -> None:
    value = orjson.loads(orjson.dumps(seal(data, STAMP)))
    reordered = dict(reversed(value.items()))
    opened = unseal(reordered)
    assert opened is not None
    assert opened.intact
    assert opened.data == data
    text = orjson.dumps(reordered, option=orjson.OPT_INDENT_2).decode().replace("1.0", "1")
    opened = unseal(text)
    assert opened is not None
    assert opened.intact
    assert orjson.loads(opened.data) == data


@pytest.mark.parametrize(
    "data",
    ["", "wps:", "wps:" + "A" * 64 + ":x", b"wps:", b"wps:" + bytes(48), {}, {"wps": "x"}, {"wps": "A" * 64}, "{", None,
     7, '{"wps":"', pack_text(3, MARK, 1, 2, 3, 4).decode(), '{"wps": 5}', "wps:" + "é" * 64 + ":", [1]],
)  # fmt: skip
def test_other_data_are_left_alone(data: Any) -> None:
    assert unseal(data) is None


@given(st.integers(0, 47), st.integers(0, 7))
def test_no_bit_of_a_stamp_changes_unseen(at: int, bit: int) -> None:
    raw = bytearray(STAMP.pack())
    raw[at] ^= 1 << bit
    found = read_raw(bytes(raw))
    if at == 3:  # the spare byte
        assert found == STAMP
    else:
        assert found is None or found.mark != MARK or found != STAMP
        assert found is None or found.mark != MARK


@pytest.mark.parametrize("data", ["hello", b"hello", {"text": "hello"}, ["hello"]])
def test_changed_data_are_found_out(data: Any) -> None:
    sealed = seal(data, STAMP)
    if isinstance(sealed, str):
        changed: Any = sealed.replace("hello", "hallo")
    elif isinstance(sealed, bytes):
        changed = sealed.replace(b"hello", b"hallo")
    else:
        changed = orjson.loads(orjson.dumps(sealed).replace(b"hello", b"hallo"))
    opened = unseal(changed)
    assert opened is not None
    assert not opened.intact


def test_json_may_be_as_deep_as_it_can_be_sent_and_what_is_deeper_was_not_sent() -> None:
    data: Any = [1.5]
    for _ in range(200):
        data = [data]
    sealed = seal(data, STAMP)
    opened = unseal(sealed)
    assert opened is not None
    assert opened.intact
    for _ in range(200):
        sealed["data"] = [sealed["data"]]
    opened = unseal(sealed)
    assert opened is not None
    assert not opened.intact


def test_numbers_of_tasks_name_their_population_and_lie_above_those_of_scenarios() -> None:
    for population in (0, 1, 4095):
        numbers = {new_number(population) for _ in range(100)}
        assert len(numbers) == 100
        assert {population_of(number) for number in numbers} == {population}
        assert all(TASKS <= number < 1 << 62 for number in numbers)


def test_an_audience_has_one_number_in_every_process() -> None:
    assert audience_number("bench", "group", "lobby") == 4240375495658581301
    assert audience_number("Bench", "group", "lobby") == audience_number("bench", "group", "lobby")
    names = [("a", "group", "b"), ("a", "user", "b"), ("a", "group", "B"), ("b", "group", "b"), ("a", "all", "")]
    assert len({audience_number(*each) for each in names}) == len(names)
    assert read_text(STAMP.text()) == STAMP
