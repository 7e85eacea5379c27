"""One WebSocket connection after its upgrade: non-blocking I/O, called back in gevent's hub (RFC 6455).

No greenlet waits here: the hub calls `_on_readable`, which reads what is there, takes the time **before** decoding, and
calls the owner for each message. A callback must not block, and no exception reaches the hub.

    OPEN -> CLOSING (we sent a close frame) -> LINGERING (both sides are done; the server closes TCP first) ->
    CLOSED
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import struct
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any, Final

import gevent

from wps_load.client.dial import Dialed
from wps_load.client.ends import broken_by, ended_by_peer, ended_by_us
from wps_load.client.oneshot import OneShot
from wps_load.client.outbox import Outbox
from wps_load.client.predicted import NOTHING, Predicted
from wps_load.clock import now_ns
from wps_load.errors import ConnectionLost, RemoteProtocolError
from wps_load.protocol.frames import (
    DEFAULT_MAX_MESSAGE_BYTES,
    NO_STATUS,
    FrameReader,
    Opcode,
    encode_close,
    encode_frame,
    parse_close,
)

OnMessage = Callable[[int, bytes, int], None]
"""(opcode, payload, arrival_ns): one text or binary message, whole."""
OnClose = Callable[[ConnectionLost, bool], None]
"""(how it ended and by whom, whether we requested it). An error of our own code is the `__cause__`."""

_READ: Final = 1  # libev's EV_READ
_CHUNK_BYTES: Final = 64 * 1024
"""The most that one callback reads: some 400 small messages, so that no connection delays the others for long."""
_LINGER_S: Final = 2.0
_SILENCE_S: Final = 60.0
"""How long a silent cut keeps its descriptor: longer than the service keeps a connection's state for recovery."""
_RETRY_S: Final = 0.01
_SLOWEST_CHUNKS_PER_S: Final = 10
_RESET = struct.pack("ii", 1, 0)  # struct linger {on, 0 s}: close() sends RST

_log = logging.getLogger(__name__)


class _State(IntEnum):
    OPEN = 0
    CLOSING = 1
    LINGERING = 2
    CLOSED = 3


_CLOSED: Final = _State.CLOSED


class Cut(StrEnum):
    """How a connection is broken on purpose. `CLOSE`: by the handshake. `SILENT`: the peer hears nothing any more."""

    RESET = "reset"
    CLOSE = "close"
    SILENT = "silent"


def log_bug(bug: Exception) -> None:
    """Logs an exception of a callback with its traceback; the default for owners without a handler."""
    _log.error("a callback of a connection failed: this is a bug of wps-load", exc_info=bug)


