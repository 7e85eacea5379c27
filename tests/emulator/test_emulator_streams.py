"""Streams in the emulator: the rules of the reference, one by one, and what its wires write."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from tests.emulator.fakes import CUT, FakeLink, HubUnderTest, payload_of
from tests.emulator.live import ALL_ROLES, JSON, PROTOBUF, RELIABLE, serve
from wps_load.emulator import json_wire, protobuf_wire
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.wires import SIMPLE, Wire
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import (
    DataType,
    EndStream,
    SequenceAck,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    Upstream,
)

S = 1_000_000_000
WIRES: dict[str, Wire] = {"json": json_wire.JSON, "protobuf": protobuf_wire.PROTOBUF}


class House:
    """A hub with a publisher (a member of the group as well) and a subscriber."""

    def __init__(self, wire: Wire = json_wire.JSON) -> None:
        under_test = HubUnderTest()
        self.hub = under_test.hub
        self.now_ns = 0
        self.links = {"p": FakeLink(), "s": FakeLink()}
        roles, user = ("webpubsub.sendToGroup.g",), "u"
        self.publisher = self.hub.connect("p", wire, self.links["p"], user, roles, ("g",))
        self.hub.connect("s", json_wire.JSON, self.links["s"], None, (), ("g",))
        self.read("p"), self.read("s")

    def send(self, message: Upstream, by: HubConnection | None = None) -> None:
        self.hub.receive(by or self.publisher, message, self.now_ns)

    def read(self, who: str) -> list[dict[str, Any]]:
        return self.links[who].read()

    def start(self, **options: Any) -> None:
        self.send(StartStream("g", "s1", **options))
        assert self.read("p") == [ack(1)]

    def fragment(self, number: int, text: bytes = b"x") -> None:
        self.send(StreamData("s1", number, DataType.TEXT, text))

    def at(self, seconds: float) -> None:
        self.now_ns = int(seconds * S)
        self.hub.expire(self.now_ns)


def ack(expected: int) -> dict[str, Any]:
    return {"type": "streamAck", "streamId": "s1", "expectedSequenceId": expected}


def closed(name: str | None = None) -> dict[str, Any]:
    return {"type": "streamClosed", "streamId": "s1", **({} if name is None else {"error": name})}


def brief(message: dict[str, Any]) -> dict[str, Any]:
    """Without an error's text."""
    if "error" in message:
        message = {**message, "error": message["error"]["name"]}
    return message


def fragment(number: int, data: str = "x", **more: Any) -> dict[str, Any]:
    head = {"type": "message", "from": "group", "group": "g", "fromUserId": "u", "dataType": "text", "data": data}
    return {**head, "stream": {"streamId": "s1", "streamSequenceId": number, **more}}


def test_fragments_go_to_the_group_in_order_and_are_acknowledged() -> None:
    house = House()
    house.start()
    house.fragment(1, b"one")
    house.fragment(2, b"two")
    house.send(EndStream("s1"))
    own = [fragment(1, "one"), fragment(2, "two"), fragment(3, "", endOfStream=True)]
    assert house.read("s") == own
    assert house.read("p") == [own[0], ack(2), own[1], ack(3), own[2], closed()]
    assert len(house.hub.streams) == 0
    house.start()  # an id may be used again


def test_a_publisher_without_echo_hears_none_of_it() -> None:
    house = House()
    house.start(no_echo=True)
    house.fragment(1)
    house.send(EndStream("s1"))
    assert house.read("p") == [ack(2), closed()]
    assert len(house.read("s")) == 2


def test_a_lower_number_is_dropped_and_acknowledged_a_higher_one_is_refused() -> None:
    house = House()
    house.start(no_echo=True)
    for number in (1, 1, 3, 2):
        house.fragment(number)
    ours = house.read("p")
    assert ours[:2] == [ack(2), ack(2)]
    assert (ours[2]["type"], ours[2]["name"]) == ("streamNack", "InvalidSequenceId")
    assert ours[2]["expectedSequenceId"] == 2
    assert ours[3:] == [ack(3)]
    assert [each["stream"]["streamSequenceId"] for each in house.read("s")] == [1, 2]


