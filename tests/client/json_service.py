"""A Web PubSub of the JSON subprotocol that does what a test says: it may answer, refuse, keep silent or freeze."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

from wsproto import events as ws

from tests.client.connection_peer import Peer
from tests.client.loopback import Server, header, upgrade_answer
from wps_load.auth import DEFAULT_EMULATOR_KEY

SUBPROTOCOL = "json.webpubsub.azure.v1"
OnMessage = Callable[[Peer, dict[str, Any]], None]


def say(peer: Peer, **fields: Any) -> None:
    """One message to the client."""
    peer.send(ws.TextMessage(json.dumps(fields)))


def ack(peer: Peer, message: dict[str, Any]) -> None:
    if "ackId" in message:
        say(peer, type="ack", ackId=message["ackId"], success=True)


def echo(peer: Peer, message: dict[str, Any]) -> None:
    """To the sender: it is the only member of its group."""
    if message["type"] == "sendToGroup":
        fields = {name: message[name] for name in ("group", "dataType", "data")}
        say(peer, type="message", **{"from": "group"}, fromUserId="u", **fields)


def usual(peer: Peer, message: dict[str, Any]) -> None:
    """What the service does, but for ping messages."""
    echo(peer, message)
    ack(peer, message)


def accepted(_: JsonService, body: str) -> int | None:
    return 202


class JsonService:
    """`on_message` answers each message. `pongs`: WebSocket pings are answered; `reads`: anything is read at all.

    `on_rest(service, body)`: the status that answers a REST send; None: no answer, ever.
    """

    def __init__(
        self,
        on_message: OnMessage = usual,
        *,
        pongs: bool = True,
        reads: bool = True,
        on_rest: Callable[[JsonService, str], int | None] = accepted,
    ) -> None:
        self.peers: list[Peer] = []
        self._on_rest = on_rest
        self.messages: list[dict[str, Any]] = []
        self.pings = 0
        """WebSocket pings that came."""
        self.connections = 0
        self.on_message = on_message
        self._pongs = pongs
        self._reads = reads
        self._server = Server(self.serve)

    def _rest(self, sock: Any, head: str) -> None:
        body = head.partition("\r\n\r\n")[2]
        while len(body) < int(header(head, "Content-Length") or 0):
            body += sock.recv(65536).decode()
        status = self._on_rest(self, body)
        if status is None:
            sock.recv(1)  # until the client has had enough
        else:
            sock.sendall(f"HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def broadcast(self, data: str) -> None:
        for peer in self.peers:
            say(peer, type="message", **{"from": "server"}, dataType="text", data=data)

    def serve(self, sock: Any, head: str) -> None:
        if head.startswith("POST"):
            self._rest(sock, head)
            return
        self.connections += 1
        simple = header(head, "Sec-WebSocket-Protocol") is None
        sock.sendall(upgrade_answer(head, None if simple else SUBPROTOCOL))
        peer = Peer(sock)
        self.peers.append(peer)
        if not simple:
            say(peer, type="system", event="connected", userId="u", connectionId=f"c{self.connections}")
        if not self._reads:
            peer.ended.wait()
        for event in peer.events():
            if isinstance(event, ws.Ping):
                self.pings += 1
                if self._pongs:
                    peer.send(event.response())
            elif isinstance(event, ws.TextMessage):
                message = json.loads(event.data)
                self.messages.append(message)
                self.on_message(peer, message)
            elif isinstance(event, ws.CloseConnection):
                peer.send(event.response())
                return

    def count(self, kind: str) -> int:
        return sum(message["type"] == kind for message in self.messages)

    @property
    def connection_string(self) -> str:
        return f"Endpoint=http://127.0.0.1:{self._server.port};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
