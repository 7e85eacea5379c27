"""The only module that reads the time: monotonic integer nanoseconds, and dates only where a person reads them.

On Linux `time.monotonic_ns` reads CLOCK_MONOTONIC, which all processes of one host share, so workers of one host can
exchange instants as they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
import time
from datetime import UTC, datetime

now_ns = time.monotonic_ns
"""Monotonic nanoseconds. It is an alias, not a wrapper, because it is on the hot path."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def utc_now() -> datetime:
    """The wall clock, for names and reports only, never for a difference."""
    return datetime.now(UTC)


def unix_ns() -> int:
    """The wall clock in nanoseconds since 1970, for the time axes of other systems."""
    return time.time_ns()


def unix_time_s() -> int:
    """Seconds since the epoch, as JWT's `iat` and `exp` want them (RFC 7519 section 2, NumericDate)."""
    return int(time.time())


_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK = 0o4000
_TFD_CLOEXEC = 0o2000000
_TFD_TIMER_ABSTIME = 1
_itimerspec = struct.Struct("@qqqq")


class DeadlineTimer:
    """A Linux timerfd: it becomes readable at an absolute instant, at most some 50 µs late on an idle core.

    Event loops (libev, libuv) sleep in whole milliseconds, which is too coarse for due times and injected delays. Watch
    `fileno()` for readability with any loop, and call `clear()` in the callback. Raises OSError where the platform has
    no timerfd: check `DeadlineTimer.available()` first.
    """

    __slots__ = ("_fd", "_settime")

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._settime = libc.timerfd_settime

    @staticmethod
    def available() -> bool:
        return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "timerfd_create")

    def fileno(self) -> int:
        return self._fd

    def arm(self, deadline_ns: int) -> None:
        """Sets the deadline, which replaces an earlier one; the timer becomes readable at once if it has passed."""
        at = max(deadline_ns, 1)  # an all-zero it_value would disarm
        self._settime(self._fd, _TFD_TIMER_ABSTIME, _itimerspec.pack(0, 0, at // NS_PER_S, at % NS_PER_S), None)

    def clear(self) -> None:
        """Acknowledges an expiry, so that the descriptor is no longer readable. Never blocks or raises."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
