"""A task's data on the wire and back: by its Python type, and as each protocol has types or not."""

from __future__ import annotations

from typing import Any

import pytest

from wps_load.client.api_data import TaskData, Written
from wps_load.errors import WrongType, WrongValue
from wps_load.protocol.messages import DataMessage, DataType
from wps_load.protocol.traits import TRAITS

TEXT, JSON, BINARY = DataType.TEXT, DataType.JSON, DataType.BINARY


def data_of(protocol: str) -> TaskData:
    return TaskData(TRAITS[protocol])


def came(data_type: DataType, data: object, group: str | None = "g") -> DataMessage:
    return DataMessage("group", group, data_type, data)


@pytest.mark.parametrize(
    ("protocol", "data", "written"),
    [
        ("json", "text", Written(TEXT, "text", "text")),
        ("json", bytearray(b"\x00"), Written(BINARY, b"\x00", b"\x00")),
        ("json", {"a": 1}, Written(JSON, {"a": 1}, {"a": 1})),
        ("protobuf", {"a": 1}, Written(JSON, '{"a":1}', {"a": 1})),
        ("simple", {"a": 1}, Written(TEXT, '{"a":1}', '{"a":1}')),
        ("mqtt", "text", Written(TEXT, "text", b"text")),
        ("mqtt", b"\x00", Written(BINARY, b"\x00", b"\x00")),
        ("mqtt", {"a": 1}, Written(JSON, '{"a":1}', b'{"a":1}')),
    ],
)
def test_what_is_written_and_how_it_comes_back(protocol: str, data: Any, written: Written) -> None:
    assert data_of(protocol).written(data) == written


@pytest.mark.parametrize(("data", "error"), [(object(), WrongType), ("\ud800", WrongValue), (float("nan"), WrongValue)])
def test_what_no_message_can_carry_is_refused(data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        data_of("json").written(data)


@pytest.mark.parametrize(
    ("protocol", "data_type", "data", "read"),
    [
        ("json", JSON, {"a": 1}, {"a": 1}),
        ("protobuf", JSON, '{"a":1}', {"a": 1}),
        ("protobuf", TEXT, '{"a":1}', '{"a":1}'),
        ("protobuf", JSON, "no JSON", "no JSON"),
    ],
)
def test_json_is_read_as_a_value_where_the_message_says_that_it_is(
    protocol: str, data_type: DataType, data: object, read: object
) -> None:
    assert data_of(protocol).read(came(data_type, data)).data == read


@pytest.mark.parametrize("protocol", ["json", "protobuf", "mqtt5"])
@pytest.mark.parametrize("data", ["text", b"\x00", {"a": [1, 2.5]}])
def test_a_message_is_known_again_by_its_group_and_its_data(protocol: str, data: Any) -> None:
    task = data_of(protocol)
    written = task.written(data)
    known = task.key("g", written)
    back = written.data_type if TRAITS[protocol].typed else BINARY
    assert known in task.keys_of(came(back, written.shown))
    assert known not in task.keys_of(came(back, written.shown, group="another"))


def test_json_that_the_service_delivers_as_text_is_known_too() -> None:
    task = data_of("protobuf")
    known = task.key("g", task.written({"a": 1}))
    assert known in task.keys_of(came(TEXT, '{"a": 1}'))
    assert known not in task.keys_of(came(TEXT, '{"a": 2}'))
