"""A Web PubSub of the JSON subprotocol that does what a test says: it may answer, refuse, keep silent or freeze."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from connection_peer import Peer
from loopback import Server, header, upgrade_answer
from wsproto import events as ws

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


class JsonService:
    """`on_message` answers each message. `pongs`: WebSocket pings are answered; `reads`: anything is read at all."""

    def __init__(self, on_message: OnMessage = usual, *, pongs: bool = True, reads: bool = True) -> None:
        self.messages: list[dict[str, Any]] = []
        self.pings = 0
        """WebSocket pings that came."""
        self.connections = 0
        self._on_message = on_message
        self._pongs = pongs
        self._reads = reads
        self._server = Server(self._serve)

    def _serve(self, sock: Any, head: str) -> None:
        self.connections += 1
        simple = header(head, "Sec-WebSocket-Protocol") is None
        sock.sendall(upgrade_answer(head, None if simple else SUBPROTOCOL))
        peer = Peer(sock)
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
                self._on_message(peer, message)
            elif isinstance(event, ws.CloseConnection):
                peer.send(event.response())
                return

    def count(self, kind: str) -> int:
        return sum(message["type"] == kind for message in self.messages)

    @property
    def connection_string(self) -> str:
        return f"Endpoint=http://127.0.0.1:{self._server.port};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"

    def __enter__(self) -> JsonService:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
