"""Calls back at an absolute instant, more exactly than the event loop's own timers (uvloop: whole milliseconds)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wps_load.clock import NS_PER_S, DeadlineTimer, now_ns


class Alarm:
    """One deadline at a time. Without timerfd (not Linux) the loop's timers are used, and delays are coarser."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._armed_ns: int | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._timer = DeadlineTimer() if DeadlineTimer.available() else None
        if self._timer is not None:
            loop.add_reader(self._timer.fileno(), self._expired)

    def set(self, deadline_ns: int | None) -> None:
        """Rings at this instant of `now_ns`; setting the same instant again costs nothing. None: unchanged."""
        if deadline_ns is None or deadline_ns == self._armed_ns:
            return
        self._armed_ns = deadline_ns
        if self._timer is not None:
            self._timer.arm(deadline_ns)
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_later(max(0, deadline_ns - now_ns()) / NS_PER_S, self._expired)

    def _expired(self) -> None:
        if self._timer is not None:
            self._timer.clear()
        self._armed_ns = None
        self._ring()

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._timer is not None:
            self._loop.remove_reader(self._timer.fileno())
            self._timer.close()
