from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import simple
from wps_load.protocol.frames import Opcode
from wps_load.protocol.messages import DataMessage, DataType, JoinGroup, Ping, SendEvent, SendToGroup


@given(st.text())
def test_text_comes_as_it_was_sent(text: str) -> None:
    payload = simple.encode(SendEvent("message", DataType.TEXT, text))
    assert simple.decode_text(payload) == DataMessage("server", None, "text", text)


@given(st.binary())
def test_binary_comes_as_it_was_sent(data: bytes) -> None:
    payload = simple.encode(SendEvent("message", DataType.BINARY, data))
    assert simple.decode_binary(payload) == DataMessage("server", None, "binary", data)


def test_text_that_is_not_utf8_breaks_the_protocol() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        simple.decode_text(b"\xff")
    assert caught.value.close_code == 1007


@pytest.mark.parametrize(
    "message",
    [
        JoinGroup("g"),
        Ping(),
        SendToGroup("g", DataType.TEXT, "x"),
        SendEvent("other", DataType.TEXT, "x"),
        SendEvent("message", DataType.TEXT, "x", 1),
        SendEvent("message", DataType.JSON, {"a": 1}),
        SendEvent("message", DataType.TEXT, "\ud800"),
    ],
)
def test_everything_else_is_refused(message: Any) -> None:
    with pytest.raises(LocalProtocolError):
        simple.encode(message)


@pytest.mark.parametrize(
    ("data_type", "opcode"),
    [(DataType.TEXT, Opcode.TEXT), (DataType.JSON, Opcode.TEXT), (DataType.BINARY, Opcode.BINARY)],
)
def test_template_names_its_frame_and_sends_the_data(data_type: DataType, opcode: Opcode) -> None:
    template = simple.publish_template("event", "message", data_type)
    assert template.opcode == opcode
    assert template.encode(b"data") == b"data"


def test_template_refuses_groups_acks_and_bad_text() -> None:
    with pytest.raises(LocalProtocolError):
        simple.publish_template("group", "g", DataType.TEXT)
    template = simple.publish_template("event", "message", DataType.TEXT)
    with pytest.raises(LocalProtocolError):
        template.encode(b"x", 1)
    with pytest.raises(LocalProtocolError):
        template.encode(b"\xff")
