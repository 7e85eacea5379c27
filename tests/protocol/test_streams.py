"""What a publisher of streams sends, and sends again: tables, and a model of the service with losses at every step."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.session_messages import TEXT, connected, wire
from wps_load.errors import LocalProtocolError
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import (
    DataType,
    EndStream,
    StartStream,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamError,
    StreamNack,
    Upstream,
)
from wps_load.protocol.session import Session
from wps_load.protocol.streams import KIND, OutgoingStream, OutgoingStreams, StreamState

MS = 1_000_000
START = b"start"


def streams() -> OutgoingStreams:
    def encode(message: Upstream) -> bytes:
        if isinstance(message, StartStream):
            return START
        if isinstance(message, EndStream):
            return b"end" if message.error is None else b"end:" + message.error.user_error_code.encode()
        assert isinstance(message, StreamData)
        return b"keepalive"

    return OutgoingStreams(encode)


def opened(count: int = 0, **options: int) -> tuple[OutgoingStreams, OutgoingStream]:
    """A stream that the service has accepted, with `count` fragments that have been sent."""
    all_streams = streams()
    stream = all_streams.start("s", StartStream("g", "s"), "context", 0, **options)
    assert taken(stream) == [START]
    change = all_streams.receive(StreamAck("s", 1), 0)
    assert change is not None
    assert (change.stream, change.started, change.over) == (stream, True, False)
    write(stream, count)
    assert taken(stream) == fragments(1, count)
    return all_streams, stream


def write(stream: OutgoingStream, count: int) -> None:
    for _ in range(count):
        stream.write(b"%d" % stream.next_number)


def fragments(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def taken(stream: OutgoingStream, now_ns: int = 0) -> list[bytes]:
    return list(stream.take(now_ns))


def test_nothing_is_sent_before_the_stream_is_accepted() -> None:
    all_streams = streams()
    stream = all_streams.start("s", StartStream("g", "s"), None, 0)
    write(stream, 2)
    stream.end(b"end")
    assert taken(stream) == [START]
    assert not stream.ready
    assert all_streams.receive(StreamAck("s", 1), 0) is not None
    assert stream.ready
    assert taken(stream) == [*fragments(1, 2), b"end"]
    assert stream.state is StreamState.ENDING


def test_no_fragment_waits_for_the_ack_of_another_and_acks_may_be_batched() -> None:
    all_streams, stream = opened(3)
    assert stream.outstanding == 3
    all_streams.receive(StreamAck("s", 3), 0)
    assert (stream.oldest_unacked, stream.outstanding) == (3, 1)
    all_streams.receive(StreamAck("s", 3), 0)  # the answer to a duplicate
    assert stream.outstanding == 1


@pytest.mark.parametrize("expected", [0, 2, 5])
@pytest.mark.parametrize("answer", [StreamAck, StreamNack])
def test_an_impossible_ack_ends_the_stream(answer: type[StreamAck] | type[StreamNack], expected: int) -> None:
    all_streams, stream = opened(3)
    all_streams.receive(StreamAck("s", 3), 0)
    change = all_streams.receive(answer("s", expected), 0)
    assert change is not None
    assert change.over
    assert change.error is not None
    assert change.error.name == "ProtocolViolation"
    assert change.farewell == b"end:ProtocolViolation"
    assert stream.state is StreamState.CLOSED
    assert len(all_streams) == 0


def test_a_nack_has_all_sent_again_from_there_once() -> None:
    all_streams, stream = opened(4)
    stream.end(b"end")
    assert taken(stream) == [b"end"]
    for _ in range(3):  # each fragment behind the gap is refused
        all_streams.receive(StreamNack("s", 2, "InvalidSequenceId"), 0)
    assert taken(stream) == fragments(2, 4)
    assert stream.replayed == 3
    all_streams.receive(StreamAck("s", 5), 0)
    assert taken(stream) == [b"end"]
    assert stream.beat(10_000 * MS) is None
    assert not stream.ready


def test_a_nack_that_comes_again_is_answered_after_a_growing_back_off() -> None:
    all_streams, stream = opened(1)
    all_streams.receive(StreamNack("s", 1, "TransientError"), 0)
    assert taken(stream) == fragments(1, 1)
    at_ns = 0
    for back_off_ns in (10 * MS, 20 * MS, 40 * MS):
        all_streams.receive(StreamNack("s", 1, "TransientError"), at_ns)
        stream.beat(at_ns + back_off_ns - 1)
        assert not stream.ready
        at_ns += back_off_ns
        stream.beat(at_ns)
        assert taken(stream, at_ns) == fragments(1, 1)


def test_the_end_does_not_overtake_what_is_to_be_sent_again() -> None:
    all_streams, stream = opened(1)
    all_streams.receive(StreamNack("s", 1, "TransientError"), 0)
    assert taken(stream) == fragments(1, 1)
    all_streams.receive(StreamNack("s", 1, "TransientError"), 0)
    stream.end(b"end")
    assert not stream.ready
    stream.beat(10 * MS)
    assert taken(stream) == [*fragments(1, 1), b"end"]


def test_a_stream_that_says_nothing_for_half_its_idle_time_out_sends_a_keepalive() -> None:
    _, stream = opened(1, idle_timeout_ms=1000)
    assert stream.beat(499 * MS) is None
    assert stream.beat(500 * MS) == b"keepalive"
    assert stream.beat(999 * MS) is None
    assert stream.beat(1000 * MS) == b"keepalive"


@pytest.mark.parametrize(
    ("ended", "error", "found"),
    [
        (True, None, None),
        (True, StreamError("InternalServerError"), "InternalServerError"),
        (True, StreamError("StreamNotFound"), "StreamNotFound"),
        (False, StreamError("IdleTimeout"), "IdleTimeout"),
        (False, None, "Malformed"),  # it was closed, and nobody had ended it
    ],
)
def test_what_a_stream_ends_with(ended: bool, error: StreamError | None, found: str | None) -> None:
    all_streams, stream = opened(1)
    if ended:
        stream.end(b"end")
        assert taken(stream) == [b"end"]
    change = all_streams.receive(StreamClosed("s", error), 0)
    assert change is not None
    assert change.over
    assert (None if change.error is None else change.error.name) == found
    assert taken(stream) == []
    assert all_streams.receive(StreamAck("s", 1), 0) is None
    assert all_streams.unknown == 1


def test_an_end_whose_answer_died_with_the_socket_has_been_heard() -> None:
    all_streams, stream = opened(1)
    stream.end(b"end")
    taken(stream)
    assert all_streams.recovered(0) == [b"1", b"end"]
    change = all_streams.receive(StreamClosed("s", StreamError("StreamNotFound")), 0)
    assert change is not None
    assert change.over
    assert change.error is None


def test_a_recovery_sends_what_is_not_acknowledged_again() -> None:
    all_streams, stream = opened(3)
    all_streams.receive(StreamAck("s", 2), 0)
    second = all_streams.start("t", StartStream("g", "t"), None, 0)
    taken(second)
    write(second, 1)
    assert all_streams.recovered(0) == [*fragments(2, 3), START]
    all_streams.receive(StreamAck("s", 4), 0)  # the first of them was a duplicate, and says how far it is
    assert stream.outstanding == 0


def test_starts_and_ends_without_an_answer_are_overdue_once() -> None:
    all_streams = streams()
    stream = all_streams.start("s", StartStream("g", "s"), "context", 0)
    taken(stream, 5)
    assert all_streams.unanswered == 1
    assert all_streams.overdue(5) == []
    (pending,) = all_streams.overdue(6)
    assert (pending.kind, pending.context) == (KIND, stream)
    assert all_streams.overdue(6) == []
    assert all_streams.unanswered == 0
    all_streams.receive(StreamAck("s", 1), 7)
    stream.end(b"end")
    taken(stream, 8)
    assert [each.context for each in all_streams.overdue(None)] == [stream]


def test_with_its_connection_a_stream_is_gone() -> None:
    all_streams, stream = opened(1)
    assert [each.context for each in all_streams.abandon()] == [stream]
    assert stream.state is StreamState.CLOSED
    assert not stream.ready
    assert len(all_streams) == 0


# -- the whole, with a service -------------------------------------------------------------------------------


class Service:
    """The rules of the service for one stream. `skips`: how many of the next fragments it refuses for a moment."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.expected: int | None = None
        self.ended = False
        self.skips = 0
        self.wire: list[bytes] = []
        """On its way to the client; dies with the socket."""

    def take(self, payload: bytes) -> None:
        fields = json.loads(payload)
        if fields["type"] == "sendToGroup":
            self.expected = self.expected or 1
            self.ack()
        elif self.ended or self.expected is None:
            self.wire.append(wire(type="streamClosed", streamId="s", error={"name": "StreamNotFound", "message": ""}))
        elif fields["type"] == "streamEnd":
            self.ended = True
            self.wire.append(wire(type="streamClosed", streamId="s"))
        elif self.skips or fields["streamSequenceId"] > self.expected:
            name = "TransientError" if self.skips else "InvalidSequenceId"
            self.skips = max(0, self.skips - 1)
            self.wire.append(wire(type="streamNack", streamId="s", name=name, expectedSequenceId=self.expected))
        else:
            if fields["streamSequenceId"] == self.expected:
                self.expected += 1
                self.accepted.append(fields["data"])
            self.ack()

    def ack(self) -> None:
        self.wire.append(wire(type="streamAck", streamId="s", expectedSequenceId=self.expected))


