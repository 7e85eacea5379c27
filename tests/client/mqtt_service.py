"""A Web PubSub of MQTT clients that does what a test says: to the bytes on their way, and to CONNECT."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wsproto import events as ws

from tests.client.connection_peer import Peer
from tests.client.loopback import Server, header, upgrade_answer
from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.protocol.mqtt_packets import (
    PINGRESP,
    V5,
    Bare,
    ConnAck,
    Connect,
    Granted,
    Packet,
    PacketKind,
    Publish,
    Subscribe,
    encode,
)
from wps_load.protocol.mqtt_reader import PacketReader, decode

ACCEPTED = ConnAck()
Framed = Callable[[bytes], Iterable[bytes]]
"""An echo's packet -> the WebSocket frames that take it to the client."""


def whole(packet: bytes) -> Iterable[bytes]:
    return (packet,)


class MqttService:
    """MQTT 5.0. Each publication of QoS 0 comes back to its sender, `framed`.

    `connack`: what answers CONNECT. `subprotocol`: what the upgrade is answered with.
    """

    def __init__(
        self, framed: Framed = whole, *, connack: ConnAck = ACCEPTED, subprotocol: str | None = "mqtt"
    ) -> None:
        self.framed = framed
        self._connack = connack
        self._subprotocol = subprotocol
        self.connections = 0
        self._server = Server(self._serve)

    def _serve(self, sock: Any, head: str) -> None:
        self.connections += 1
        assert header(head, "Sec-WebSocket-Protocol") == "mqtt"
        sock.sendall(upgrade_answer(head, self._subprotocol))
        peer, reader = Peer(sock), PacketReader()
        for event in peer.events():
            if isinstance(event, ws.BytesMessage):
                for packet in reader.feed(bytes(event.data)):
                    self._on_packet(peer, decode(packet, V5), packet)
            elif isinstance(event, ws.CloseConnection):
                peer.send(event.response())
                return

    def _on_packet(self, peer: Peer, packet: Packet, sent: bytes) -> None:
        match packet:
            case Connect():
                self._say(peer, self._connack)
            case Subscribe():
                self._say(peer, Granted(PacketKind.SUBACK, packet.packet_id, (0,)))
            case Publish():
                peer.send(*(ws.BytesMessage(frame) for frame in self.framed(sent)))
            case Bare():
                self._say(peer, PINGRESP)

    def _say(self, peer: Peer, packet: Packet) -> None:
        peer.send(ws.BytesMessage(encode(packet, V5)))

    @property
    def connection_string(self) -> str:
        return f"Endpoint=http://127.0.0.1:{self._server.port};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;"

    def __enter__(self) -> MqttService:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
