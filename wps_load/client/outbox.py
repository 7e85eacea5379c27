"""The sending half of a connection: writes at once, keeps what the kernel does not accept, and counts stalls.

Never blocks, never raises. The write itself is a raw socket's `send` or a TLS object's `write`.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from wps_load.clock import now_ns

_WRITE: Final = 2
"""libev's EV_WRITE."""


class Outbox:
    """Frames on their way out of one connection.

    `on_error()` is called, at most once and from the hub, if the socket is broken; `on_writable()`, from the hub, when
    everything kept has left. At most `bound_bytes` are kept, or one frame if that is longer.
    """

    __slots__ = (
        "_backlog",
        "_bound_bytes",
        "_broken",
        "_dropped_frames",
        "_fd",
        "_loop",
        "_offset",
        "_on_error",
        "_on_writable",
        "_stall_began_ns",
        "_stalled_ns",
        "_watcher",
        "_write",
        "bytes_sent",
        "kept_bytes",
        "stalls",
        "writable",
    )

    def __init__(
        self,
        loop: Any,
        fd: int,
        write: Callable[[bytes | memoryview], int],
        on_error: Callable[[], None],
        on_writable: Callable[[], None] | None,
        bound_bytes: int,
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._write = write
        self._on_error = on_error
        self._on_writable = on_writable
        self._bound_bytes = bound_bytes
        self._backlog: deque[tuple[bytes, bool]] | None = None  # (frame, is data); made for the first stall
        self._offset = 0  # how much of the backlog's first frame has left
        self._watcher: Any = None
        self._broken = False
        self._dropped_frames = 0
        self._stall_began_ns: int | None = None
        self._stalled_ns = 0
        self.writable = True
        """False while something is kept or the connection is ending: hold messages back, unencoded."""
        self.kept_bytes = 0
        self.stalls = 0
        """How often the kernel accepted no more: the peer, or the path to it, did not keep up."""
        self.bytes_sent = 0

    @property
    def stalled_ns(self) -> int:
        """Time spent stalled so far, including a present stall."""
        began_ns = self._stall_began_ns
        return self._stalled_ns + (0 if began_ns is None else now_ns() - began_ns)

    @property
    def unsent_frames(self) -> int:
        """Data frames that were accepted and have not left completely."""
        kept = sum(data for _, data in self._backlog) if self._backlog else 0
        return kept + self._dropped_frames

    def send(self, frame: bytes) -> bool:
        """Sends one data frame. False: it was refused, and no part of it has left or ever will."""
        if not self.writable:
            return self._keep(frame)
        write = self._write  # local names, see Connection._on_readable
        try:
            sent = write(frame)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            self._break()
            return False
        self.bytes_sent += sent
        if sent < len(frame):
            self._stall(frame, sent, data=True)
        return True

    def send_control(self, frame: bytes) -> None:
        """Sends a control frame after what is kept. Dropped if the buffer is full: a pong may be (section 5.5.3)."""
        if self._broken:
            return
        if self._backlog:
            if self.kept_bytes < self._bound_bytes:
                self._append(frame, data=False)
            return
        try:
            sent = self._write(frame)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            self._break()
            return
        self.bytes_sent += sent
        if sent < len(frame):
            self._stall(frame, sent, data=False)

    def finish(self, close_frame: bytes, *, drop: bool) -> None:
        """Sends the close frame as the last one, after what is kept.

        `drop`: instead of it, except for the rest of a frame that has left in part, which must go first.
        """
        self.writable = False
        if self._broken:
            return
        if drop:
            self._drop()
        if self._backlog:
            self._append(close_frame, data=False)
        else:
            self.send_control(close_frame)
        self._bound_bytes = 0  # nothing follows a close frame

    def stop(self) -> None:
        """Ends all writing. Counters and `unsent_frames` stay readable."""
        self.writable = False
        self._broken = True
        self._stall_ended()
        self._on_error = _nothing  # avoid a cycle with the owner, which must be freed without the garbage collector
        self._on_writable = None
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _keep(self, frame: bytes) -> bool:
        if self._broken or not self._backlog or self.kept_bytes + len(frame) > self._bound_bytes:
            return False
        self._append(frame, data=True)
        return True

    def _drop(self) -> None:
        """Discards what is kept, except for the rest of a frame that has left in part."""
        backlog = self._backlog
        keep = 1 if self._offset else 0
        while backlog and len(backlog) > keep:
            frame, data = backlog.pop()
            self.kept_bytes -= len(frame)
            self._dropped_frames += data

    def _append(self, frame: bytes, *, data: bool) -> None:
        assert self._backlog is not None
        self._backlog.append((frame, data))
        self.kept_bytes += len(frame)

    def _stall(self, frame: bytes, sent: int, *, data: bool) -> None:
        self.writable = False
        self.stalls += 1
        self._stall_began_ns = now_ns()
        self._offset = sent
        self._backlog = deque([(frame, data)])
        self.kept_bytes = len(frame) - sent
        if self._watcher is None:
            self._watcher = self._loop.io(self._fd, _WRITE)
        self._watcher.start(self._flush)

    def _stall_ended(self) -> None:
        if self._stall_began_ns is not None:
            self._stalled_ns += now_ns() - self._stall_began_ns
            self._stall_began_ns = None

    def _flush(self) -> None:
        """The socket accepts data again."""
        backlog = self._backlog
        while backlog:
            frame, _ = backlog[0]
            try:
                sent = self._write(memoryview(frame)[self._offset :])
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except OSError:
                self._break()
                return
            self.bytes_sent += sent
            self.kept_bytes -= sent
            self._offset += sent
            if self._offset < len(frame):
                return
            self._offset = 0
            backlog.popleft()
        self._drained()

    def _drained(self) -> None:
        self._backlog = None
        self._watcher.stop()
        self._stall_ended()
        if self._bound_bytes:  # else a close frame was the last
            self.writable = True
            if self._on_writable is not None:
                self._on_writable()

    def _break(self) -> None:
        """The socket is dead. Reported in the hub's next turn, so that a caller that is sending is not called back."""
        if not self._broken:
            on_error = self._on_error
            self.stop()
            self._loop.run_callback(on_error)


def _nothing() -> None:
    """Replaces a callback that is no longer needed."""
