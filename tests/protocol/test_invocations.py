"""`invoke` as the official JavaScript client 1.1.0 writes and reads it, and which invocations wait for a response."""

from __future__ import annotations

import orjson
import pytest

from tests.protocol.session_messages import session_of
from wps_load.errors import LocalProtocolError
from wps_load.protocol import json_v1
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.invocations import Invocations
from wps_load.protocol.messages import MALFORMED, CancelInvocation, DataType, Invoke, InvokeResponse
from wps_load.protocol.traits import INVOKING, PROTOCOLS


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (
            Invoke("1", "name", DataType.JSON, {"a": 1}),
            b'{"type":"invoke","invocationId":"1","target":"event","event":"name","dataType":"json","data":{"a":1}}',
        ),
        (Invoke("2", "e"), b'{"type":"invoke","invocationId":"2","target":"event","event":"e"}'),
        (CancelInvocation("1"), b'{"type":"cancelInvocation","invocationId":"1"}'),
    ],
)
def test_what_is_sent(message: Invoke | CancelInvocation, wire: bytes) -> None:
    assert json_v1.encode(message) == wire


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"text","data":"ok"}',
            InvokeResponse("1", True, "text", "ok"),
        ),
        ('{"type":"invokeResponse","invocationId":"1","success":true}', InvokeResponse("1", True)),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":[1]}',
            InvokeResponse("1", True, "json", [1]),
        ),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"binary","data":"AAE="}',
            InvokeResponse("1", True, "binary", b"\x00\x01"),
        ),
        (
            '{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"N","message":"m"}}',
            InvokeResponse("1", False, error="N", error_message="m"),
        ),
        ('{"type":"invokeResponse","invocationId":"1","success":false}', InvokeResponse("1", False, error=MALFORMED)),
        ('{"type":"invokeResponse","invocationId":"1","success":"true"}', InvokeResponse("1", False, error=MALFORMED)),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"text","data":1}',
            InvokeResponse("1", False, error=MALFORMED),
        ),
        (
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"odd","data":1}',
            InvokeResponse("1", False, error=MALFORMED),
        ),
        ('{"type":"invokeResponse","success":true}', None),
        ('{"type":"invokeResponse","invocationId":1,"success":true}', None),
    ],
)
def test_what_comes(wire: str, message: InvokeResponse | None) -> None:
    assert json_v1.decode(wire.encode()) == message


@pytest.mark.parametrize("data_type", [DataType.TEXT, DataType.JSON, DataType.BINARY])
def test_the_template_writes_what_the_encoder_does(data_type: DataType) -> None:
    data, value = {
        DataType.TEXT: (b"text", "text"),
        DataType.JSON: (b'{"a":1}', {"a": 1}),
        DataType.BINARY: (b"\x00", b"\x00"),
    }[data_type]
    written = json_v1.publish_template("invoke", "e", data_type).encode(data, 7)
    assert orjson.loads(written) == orjson.loads(json_v1.encode(Invoke("7", "e", data_type, value)))


@pytest.mark.parametrize("protocol", sorted(set(PROTOCOLS) - set(INVOKING)))
def test_other_protocols_refuse_with_a_sentence(protocol: str) -> None:
    with pytest.raises(LocalProtocolError):
        CODECS[protocol].encode(Invoke("1", "e", DataType.TEXT, "x"))
    with pytest.raises(LocalProtocolError):
        CODECS[protocol].publish_template("invoke", "e", DataType.TEXT)


def pending(*at_ns: int) -> Invocations:
    made = Invocations()
    for at in at_ns:
        made.expect(made.next_number(), f"at {at}", at)
    return made


def test_responses_come_in_any_order_and_each_counts_once() -> None:
    made = pending(10, 20)
    second, first = made.resolve(InvokeResponse("2", True)), made.resolve(InvokeResponse("1", False))
    assert second is not None
    assert first is not None
    assert (second.context, first.context, len(made)) == ("at 20", "at 10", 0)
    for odd in ("1", "02", "3", "", "x", "-1", "²", "9" * 30):
        assert made.resolve(InvokeResponse(odd, True)) is None
    assert made.unknown == 8


def test_those_that_take_too_long_are_reported_once_oldest_first() -> None:
    made = pending(10, 20, 30)
    assert [each.context for each in made.overdue(21)] == ["at 10", "at 20"]
    assert made.overdue(21) == []
    assert made.resolve(InvokeResponse("1", True)) is None
    assert [each.context for each in made.overdue(None)] == ["at 30"]


def test_a_session_tells_of_its_invocations_with_its_requests_and_sends_none_again() -> None:
    session = session_of("json-reliable")
    session.expect_ack(session.next_ack_id(), "publish", "asked", b"payload", 5)
    session.invocations.expect(session.invocations.next_number(), "invoked", 5)
    assert session.unanswered == 2
    session.lost(0)
    assert session.recovered() == [b"payload"]
    assert [each.context for each in session.overdue(6)] == ["asked", "invoked"]
    assert session.unanswered == 0
