"""What a locustfile may send, and one sentence for what it may not."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from wps_load.client import api_values
from wps_load.errors import LocalProtocolError


@dataclasses.dataclass
class Point:
    x: float


@pytest.mark.parametrize(
    ("data", "text"),
    [({"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'), ([], "[]"), (0, "0"), (False, "false"), (Point(1.5), '{"x":1.5}')],
)
def test_json_is_written(data: object, text: str) -> None:
    assert api_values.json_text(data) == text


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (None, TypeError, "data is None"),
        (math.nan, ValueError, "data contains nan, which JSON cannot express"),
        ({"a": [1, (2.0, -math.inf)]}, ValueError, "data contains -inf"),
        (Point(math.inf), ValueError, "data contains inf"),
        (object(), TypeError, "data of type object is not str, bytes or JSON"),
        ({1, 2}, TypeError, "data of type set"),
        ({1: 2}, TypeError, "data of type dict"),
        ({"a": "\ud83d"}, TypeError, "data of type dict"),
        (1 << 70, TypeError, "data of type int"),
    ],
)
def test_what_json_cannot_say_is_refused(data: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        api_values.json_text(data)
    assert sentence in str(caught.value)
    assert isinstance(caught.value, LocalProtocolError)


def test_a_list_that_is_deeper_than_json_writers_go_is_refused() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(TypeError):
        api_values.json_text(deep)


def test_text_and_size_and_time() -> None:
    with pytest.raises(ValueError, match="character 2 of data is half of a surrogate pair"):
        api_values.utf8_text("ab\ud83d")
    limit = api_values.MAX_MESSAGE_BYTES
    assert len(api_values.within_limit(b"x" * limit)) == limit
    with pytest.raises(ValueError, match="1,048,577 bytes"):
        api_values.within_limit(b"x" * (limit + 1))
    assert api_values.seconds(0.5) == 0.5
    for wrong in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="timeout is"):
            api_values.seconds(wrong)
    for kind in ("1", None, True):
        with pytest.raises(TypeError, match="timeout is of type"):
            api_values.seconds(kind)
