"""The server's end of a connection under test, and what fills it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.event
from wsproto import events as ws
from wsproto.connection import Connection as Oracle
from wsproto.connection import ConnectionType

from tests.client.loopback import PATIENCE_S, Client
from wps_load.protocol.frames import FrameWriter

TEXT, BINARY = 1, 2


class Peer:
    """The server's end of one connection: wsproto's frames on a raw socket."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.oracle = Oracle(ConnectionType.SERVER)
        self.ended = gevent.event.Event()

    def send(self, *messages: ws.Event) -> None:
        self.sock.sendall(b"".join(self.oracle.send(message) for message in messages))

    def events(self) -> Iterator[Any]:
        """Whole and partial messages, as they come, until the client's TCP ends."""
        data = b"-"
        while data:
            yield from self.oracle.events()  # also what an earlier call has left
            data = self.sock.recv(65536)
            self.oracle.receive_data(data or None)
        yield from self.oracle.events()

    def next(self) -> Any:
        with gevent.Timeout(PATIENCE_S):
            return next(self.events())


Link = Callable[..., tuple[Client, Peer]]
"""Makes a connection with options of the client, and its peer: the fixture `link`."""


def stall(client: Client, writer: FrameWriter) -> int:
    """Sends to a peer that does not read until the socket is full; returns how many frames were taken."""
    frame = writer.frame(BINARY, b"x" * 65536)
    for count in range(1, 1000):
        assert client.connection.send(frame)
        if not client.connection.writable:
            return count
    raise AssertionError("the kernel took everything")
