from __future__ import annotations

import base64
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.protocol_vectors import JSON_DOWNSTREAM, JSON_UNKNOWN, JSON_UPSTREAM
from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol import json_v1
from wps_load.protocol.messages import (
    Ack,
    Connected,
    DataMessage,
    DataType,
    Disconnected,
    JoinGroup,
    Pong,
    SendEvent,
    SendToGroup,
    StreamAck,
    StreamClosed,
    StreamMessage,
    StreamNack,
)

DOWNSTREAM = (DataMessage, Connected, Disconnected, Ack, Pong, type(None))
STREAMS = (StreamMessage, StreamAck, StreamNack, StreamClosed)

FIELDS = ["from", "group", "dataType", "data", "sequenceId", "fromUserId", "ackId", "success", "error"]
FIELDS += [
    "stream",
    "streamId",
    "expectedSequenceId",
    "name",
    "event",
    "connectionId",
    "userId",
    "reconnectionToken",
    "message",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("wire", "message"), JSON_UPSTREAM)
def test_writes_what_the_specification_shows(wire: str, message: Any) -> None:
    assert json.loads(json_v1.encode(message)) == json.loads(wire)


@pytest.mark.parametrize(("wire", "message"), JSON_DOWNSTREAM)
def test_reads_what_the_specification_shows(wire: str, message: Any) -> None:
    assert json_v1.decode(wire.encode()) == message


@pytest.mark.parametrize(("wire", "message"), JSON_DOWNSTREAM)
def test_order_of_properties_and_extra_ones_do_not_matter(wire: str, message: Any) -> None:
    backwards = {"futureField": [1], **dict(reversed(json.loads(wire).items()))}
    assert json_v1.decode(json.dumps(backwards, indent=1).encode()) == message


