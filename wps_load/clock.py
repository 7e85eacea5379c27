"""The only module that reads the time. Monotonic integer nanoseconds, except where a person reads a date.

On Linux `time.monotonic_ns` reads CLOCK_MONOTONIC, which all processes of one host share, so instants may travel
between workers of one host as they are.
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
"""Monotonic nanoseconds. An alias, not a wrapper: it stands on the hot path."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def utc_now() -> datetime:
    """The wall clock, for names and reports only; never for a difference."""
    return datetime.now(UTC)


def unix_ns() -> int:
    """The wall clock in nanoseconds since 1970: for what other systems put on their time axes."""
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
    """A Linux timerfd: becomes readable at an absolute instant, some 50 µs late at most on an idle core.

    Event loops (libev, libuv) sleep in whole milliseconds; a message's due time and an injected delay want better.
    Watch `fileno()` for readability with whatever loop there is, and call `clear()` in the callback.
    Raises OSError where the platform has none: check `DeadlineTimer.available()` first.
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
        """Becomes readable at `deadline_ns` of `now_ns`; a past instant: at once. Replaces an earlier deadline."""
        at = max(deadline_ns, 1)  # an all-zero it_value would disarm
        self._settime(self._fd, _TFD_TIMER_ABSTIME, _itimerspec.pack(0, 0, at // NS_PER_S, at % NS_PER_S), None)

    def clear(self) -> None:
        """Takes note of an expiry, so that the descriptor is not readable any more. Never blocks or raises."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