class Publisher:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.codec = CODECS["json-reliable"]
        self.session = Session(self.codec)
        self.session.receive(TEXT, connected())
        self.now_ns = 0
        self.error: StreamError | None = None
        self.over = False
        self.stream = self.session.streams.start("s", StartStream("g", "s"), None, 0)
        self.send()

    def send(self, reaches: int = 1 << 30) -> None:
        """What can be sent; of that so much arrives before the socket is lost."""
        for payload in self.stream.take(self.now_ns):
            if not reaches:
                self.cut()
                return
            reaches -= 1
            self.service.take(payload)

    def read(self, count: int) -> None:
        for _ in range(min(count, len(self.service.wire))):
            got = self.session.receive(TEXT, self.service.wire.pop(0))
            assert isinstance(got, StreamAck | StreamNack | StreamClosed)
            change = self.session.streams.receive(got, self.now_ns)
            if change is not None and change.over:
                self.over, self.error = True, change.error
        self.send()

    def beat(self) -> None:
        self.now_ns += 10_000 * MS
        self.stream.beat(self.now_ns)
        self.send()

    def cut(self) -> None:
        self.service.wire.clear()
        self.session.lost(self.now_ns)
        for payload in self.session.recovered():
            self.service.take(payload)


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "send", "read", "cut", "skip", "beat"]), st.integers(0, 4)), max_size=40
)