@pytest.mark.parametrize("wire", JSON_UNKNOWN)
def test_unknown_types_are_ignored(wire: str) -> None:
    assert json_v1.decode(wire.encode()) is None


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"hello",
        b"[]",
        b"1",
        b'"message"',
        b"{}",
        b'{"type":1}',
        b'{"type":"message","from":"server","dataType":"text","data":"\xff"}',
        b'{"type":"system","event":"connected"}',
        b'{"type":"pong"} trailing',
        b"[" * 5000,
    ],
)
def test_malformed_messages_break_the_protocol(wire: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        json_v1.decode(wire)
    assert caught.value.close_code == 1007


@pytest.mark.parametrize(
    "wire",
    [
        b'{"type":"message"}',
        b'{"type":"message","from":"moon","dataType":"text","data":"x"}',
        b'{"type":"message","from":"group","dataType":"text","data":"x"}',
        b'{"type":"message","from":"server","dataType":"text","data":1}',
        b'{"type":"message","from":"server","dataType":"binary","data":"@"}',
        b'{"type":"message","from":"server","dataType":"binary","data":"\xc3\xa9"}',
        b'{"type":"message","from":"server","dataType":"binary"}',
        b'{"type":"message","from":"server","dataType":"xml","data":"x"}',
        b'{"type":"message","from":"server","dataType":"text","data":"x","sequenceId":"1"}',
        b'{"type":"message","from":"server","dataType":"text","data":"x","sequenceId":-1}',
        b'{"type":"message","from":"server","dataType":"text","data":"x","sequenceId":true}',
    ],
)
def test_a_message_that_makes_no_sense_has_come_and_is_nobodys(wire: bytes) -> None:
    message = json_v1.decode(wire)
    assert isinstance(message, DataMessage)
    assert message.data_type == json_v1.UNKNOWN
    assert message.data is None


def test_a_senseless_message_of_a_reliable_stream_keeps_its_number() -> None:
    message = json_v1.decode(b'{"type":"message","from":"moon","sequenceId":7}')
    assert isinstance(message, DataMessage)
    assert message.sequence_id == 7


@pytest.mark.parametrize(
    "wire",
    [
        b'{"type":"ack","success":true}',
        b'{"type":"ack","ackId":1}',
        b'{"type":"ack","ackId":true,"success":true}',
        b'{"type":"ack","ackId":"1","success":true}',
        b'{"type":"ack","ackId":1.5,"success":true}',
        b'{"type":"ack","ackId":null,"success":true}',
        b'{"type":"ack","ackId":-1,"success":true}',
        b'{"type":"ack","ackId":' + b"9" * 40 + b',"success":true}',
        b'{"type":"ack","ackId":[1],"success":true}',
    ],
)
def test_an_ack_that_answers_nothing_of_ours_has_no_id(wire: bytes) -> None:
    assert json_v1.decode(wire) == Ack(None, False)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (r'"cut \ud83d"', "cut \ufffd"),
        (r'"\ude00 cut \ud83d\u0041 \ud83d\ude00"', "\ufffd cut \ufffdA \U0001f600"),
        (r'{"\udfff":1}', {"\ufffd": 1}),
        ("[" * 2000 + "]" * 2000, None),
        ('{"a":' * 3000 + "1" + "}" * 3000, None),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
        ("1e999", None),
        ("[-1e999,2]", [None, 2]),
        ("9" * 4000, None),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_what_another_client_sent_is_read_as_far_as_its_grammar_is_json(data: str, value: object) -> None:
    message = json_v1.decode(b'{"type":"message","from":"server","dataType":"json","data":' + data.encode() + b"}")
    assert isinstance(message, DataMessage)
    assert message.data_type == "json"
    if value is not None or data == "1e999":
        assert message.data == value


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_message_or_a_protocol_error(payload: bytes) -> None:
    try:
        message = json_v1.decode(payload)
    except RemoteProtocolError:
        return
    assert isinstance(message, DOWNSTREAM)


@given(
    st.sampled_from(["message", "ack", "system", "pong", "streamAck", "streamNack", "streamClosed"]),
    st.dictionaries(
        st.sampled_from(FIELDS),
        json_values
        | st.dictionaries(
            st.sampled_from(["streamId", "streamSequenceId", "endOfStream", "error", "name", "message"]),
            json_values | st.sampled_from(["s", 1]),
        )
        | st.sampled_from(["group", "server", "text", "binary", "connected", "disconnected"]),
    ),
)
def test_any_fields_give_a_well_typed_message_or_a_protocol_error(kind: str, fields: dict[str, object]) -> None:
    try:
        message = json_v1.decode(json.dumps({"type": kind, **fields}).encode())
    except RemoteProtocolError:
        return
    assert isinstance(message, DOWNSTREAM + STREAMS)
    if isinstance(message, StreamMessage):
        assert message.stream_id
        assert type(message.number) is int
        message = message.content
    if isinstance(message, DataMessage):
        assert message.source in ("group", "server")
        assert isinstance(message.group, str) is (message.source == "group")
        assert isinstance(message.from_user_id, str | None)
        assert isinstance(message.sequence_id, int | None)


@pytest.mark.parametrize(
    "message",
    [
        SendToGroup("g", DataType.TEXT, b"bytes"),
        SendToGroup("g", DataType.BINARY, "text"),
        SendToGroup("g", DataType.JSON, None),
        SendToGroup("g", DataType.JSON, object()),
        SendToGroup("g", DataType.PROTOBUF, b"any"),
        SendEvent("e", DataType.TEXT, "\ud800"),
        JoinGroup("g", 2**64),
    ],
)
def test_what_cannot_be_written_is_our_error(message: Any) -> None:
    with pytest.raises(LocalProtocolError):
        json_v1.encode(message)


ack_ids = st.none() | st.integers(1, 2**63)


@given(st.sampled_from(["group", "event"]), st.text(min_size=1), st.text(), ack_ids, st.booleans())
def test_template_of_text_equals_the_encoder(
    kind: Literal["group", "event"], name: str, text: str, ack_id: int | None, no_echo: bool
) -> None:
    template = json_v1.publish_template(kind, name, DataType.TEXT, no_echo)
    if kind == "group":
        message: SendToGroup | SendEvent = SendToGroup(name, DataType.TEXT, text, ack_id, no_echo)
    else:
        message = SendEvent(name, DataType.TEXT, text, ack_id)
    assert json.loads(template.encode(text.encode(), ack_id)) == json.loads(json_v1.encode(message))


@given(st.from_regex(r"[A-Za-z0-9+/ ]*", fullmatch=True), ack_ids)
def test_safe_text_goes_as_it_is(text: str, ack_id: int | None) -> None:
    template = json_v1.publish_template("group", "g", DataType.TEXT)
    assert template.encode_safe(text.encode(), ack_id) == template.encode(text.encode(), ack_id)


@given(st.binary(), ack_ids)
def test_template_of_binary_is_base64(data: bytes, ack_id: int | None) -> None:
    template = json_v1.publish_template("event", "e", DataType.BINARY)
    wire = json.loads(template.encode(data, ack_id))
    assert base64.b64decode(wire["data"], validate=True) == data
    assert wire.get("ackId") == ack_id


@given(json_values, ack_ids)
def test_template_of_json_takes_json_text(value: object, ack_id: int | None) -> None:
    template = json_v1.publish_template("group", "g", DataType.JSON)
    assert json.loads(template.encode(json.dumps(value).encode(), ack_id))["data"] == value


def test_template_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(LocalProtocolError):
        json_v1.publish_template("group", "g", DataType.PROTOBUF)
    with pytest.raises(LocalProtocolError):
        json_v1.publish_template("group", "\ud800", DataType.TEXT)
    with pytest.raises(LocalProtocolError):
        json_v1.publish_template("group", "g", DataType.TEXT).encode(b"\xff")