def test_a_keepalive_is_not_delivered_and_winds_the_clock_duplicates_do_not() -> None:
    house = House()
    house.start(idle_timeout_ms=1000)
    house.fragment(1)
    house.read("s"), house.read("p")
    house.at(0.9)
    house.send(StreamData("s1"))
    house.at(1.8)
    house.fragment(1)
    assert house.read("s") == []
    house.at(1.89)
    assert house.read("p") == [ack(2)]
    house.at(1.9)
    assert brief(house.read("p")[-1]) == closed("IdleTimeout")
    (terminal,) = house.read("s")
    assert terminal["stream"]["endOfStream"] is True
    assert terminal["stream"]["error"]["name"] == "IdleTimeout"
    house.fragment(2)
    assert [brief(each) for each in house.read("p")] == [closed("StreamNotFound")]


def test_the_idle_time_out_of_the_service_is_300_s() -> None:
    house = House()
    house.start()
    house.at(299.9)
    assert house.read("p") == []
    house.at(300)
    assert "streamClosed" in {each["type"] for each in house.read("p")}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (StartStream("other", "s1"), "Forbidden"),
        (StartStream("g", "s1", 0), "BadRequest"),
        (StreamData("s1", 1, DataType.TEXT, b"x"), "StreamNotFound"),
        (StreamData("s1"), "StreamNotFound"),
        (EndStream("s1"), "StreamNotFound"),
    ],
)
def test_what_is_refused(message: Upstream, error: str) -> None:
    house = House()
    house.send(message)
    assert [brief(each) for each in house.read("p")] == [closed(error)]
    assert house.read("s") == []


def test_an_id_that_is_active_cannot_be_started_with_another_group_or_behind_fragments() -> None:
    house = House()
    house.start()
    house.send(StartStream("g", "s1"))
    assert house.read("p") == [ack(1)], "it is sent again after a recovery"
    house.fragment(1)
    house.read("p"), house.read("s")
    house.send(StartStream("g", "s1"))
    assert brief(house.read("p")[-1]) == closed("BadRequest")
    assert house.read("s")[0]["stream"]["error"]["name"] == "Cancelled"


@pytest.mark.parametrize("half", [StreamData("s1", 1), StreamData("s1", None, DataType.TEXT, b"x")])
def test_half_a_fragment_ends_its_stream(half: StreamData) -> None:
    house = House()
    house.start(no_echo=True)
    house.send(half)
    assert [brief(each) for each in house.read("p")] == [closed("BadRequest")]


def test_a_right_that_is_taken_away_ends_the_stream() -> None:
    house = House()
    house.start(no_echo=True)
    house.publisher.permissions.revoke("sendToGroup", "g")
    house.fragment(1)
    assert [brief(each) for each in house.read("p")] == [closed("Forbidden")]
    assert house.read("s")[0]["stream"]["error"]["name"] == "Forbidden"


def test_a_client_ends_its_stream_with_an_error_of_its_own() -> None:
    house = House()
    house.start(no_echo=True)
    house.send(EndStream("s1", StreamError("", "gone", "E1")))
    assert house.read("p") == [closed()]
    error = {"name": "UserError", "message": "gone", "userErrorCode": "E1"}
    assert house.read("s") == [fragment(1, "", endOfStream=True, error=error)]


def test_streams_belong_to_their_connection() -> None:
    house = House()
    house.start()
    other = house.hub.connect("q", json_wire.JSON, FakeLink(), "q", ("webpubsub.sendToGroup",))
    house.send(StartStream("g", "s1"), other)
    house.fragment(1)
    assert len(house.hub.streams) == 2


def test_with_a_connection_that_is_gone_its_streams_end() -> None:
    house = House()
    house.start()
    house.hub.lose(house.publisher, house.links["p"], CUT, 0)
    assert len(house.hub.streams) == 0
    house.at(0.1)
    (terminal,) = house.read("s")
    assert terminal["stream"] == {
        "streamId": "s1", "streamSequenceId": 1, "endOfStream": True,
        "error": {"name": "Cancelled", "message": terminal["stream"]["error"]["message"]},
    }  # fmt: skip