@settings(max_examples=300)
@given(STEPS)
def test_each_fragment_is_accepted_once_and_in_order_whatever_is_lost(script: list[tuple[str, int]]) -> None:
    service = Service()
    publisher = Publisher(service)
    written = 0
    for action, argument in script:
        if action == "write":
            for _ in range(argument):
                number = publisher.stream.next_number
                publisher.stream.write(publisher.codec.encode(StreamData("s", number, DataType.TEXT, f"f{number}")))
                written += 1
            publisher.send()
        elif action == "send":
            publisher.send(argument)
        elif action == "read":
            publisher.read(argument)
        elif action == "cut":
            publisher.cut()
        elif action == "skip":
            service.skips = argument
        else:
            publisher.beat()
    service.skips = 0
    for _ in range(10):
        publisher.read(1 << 30)
        publisher.beat()
    assert publisher.stream.outstanding == 0
    publisher.stream.end(publisher.codec.encode(EndStream("s")))
    publisher.send()
    publisher.read(1 << 30)
    assert service.accepted == [f"f{number}" for number in range(1, written + 1)]
    assert publisher.over
    assert publisher.error is None


# -- both codecs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["json", "protobuf"])
@pytest.mark.parametrize("half", [StreamData("s", 1), StreamData("s", None, DataType.TEXT, "x")])
def test_half_a_fragment_cannot_be_written(codec: str, half: StreamData) -> None:
    with pytest.raises(LocalProtocolError):
        CODECS[codec].encode(half)


@pytest.mark.parametrize("codec", ["simple", "mqtt", "mqtt5"])
def test_other_protocols_have_no_streams(codec: str) -> None:
    for message in (StartStream("g", "s"), StreamData("s"), EndStream("s")):
        with pytest.raises(LocalProtocolError):
            CODECS[codec].encode(message)
