from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.emulator.fakes import payload_of
from wps_load.emulator import raw_json
from wps_load.emulator.json_wire import JSON
from wps_load.emulator.protobuf_wire import PROTOBUF, PROTOBUF_RELIABLE
from wps_load.emulator.subprotocols import WIRES, choose
from wps_load.emulator.wires import SIMPLE, RoutedMessage, Wire
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import (
    DataType,
    JoinGroup,
    LeaveGroup,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    Upstream,
)

TEXT, BINARY = 1, 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"joinGroup","group":"g","ackId":1}', JoinGroup("g", 1)),
        ('{"ackId":2,"group":"g","type":"leaveGroup"}', LeaveGroup("g", 2)),
        ('{"type":"LEAVEGROUP","group":"g","ackId":null,"extra":[]}', LeaveGroup("g")),
        (
            '{"type":"sendToGroup","group":"g","ackId":3,"noEcho":true,"dataType":"json","data":{"a": 1}}',
            SendToGroup("g", DataType.JSON, b'{"a": 1}', 3, True),
        ),
        ('{"type":"sendToGroup","group":"g","data":"s"}', SendToGroup("g", DataType.JSON, b'"s"')),
        (
            '{"type":"sendToGroup","group":"g","dataType":"Text","data":"hé"}',
            SendToGroup("g", DataType.TEXT, "hé".encode()),
        ),
        (
            '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AQID","ttlSeconds":300}',
            SendToGroup("g", DataType.BINARY, b"\1\2\3", ttl_s=300),
        ),
        (
            ' {"type":"sendToGroup","group":"","group":"g","dataType":"binary","data":" AQ\\nID","noEcho":false} ',
            SendToGroup("g", DataType.BINARY, b"\1\2\3"),
        ),
        ('{"type":"joinGroup","group":"g","ackId":0}', JoinGroup("g", 0)),
        ('{"type":"joinGroup","group":"%s"}' % ("\U0001f600" * 512), JoinGroup("\U0001f600" * 512)),
        (
            '{"type":"event","event":"name","ackId":18446744073709551615,"dataType":"text","data":"hi"}',
            SendEvent("name", DataType.TEXT, b"hi", 2**64 - 1),
        ),
        (
            '{"type":"event","event":"n","metadata":{"b":"1","a":"","B":"2"}}',
            SendEvent("n", DataType.TEXT, b"", None, (("b", "1"), ("a", ""), ("B", "2"))),
        ),
        ('{"type":"event","event":"n","data":1,"metadata":null}', SendEvent("n", DataType.JSON, b"1")),
        ('{"type":"sequenceAck","sequenceId":5}', SequenceAck(5)),
        ('{"type":"ping"}', Ping()),
    ],
)
def test_reads_json(text: str, message: Upstream) -> None:
    assert JSON.decode(TEXT, text.encode()) == message


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        '{"type":1}',
        '{"type":"nonsense"}',
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":""}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":"g","ackId":"1"}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":1e0}',
        '{"type":"joinGroup","group":"%s"}' % ("\U0001f600" * 513),
        '{"type":"joinGroup","group":"g"}x',
        '{"type":"joinGroup","Group":"g"}',
        '\ufeff{"type":"ping"}',
        '{"type":"ping","ackId":"x"}',
        '{"type":"sequenceAck","sequenceId":1,"ackId":-1}',
        '{"type":"sequenceAck","sequenceId":null}',
        '{"type":"joinGroup","group":"g","ackId":1.0}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
        '{"type":"sendToGroup","group":"g"}',
        '{"type":"sendToGroup","group":"g","data":null}',
        '{"type":"sendToGroup","group":"g","dataType":"text","data":1}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"?"}',
        '{"type":"sendToGroup","group":"g","dataType":"xml","data":"x"}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":"true"}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":null}',
        '{"type":"sendToGroup","group":"g","data":NaN}',
        '{"type":"sendToGroup","group":"g","data":1,"dataType":null}',
        '{"type":"sendToGroup","group":"g","data":null,"metadata":{"a":"b"}}',
        '{"type":"sendToGroup","group":"g","metadata":{}}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":[]}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"a":1}}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"a":"1","a":"2"}}',
        '{"type":"sendToGroup","group":"g","dataType":"text","data":"\\ud800"}',
        '{"type":"sendToGroup","group":"\\ud800","data":"\\ud800"}',
        '{"type":"sendToGroup","group":"g","data":"\\ud800"',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"-_8="}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"event","event":"1x","data":1}',
        '{"type":"event","data":1}',
        '{"type":"sequenceAck","sequenceId":"5"}',
    ],
)
def test_malformed_json_is_closed_with_1007(message: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        JSON.decode(TEXT, message.encode())
    assert caught.value.close_code == 1007


@pytest.mark.parametrize(
    "data",
    [
        "12345678901234567890123",
        "1.50",
        "1e400",
        "-0.0",
        '{"b": 1,  "a":2, "b":3}',
        '"\\u00e9\\/"',
        '"\\ud800"',
        '["\\udc00", "é", "\\\\ud800"]',
        "false",
        "[" * 63 + "]" * 63,
        '"' + "[" * 99 + '\\"{"',
    ],
)
def test_json_data_pass_byte_for_byte(data: str) -> None:
    text = f'{{"type":"sendToGroup","group":"g","note":"\\ud800","data":\t{data}\n}}'
    for payload in (text, text.replace("\\ud800", "", 1)):
        sent = JSON.decode(TEXT, payload.encode())
        assert isinstance(sent, SendToGroup)
        assert sent.data == data.encode()
        frame = JSON.message(RoutedMessage("group", "g", None, DataType.JSON, sent.data), None)
        assert payload_of(frame).endswith(b'"data":%b}' % data.encode())


def test_what_is_nested_deeper_than_the_service_reads_is_refused() -> None:
    for data in ("[" * 64 + "]" * 64, "[" * 200_000, '{"a":' * 100_000):
        with pytest.raises(RemoteProtocolError):
            JSON.decode(TEXT, b'{"type":"sendToGroup","group":"g","data":%b}' % data.encode())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.text('[]{}"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES, st.integers(0, 4))
def test_depth_is_what_it_is_whatever_stands_in_strings(value: Any, limit: int) -> None:
    def depth(inner: Any) -> int:
        below = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else None
        return 0 if below is None else 1 + max(map(depth, below), default=0)

    assert raw_json.is_deep(json.dumps(value).encode(), limit) is (depth(value) > limit)


@given(JSON_VALUES, st.sampled_from(["", " ", "\n"]), st.binary(max_size=2), st.integers(0, 200))
def test_both_parsers_agree_on_what_json_is(value: Any, space: str, junk: bytes, at: int) -> None:
    text = json.dumps({"type": "ping", "data": value, "more": value}, ensure_ascii=bool(at % 2)).encode()
    text = space.encode() + text[:at] + junk + text[at:] + space.encode()
    assume(raw_json.is_utf8(text) and not raw_json.has_surrogates(text))
    assert raw_json.members(text.decode()) == msgspec_members(text)


def msgspec_members(text: bytes) -> dict[str, str] | None:
    try:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return None
    return {name: bytes(member).decode() for name, member in raw.items()}


_KEYS = st.sampled_from(["type", "group", "dataType", "data", "noEcho", "ackId", "ttlSeconds", "metadata", "other"])
_VALUES = st.sampled_from(
    ["sendToGroup", "event", "g", " ", "text", "json", "", "a b", "é", 'quo"te', "back\\slash", "\n", 1, 0, True, {}]
)


def _outcome(payload: bytes) -> Upstream | int:
    try:
        return JSON.decode(TEXT, payload)
    except RemoteProtocolError as error:
        return error.close_code


@given(
    st.lists(st.tuples(_KEYS, _VALUES), max_size=7),
    st.sampled_from([b"", b'"', b"}", b',"data":"x"', b',"data":"x","data":"y"', b',"data":"x","ackId":1']),
)
@example([("noEcho", True)], b',"data":"x"')
@example([("noEcho", False)], b',"data":"x"')
@example([("dataType", "json")], b',"data":"x"')
@example([("type", "event"), ("event", "e")], b',"data":"x"')
@example([("ackId", 7)], b',"data":"x"')
@example([("metadata", {})], b',"x\\"data":"x"')
def test_the_short_cut_for_what_a_client_repeats_reads_what_the_parser_reads(
    fields: list[tuple[str, object]], end: bytes
) -> None:
    common = [("type", "sendToGroup"), ("group", "g"), ("dataType", "text")]
    for start in ([], common):
        inner = b",".join(orjson.dumps(name) + b":" + orjson.dumps(value) for name, value in [*start, *fields])
        payload = b"{" + inner + end + b"}"
        for text in (b"x", b"yz", b'y"z', b"\x00", b"\xff", b"", b"x" * 3000):
            asked = payload.replace(b'"x"', b'"' + text + b'"')
            # a space at the end means nothing in JSON, and keeps the message from the short cut
            assert _outcome(asked) == _outcome(asked + b" ")


@pytest.mark.parametrize(("wire", "opcode"), [(JSON, BINARY), (PROTOBUF, TEXT)])
def test_the_wrong_frame_type_is_closed_with_1003(wire: Wire, opcode: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        wire.decode(opcode, b"{}")
    assert caught.value.close_code == 1003


def test_writes_what_the_integration_tests_of_the_service_assert() -> None:
    message = RoutedMessage("server", None, None, DataType.TEXT, b"Hello")
    assert (
        payload_of(JSON.message(message, None))
        == b'{"type":"message","from":"server","dataType":"text","data":"Hello"}'
    )


@given(
    text=st.text(),
    group=st.text(min_size=1, max_size=20),
    user=st.none() | st.text(),
    sequence=st.none() | st.integers(1, 2**64 - 1),
)
def test_json_messages_say_what_was_published(text: str, group: str, user: str | None, sequence: int | None) -> None:
    for data_type, data, shown in (
        (DataType.TEXT, text.encode(), text),
        (DataType.JSON, orjson.dumps([text]), [text]),
    ):
        frame = JSON.message(RoutedMessage("group", group, user, data_type, data), sequence)
        read: dict[str, Any] = orjson.loads(payload_of(frame))
        assert (read["group"], read["data"], read["dataType"]) == (group, shown, data_type.value)
        assert (read.get("fromUserId"), read.get("sequenceId")) == (user, sequence)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ("32080a04726f6f6d1002", JoinGroup("room", 2)),
        ("3a080a04726f6f6d1003", LeaveGroup("room", 3)),
        ("0a130a04726f6f6d10011a070a0568656c6c6f2001", SendToGroup("room", DataType.TEXT, b"hello", 1, True)),
        ("2a110a066e6f74696679120512030102031804", SendEvent("notify", DataType.BINARY, b"\1\2\3", 4)),
        ("32050a01671000", JoinGroup("g", 0)),
        (
            "0a120a01671a030a0161280532060a016b120176",
            SendToGroup("g", DataType.TEXT, b"a", ttl_s=5, metadata=(("k", "v"),)),
        ),
        ("2a0b0a016522060a016b120176", SendEvent("e", DataType.TEXT, b"", None, (("k", "v"),))),
        ("2a0c0a016512030a01612a020a00", SendEvent("e", DataType.TEXT, b"a", starts_stream=True)),
        ("4a00", Ping()),
        ("42020805", SequenceAck(5)),
    ],
)
def test_reads_protobuf_vectors(vector: str, message: Upstream) -> None:
    assert PROTOBUF.decode(BINARY, bytes.fromhex(vector)) == message


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "ff",
        "0a00",
        "32020a00",
        "0a0b0a01671a030a016128ad02",
        "0a110a01671a030a016132070a016b1202c3a9",
        "5200",
        "6a001a030a0178",
        "0a0d0a01671a030a01613a030a0173",
        "2a030a0131",
    ],
)
def test_malformed_protobuf_is_closed_with_1007(vector: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        PROTOBUF.decode(BINARY, bytes.fromhex(vector))
    assert caught.value.close_code == 1007


def test_writes_protobuf_vectors() -> None:
    wire = PROTOBUF_RELIABLE
    one = RoutedMessage("group", "room", "u", DataType.TEXT, b"one")
    assert payload_of(wire.ack(1, None, "")).hex() == "0a0408011001"
    assert payload_of(wire.message(one, 1)).hex() == "12160a0567726f75701204726f6f6d1a050a036f6e652001"
    assert payload_of(wire.connected("c", "u", "secret")).hex() == "1a100a0e0a01631201751a06736563726574"
    assert payload_of(wire.disconnected("bye")).hex() == "1a0712051203627965"
    assert payload_of(wire.pong()).hex() == "2200"


def test_protobuf_data_arrives_as_it_was_sent() -> None:
    any_bytes = bytes.fromhex("0a01741201ff")  # type_url "t", value ff
    for data_type, data in ((DataType.BINARY, b"\xff"), (DataType.PROTOBUF, any_bytes)):
        frame = PROTOBUF.message(RoutedMessage("server", None, None, data_type, data), None)
        assert data in frame


@pytest.mark.parametrize(("name", "opcode"), [("json", TEXT), ("protobuf", BINARY)])
def test_what_the_client_may_say_beside_its_data_is_read(name: str, opcode: int) -> None:
    wire = next(wire for wire in WIRES if wire.name == name)
    send = SendToGroup("g", DataType.TEXT, "x", 1, True, 30, (("Trace", "t"), ("b", "")))
    event = SendEvent("e", DataType.TEXT, "x", None, (("k", "v"),))
    for message in (send, event):
        read = wire.decode(opcode, CODECS[name].encode(message))
        assert isinstance(read, SendToGroup | SendEvent)
        pairs = tuple(sorted(read.metadata))  # a map of protobuf has no order
        assert read._replace(metadata=pairs) == message._replace(data=b"x")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_protocol_error(data: bytes) -> None:
    for wire in WIRES:
        for opcode in (TEXT, BINARY):
            with contextlib.suppress(RemoteProtocolError):
                wire.decode(opcode, data)


def test_simple_clients_send_events_by_frame_type() -> None:
    assert SIMPLE.decode(TEXT, b"x") == SendEvent("message", DataType.TEXT, b"x")
    assert SIMPLE.decode(BINARY, b"\xff") == SendEvent("message", DataType.BINARY, b"\xff")


@pytest.mark.parametrize(
    ("offered", "chosen", "name", "echoed"),
    [
        ((), None, "simple", None),
        (("json.webpubsub.azure.v1",), None, "json", "json.webpubsub.azure.v1"),
        (
            ("x", "protobuf.webpubsub.azure.v1", "json.webpubsub.azure.v1"),
            None,
            "protobuf",
            "protobuf.webpubsub.azure.v1",
        ),
        (("custom",), None, "simple", None),
        (("custom",), "custom", "simple", "custom"),
    ],
)
def test_negotiation(offered: tuple[str, ...], chosen: str | None, name: str, echoed: str | None) -> None:
    wire, subprotocol = choose(offered, chosen)
    assert (wire.name, subprotocol) == (name, echoed)