class Connection:
    """One established connection. Make it from the result of `dial`, then `start` it.

    `on_message` and `on_writable` are called in the hub; `on_close` exactly once, in the hub or from `cut`. For the
    frame that is `predicted`, its `came` is called instead of `on_message`. A RemoteProtocolError raised by
    `on_message` (a subprotocol was broken) closes the connection with its code; any other exception goes to `on_bug`
    and closes it with 1011. Times are ns, sizes bytes.
    """

    __slots__ = (
        "_asked",
        "_chunk_bytes",
        "_close_timeout_s",
        "_feed",
        "_loop",
        "_on_bug",
        "_on_close",
        "_on_message",
        "_on_writable",
        "_predicted",
        "_read_rate",
        "_read_timer",
        "_reader",
        "_recv",
        "_reported",
        "_secure",
        "_sock",
        "_state",
        "_timer",
        "_watcher",
        "bytes_received",
        "outbox",
        "send",
    )

    def __init__(
        self,
        dialed: Dialed,
        on_message: OnMessage,
        on_close: OnClose,
        predicted: Predicted | None = None,
        *,
        on_writable: Callable[[], None] | None = None,
        on_bug: Callable[[Exception], None] = log_bug,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        send_buffer_bytes: int = 1 << 20,
        close_timeout_s: float = 5.0,
    ) -> None:
        self._sock = sock = dialed.sock
        self._secure = dialed.secure
        self._on_message = on_message
        self._on_close = on_close
        self._on_writable = on_writable
        self._predicted = predicted or NOTHING
        self._on_bug = on_bug
        self._close_timeout_s = close_timeout_s
        self._loop = loop = gevent.get_hub().loop
        # gevent's sockets wait in Python; the objects below them don't, and are several times cheaper to call
        raw = sock._sslobj if dialed.secure else sock._sock
        self._recv: Callable[[int], bytes] = raw.read if dialed.secure else raw.recv
        write = raw.write if dialed.secure else raw.send
        self.outbox = Outbox(loop, sock.fileno(), write, self._on_broken, self._drained, send_buffer_bytes)
        self.send = self.outbox.send  # not a method: one call less for each message
        self._reader = FrameReader(max_message_bytes)
        self._feed = self._reader.feed
        self._watcher: Any = loop.io(sock.fileno(), _READ)
        self._state = _State.OPEN
        self._asked = False
        self._reported = False
        self._chunk_bytes = _CHUNK_BYTES
        self._read_rate = 0.0
        self._timer = OneShot(loop)
        self._read_timer = OneShot(loop)
        self.bytes_received = 0

    # -- for the owner ---------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether messages may be sent."""
        return self._state is _State.OPEN

    @property
    def writable(self) -> bool:
        return self.outbox.writable

    @property
    def unsent_frames(self) -> int:
        """The frames that `send` accepted and that have not left completely; final in `on_close`."""
        return self.outbox.unsent_frames

    def start(self, leftover: bytes, arrival_ns: int) -> None:
        """Begins to read.

        `leftover` came with the upgrade's answer, at `arrival_ns`; `on_message` may be called for it before this
        returns.
        """
        if leftover:
            self._take(leftover, arrival_ns)
        self._watch()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Starts the close handshake, after the frames that are still to be sent.

        Messages still arrive until the peer answers, within the time limit. No effect if the connection is ending
        already.
        """
        if self._state is not _State.OPEN:
            return
        self._asked = True
        self._state = _State.CLOSING
        self.outbox.finish(_control(Opcode.CLOSE, encode_close(code, reason)), drop=False)
        self._timer.start(self._close_timeout_s, self._on_no_answer)

    def cut(self, kind: Cut, lost: ConnectionLost | None = None) -> None:
        """Breaks the connection and calls `on_close` once (`CLOSE`: later). `lost`: why, if it is not our wish."""
        if kind is Cut.CLOSE:
            self.close()
            return
        if self._state is _CLOSED:
            return
        self._asked = self._asked or not (self._reported or lost)
        if kind is Cut.SILENT:
            self._state = _CLOSED
            self._stop_io()
            self._timer.start(_SILENCE_S, self.release)
        else:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.release()
        self._report(lost or ConnectionLost(1006))

    def release(self) -> None:
        """Frees the descriptor, even that of a silent cut. `on_close` is not called."""
        self._state = _CLOSED
        self._stop_io()
        self._timer.stop()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def limit_reading(self, bytes_per_s: float) -> None:
        """Reads slowly: a small piece, then a pause. The kernel's buffer, which would hide that, is made small."""
        self._read_rate = bytes_per_s
        self._chunk_bytes = max(1, min(_CHUNK_BYTES, int(bytes_per_s / _SLOWEST_CHUNKS_PER_S)))
        if self._sock is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    # -- reading ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._state is _CLOSED:
            return
        self._watcher.start(self._on_readable)
        if self._secure:  # TLS may hold decrypted bytes that no descriptor reports: read once before waiting
            self._loop.run_callback(self._read_unless_stopped)

    def _read_unless_stopped(self) -> None:
        if self._watcher is not None and self._watcher.active:
            self._on_readable()

    def _on_readable(self) -> None:
        recv = self._recv  # a function in a slot gets a local name first: CPython then calls it at half the cost
        try:
            data = recv(self._chunk_bytes)
        except OSError as error:
            self._on_read_error(error)
            return
        arrival_ns = now_ns()
        if not data:
            self._lost("TCP was closed")
            return
        self.bytes_received += len(data)
        self._take(data, arrival_ns)
        if self._read_rate:
            self._rest(len(data) / self._read_rate)

    def _take(self, data: bytes, arrival_ns: int) -> None:
        on_message, feed = self._on_message, self._feed
        try:
            predicted = self._predicted
            if data == predicted.frame and self._reader.between_messages() and predicted.came(arrival_ns):
                return
            for opcode, payload in feed(data):
                if opcode < 0x8:
                    on_message(opcode, payload, arrival_ns)
                else:
                    self._on_control(opcode, payload)
                if self._state is _CLOSED:  # cut from inside the callback
                    return
        except RemoteProtocolError as error:
            self._fail(error.close_code, error)
        except Exception as bug:
            self._on_bug(bug)
            self._fail(1011, bug)
        if self._reader.error is not None:
            self._fail(self._reader.error.close_code, self._reader.error)

    def _on_read_error(self, error: OSError) -> None:
        if isinstance(error, BlockingIOError | ssl.SSLWantReadError):
            return
        if isinstance(error, ssl.SSLWantWriteError):  # TLS must send something first, and the socket is full
            self._rest(_RETRY_S)
            return
        self._lost(broken_by(error))

    def _rest(self, seconds: float) -> None:
        if self._state >= _State.LINGERING:
            return
        self._watcher.stop()
        self._read_timer.start(seconds, self._rested)

    def _rested(self) -> None:
        """A reset ends a slow reader at once, as poll() would report it, whatever it still has to read."""
        broken = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self._sock is not None else 0
        if broken:
            self._lost(broken_by(OSError(broken, os.strerror(broken))))
        else:
            self._watch()

    def _on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING:
            if self._state is _State.OPEN:  # nothing follows a close frame
                self.outbox.send_control(_control(Opcode.PONG, payload))
        elif opcode == Opcode.CLOSE:
            code, reason = parse_close(payload)
            answer = b"" if code == NO_STATUS else encode_close(code)
            self._end(ended_by_peer(code, reason), answer)

    # -- endings ---------------------------------------------------------------------------------------------

    def _fail(self, close_code: int, cause: Exception) -> None:
        """The peer broke the protocol, or our own callback failed: closes with the code (RFC 6455 section 7.1.7)."""
        if self._state >= _State.LINGERING:
            return
        lost = ended_by_us(close_code, cause)
        self._end(lost, encode_close(close_code, lost.reason))

    def _end(self, lost: ConnectionLost, close_payload: bytes) -> None:
        """Nothing more comes or goes: answers, reports, and leaves the closing of TCP to the server for a while.

        Section 7.1.1 demands that, and it also spares this machine's ports.
        """
        if self._state >= _State.LINGERING:
            return
        answer_due = self._state is _State.OPEN
        self._state = _State.LINGERING
        if answer_due:
            self.outbox.finish(_control(Opcode.CLOSE, close_payload), drop=True)
        self._timer.start(_LINGER_S, self.release)
        self._read_rate = 0.0
        self._chunk_bytes = _CHUNK_BYTES
        self._feed = _nothing
        self._predicted = NOTHING
        self._report(lost)
        self._watch()

    def _lost(self, how: str) -> None:
        self.release()
        self._report(ConnectionLost(1006, how))

    def _on_no_answer(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._lost("the peer did not answer our close frame")

    def _on_broken(self) -> None:
        """A write failed. What the peer sent before may still be readable, including a close frame with its reason."""
        for _ in range(64):
            if self._state >= _State.LINGERING:
                break
            before = self.bytes_received
            self._on_readable()
            if self.bytes_received == before:
                break
        if self._state is not _CLOSED:
            self._lost("what was sent could not leave")

    def _report(self, lost: ConnectionLost) -> None:
        if self._reported:
            return
        self._reported = True
        try:
            self._on_close(lost, self._asked)
        except Exception as bug:
            self._on_bug(bug)
        self._on_message = lambda *_: None  # the owner refers to us: avoid a cycle for the garbage collector
        self._on_close = lambda *_: None
        self._on_writable = None

    # -- housekeeping ----------------------------------------------------------------------------------------

    def _drained(self) -> None:
        if self._on_writable is None:
            return
        try:
            self._on_writable()
        except Exception as bug:
            self._on_bug(bug)
            self._fail(1011, bug)

    def _stop_io(self) -> None:
        self.outbox.stop()
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        self._read_timer.stop()


def _control(opcode: int, payload: bytes) -> bytes:
    return encode_frame(opcode, payload, os.urandom(4))


def _nothing(data: bytes) -> list[tuple[int, bytes]]:
    """Replaces the reader when nobody needs it any more."""
    return []
