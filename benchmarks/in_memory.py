"""One simulated client whose socket, once it is connected, is memory: the whole way of a message, without the kernel.

What `publish` sends goes to `sent`, and what `receive` is given is what the socket's next read returns. The insides
of Connection that are replaced for it are two functions: `_recv`, and the outbox's `_write`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import gevent
import gevent.server

from wps_load.auth import DEFAULT_EMULATOR_KEY
from wps_load.client.epochs import Epoch
from wps_load.clock import now_ns
from wps_load.emulator.server_frames import BINARY, ServerFrameReader, build_frame
from wps_load.emulator.subprotocols import WIRES
from wps_load.emulator.wires import RoutedMessage
from wps_load.protocol.codecs import CODECS
from wps_load.protocol.messages import SendToGroup
from wps_load.protocol.mqtt_packets import V5, Granted, PacketKind, encode
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.engines import make_engine
from wps_load.workload.values import Share

DATA_BYTES = 128
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def four_populations(config: RunConfig) -> RunConfig:
    """The first has all users."""
    others = ("idle", "idle", "broadcast")
    nobody = Share(count=0)
    return replace(
        config,
        mix="bench",
        populations=(
            replace(config.population, name="first"),
            *(
                replace(config.population, name=f"other-{at}", scenario=scenario, users=nobody, slos=())
                for at, scenario in enumerate(others)
            ),
        ),
    )


class Client:
    """Connected, joined and publishing, 128 bytes of text; its schedule is so slow that nothing is due by itself."""

    def __init__(self, protocol: str, *, mixed: bool = False) -> None:
        """`mixed`: its population is one of four, and an app server's broadcast reaches it, too."""
        self._wire = next(wire for wire in WIRES if wire.name == protocol)
        self._is_mqtt = CODECS[protocol].traits.is_mqtt
        self._server = gevent.server.StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        endpoint = f"http://127.0.0.1:{self._server.server_port}"
        options = {
            "wps_connection_string": f"Endpoint={endpoint};AccessKey={DEFAULT_EMULATOR_KEY};Version=1.0;",
            "wps_protocol": protocol,
            "wps_payload": f"{DATA_BYTES}B",
            "wps_seed": "1",
            "wps_rate": "0.001",
        }
        config = load(options, users=1, spawn_rate=1, environ={})
        if mixed:
            config = four_populations(config)
        self.engine = make_engine(config, lambda *_: None, run_id="bench", number=1, users=1)
        member = self.engine.admit(0, 0, now_ns())
        self.engine.announce(Epoch(1, now_ns(), 1 << 62))
        self._life = gevent.spawn(member.run)
        while not (self.engine.status.settled and self.engine.run.epochs.number):
            gevent.sleep(0.001)
        assert member.link is not None
        assert member.publisher is not None
        self._publisher = member.publisher
        connection = member.link.connection
        self.sent: list[bytes] = []
        self._incoming = b""
        connection._recv = lambda _size: self._incoming
        connection.outbox._write = self._write
        self._readable = connection._on_readable

    def publish(self) -> None:
        self._publisher.publish(now_ns())

    def receive(self, data: bytes) -> None:
        self._incoming = data
        self._readable()

    def deliveries(self, count: int) -> list[bytes]:
        """Publishes, and gives the frames in which the service would bring the messages back."""
        self.sent.clear()
        for _ in range(count):
            self.publish()
        found = []
        for opcode, payload in ServerFrameReader().feed(b"".join(self.sent)):
            sent = self._wire.decode(opcode, payload)
            assert isinstance(sent, SendToGroup)
            data = sent.data if isinstance(sent.data, bytes) else str(sent.data).encode()
            message = RoutedMessage("group", sent.group, "bench", sent.data_type, data, mqtt=sent.mqtt)
            found.append(self._wire.message(message, None))
        self.sent.clear()
        return found

    def close(self) -> None:
        self._life.kill()
        self._server.stop()
        self.engine.close()

    def _write(self, frame: bytes | memoryview) -> int:
        self.sent.append(bytes(frame))
        return len(frame)

    def _serve(self, sock: Any, _address: object) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(4096)
        lines = (line.partition(": ") for line in head.decode().split("\r\n"))
        headers = {name.lower(): value for name, _, value in lines}
        digest = hashlib.sha1((headers["sec-websocket-key"] + _GUID).encode()).digest()
        sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {headers['sec-websocket-protocol']}\r\n\r\n".encode()
            + self._wire.connected("bench", "bench", None)
        )
        reader, awaited = ServerFrameReader(), 2 if self._is_mqtt else 1  # the join, behind MQTT's CONNECT
        while awaited > 0:
            awaited -= len(list(reader.feed(sock.recv(4096))))
        if self._is_mqtt:
            sock.sendall(build_frame(BINARY, encode(Granted(PacketKind.SUBACK, 1, (0,)), V5)))
        else:
            sock.sendall(self._wire.ack(1, None, ""))
        gevent.sleep(3600)
