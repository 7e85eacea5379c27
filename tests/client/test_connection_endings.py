from __future__ import annotations

import gc
import socket
import struct
import weakref

import gevent
import pytest
from wsproto import events as ws

from tests.client.connection_peer import TEXT, Link, Peer, stall
from tests.client.loopback import PATIENCE_S
from wps_load.client.connection import Connection, Cut
from wps_load.client.dial import Dialed
from wps_load.errors import EndedBy, RemoteProtocolError
from wps_load.protocol.frames import FrameWriter

# -- endings ----------------------------------------------------------------


def test_we_close_and_the_peer_answers(link: Link) -> None:
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


def test_frames_kept_leave_before_our_close_frame(link: Link, writer: FrameWriter) -> None:
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
def test_the_peer_closes_and_we_answer_with_its_code(link: Link, code: int, reason: str) -> None:
    client, peer = link()
    client.start()
    peer.send(ws.TextMessage("last"), ws.CloseConnection(code, reason))
    lost, asked = client.wait_closed()
    assert client.next_message() == (TEXT, b"last")
    assert (lost.code, lost.reason, asked) == (code, reason, False)
    assert peer.next().code == code


def test_a_close_frame_without_a_code(link: Link) -> None:
    client, peer = link()
    client.start()
    peer.sock.sendall(b"\x88\x00")
    assert client.wait_closed()[0].code == 1005
    assert peer.sock.recv(100)[:2] == b"\x88\x80"


def test_after_the_handshake_the_server_closes_tcp_first(link: Link) -> None:
    client, peer = link()
    client.start()
    peer.send(ws.CloseConnection(1000))
    client.wait_closed()
    assert client.connection._sock is not None
    peer.ended.set()
    with gevent.Timeout(PATIENCE_S):
        while client.connection._sock is not None:
            gevent.sleep(0)


def test_a_lost_socket_is_1006(link: Link) -> None:
    client, peer = link()
    client.start()
    peer.ended.set()
    lost, asked = client.wait_closed()
    assert (lost.code, lost.label, lost.ended_by, asked) == (1006, "closed_1006", EndedBy.NETWORK, False)
    assert "without a close frame" in lost.message
    assert "service closed" not in lost.message


def test_a_peer_that_does_not_answer_our_close(link: Link) -> None:
    client, _ = link(close_timeout_s=0.02)
    client.start()
    client.connection.close()
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)


def test_a_close_frame_is_found_behind_a_failed_write(link: Link, writer: FrameWriter) -> None:
    client, peer = link()  # not started: nothing is read before the write fails
    peer.send(ws.CloseConnection(1008, "gone"))
    peer.ended.set()
    with gevent.Timeout(PATIENCE_S):
        while client.connection.send(writer.frame(TEXT, b"x")):
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
        (b"\x88\x02\x03\xee", 1002),  # 1006
        (b"\x88\x02\x03\xf7", 1002),  # 1015
        (b"\x88\x02\x00\x00", 1002),  # 0
        (b"\x88\x02\x03\xe7", 1002),  # 999
        (b"\x88\x02\x13\x88", 1002),  # 5000
        (b"\x88\x03\x03\xe8\xff", 1007),  # a reason that is not UTF-8
        (b"\x82\x7f" + struct.pack("!Q", 1 << 40), 1009),
    ],
)
def test_what_breaks_the_protocol_is_answered_with_its_code(link: Link, data: bytes, code: int) -> None:
    client, peer = link()
    client.start()
    peer.sock.sendall(b"\x81\x02ok" + data)
    lost, asked = client.wait_closed()
    assert client.next_message() == (TEXT, b"ok")
    assert (lost.code, asked) == (code, False)
    assert isinstance(lost.__cause__, RemoteProtocolError)
    assert (lost.label, lost.ended_by) == (f"protocol_error_{code}", EndedBy.PROTOCOL)
    assert lost.message.startswith("wps-load ended the connection")
    assert lost.__cause__.message in lost.message
    assert peer.next().code == code


def test_a_reset_says_so(link: Link) -> None:
    client, peer = link()
    client.start()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.ended.set()
    lost, _ = client.wait_closed()
    assert lost.ended_by is EndedBy.NETWORK
    assert lost.reason  # over TLS, OpenSSL may tell of the end before the reset