def test_a_reliable_connection_keeps_its_streams_while_it_may_come_back() -> None:
    house = House(json_wire.JSON_RELIABLE)
    house.start(no_echo=True)
    house.fragment(1)
    house.read("p")
    house.hub.lose(house.publisher, house.links["p"], CUT, 0)
    house.at(10)
    back = house.links["p"] = FakeLink()
    house.hub.recover(house.publisher, back, house.now_ns)
    house.fragment(1)  # its ack had been lost
    house.fragment(2)
    again, *acks = house.read("p")
    assert (again["event"], again["connectionId"]) == ("connected", "p"), "JavaScript's client waits for it"
    assert acks == [ack(2), ack(3)]
    house.hub.lose(house.publisher, back, CUT, house.now_ns)
    house.read("s")
    house.at(50)
    assert house.read("s")[0]["stream"]["error"]["name"] == "Cancelled"


def test_subscribers_that_know_no_streams_get_fragments_as_messages_and_no_end() -> None:
    house = House()
    simple = FakeLink()
    house.hub.connect("r", SIMPLE, simple, None, (), ("g",))
    house.start()
    house.fragment(1, b"text")
    house.send(EndStream("s1"))
    assert [payload_of(frame) for frame in simple.frames] == [b"text"]


def test_a_reliable_subscriber_gets_what_it_missed_of_a_stream() -> None:
    house = House()
    link = FakeLink()
    reliable = house.hub.connect("r", json_wire.JSON_RELIABLE, link, "r", (), ("g",))
    link.read()
    house.start()
    house.fragment(1)
    house.send(SequenceAck(1), reliable)
    house.hub.lose(reliable, link, CUT, 0)
    house.fragment(2)
    house.send(EndStream("s1"))
    back = FakeLink()
    house.hub.recover(reliable, back, 1)
    found = [(each["sequenceId"], each["stream"]["streamSequenceId"]) for each in back.read()]
    assert found == [(2, 2), (3, 3)]


# -- over sockets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subprotocol", [JSON, RELIABLE])
def test_a_stream_over_sockets_idles_out(subprotocol: str) -> None:
    async def scenario() -> None:
        async with (
            serve() as live,
            live.connect(subprotocol, groups=("g",)) as subscriber,
            live.connect(subprotocol, roles=ALL_ROLES) as publisher,
            asyncio.timeout(10),
        ):
            await subscriber.recv(), await publisher.recv()
            start = {"type": "sendToGroup", "group": "g", "stream": {"streamId": "s1", "idleTimeoutMs": 1}}
            await publisher.send(orjson.dumps(start).decode())
            assert orjson.loads(await publisher.recv()) == ack(1)
            assert brief(orjson.loads(await publisher.recv())) == closed("IdleTimeout")
            heard = orjson.loads(await subscriber.recv())
            assert heard["stream"]["endOfStream"] is True
            assert live.service.stats.messages_in == 0, "only fragments are publications"

    asyncio.run(scenario())


def test_a_protobuf_publisher_and_a_json_subscriber_share_a_stream() -> None:
    codec = CODECS["protobuf"]

    async def scenario() -> None:
        async with (
            serve() as live,
            live.connect(JSON, groups=("g",)) as subscriber,
            live.connect(PROTOBUF) as publisher,
            asyncio.timeout(10),
        ):
            await subscriber.recv(), await publisher.recv()
            for message in (StartStream("g", "s1"), StreamData("s1", 1, DataType.TEXT, "x"), EndStream("s1")):
                await publisher.send(codec.encode(message))
            came = [codec.decoders[codec.opcode](bytes(await publisher.recv(decode=False))) for _ in range(3)]
            assert came == [StreamAck("s1", 1), StreamAck("s1", 2), StreamClosed("s1")]
            assert orjson.loads(await subscriber.recv()) == fragment(1)
            assert orjson.loads(await subscriber.recv()) == fragment(2, "", endOfStream=True)
            assert (live.service.stats.messages_in, live.service.stats.deliveries) == (1, 2)

    asyncio.run(scenario())


def test_malformed_ones_close_the_socket() -> None:
    async def scenario() -> None:
        async with serve() as live, live.connect() as client, asyncio.timeout(10):
            await client.recv()
            await client.send('{"type":"streamEnd"}')
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1007

    asyncio.run(scenario())
