from __future__ import annotations

import socket
import struct

import gevent
from wsproto import events as ws

from tests.client.connection_peer import BINARY, TEXT, Link, stall
from tests.client.loopback import PATIENCE_S, Client, Server, upgrade_answer
from wps_load.clock import now_ns
from wps_load.protocol.frames import FrameWriter

MIB = 1 << 20


# -- reading ----------------------------------------------------------------


def test_messages_arrive_whole_and_in_order(link: Link) -> None:
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
    assert client.connection.bytes_received > 70_000


def test_arrival_is_taken_before_the_callback(link: Link) -> None:
    client, peer = link()
    client.start()
    sent_ns = now_ns()
    peer.send(ws.TextMessage("a"))
    _, _, arrival_ns = client.messages.get(timeout=PATIENCE_S)
    assert sent_ns <= arrival_ns <= now_ns()


def test_what_came_before_start_is_not_lost(link: Link) -> None:
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


def test_frames_cut_anywhere_are_put_together(link: Link) -> None:
    client, peer = link()
    client.start()
    data = peer.oracle.send(ws.TextMessage("h" * 200)) + peer.oracle.send(ws.BytesMessage(b"b"))
    for byte in data:
        peer.sock.sendall(bytes([byte]))
        gevent.sleep(0)
    assert client.next_message() == (TEXT, b"h" * 200)
    assert client.next_message() == (BINARY, b"b")


def test_one_flooding_connection_leaves_the_hub_to_others(link: Link) -> None:
    flooded, flooding = link()
    quiet, calm = link()
    flooded.start()
    quiet.start()
    gevent.spawn(flooding.send, *[ws.BytesMessage(b"x" * 1000)] * 4000)
    calm.send(ws.TextMessage("me too"))
    assert quiet.next_message() == (TEXT, b"me too")
    assert flooded.messages.qsize() < 4000


def test_a_limited_reader_takes_the_time_its_rate_asks_for(link: Link) -> None:
    client, peer = link()
    client.connection.limit_reading(10_000)
    client.start()
    began_ns = now_ns()
    peer.send(ws.BytesMessage(b"x" * 3000))
    client.next_message()
    assert now_ns() - began_ns > 0.15e9


# -- writing ----------------------------------------------------------------


def test_frames_leave_at_once(link: Link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    frame = writer.frame(TEXT, b"hello")
    assert client.connection.send(frame)
    outbox = client.connection.outbox
    assert (outbox.bytes_sent, outbox.stalls) == (len(frame), 0)
    assert peer.next() == ws.TextMessage("hello")


def test_a_stalled_peer_is_counted_bounded_and_recovers(link: Link, writer: FrameWriter) -> None:
    client, peer = link(send_buffer_bytes=3 * 65536)
    client.start()
    taken = stall(client, writer)
    outbox = client.connection.outbox
    frame = writer.frame(BINARY, b"y" * 65536)
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
    assert outbox.bytes_sent == taken * len(frame)
    assert (client.connection.unsent_frames, outbox.kept_bytes) == (0, 0)
    stalled_ns = outbox.stalled_ns
    assert stalled_ns > 0
    assert outbox.stalled_ns == stalled_ns  # the clock stopped with the stall


def test_unsent_frames_are_known_when_a_stalled_peer_is_lost(link: Link, writer: FrameWriter) -> None:
    client, peer = link()
    client.start()
    taken = stall(client, writer)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.ended.set()
    lost, asked = client.wait_closed()
    assert (lost.code, asked) == (1006, False)
    left_whole = client.connection.outbox.bytes_sent // len(writer.frame(BINARY, b"x" * 65536))
    assert client.connection.unsent_frames == taken - left_whole > 0
    assert not client.connection.send(b"more")


def test_a_frame_above_the_bound_is_taken_when_nothing_is_kept(link: Link, writer: FrameWriter) -> None:
    client, peer = link(send_buffer_bytes=1000)
    client.start()
    assert client.connection.send(writer.frame(BINARY, b"z" * 16 * MIB))
    assert not client.connection.send(b"more")
    received, messages = 0, peer.events()
    with gevent.Timeout(PATIENCE_S):
        while received < 16 * MIB:
            received += len(next(messages).data)
    assert client.writable.wait(PATIENCE_S)


def test_pings_of_a_peer_that_does_not_read_pile_up_no_further_than_the_bound(link: Link, writer: FrameWriter) -> None:
    client, peer = link(send_buffer_bytes=65536)
    client.start()
    stall(client, writer)
    pings = [ws.Ping(b"p" * 100)] * 2000
    peer.send(*pings, ws.TextMessage("done"))
    assert client.next_message() == (TEXT, b"done")
    assert client.connection.outbox.kept_bytes <= 2 * 65536 + 200
