from __future__ import annotations

import gc
import socket
import ssl
import struct
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
import gevent.queue
import gevent.ssl
import pytest
import trustme
from loopback import PATIENCE_S, Client, Server, upgrade_answer
from wsproto import events as ws
from wsproto.connection import Connection as Oracle
from wsproto.connection import ConnectionType

from wps_load.client.connection import Connection, Cut
from wps_load.clock import now_ns
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.frames import FrameWriter

TEXT, BINARY = 1, 2
MIB = 1 << 20


class Peer:
    """The server's end of one connection: wsproto's frames on a raw socket."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.oracle = Oracle(ConnectionType.SERVER)
        self.ended = gevent.event.Event()

    def send(self, *messages: ws.Event) -> None:
        self.sock.sendall(b"".join(self.oracle.send(message) for message in messages))

    def events(self) -> Iterator[ws.Event]:
        """Whole and partial messages, as they come, until the client's TCP ends."""
        data = b"-"
        while data:
            yield from self.oracle.events()  # also what an earlier call has left
            data = self.sock.recv(65536)
            self.oracle.receive_data(data or None)
        yield from self.oracle.events()

    def next(self) -> ws.Event:
        with gevent.Timeout(PATIENCE_S):
            return next(self.events())


@pytest.fixture(scope="module")
def certificate() -> Any:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["ws", "wss"])
def link(request: pytest.FixtureRequest, certificate: Any) -> Iterator[Callable[..., tuple[Client, Peer]]]:
    """Makes a connection (not started), and its peer; over TCP and over TLS."""
    peers: Any = gevent.queue.Queue()
    opened: list[tuple[Client, Peer]] = []

    def script(sock: Any, head: str) -> None:
        sock.sendall(upgrade_answer(head))
        peer = Peer(sock)
        peers.put(peer)
        peer.ended.wait()

    with Server(script, certificate if request.param == "wss" else None) as server:

        def connect(**options: Any) -> tuple[Client, Peer]:
            client = Client(server.url(request.param), **options)
            opened.append((client, peers.get(timeout=PATIENCE_S)))
            return opened[-1]

        yield connect
        for client, peer in opened:
            client.connection.release()
            peer.ended.set()


@pytest.fixture
def writer() -> FrameWriter:
    return FrameWriter()


# -- reading ----------------------------------------------------------------


def test_messages_arrive_whole_and_in_order(link) -> None:
    client, peer = link()
    client.start()
    peer.send(
        ws.TextMessage("a"),
        ws.BytesMessage(b"\x00" * 70_000),
        ws.TextMessage("x", message_finished=False),
        ws.Ping(b"between"),
        ws.TextMessage("y"),
    )
    assert client.next_message() == (TEXT, b"a")
    assert client.next_message() == (BINARY, b"\x00" * 70_000)
    assert client.next_message() == (TEXT, b"xy")
    assert peer.next() == ws.Pong(b"between")
    assert client.connection.frames_received == 3
    assert client.connection.bytes_received > 70_000


def test_arrival_is_taken_before_the_callback(link) -> None:
    client, peer = link()
    client.start()
    sent_ns = now_ns()
    peer.send(ws.TextMessage("a"))
    _, _, arrival_ns = client.messages.get(timeout=PATIENCE_S)
    assert sent_ns <= arrival_ns <= now_ns()


def test_what_came_before_start_is_not_lost(link) -> None:
    client, peer = link()
    peer.send(ws.TextMessage("early"))
    client.start()
    assert client.next_message() == (TEXT, b"early")


def test_leftover_of_the_upgrade_arrives_at_the_upgrades_time() -> None:
    tail = b"\x81\x05early"
    with Server(lambda sock, head: sock.sendall(upgrade_answer(head) + tail)) as server:
        client = Client(server.url())
        client.start()
        opcode, payload, arrival_ns = client.messages.get_nowait()
    assert (opcode, payload, arrival_ns) == (TEXT, b"early", client.dialed.upgraded_ns)
    assert client.wait_closed()[0].code == 1006


def test_frames_cut_anywhere_are_put_together(link) -> None:
    client, peer = link()
    client.start()
    data = peer.oracle.send(ws.TextMessage("h" * 200)) + peer.oracle.send(ws.BytesMessage(b"b"))
    for byte in data:
        peer.sock.sendall(bytes([byte]))
        gevent.sleep(0)
    assert client.next_message() == (TEXT, b"h" * 200)
    assert client.next_message() == (BINARY, b"b")


