"""An own message that comes back as predicted is compared instead of decoded, and accounted for in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events as ws

from tests.client.connection_peer import BINARY, TEXT, Link
from tests.client.contexts import population_context
from tests.client.engine_runs import Run, until
from wps_load.client.context import PopulationContext
from wps_load.client.echo import Echo
from wps_load.emulator.process import EmulatorProcess
from wps_load.emulator.subprotocols import WIRES
from wps_load.emulator.wires import RoutedMessage
from wps_load.measure.receiver import Receiver
from wps_load.measure.stamp import WAIT_SHIFT, pack_text
from wps_load.protocol.frames import server_frame_head
from wps_load.protocol.messages import DataType

STREAM = 0
TAIL = b"z" * 88
FRAMES = {"json": TEXT, "protobuf": BINARY, "mqtt": BINARY, "mqtt5": BINARY}


@dataclass
class Publisher:
    """Hears which of its messages came back."""

    stream: int = STREAM
    back: list[int] = field(default_factory=list)

    def came_back(self, at_ns: int, seq: int) -> None:
        self.back.append(seq)


@dataclass
class Course:
    """A publisher's connection, without the connection."""

    context: PopulationContext
    publisher: Publisher
    echo: Echo

    def send(self, seq: int, due_ns: int = 1000, lag_ns: int = 0) -> bytes:
        """The stamp."""
        epochs = self.context.epochs
        stamp = pack_text(epochs.byte, epochs.mark ^ STREAM, STREAM, seq, due_ns, lag_ns)
        self.echo.left(stamp, seq, due_ns, lag_ns)
        return stamp

    @property
    def receiver(self) -> Receiver:
        return self.context.run.ledger.receiver(0)


def course(rate: str = "max", protocol: str = "json") -> Iterator[Course]:
    with population_context(rate=rate, protocol=protocol) as context:
        publisher = Publisher()
        yield Course(context, publisher, Echo(context, publisher, context.run.ledger.receiver(0)))


@pytest.fixture
def closed() -> Iterator[Course]:
    yield from course()


def delivery(protocol: str, text: bytes) -> bytes:
    """The frame that the service makes of a publication."""
    wire = next(wire for wire in WIRES if wire.name == protocol)
    return wire.message(RoutedMessage("group", "g", "me", DataType.TEXT, text), None)


stamps = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**62), st.integers(0, 2**42 - 1))


@pytest.mark.parametrize("protocol", sorted(FRAMES))
@given(messages=st.lists(stamps, min_size=1))
def test_it_predicts_the_frame_that_the_service_makes(protocol: str, messages: list[tuple[int, int, int]]) -> None:
    for made in course(protocol=protocol):
        payload = delivery(protocol, b"A" * 40 + TAIL)[4:]
        made.echo.learn(FRAMES[protocol], payload, payload.index(b"A" * 40))
        for message in messages:
            stamp = made.send(*message)
            assert made.echo.frame == delivery(protocol, stamp + TAIL)


@given(stamps, st.integers(0, 2**62))
def test_its_times_are_those_of_the_stamp(message: tuple[int, int, int], arrival_ns: int) -> None:
    seq, due_ns, lag_ns = message
    for made in course():
        made.send(seq, due_ns, lag_ns)
        assert made.echo.came(arrival_ns)
        waited_ns = lag_ns >> WAIT_SHIFT << WAIT_SHIFT  # as far as a stamp says it
        assert made.context.rtt == [arrival_ns - due_ns]
        assert made.context.rtt_service == [arrival_ns - due_ns - waited_ns]
        assert made.publisher.back == [seq]
        assert made.context.run.ledger.running().delivered == 1


def test_a_duplicate_is_counted_as_one_and_not_timed(closed: Course) -> None:
    closed.send(0)
    assert closed.echo.came(2000)
    assert closed.echo.came(3000)
    running = closed.context.run.ledger.running()
    assert (running.delivered, running.duplicated) == (1, 1)
    assert closed.context.rtt == [1000]
    assert closed.publisher.back == [0]


def test_in_an_open_loop_nobody_waits() -> None:
    for made in course(rate="10"):
        made.send(0)
        assert made.echo.came(2000)
        assert (made.context.rtt, made.publisher.back) == ([1000], [])


def test_a_message_of_another_epoch_is_to_be_decoded(closed: Course) -> None:
    closed.send(0)
    closed.context.epochs.enter(1)
    assert not closed.echo.came(2000)
    assert closed.context.run.ledger.running().delivered == 0
    assert closed.context.rtt == []