def test_a_reason_is_made_harmless_before_anybody_sees_it(link: Link) -> None:
    client, peer = link()
    client.start()
    reason = "\x1b[31mred\nline access_token=SECRET " + "x" * 89
    assert len(reason) == 123
    peer.send(ws.CloseConnection(4400, reason))
    lost, _ = client.wait_closed()
    assert lost.label == "closed_4400"
    assert lost.reason.isprintable()
    assert len(lost.reason) <= 120
    assert "SECRET" not in f"{lost}{lost!r}{lost.message}"
    assert lost.message.startswith("the service closed the connection with code 4400: [31mred line access_token=***")


def test_a_broken_subprotocol_is_closed_with_the_code_of_the_callback(link: Link) -> None:
    def malformed(*_: object) -> None:
        raise RemoteProtocolError(1007, "not JSON")

    client, peer = link(on_message=malformed)
    client.start()
    peer.send(ws.TextMessage("{"), ws.TextMessage("never seen"))
    assert client.wait_closed()[0].code == 1007
    assert peer.next() == ws.CloseConnection(1007, "not JSON")


def test_a_bug_in_a_callback_ends_the_connection_once_and_spares_the_hub(link: Link) -> None:
    bugs: list[Exception] = []
    calls: list[int] = []

    def buggy(*_: object) -> None:
        calls.append(1)
        raise KeyError("ours")

    client, peer = link(on_message=buggy, on_bug=bugs.append)
    client.start()
    peer.send(*[ws.TextMessage("x")] * 5)
    lost, _ = client.wait_closed()
    assert (lost.code, lost.label, lost.ended_by) == (1011, "client_error", EndedBy.BUG)
    assert isinstance(lost.__cause__, KeyError)
    assert (len(bugs), len(calls)) == (1, 1)
    assert peer.next().code == 1011


def test_a_bug_in_on_writable_is_reported(link: Link, writer: FrameWriter) -> None:
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


def test_a_ping_after_our_close_frame_is_not_answered(link: Link) -> None:
    client, peer = link()
    client.start()
    client.connection.close()
    assert isinstance(peer.next(), ws.CloseConnection)
    peer.sock.sendall(b"\x89\x00\x88\x02\x03\xe8")
    assert client.wait_closed()[0].code == 1000
    client.connection.release()
    with gevent.Timeout(PATIENCE_S):
        assert peer.sock.recv(100) == b""


def test_an_ended_connection_needs_no_garbage_collector(link: Link) -> None:
    told: list[object] = []

    class Owner:
        def __init__(self, dialed: Dialed) -> None:
            self.connection = Connection(dialed, self.on_message, self.on_close, on_writable=self.on_writable)

        def on_message(self, *_: object) -> None: ...

        def on_writable(self) -> None: ...

        def on_close(self, *lost: object) -> None:
            told.append(lost)

    client, _ = link()
    owner = Owner(client.dialed)
    connection, gone = owner.connection, weakref.ref(owner)
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


def test_cut_by_reset_is_seen_as_one(link: Link) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.RESET)
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)
    assert ended_by_reset(peer, secure=client.dialed.secure)


def test_cut_by_close_is_the_close_handshake(link: Link) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.CLOSE)
    peer.send(ws.CloseConnection(1000))
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1000, True)


def test_a_silent_cut_tells_the_peer_nothing(link: Link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    client.connection.cut(Cut.SILENT)
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, True)
    assert not client.connection.send(writer.frame(TEXT, b"x"))
    peer.send(ws.Ping())
    peer.sock.settimeout(0.02)
    with pytest.raises(TimeoutError):
        peer.sock.recv(1)
    assert client.messages.empty()
    peer.sock.settimeout(PATIENCE_S)
    client.connection.release()
    assert ended_by_reset(peer, secure=client.dialed.secure)  # it left the ping unread


def test_cut_from_inside_a_callback_stops_the_batch(link: Link) -> None:
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
def test_on_close_is_called_once_whoever_ended_it(link: Link, first: str) -> None:
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