def test_one_flooding_connection_leaves_the_hub_to_others(link) -> None:
    flooded, flooding = link()
    quiet, calm = link()
    flooded.start()
    quiet.start()
    gevent.spawn(flooding.send, *[ws.BytesMessage(b"x" * 1000)] * 4000)
    calm.send(ws.TextMessage("me too"))
    assert quiet.next_message() == (TEXT, b"me too")
    assert flooded.messages.qsize() < 4000


def test_pause_and_resume(link) -> None:
    client, peer = link()
    client.start()
    client.connection.pause_reading()
    peer.send(ws.TextMessage("a"))
    gevent.sleep(0)
    gevent.idle()
    assert client.messages.empty()
    client.connection.resume_reading()
    assert client.next_message() == (TEXT, b"a")


def test_a_limited_reader_takes_the_time_its_rate_asks_for(link) -> None:
    client, peer = link()
    client.connection.limit_reading(10_000)
    client.start()
    began_ns = now_ns()
    peer.send(ws.BytesMessage(b"x" * 3000))
    client.next_message()
    assert 0.15e9 < now_ns() - began_ns < 2e9


# -- writing ----------------------------------------------------------------


def test_frames_leave_at_once(link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    frame = writer.text_frame(b"hello")
    assert client.connection.send(frame)
    outbox = client.connection.outbox
    assert (outbox.frames_sent, outbox.bytes_sent, outbox.stalls) == (1, len(frame), 0)
    assert peer.next() == ws.TextMessage("hello")


def stall(client: Client, writer: FrameWriter) -> int:
    """Sends to a peer that does not read until the socket is full; returns how many frames were taken."""
    frame = writer.binary_frame(b"x" * 65536)
    for count in range(1, 1000):
        assert client.connection.send(frame)
        if not client.connection.writable:
            return count
    raise AssertionError("the kernel took everything")


def test_a_stalled_peer_is_counted_bounded_and_recovers(link, writer: FrameWriter) -> None:
    client, peer = link(send_buffer_bytes=3 * 65536)
    client.start()
    taken = stall(client, writer)
    outbox = client.connection.outbox
    frame = writer.binary_frame(b"y" * 65536)
    while client.connection.send(frame):
        taken += 1
    assert outbox.kept_bytes <= 3 * 65536
    assert outbox.stalls == 1
    assert client.connection.unsent_frames > 0
    assert not client.writable.is_set()

    received, messages = 0, peer.events()
    with gevent.Timeout(PATIENCE_S):
        while received < taken * 65536:
            received += len(next(messages).data)
    assert client.writable.wait(PATIENCE_S)
    assert client.connection.writable
    assert outbox.frames_sent == taken
    assert (client.connection.unsent_frames, outbox.kept_bytes) == (0, 0)
    stalled_ns = outbox.stalled_ns
    assert stalled_ns > 0
    assert outbox.stalled_ns == stalled_ns  # the clock stopped with the stall


def test_unsent_frames_are_known_when_a_stalled_peer_is_lost(link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    taken = stall(client, writer)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.ended.set()
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, False)
    assert client.connection.unsent_frames == taken - client.connection.outbox.frames_sent > 0
    assert not client.connection.send(b"more")


def test_a_frame_above_the_bound_is_taken_when_nothing_is_kept(link, writer: FrameWriter) -> None:
    client, peer = link(send_buffer_bytes=1000)
    client.start()
    assert client.connection.send(writer.binary_frame(b"z" * 16 * MIB))
    assert not client.connection.send(b"more")
    received, messages = 0, peer.events()
    with gevent.Timeout(PATIENCE_S):
        while received < 16 * MIB:
            received += len(next(messages).data)
    assert client.writable.wait(PATIENCE_S)


def test_pings_of_a_peer_that_does_not_read_pile_up_no_further_than_the_bound(link, writer) -> None:
    client, peer = link(send_buffer_bytes=65536)
    client.start()
    stall(client, writer)
    pings = [ws.Ping(b"p" * 100)] * 2000
    peer.send(*pings, ws.TextMessage("done"))
    assert client.next_message() == (TEXT, b"done")
    assert client.connection.outbox.kept_bytes <= 2 * 65536 + 200


# -- endings ----------------------------------------------------------------


def test_we_close_and_the_peer_answers(link) -> None:
    client, peer = link()
    client.start()
    client.connection.close(1000, "bye")
    assert not client.connection.open
    assert not client.connection.send(b"late")
    event = peer.next()
    assert event == ws.CloseConnection(1000, "bye")
    peer.sock.sendall(b"\x81\x09in flight")
    peer.send(event.response())
    lost, asked = client.wait_closed()
    assert client.next_message() == (TEXT, b"in flight")
    assert (lost.code, lost.label, asked) == (1000, "closed_1000", True)


def test_frames_kept_leave_before_our_close_frame(link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    taken = stall(client, writer)
    client.connection.close()
    received = 0
    with gevent.Timeout(PATIENCE_S):
        for event in peer.events():
            if isinstance(event, ws.CloseConnection):
                peer.send(event.response())
                break
            received += len(event.data)
    assert received == taken * 65536
    assert client.wait_closed()[0].code == 1000
    assert client.connection.unsent_frames == 0


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "Service reload"), (1008, "gone"), (4000, "é")])
def test_the_peer_closes_and_we_answer_with_its_code(link, code: int, reason: str) -> None:
    client, peer = link()
    client.start()
    peer.send(ws.TextMessage("last"), ws.CloseConnection(code, reason))
    lost, asked = client.wait_closed()
    assert client.next_message() == (TEXT, b"last")
    assert (lost.code, lost.reason, asked) == (code, reason, False)
    assert peer.next().code == code