@pytest.mark.parametrize("lag_ns", [-1, 1 << 42])
def test_a_lag_that_no_stamp_can_say_predicts_nothing(closed: Course, lag_ns: int) -> None:
    closed.echo.learn(TEXT, b"before" + b"A" * 40 + TAIL, 6)
    closed.send(0)
    assert closed.echo.frame
    closed.send(1, lag_ns=lag_ns)
    assert closed.echo.frame == b""


def test_what_was_forgotten_is_not_predicted(closed: Course) -> None:
    closed.echo.learn(TEXT, b"before" + b"A" * 40 + TAIL, 6)
    closed.send(0)
    closed.echo.forget()
    assert (closed.echo.frame, closed.echo.ready) == (b"", False)


# -- a connection that was told ------------------------------------------------------------------------------

FRAME = server_frame_head(TEXT, 9) + b"predicted"


@dataclass
class Told:
    """Predicts one frame. `comes`: what it says when that comes; an exception: it raises that."""

    frame: bytes = FRAME
    comes: bool | Exception = True
    calls: int = 0

    def came(self, arrival_ns: int) -> bool:
        self.calls += 1
        if isinstance(self.comes, Exception):
            raise self.comes
        return self.comes


def test_the_predicted_frame_is_not_a_message(link: Link) -> None:
    told = Told()
    client, peer = link(predicted=told)
    client.start()
    peer.send(ws.TextMessage("predicted"))
    until(lambda: client.connection.bytes_received == len(FRAME), "the frame was read")
    assert told.calls == 1
    peer.send(ws.TextMessage("other"))
    assert client.next_message() == (TEXT, b"other")
    assert told.calls == 1


def test_a_prediction_of_an_epoch_that_is_over_is_read_as_any_frame(link: Link) -> None:
    told = Told(comes=False)
    client, peer = link(predicted=told)
    client.start()
    peer.send(ws.TextMessage("predicted"))
    assert client.next_message() == (TEXT, b"predicted")
    assert told.calls == 1


def test_the_same_bytes_inside_a_frame_are_not_a_frame(link: Link) -> None:
    told = Told()
    client, peer = link(predicted=told)
    client.start()
    begun = server_frame_head(BINARY, 1 + len(FRAME)) + b"x"
    peer.sock.sendall(begun)
    until(lambda: client.connection.bytes_received == len(begun), "the frame has begun")
    peer.sock.sendall(FRAME)
    assert client.next_message() == (BINARY, b"x" + FRAME)
    assert told.calls == 0


def test_the_same_bytes_inside_a_message_break_the_protocol(link: Link) -> None:
    told = Told()
    client, peer = link(predicted=told)
    client.start()
    peer.send(ws.TextMessage("a", message_finished=False), ws.Ping(b"p"))
    assert peer.next() == ws.Pong(b"p")
    peer.sock.sendall(FRAME)
    assert client.wait_closed()[0].code == 1002
    assert told.calls == 0


def test_a_bug_in_a_prediction_ends_the_connection_and_is_reported(link: Link) -> None:
    bugs: list[Exception] = []
    bug = ValueError("no")
    client, peer = link(predicted=Told(comes=bug), on_bug=bugs.append)
    client.start()
    peer.send(ws.TextMessage("predicted"))
    assert client.wait_closed()[0].code == 1011
    assert bugs == [bug]


@pytest.mark.parametrize(("first", "code"), [(b"\xf1\x00", 1002), (b"\x81\x03bug", 1011)])
def test_nothing_is_predicted_on_a_connection_that_has_failed(link: Link, first: bytes, code: int) -> None:
    def buggy(*_: object) -> None:
        raise KeyError("ours")

    told = Told()
    client, peer = link(predicted=told, on_message=buggy, on_bug=lambda bug: None)
    client.start()
    peer.sock.sendall(first)
    assert client.wait_closed()[0].code == code
    peer.sock.sendall(FRAME)
    until(lambda: client.connection.bytes_received == len(first) + len(FRAME), "the frame was read")
    assert told.calls == 0


# -- whole runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("protocol", "rate"), [("json", "max"), ("protobuf", "max"), ("mqtt5", "max"), ("json", "50")])
def test_most_round_trips_are_predicted(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch, protocol: str, rate: str
) -> None:
    came: list[int] = []
    really = Echo.came

    def counted(self: Echo, arrival_ns: int) -> bool:
        came.append(arrival_ns)
        return really(self, arrival_ns)

    monkeypatch.setattr(Echo, "came", counted)
    run = Run(emulator.connection_string, 3, protocol=protocol, rate=rate).settle()
    done = run.measure(300).finish()
    done.assert_whole()
    assert done.count("rtt") == done.totals.delivered
    assert len(came) > done.totals.delivered / 2
