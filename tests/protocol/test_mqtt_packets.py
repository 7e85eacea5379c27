"""MQTT's packets: vectors made with other libraries, any packet there and back, any cut of the stream, and rubbish."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from wps_load.errors import LocalProtocolError, RemoteProtocolError
from wps_load.protocol.mqtt_packets import (
    PINGREQ,
    PINGRESP,
    V5,
    V311,
    ConnAck,
    Connect,
    Disconnect,
    Granted,
    Packet,
    PacketKind,
    Property,
    Publish,
    PublishResponse,
    Subscribe,
    Unsubscribe,
    Will,
    encode,
    properties,
    varint,
)
from wps_load.protocol.mqtt_reader import PacketReader, decode

VECTORS: list[tuple[int, Packet, str]] = [
    (
        V5,
        Connect("c1", V5, True, 60, {Property.SESSION_EXPIRY: 30}),
        "1014 00044d515454 05 02 003c 05110000001e 00026331",
    ),
    (V311, Connect("c1", V311, True, 60), "100e 00044d515454 04 02 003c 00026331"),
    (V5, ConnAck(), "2003 000000"),
    (V5, ConnAck(0x87), "2003 008700"),
    (
        V5,
        ConnAck(
            properties={Property.RETAIN_AVAILABLE: 0, Property.WILDCARD_AVAILABLE: 0, Property.SHARED_AVAILABLE: 0}
        ),
        "2009 0000 06 2500 2800 2a00",
    ),
    (V5, Subscribe(1, (("room", 1),)), "820a 0001 00 0004726f6f6d 01"),
    (V311, Subscribe(1, (("room", 1),)), "8209 0001 0004726f6f6d 01"),
    (V5, Granted(PacketKind.SUBACK, 1, (1,)), "9004 0001 00 01"),
    (V5, Granted(PacketKind.SUBACK, 1, (0x87,)), "9004 0001 00 87"),
    (V5, Publish("room", b"x"), "3008 0004726f6f6d 00 78"),
    (V5, Publish("room", b"x", 1, 3), "320a 0004726f6f6d 0003 00 78"),
    (V311, Publish("room", b"x", 1, 3), "3209 0004726f6f6d 0003 78"),
    (
        V5,
        Publish("room", b"{}", 1, 3, properties={Property.CONTENT_TYPE: "application/json"}),
        "321e 0004726f6f6d 0003 13 030010 6170706c69636174696f6e2f6a736f6e 7b7d",
    ),
    (V5, PublishResponse(PacketKind.PUBACK, 3), "4002 0003"),
    (V5, PublishResponse(PacketKind.PUBACK, 3, 0x87), "4003 0003 87"),
    (V5, PublishResponse(PacketKind.PUBREC, 3), "5002 0003"),
    (V5, PublishResponse(PacketKind.PUBREL, 3), "6202 0003"),
    (V5, PublishResponse(PacketKind.PUBCOMP, 3), "7002 0003"),
    (V5, Unsubscribe(2, ("room",)), "a209 0002 00 0004726f6f6d"),
    (V311, Unsubscribe(2, ("room",)), "a208 0002 0004726f6f6d"),
    (V5, Disconnect(), "e000"),
    (V5, Disconnect(0x8B), "e001 8b"),
    (V311, PINGREQ, "c000"),
    (V311, PINGRESP, "d000"),
]


@pytest.mark.parametrize(("version", "packet", "wire"), VECTORS)
def test_vectors(version: int, packet: Packet, wire: str) -> None:
    assert encode(packet, version) == bytes.fromhex(wire)
    assert decode(bytes.fromhex(wire), version) == packet


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
IDS = st.integers(1, 65_535)
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        Property.MESSAGE_EXPIRY: st.integers(0, 2**32 - 1),
        Property.CONTENT_TYPE: TEXTS,
        Property.CORRELATION_DATA: st.binary(max_size=9),
        Property.TOPIC_ALIAS: st.integers(0, 65_535),
        Property.PAYLOAD_FORMAT: st.integers(0, 1),
        Property.SUBSCRIPTION_ID: st.integers(1, 268_435_455),
        Property.USER_PROPERTY: st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3).map(tuple),
    },
)
PUBLISHED = st.builds(
    lambda topic, payload, qos, number, flags, block: Publish(
        topic, payload, qos, number if qos else None, flags[0], flags[1], block
    ),
    TEXTS, st.binary(max_size=300), st.integers(0, 2), IDS, st.tuples(st.booleans(), st.booleans()), BLOCKS,
)  # fmt: skip
WILLS = st.none() | st.builds(Will, TEXTS, st.binary(max_size=9), st.integers(0, 2), st.booleans(), BLOCKS)
CONNECTS = st.builds(
    Connect, TEXTS, st.just(V5), st.booleans(), st.integers(0, 65_535), BLOCKS, WILLS,
    st.none() | TEXTS, st.none() | st.binary(max_size=9),
)  # fmt: skip
PACKETS = PUBLISHED | CONNECTS | st.builds(Subscribe, IDS, st.just((("a", 1), ("b/c", 2))), BLOCKS) | st.builds(
    PublishResponse, st.sampled_from([PacketKind.PUBACK, PacketKind.PUBREC, PacketKind.PUBREL, PacketKind.PUBCOMP]),
    IDS,
    st.integers(0, 255), BLOCKS,
) | st.builds(Disconnect, st.integers(0, 255), BLOCKS)  # fmt: skip


@given(PACKETS)
def test_any_packet_goes_there_and_back(packet: Packet) -> None:
    assert decode(encode(packet, V5), V5) == packet


@given(st.lists(PUBLISHED, min_size=1, max_size=5), st.data())
def test_the_stream_may_be_cut_anywhere(packets: list[Publish], data: st.DataObject) -> None:
    wire = b"".join(encode(packet, V5) for packet in packets)
    found: list[bytes] = []
    reader = PacketReader()
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        found += reader.feed(wire[:cut])
        wire = wire[cut:]
    assert [decode(each, V5) for each in found] == packets
    assert not reader.midway


@given(st.binary(max_size=60), st.sampled_from([V311, V5]))
def test_rubbish_is_malformed_and_nothing_else(data: bytes, version: int) -> None:
    close_code = 1002
    try:
        read(data, version)
    except RemoteProtocolError as error:
        close_code = error.close_code
    assert close_code == 1002


def read(data: bytes, version: int) -> None:
    for packet in PacketReader(1_000).feed(data):
        decode(packet, version)


@pytest.mark.parametrize(
    "wire",
    ["3600 ", "36050001610001", "3203000161", "32050001610000", "8203 000100", "820a 0001 00 0004726f6f6d 03",
     "c100", "f000", "3003000100", "3004 0002c328", "30ffffffff7f", "20050000020000", "2009000006250025002500"],
)  # fmt: skip
def test_what_the_standard_forbids_is_malformed(wire: str) -> None:
    with pytest.raises(RemoteProtocolError):
        read(bytes.fromhex(wire), V5)


def test_what_does_not_fit_is_refused_before_it_is_sent() -> None:
    for topic in ("a" * 65_536, "\ud800"):
        with pytest.raises(LocalProtocolError):
            encode(Publish(topic, b""), V5)
    with pytest.raises(LocalProtocolError, match="packet id"):
        encode(Publish("t", b"", qos=1), V5)
    with pytest.raises(LocalProtocolError):
        varint(268_435_456)


def test_a_version_that_nobody_knows_is_distinguished() -> None:
    assert decode(bytes.fromhex("100e 00064d514973647003 02 003c 0000"), V5) == Connect("", 0)
    assert decode(bytes.fromhex("100c 00044d515454 06 02 003c 0000"), V5) == Connect("", 6)


def _paho() -> Any:
    made: Any = PahoProperties
    return made(PacketTypes.PUBLISH)


@given(BLOCKS)
def test_paho_writes_the_same_properties(block: dict[int, object]) -> None:
    assume("\\ufeff" not in repr(block))  # paho refuses it; MQTT-1.5.4-3 only says that it must not be stripped
    theirs = _paho()
    names = {number: name for name, number in theirs.names.items()}
    for number, value in block.items():
        name = names[number].replace(" ", "")
        if number == Property.USER_PROPERTY:
            assert isinstance(value, tuple)
            theirs.UserProperty = list(value)
        elif number != Property.SUBSCRIPTION_ID and not (number == Property.TOPIC_ALIAS and not value):
            setattr(theirs, name, value)
    kept = {n: v for n, v in block.items() if n != Property.SUBSCRIPTION_ID and (n != Property.TOPIC_ALIAS or v)}
    ours, _ = _paho().unpack(properties(kept))
    assert ours.json() == theirs.json()