def test_a_close_frame_without_a_code(link) -> None:
    client, peer = link()
    client.start()
    peer.sock.sendall(b"\x88\x00")
    assert client.wait_closed()[0].code == 1005
    assert peer.sock.recv(100)[:2] == b"\x88\x80"


def test_after_the_handshake_the_server_closes_tcp_first(link) -> None:
    client, peer = link()
    client.start()
    peer.send(ws.CloseConnection(1000))
    client.wait_closed()
    assert client.connection._sock is not None
    peer.ended.set()
    with gevent.Timeout(PATIENCE_S):
        while client.connection._sock is not None:
            gevent.sleep(0)


def test_a_lost_socket_is_1006(link) -> None:
    client, peer = link()
    client.start()
    peer.ended.set()
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, False)


def test_a_peer_that_does_not_answer_our_close(link) -> None:
    client, _ = link(close_timeout_s=0.02)
    client.start()
    client.connection.close()
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)


def test_a_close_frame_is_found_behind_a_failed_write(link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    client.connection.pause_reading()
    peer.send(ws.CloseConnection(1008, "gone"))
    peer.ended.set()
    with gevent.Timeout(PATIENCE_S):
        while client.connection.send(writer.text_frame(b"x")):
            gevent.sleep(0)
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1008, False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1\x00", 1002),  # reserved bit
        (b"\x83\x00", 1002),  # unknown opcode
        (b"\x81\x80\0\0\0\0", 1002),  # masked
        (b"\x88\x01x", 1002),  # close payload of one byte
        (b"\x88\x02\x03\xed", 1002),  # 1005 on the wire
        (b"\x81\x02\xc3\x28", 1007),
        (b"\x82\x7f" + struct.pack("!Q", 1 << 40), 1009),
    ],
)
def test_what_breaks_the_protocol_is_answered_with_its_code(link, data: bytes, code: int) -> None:
    client, peer = link()
    client.start()
    peer.sock.sendall(b"\x81\x02ok" + data)
    lost, asked = client.wait_closed()
    assert client.next_message() == (TEXT, b"ok")
    assert (lost.code, asked) == (code, False)
    assert isinstance(lost.__cause__, RemoteProtocolError)
    assert peer.next().code == code


def test_a_broken_subprotocol_is_closed_with_the_code_of_the_callback(link) -> None:
    def malformed(*_: object) -> None:
        raise RemoteProtocolError(1007, "not JSON")

    client, peer = link(on_message=malformed)
    client.start()
    peer.send(ws.TextMessage("{"), ws.TextMessage("never seen"))
    assert client.wait_closed()[0].code == 1007
    assert peer.next() == ws.CloseConnection(1007, "not JSON")


