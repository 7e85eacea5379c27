"""Streams that tasks publish and hear: against the emulator, and a service that does to fragments what a test says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import gevent
import orjson
import pytest
from gevent.event import Event

from tests.client.api_engines import client_of, count, make, taken
from tests.client.connection_peer import Peer
from tests.client.engine_runs import until
from tests.client.json_service import JsonService, ack
from tests.client.loopback import PATIENCE_S
from tests.client.stream_service import StreamService
from wps_load.client.api import WebPubSubClient
from wps_load.client.api_hearing import HeardStream
from wps_load.client.connection import Cut
from wps_load.client.engine import Engine
from wps_load.emulator.process import EmulatorProcess
from wps_load.errors import Finding, LocalProtocolError, WrongType, WrongValue
from wps_load.protocol.traits import STREAMING

DATA = ("text", b"\x00bytes", {"a": [1]})


class Pair:
    """A publisher, and a subscriber that has joined `group`."""

    def __init__(self, target: Any, **options: Any) -> None:
        self.engine: Engine = make(target, **options)
        self.group = uuid4().hex
        self.publisher: WebPubSubClient = client_of(self.engine)
        self.subscriber: WebPubSubClient = client_of(self.engine)
        self.subscriber.join_group(self.group)
        self.beat = gevent.spawn(self._beat)

    def _beat(self) -> None:
        while True:
            gevent.sleep(0.02)
            self.engine.beat()

    def close(self) -> None:
        self.beat.kill()
        self.publisher.end()
        self.subscriber.end()
        self.engine.close()


@pytest.fixture
def stopping() -> Iterator[list[Pair]]:
    pairs: list[Pair] = []
    yield pairs
    for pair in pairs:
        pair.close()


def pair_of(stopping: list[Pair], target: Any, **options: str) -> Pair:
    stopping.append(Pair(target, **options))
    return stopping[-1]


def heard(pair: Pair) -> HeardStream:
    found = pair.subscriber.receive_stream(PATIENCE_S)
    assert found is not None
    return found


@pytest.mark.parametrize("protocol", STREAMING)
def test_a_stream_is_published_and_heard_to_its_end(
    stopping: list[Pair], emulator: EmulatorProcess, protocol: str
) -> None:
    pair = pair_of(stopping, emulator, protocol=protocol)
    pair.subscriber.receive_stream(0)
    with pair.publisher.stream(pair.group) as stream:
        for data in DATA:
            stream.send(data)
    assert stream.ended
    found = heard(pair)
    assert (found.id, found.group) == (stream.id, pair.group)
    *others, last = [fragment.data for fragment in found]
    assert others == list(DATA[:2])
    assert (orjson.loads(str(last)) if protocol.startswith("protobuf") else last) == DATA[2]
    assert (found.ended, found.error, found.read()) == (True, None, None)
    seen = taken(pair.engine)
    times = {name: count(seen, name) for name in ("stream_start", "first_fragment", "fragment_gap", "stream_end")}
    assert times == {"stream_start": 1, "first_fragment": 1, "fragment_gap": 2, "stream_end": 1}
    assert {name: n for name, n in seen.counters.items() if name.startswith("streams") and n} == {
        "streams_started": 1,
        "streams_ended": 1,
        "streams_heard_whole": 1,
    }
    assert (seen.counters["tasks_published"], seen.counters["tasks_delivered"]) == (3, 3)
    assert not seen.failures


def test_measured_fragments_are_in_the_ledger(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator)
    pair.subscriber.receive_stream(0)
    with pair.publisher.stream(pair.group, measured=True) as stream:
        for data in DATA:
            stream.send(data)
    assert [fragment.data for fragment in heard(pair)] == list(DATA)
    running = pair.engine.run.ledger.running()
    assert (running.published, running.delivered, running.reordered, running.send_failed) == (3, 3, 0, 0)
    assert count(taken(pair.engine), "delivery") == 3


def test_each_stream_is_given_to_a_callback_of_its_own(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator)
    came: dict[str, list[object]] = {}
    done = Event()

    @pair.subscriber.on_stream
    def hear(found: HeardStream) -> None:
        came[found.id] = [fragment.data for fragment in found]
        if len(came) == 2:
            done.set()

    first, second = pair.publisher.stream(pair.group), pair.publisher.stream(pair.group)
    for number in range(3):
        first.send(f"a{number}")
        second.send(f"b{number}")
    first.end()
    second.end()
    assert done.wait(PATIENCE_S)
    assert came == {first.id: ["a0", "a1", "a2"], second.id: ["b0", "b1", "b2"]}
    assert pair.subscriber.receive(0) is None, "fragments are no messages any more"
    with pytest.raises(LocalProtocolError):
        pair.subscriber.receive_stream()


def test_an_exception_ends_the_stream_with_an_error(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator)
    pair.subscriber.receive_stream(0)

    def fails() -> None:
        with pair.publisher.stream(pair.group) as stream:
            stream.send("one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    found = heard(pair)
    assert [fragment.data for fragment in found] == ["one"]
    assert found.error is not None
    assert (found.error.name, found.error.user_error_code) == ("UserError", "Exception")
    failing = pair.publisher.stream(pair.group)
    failing.send("two")
    failing.fail("no more words", "E1")
    found = heard(pair)
    assert len(list(found)) == 1
    assert found.error is not None
    assert (found.error.message, found.error.user_error_code) == ("no more words", "E1")
    assert taken(pair.engine).counters["streams_cut_off"] == 2


@pytest.mark.parametrize("protocol", [name for name in STREAMING if name.endswith("reliable")])
def test_a_stream_goes_on_over_recoveries(stopping: list[Pair], emulator: EmulatorProcess, protocol: str) -> None:
    pair = pair_of(stopping, emulator, protocol=protocol)
    pair.subscriber.receive_stream(0)
    with pair.publisher.stream(pair.group, measured=True) as stream:
        for number in range(30):
            stream.send(f"{number}")
            if number % 10 == 5:
                link = pair.publisher._connector.link
                assert link is not None
                link.connection.cut(Cut.RESET)
    assert [fragment.data for fragment in heard(pair)] == [f"{number}" for number in range(30)]
    running = pair.engine.run.ledger.running()
    assert (running.published, running.delivered, running.duplicated, running.reordered) == (30, 30, 0, 0)


def test_with_a_connection_that_is_gone_its_stream_is_too(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator)
    pair.subscriber.receive_stream(0)
    stream = pair.publisher.stream(pair.group)
    stream.send("one")
    found = heard(pair)
    link = pair.publisher._connector.link
    assert link is not None
    link.connection.cut(Cut.RESET)
    link.ended.wait(PATIENCE_S)
    with pytest.raises(Finding) as told:
        stream.send("two")
    assert told.value.label == "stream_end_connection_lost"
    assert [fragment.data for fragment in found] == ["one"]
    assert found.error is not None, "its subscribers were told"
    assert taken(pair.engine).failures["stream_end", "stream_end_connection_lost"] == 1


@pytest.mark.parametrize("name", ["TransientError", "InvalidSequenceId"])
def test_a_nack_has_fragments_sent_again(stopping: list[Pair], name: str) -> None:
    refused = 0

    def refuses(peer: Peer, message: dict[str, Any], expected: int) -> bool:
        nonlocal refused
        if message.get("streamSequenceId") != 2 or refused == 2:
            return False
        refused += 1
        service.nack(peer, message["streamId"], expected, name)
        return True

    with StreamService(answers=refuses) as service:
        pair = pair_of(stopping, service)
        pair.subscriber.receive_stream(0)
        with pair.publisher.stream(pair.group) as stream:
            for data in ("one", "two", "three"):
                stream.send(data)
            until(lambda: stream.unacknowledged == 0, "all have been taken")
        assert [fragment.data for fragment in heard(pair)] == ["one", "two", "three"]
        seen = taken(pair.engine)
        assert seen.counters["fragments_replayed"] >= refused == 2
        assert not seen.failures
        pair.publisher.close()
        pair.subscriber.close()


def test_a_service_without_streams(stopping: list[Pair]) -> None:
    with JsonService(ack) as service:
        pair = pair_of(stopping, service)
        with pytest.raises(Finding) as told:
            pair.publisher.stream(pair.group, timeout=0.1)
        assert told.value.label == "stream_start_timeout"
        until(lambda: service.count("streamEnd") == 1, "no stream stays open, should it have begun")
        assert taken(pair.engine).failures == {("stream_start", "stream_start_timeout"): 1}
        pair.publisher.close()
        pair.subscriber.close()


def test_a_refusal(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator, roles="webpubsub.joinLeaveGroup")
    with pytest.raises(Finding) as told:
        pair.publisher.stream(pair.group)
    assert told.value.label == "stream_start_forbidden"
    assert taken(pair.engine).failures == {("stream_start", "stream_start_forbidden"): 1}


def test_a_stream_that_the_service_closes_is_told_to_the_next_call(
    stopping: list[Pair], emulator: EmulatorProcess
) -> None:
    pair = pair_of(stopping, emulator)
    pair.beat.kill()  # nor are there keepalives
    stream = pair.publisher.stream(pair.group, idle_timeout=0.05)
    until(lambda: stream.ended, "the service has closed it")
    with pytest.raises(Finding) as told:
        stream.send("late")
    assert told.value.label == "stream_end_idle_timeout"
    with pytest.raises(LocalProtocolError):
        stream.send("later")
    stream.end()


@pytest.mark.parametrize("protocol", ["simple", "mqtt5"])
def test_other_protocols_refuse_with_a_sentence(stopping: list[Pair], emulator: EmulatorProcess, protocol: str) -> None:
    engine = make(emulator, protocol=protocol)
    with pytest.raises(LocalProtocolError, match="a simple client has no streams, and nor has MQTT"):
        client_of(engine).stream("g")
    engine.close()


def test_wrong_values_are_reported_before_anything_is_sent(stopping: list[Pair], emulator: EmulatorProcess) -> None:
    pair = pair_of(stopping, emulator)
    for options, error in (
        ({"idle_timeout": -1}, WrongValue),
        ({"idle_timeout": "x"}, WrongType),
        ({"timeout": -1}, WrongValue),
    ):
        with pytest.raises(error):
            pair.publisher.stream(pair.group, **options)
    with pytest.raises(WrongValue):
        pair.publisher.stream("")
    with pair.publisher.stream(pair.group, measured=True) as stream:
        with pytest.raises(WrongType):
            stream.send(None)
        with pytest.raises(WrongValue):
            stream.send("x" * 2**21)
        stream.send("goes on")
    assert pair.engine.run.ledger.running().published == 1
    assert not taken(pair.engine).failures
