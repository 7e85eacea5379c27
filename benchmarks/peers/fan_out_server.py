"""A minimal Web PubSub for what the C server cannot: groups, protobuf, TLS. It must be faster than its receivers.

What is published at the same time is joined and written to each member of the group in one piece, as a service's
gateway does under load: so receivers get several messages a read, and the server's cost for a delivery is a fraction
of a system call. No tokens, no permissions, no checks.

    python -m benchmarks.peers.fan_out_server COUNTERS_FILE spin|sleep|GATHER [CERT KEY]        prints the port

GATHER: so many messages of a group make a piece (or fewer after 5 ms), that what is compared gets the same pieces.
Else it is what came in one turn of the loop.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import mmap
import resource
import ssl
import struct
import sys
from collections.abc import Callable
from typing import cast

import orjson
import uvloop

from wps_load.emulator.server_frames import BINARY, TEXT, ServerFrameReader, build_close, build_frame
from wps_load.protocol import webpubsub_pb2 as pb

GATHER_LIMIT_S = 0.005
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SEND = b'{"type":"sendToGroup","group":"'
_MESSAGE = b'{"type":"message","from":"group","fromUserId":"bench","group":"'
_CONNECTED = b'{"type":"system","event":"connected","userId":"bench","connectionId":"bench"}'


class Hub:
    """Groups, and what was published to them and not written yet. `counters`: [messages, connections]."""

    def __init__(self, loop: asyncio.AbstractEventLoop, counters: mmap.mmap, gather: int) -> None:
        self._loop = loop
        self._gather = gather
        self._counters = counters
        self._due: dict[bytes, list[bytes]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.groups: dict[bytes, list[asyncio.Transport]] = {}
        self.messages = 0
        self.connections = 0

    def publish(self, group: bytes, frame: bytes) -> None:
        if not self._due:
            delay_s = GATHER_LIMIT_S if self._gather else 0
            self._timer = self._loop.call_later(delay_s, self._flush)
        frames = self._due.setdefault(group, [])
        frames.append(frame)
        if len(frames) == self._gather:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due, self._due = self._due, {}
        for group, frames in due.items():
            piece = b"".join(frames)
            members = self.groups.get(group, ())
            for transport in members:
                transport.write(piece)
            self.messages += len(frames) * len(members)
        self.count()

    def spin(self) -> None:
        """Keeps the loop polling while anybody is connected; why, echo_server.c says."""
        if self.connections:
            self._loop.call_soon(self.spin)
        else:
            self._loop.call_later(0.1, self.spin)

    def count(self) -> None:
        struct.pack_into("QQ", self._counters, 0, self.messages, self.connections)


class Peer(asyncio.Protocol):
    """One connection. The subprotocol is the offered one."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._head = b""
        self._reader = ServerFrameReader()
        self._joined: list[bytes] = []
        self._answer: Callable[[bytes], None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self._head += data
            if self._head.endswith(b"\r\n\r\n"):
                self._upgrade(self._head)
            return
        for opcode, payload in self._reader.feed(data):
            if opcode in (TEXT, BINARY):
                answer(payload)
            elif opcode == 8:
                self._transport.write(build_close(1000))
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        hub = self._hub
        for group in self._joined:
            hub.groups[group].remove(self._transport)
        if self._answer is not None:
            hub.connections -= 1
            hub.count()

    def _upgrade(self, head: bytes) -> None:
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + _GUID).digest())
        subprotocol = headers[b"sec-websocket-protocol"]
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: %b\r\n\r\n" % (accept, subprotocol)
        )
        if subprotocol.startswith(b"json"):
            self._answer = self._json
            self._transport.write(build_frame(TEXT, _CONNECTED))
        else:
            self._answer = self._protobuf
            hello = pb.DownstreamMessage()
            hello.system_message.connected_message.connection_id = "bench"
            self._transport.write(build_frame(BINARY, hello.SerializeToString()))
        self._hub.connections += 1
        self._hub.count()

    def _join(self, group: bytes) -> None:
        self._joined.append(group)
        self._hub.groups.setdefault(group, []).append(self._transport)

    def _json(self, payload: bytes) -> None:
        if payload.startswith(_SEND):
            rest = payload[len(_SEND) :]
            self._hub.publish(rest[: rest.index(b'"')], build_frame(TEXT, _MESSAGE + rest))
            return
        message = orjson.loads(payload)
        if message["type"] == "joinGroup":
            self._join(message["group"].encode())
        ack = {"type": "ack", "ackId": message["ackId"], "success": True}
        self._transport.write(build_frame(TEXT, orjson.dumps(ack)))

    def _protobuf(self, payload: bytes) -> None:
        message = pb.UpstreamMessage.FromString(payload)
        down = pb.DownstreamMessage()
        if message.HasField("send_to_group_message"):
            sent = message.send_to_group_message
            setattr(down.data_message, "from", "group")
            down.data_message.group = sent.group
            down.data_message.data.CopyFrom(sent.data)
            self._hub.publish(sent.group.encode(), build_frame(BINARY, down.SerializeToString()))
            return
        if message.HasField("join_group_message"):
            self._join(message.join_group_message.group.encode())
        down.ack_message.ack_id = message.join_group_message.ack_id
        down.ack_message.success = True
        self._transport.write(build_frame(BINARY, down.SerializeToString()))


async def serve(counters: mmap.mmap, tls: ssl.SSLContext | None, patience: str) -> None:
    loop = asyncio.get_running_loop()
    hub = Hub(loop, counters, int(patience) if patience.isdigit() else 0)
    if patience == "spin":
        hub.spin()
    server = await loop.create_server(lambda: Peer(hub), "127.0.0.1", 0, ssl=tls, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    with open(sys.argv[1], "r+b") as file:
        counters = mmap.mmap(file.fileno(), 16)
    tls = None
    if len(sys.argv) > 3:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(sys.argv[3], sys.argv[4])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    uvloop.run(serve(counters, tls, sys.argv[2]))


if __name__ == "__main__":
    main()
