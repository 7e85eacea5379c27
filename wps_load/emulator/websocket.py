"""One WebSocket after its upgrade: bytes <-> frames on asyncio's transport, nothing of Web PubSub.

The transport is written to directly. A frame is the same bytes for every receiver, so fan-out costs one
`write` each; uvloop gathers the writes of one tick into one system call per socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol, cast

from wps_load.emulator.server_frames import (
    ConnectionEnd,
    ServerFrameReader,
    build_close,
    build_frame,
    read_close,
)
from wps_load.errors import RemoteProtocolError
from wps_load.protocol.frames import Opcode

SEND_BUFFER_BYTES = 2 * 1024 * 1024
SLOW_CLIENT_GRACE_S = 1.0
SEND_BUFFER_HARD_BYTES = 64 * 1024 * 1024
"""Above the first limit for longer than the grace, or above the second at any time, a slow client is aborted."""

CLOSE_TIMEOUT_S = 5.0
SILENT_PINGS = 3
_PING = build_frame(Opcode.PING, b"")
_CLOSE = int(Opcode.CLOSE)
_RESET = struct.pack("ii", 1, 0)  # struct linger {on, 0 s}: the end of the socket sends RST
_PING_OPCODE = int(Opcode.PING)
_CUT = ConnectionEnd(None, "The connection ended.", by_client=False)


class WebSocketOwner(Protocol):
    """The owner of a link.

    `message` may raise RemoteProtocolError, which closes the link with its code. `batch_end`, if there is one, is
    called after all messages that arrived together.
    """

    batch_end: Callable[[], None] | None

    def message(self, link: Any, opcode: int, payload: bytes) -> None: ...  # Any: the owner knows its own kind of link

    def lost(self, link: WebSocketLink, end: ConnectionEnd) -> None: ...

    def slow_client(self, link: WebSocketLink) -> None: ...


def _nowhere(frame: bytes) -> None:
    """Discards the frames of a link that is not open."""


class WebSocketLink(asyncio.Protocol):
    """`open`: messages may still be written.

    `lost` is reported once, when the socket is gone or the client closed.

    `write` hands a whole frame to the transport and never blocks; on a link that is not open it does nothing. It is the
    transport's own method, except while that is not enough, which saves a call for each delivery.
    """

    __slots__ = (
        "_batch_end",
        "_closing",
        "_feed",
        "_loop",
        "_message",
        "_overfull",
        "_owner",
        "_reader",
        "_silent_pings",
        "_told",
        "_transport",
        "due_ns",
        "open",
        "waiting",
        "write",
    )

    def __init__(self, owner: WebSocketOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.open = True
        self.write: Callable[[bytes], None] = _nowhere
        self.due_ns = 0
        self.waiting = 0
        self._owner = owner
        self._message: Callable[[Any, int, bytes], None] = owner.message
        self._batch_end = owner.batch_end
        self._loop = loop
        self._reader = ServerFrameReader()
        self._feed = self._reader.feed
        self._transport: asyncio.Transport
        self._overfull: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._silent_pings = 0
        self._told = False

    # -- asyncio's side ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        self._silent_pings = 0
        try:
            for opcode, payload in self._feed(data):
                if opcode > 7:
                    self._control(opcode, payload)
                elif self.open:
                    self._message(self, opcode, payload)
            if self._reader.error is not None:
                raise self._reader.error
        except RemoteProtocolError as error:
            self._fail(error)
        if self._batch_end is not None:
            self._batch_end()

    def eof_received(self) -> bool:
        return False  # the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._shut()
        for timer in (self._overfull, self._closing):
            if timer is not None:
                timer.cancel()
        self._tell(_CUT)

    def pause_writing(self) -> None:
        self._overfull = self._loop.call_later(SLOW_CLIENT_GRACE_S, self._too_slow)
        if self.open:
            self.write = self._write_more

    def resume_writing(self) -> None:
        if self._overfull is not None:
            self._overfull.cancel()
            self._overfull = None
        if self.open:
            self.write = self._transport.write

    # -- the hub's side ------------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Starts the close handshake; what was written before still arrives."""
        if self.open:
            self._transport.write(build_close(code, reason))
            self._shut()
            self._closing = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self) -> None:
        """Cuts the socket, as a broken network would: no close frame, nothing flushed."""
        self._shut()
        self._transport.abort()

    def ping(self) -> None:
        """A heartbeat. A peer that has not answered several of them is given up."""
        if self._silent_pings >= SILENT_PINGS:
            self.abort()
        elif self.open:
            self._silent_pings += 1
            self._transport.write(_PING)

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # ------------------------------------------------------------------------------------------------------

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING_OPCODE and self.open:
            self._transport.write(build_frame(Opcode.PONG, payload))
        elif opcode == _CLOSE:
            code, reason = read_close(payload)
            if self.open:
                self._transport.write(build_close(1000 if code == 1005 else code))
                self._shut()
            self._transport.close()
            self._tell(ConnectionEnd(code, reason, by_client=True))

    def _fail(self, error: RemoteProtocolError) -> None:
        """Sends the reason and hangs up.

        Half-closed first: an outright close with unread data would reset the close frame.
        """
        if self._closing is None:
            self.close(error.close_code, str(error))
            self._tell(ConnectionEnd(error.close_code, str(error), by_client=False))
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _shut(self) -> None:
        self.open = False
        self.write = _nowhere

    def _write_more(self, frame: bytes) -> None:
        """Writes to a peer that does not keep up."""
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > SEND_BUFFER_HARD_BYTES:
            self._too_slow()

    def _too_slow(self) -> None:
        """Resets the connection: unread data would delay an orderly end for as long as the client reads."""
        self._overfull = None
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._owner.slow_client(self)
        self.abort()

    def _tell(self, end: ConnectionEnd) -> None:
        if not self._told:
            self._told = True
            self._owner.lost(self, end)