def test_a_bug_in_a_callback_ends_the_connection_once_and_spares_the_hub(link) -> None:
    bugs: list[Exception] = []
    calls: list[int] = []

    def buggy(*_: object) -> None:
        calls.append(1)
        raise KeyError("ours")

    client, peer = link(on_message=buggy, on_bug=bugs.append)
    client.start()
    peer.send(*[ws.TextMessage("x")] * 5)
    lost, _ = client.wait_closed()
    assert lost.code == 1011
    assert isinstance(lost.__cause__, KeyError)
    assert (len(bugs), len(calls)) == (1, 1)
    assert peer.next().code == 1011


def test_a_bug_in_on_writable_is_told(link, writer: FrameWriter) -> None:
    bugs: list[Exception] = []

    def buggy() -> None:
        raise KeyError("ours")

    client, peer = link(on_writable=buggy, on_bug=bugs.append)
    client.start()
    stall(client, writer)
    reading = gevent.spawn(lambda: [None for _ in peer.events()])
    assert client.wait_closed()[0].code == 1011
    reading.kill()
    assert len(bugs) == 1


def test_a_ping_after_our_close_frame_is_not_answered(link) -> None:
    client, peer = link()
    client.start()
    client.connection.close()
    assert isinstance(peer.next(), ws.CloseConnection)
    peer.sock.sendall(b"\x89\x00\x88\x02\x03\xe8")
    assert client.wait_closed()[0].code == 1000
    client.connection.release()
    with gevent.Timeout(PATIENCE_S):
        assert peer.sock.recv(100) == b""


def test_an_ended_connection_needs_no_garbage_collector(link) -> None:
    class Owner:
        def on_message(self, *_: object) -> None: ...

    client, _ = link()
    owner = Owner()
    told: list[object] = []
    connection = Connection(client.dialed, owner.on_message, lambda *lost: told.append(lost), on_writable=lambda: None)
    gone = weakref.ref(owner)
    connection.start(b"", 0)
    gc.collect()
    gc.disable()
    try:
        connection.cut(Cut.RESET)
        gevent.idle()
        del owner, connection
        assert gone() is None
    finally:
        gc.enable()
    assert told


# -- chaos ----------------------------------------------------------------


def ended_by_reset(peer: Peer, *, secure: bool) -> bool:
    with gevent.Timeout(PATIENCE_S):
        try:
            data = peer.sock.recv(1)
        except ConnectionResetError:
            return True
    return secure and data == b""  # gevent's TLS socket shows a reset as an end


def test_cut_by_reset_is_seen_as_one(link) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.RESET)
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)
    assert ended_by_reset(peer, secure=client.dialed.secure)


def test_cut_by_close_is_the_close_handshake(link) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.CLOSE)
    peer.send(ws.CloseConnection(1000))
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1000, True)


def test_a_silent_cut_tells_the_peer_nothing(link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.SILENT)
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)
    assert not client.connection.send(writer.text_frame(b"x"))
    peer.send(ws.Ping())
    peer.sock.settimeout(0.02)
    with pytest.raises(TimeoutError):
        peer.sock.recv(1)
    assert client.messages.empty()
    peer.sock.settimeout(PATIENCE_S)
    client.connection.release()
    assert ended_by_reset(peer, secure=client.dialed.secure)  # it left the ping unread


def test_cut_from_inside_a_callback_stops_the_batch(link) -> None:
    seen: list[bytes] = []

    def cutting(_opcode: int, payload: bytes, _arrival_ns: int) -> None:
        seen.append(payload)
        client.connection.cut(Cut.RESET)

    client, peer = link(on_message=cutting)
    client.start()
    peer.send(*[ws.TextMessage("x")] * 5)
    client.wait_closed()
    assert seen == [b"x"]


@pytest.mark.parametrize("first", ["close", "cut", "peer"])
def test_on_close_is_called_once_whoever_ended_it(link, first: str) -> None:
    client, peer = link(close_timeout_s=0.02)
    client.start()
    if first == "close":
        client.connection.close()
    elif first == "cut":
        client.connection.cut(Cut.CLOSE)
    else:
        peer.send(ws.CloseConnection(1001))
    client.wait_closed()
    client.connection.close()
    client.connection.cut(Cut.RESET)
    client.connection.cut(Cut.SILENT)
    client.connection.release()
    gevent.idle()
    assert client.close_calls == 1
