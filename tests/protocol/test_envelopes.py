from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.errors import RemoteProtocolError
from wps_load.protocol import webpubsub_pb2 as pb
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.envelopes import MAX_KNOWN, Envelopes
from wps_load.protocol.messages import DataMessage
from wps_load.protocol.mqtt_packets import V5, V311, Property, Publish, encode
from wps_load.protocol.mqtt_reader import PacketReader

STAMPED = "A" * 40 + "z" * 88
ENDINGS = [b"z" * 88, b"y" * 20, b"y" * 300, b""]


def json_delivery(data: object, **members: object) -> bytes:
    fields = {"type": "message", "from": "group", "group": "g", "dataType": "text", **members}
    return json.dumps({**fields, "data": data}, separators=(",", ":")).encode()


def protobuf_delivery(text: str, group: str = "g") -> bytes:
    message = pb.DownstreamMessage()
    setattr(message.data_message, "from", "group")
    message.data_message.group = group
    message.data_message.data.text_data = text
    return bytes(message.SerializeToString())


def mqtt_delivery(text: str, topic: str = "g", version: int = V5) -> bytes:
    return encode(Publish(topic, text.encode(), properties={Property.CONTENT_TYPE: "text/plain"}), version)


def learned(protocol: str, *payloads: bytes, endings: Sequence[bytes] = ()) -> Envelopes:
    codec = CODECS[protocol]
    envelopes = codec.envelopes(endings or ENDINGS)
    for payload in payloads:
        message = codec.decoders[codec.opcode](payload)
        assert isinstance(message, DataMessage)
        envelopes.learn(payload, message)
    return envelopes


def test_an_envelope_is_recognised_from_its_second_delivery_on() -> None:
    first, second = json_delivery(STAMPED), json_delivery("B" * 40 + "z" * 88)
    assert learned("json").locate(first) == 0
    start = learned("json", first).locate(second)
    assert second[start:] == ("B" * 40 + "z" * 88).encode() + b'"}'
    first, second = protobuf_delivery(STAMPED), protobuf_delivery("B" * 40 + "z" * 88)
    assert learned("protobuf").locate(first) == 0
    start = learned("protobuf", first).locate(second)
    assert second[start:] == ("B" * 40 + "z" * 88).encode()


def test_texts_may_differ_in_size() -> None:
    assert learned("json", json_delivery("y" * 60)).locate(json_delivery("y" * 340)) > 0
    envelopes = learned("protobuf", protobuf_delivery("y" * 60), protobuf_delivery("y" * 340, "longer name"))
    assert envelopes.locate(protobuf_delivery("y" * 60)) > 0
    assert envelopes.locate(protobuf_delivery("y" * 340, "longer name")) > 0


@pytest.mark.parametrize("protocol", ["json", "protobuf"])
def test_a_text_that_ends_otherwise_is_not_recognised(protocol: str) -> None:
    make = json_delivery if protocol == "json" else protobuf_delivery
    envelopes = learned(protocol, make(STAMPED))
    assert envelopes.locate(make(STAMPED)) > 0
    for text in (STAMPED[:-1] + "y", STAMPED[:-1], STAMPED + "z", "A" * 40 + "y" * 20):
        assert envelopes.locate(make(text)) == 0 or (protocol == "json" and text.endswith("y" * 20))


@pytest.mark.parametrize(
    "payload",
    [
        json_delivery('a quotation mark " in it'),
        json_delivery("a line\nbreak"),
        json_delivery({"wps": STAMPED}, dataType="json"),
        json_delivery("aGVsbG8=", dataType="binary"),
        json_delivery(STAMPED)[:-1] + b',"sequenceId":1}',
        json_delivery(STAMPED)[:-1] + b',"data":"again"}',
        json_delivery(STAMPED)[:-1] + b" }",
    ],
)
def test_what_does_not_end_with_a_plain_text_is_not_learned(payload: bytes) -> None:
    assert learned("json", payload).locate(payload) == 0


@pytest.mark.parametrize("protocol", ["json-reliable", "protobuf-reliable", "simple"])
def test_each_message_is_decoded_where_the_session_must_see_it(protocol: str) -> None:
    payload = protobuf_delivery(STAMPED) if protocol == "protobuf-reliable" else json_delivery(STAMPED)
    assert learned(protocol, payload).locate(payload) == 0


