"""Servers of the tests, on loopback and in this process' hub: each runs a script for every connection it
gets.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import gevent.event
import gevent.queue
import gevent.server

from wps_load.client.connection import Connection
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.stream import Network
from wps_load.errors import ConnectionLost

PATIENCE_S = 20
"""The longest wait for something that must happen; a test that reaches it has failed."""


class Server:
    """`script(sock, head)` runs for each connection, with the request's head as text; the socket is closed
    after it.
    """

    def __init__(self, script: Callable[[Any, str], None], ssl_context: Any = None) -> None:
        self.heads: list[str] = []
        self._script = script
        options = {} if ssl_context is None else {"ssl_context": ssl_context}
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._serve, **options)

    def _serve(self, sock: Any, _address: object) -> None:
        head = read_head_text(sock)
        self.heads.append(head)
        self._script(sock, head)
        sock.close()

    def __enter__(self) -> Server:
        self._server.start()
        self.port: int = self._server.server_port
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(timeout=0)

    def url(self, scheme: str = "ws", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/client/hubs/bench?access_token=SECRET"


def read_head_text(sock: Any) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(4096)
        if not chunk:
            break
        data += chunk
    return data.decode("latin-1")


def header(head: str, name: str) -> str | None:
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return None


def upgrade_answer(head: str, subprotocol: str | None = None, extra: str = "") -> bytes:
    key = header(head, "Sec-WebSocket-Key")
    assert key is not None
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode()


class Client:
    """A connection to a Server, and the calls of its callbacks."""

    def __init__(self, url: str, network: Network | None = None, **options: Any) -> None:
        self.messages: Any = gevent.queue.Queue()
        self.closed: Any = gevent.event.AsyncResult()
        self.close_calls = 0
        self.writable: Any = gevent.event.Event()
        options.setdefault("on_writable", self.writable.set)
        self.dialed = dial(ConnectSpec(url, timeout_s=PATIENCE_S), network or Network.create(insecure=True))
        on_message = options.pop("on_message", self._on_message)
        self.connection = Connection(self.dialed, on_message, self._on_close, **options)

    def start(self) -> Client:
        self.connection.start(self.dialed.leftover, self.dialed.upgraded_ns)
        return self

    def _on_message(self, opcode: int, payload: bytes, arrival_ns: int) -> None:
        self.messages.put((opcode, payload, arrival_ns))

    def _on_close(self, lost: ConnectionLost, asked: bool) -> None:
        self.close_calls += 1
        self.closed.set((lost, asked))

    def next_message(self) -> tuple[int, bytes]:
        opcode, payload, _ = self.messages.get(timeout=PATIENCE_S)
        return opcode, payload

    def wait_closed(self) -> tuple[ConnectionLost, bool]:
        result: tuple[ConnectionLost, bool] = self.closed.get(timeout=PATIENCE_S)
        return result

    def __enter__(self) -> Client:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.connection.release()
