"""One scheduler per worker: it calls back, in gevent's hub, at due times.

A sleeping greenlet for each publisher would cost a switch a message and wake up to a millisecond late, because event
loops sleep in whole milliseconds. Here one timer wakes the hub for the earliest due time of all: a Linux timerfd where
there is one (some 50 µs late on an idle core), the loop's own timer elsewhere.

Due times are in a calendar: a heap for the present millisecond, and an unsorted page for each later one. Thousands of
publishers in one heap cost eleven comparisons a message, each of entries that are no longer in any cache.

Callbacks run in the hub and must not block. An exception of theirs is our bug: it is logged once and the entry dropped.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import gevent

from wps_load.clock import NS_PER_MS, NS_PER_S, NS_PER_US, DeadlineTimer, now_ns

logger = logging.getLogger(__name__)

Callback = Callable[[int], int | None]
"""Called with its due time (ns); returns its next due time, or None when it is done."""

SLICE_NS = NS_PER_MS
"""After this long the hub returns to its sockets: arrival times must not wait for a burst of departures."""

SOON_NS = 20 * NS_PER_US
"""Entries due this soon are checked in the loop's next turn: a timer costs as much CPU (decision 8)."""

_PAGE_BITS = 20
"""A page holds the due times of 2^20 ns."""
_READ = 1

_Entry = tuple[int, int, Callback]
"""Due time, order among entries that are due at the same instant, callback."""


class Scheduler:
    """Runs callbacks at due times, until `close`, which frees the timer."""

    __slots__ = ("_closed", "_days", "_loop", "_near", "_order", "_pages", "_running", "_timer", "_today", "_watcher")

    def __init__(self) -> None:
        self._closed = False
        self._near: list[_Entry] = []
        """A heap: all entries up to the page `_today`."""
        self._today = 0
        self._pages: dict[int, list[_Entry]] = {}
        self._days: list[int] = []
        """A heap: the numbers of `_pages`, all later than `_today`."""
        self._running: _Entry | None = None
        self._order = itertools.count()
        self._loop: Any = gevent.get_hub().loop
        self._timer: DeadlineTimer | None = None
        self._watcher: Any = None
        if DeadlineTimer.available():
            self._timer = DeadlineTimer()
            self._watcher = self._loop.io(self._timer.fileno(), _READ)
            self._watcher.start(self._expired)

    def __len__(self) -> int:
        return len(self._near) + sum(map(len, self._pages.values()))

    def call_at(self, due_ns: int, callback: Callback, *, first: bool = False) -> None:
        """Runs `callback(due_ns)` at `due_ns`; `first`: before everything else that is due at the same instant."""
        order = next(self._order)
        entry = (due_ns, order - (1 << 62) if first else order, callback)
        self._put(entry)
        if self._earliest() is entry and self._running is None:
            self._arm()

    def drop(self, is_dropped: Callable[[Callback], bool]) -> None:
        """Removes the entries whose callback `is_dropped`, even a running one, which is not called again."""
        kept = [entry for entry in itertools.chain(self._near, *self._pages.values()) if not is_dropped(entry[2])]
        self._near.clear()
        self._pages.clear()
        self._days.clear()
        for entry in kept:
            self._put(entry)
        if self._running is not None and is_dropped(self._running[2]):
            self._running = None

    def close(self) -> None:
        self._near.clear()
        self._pages.clear()
        self._days.clear()
        self._running = None
        self._closed = True
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _put(self, entry: _Entry) -> None:
        day = entry[0] >> _PAGE_BITS
        if day <= self._today:
            heappush(self._near, entry)
        elif day in self._pages:
            self._pages[day].append(entry)
        else:
            self._pages[day] = [entry]
            heappush(self._days, day)

    def _earliest(self) -> _Entry | None:
        """The earliest due time; turns the page when the present one is done."""
        if not self._near and self._days:
            self._today = heappop(self._days)
            self._near += self._pages.pop(self._today)
            heapq.heapify(self._near)
        return self._near[0] if self._near else None

    def _arm(self) -> None:
        if self._closed:
            return
        entry = self._earliest()
        if self._timer is not None:
            if entry is None:
                self._timer.clear()
            else:
                self._timer.arm(entry[0])
            return
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        if entry is not None:
            self._watcher = self._loop.timer(max(0, entry[0] - now_ns()) / NS_PER_S)
            self._watcher.start(self._expired)

    def _expired(self) -> None:
        now = started = now_ns()
        near, pages = self._near, self._pages
        while (entry := near[0] if near else self._earliest()) is not None and entry[0] <= now:
            heappop(near)
            due_ns, order, callback = self._running = entry
            try:
                next_due_ns = callback(due_ns)
            except Exception:
                logger.exception("a scheduled callback failed; it will not be called again")
                next_due_ns = None
            if next_due_ns is not None and self._running is not None:  # else it has dropped itself
                day = next_due_ns >> _PAGE_BITS
                if day in pages:  # the usual way of `_put`
                    pages[day].append((next_due_ns, order, callback))
                else:
                    self._put((next_due_ns, order, callback))
            now = now_ns()
            if now - started > SLICE_NS:
                break
        self._running = None
        entry = self._earliest()
        if self._timer is None or entry is None or entry[0] - now > SOON_NS:
            self._arm()  # else it stays readable, and the loop comes back here after its sockets