def test_the_number_of_envelopes_is_bounded() -> None:
    envelopes = learned("json", *(json_delivery(STAMPED, group=str(at)) for at in range(MAX_KNOWN + 1)))
    assert envelopes.locate(json_delivery(STAMPED, group=str(MAX_KNOWN - 1))) > 0
    assert envelopes.locate(json_delivery(STAMPED, group=str(MAX_KNOWN))) == 0


def test_a_short_text_cannot_stand_for_a_long_one() -> None:
    envelopes = learned("protobuf", protobuf_delivery(STAMPED))
    assert envelopes.locate(protobuf_delivery(STAMPED)[:-1]) == 0
    assert envelopes.locate(protobuf_delivery(STAMPED) + b"\x20\x07") == 0  # a sequence id behind it


KNOWN = {
    "json": [
        json_delivery(STAMPED),
        json_delivery("y" * 60, fromUserId="u"),
        json_delivery(STAMPED, **{"from": "server"}),
    ],
    "protobuf": [protobuf_delivery(STAMPED), protobuf_delivery("y" * 60, "group 2"), protobuf_delivery("y" * 340)],
    "mqtt5": [mqtt_delivery(STAMPED), mqtt_delivery("y" * 60, "group 2"), mqtt_delivery("y" * 340)],
    "mqtt": [mqtt_delivery(text, topic, V311) for text, topic in ((STAMPED, "g"), ("y" * 60, "2"), ("y" * 340, "g"))],
}
MAKERS: Mapping[str, Callable[[str], bytes]] = {
    "json": json_delivery,
    "protobuf": protobuf_delivery,
    "mqtt5": mqtt_delivery,
    "mqtt": lambda text: mqtt_delivery(text, version=V311),
}
PUT_IN = [b"", b'"', b"\\", b"}", b",", b"\n", b"A", b"\x12", b"\xc3", b"\xa9", b"\x31", b"\x80", b"\x00"]
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=200)


@pytest.mark.parametrize("protocol", MAKERS)
@given(data=st.data())
def test_what_is_recognised_is_what_the_codec_reads(protocol: str, data: st.DataObject) -> None:
    """Deliveries with other texts, and known ones with bytes changed, put in and taken out."""
    payload = bytearray(data.draw(st.sampled_from(KNOWN[protocol])))
    if data.draw(st.booleans()):
        payload = bytearray(MAKERS[protocol](data.draw(TEXTS)))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        put_in = data.draw(st.sampled_from(PUT_IN))
        payload[at : at + data.draw(st.integers(0, 2))] = put_in
    whole = bytes(payload)
    start = learned(protocol, *KNOWN[protocol]).locate(whole)
    if not re.fullmatch(rb"[A-Za-z0-9+/]{40}", whole[start : start + 40]):
        return  # no stamp: it is not read any further
    if start == 0 or (protocol == "json" and min(whole) < 0x20):  # read tolerantly, see the module
        return
    codec = CODECS[protocol]
    if codec.traits.is_mqtt:
        assert PacketReader().feed(whole) == (whole,), "it is one packet"
    try:
        whole.decode("utf-8" if protocol == "json" else "latin-1")  # text frames are checked to be UTF-8 before
    except UnicodeDecodeError:
        return
    try:
        message = codec.decoders[codec.opcode](whole)
    except RemoteProtocolError as error:
        pytest.fail(f"recognised {whole!r}, which is {error}")
    assert isinstance(message, DataMessage)
    assert message.data_type == ("text" if codec.traits.typed else "binary")
    read = message.data if isinstance(message.data, bytes) else str(message.data).encode()
    assert read == (whole[start:-2] if protocol == "json" else whole[start:])


@pytest.mark.parametrize("first", ["g", "a-longer-name"])
def test_envelopes_of_several_lengths_are_recognised_whichever_came_first(first: str) -> None:
    second = {"g": "a-longer-name", "a-longer-name": "g"}[first]
    payloads = [json_delivery(STAMPED, group=group) for group in (first, second)]
    envelopes = learned("json", *payloads)
    assert [payload[envelopes.locate(payload) :] for payload in payloads] == [STAMPED.encode() + b'"}'] * 2
    assert envelopes.locate(json_delivery(STAMPED, group="other")) == 0
