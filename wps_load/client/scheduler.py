"""One scheduler for a worker: calls back, in gevent's hub, at due times.

A sleeping greenlet for each publisher would cost a switch a message and wake up to a millisecond late, because event
loops sleep in whole milliseconds. Here all due times stand in one heap, and one timer wakes the hub for the earliest:
a Linux timerfd where there is one (some 50 µs late on an idle core), the loop's own timer elsewhere.

Callbacks run in the hub: they must not block, and what they raise is our bug; it is logged once and the entry dropped.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped]

from wps_load.clock import NS_PER_MS, NS_PER_S, DeadlineTimer, now_ns

logger = logging.getLogger(__name__)

Callback = Callable[[int], int | None]
"""Called with its due time (ns); returns its next due time, or None when it is done."""

SLICE_NS = NS_PER_MS
"""After so long the hub is let back to its sockets: arrival times must not wait for a burst of departures."""

_READ = 1


class Scheduler:
    """Runs callbacks at due times. `start` before use; `close` frees the timer."""

    __slots__ = ("_heap", "_loop", "_order", "_timer", "_watcher", "late_ns_max")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callback]] = []
        self._order = itertools.count()
        self._loop: Any = gevent.get_hub().loop
        self._timer: DeadlineTimer | None = None
        self._watcher: Any = None
        self.late_ns_max = 0
        if DeadlineTimer.available():
            self._timer = DeadlineTimer()
            self._watcher = self._loop.io(self._timer.fileno(), _READ)
            self._watcher.start(self._expired)

    def __len__(self) -> int:
        return len(self._heap)

    def call_at(self, due_ns: int, callback: Callback, *, first: bool = False) -> None:
        """Runs `callback(due_ns)` at `due_ns`; `first`: before everything else that is due at the same instant."""
        order = next(self._order)
        entry = (due_ns, order - (1 << 62) if first else order, callback)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._arm()

    def drop(self, is_dropped: Callable[[Callback], bool]) -> None:
        """Forgets the entries whose callback `is_dropped`."""
        self._heap = [entry for entry in self._heap if not is_dropped(entry[2])]
        heapq.heapify(self._heap)

    def close(self) -> None:
        self._heap.clear()
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _arm(self) -> None:
        if not self._heap:
            return
        due_ns = self._heap[0][0]
        if self._timer is not None:
            self._timer.arm(due_ns)
            return
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        self._watcher = self._loop.timer(max(0, due_ns - now_ns()) / NS_PER_S)
        self._watcher.start(self._expired)

    def _expired(self) -> None:
        if self._timer is not None:
            self._timer.clear()
        now = started = now_ns()
        self.late_ns_max = max(self.late_ns_max, now - self._heap[0][0]) if self._heap else self.late_ns_max
        # `self._heap` anew at each step: a callback may add, or drop, entries
        while (heap := self._heap) and heap[0][0] <= now:
            entry = heap[0]
            due_ns, order, callback = entry
            try:
                next_due_ns = callback(due_ns)
            except Exception:
                logger.exception("a scheduled callback failed; it will not be called again")
                next_due_ns = None
            self._replace(entry, None if next_due_ns is None else (next_due_ns, order, callback))
            now = now_ns()
            if now - started > SLICE_NS:
                break
        self._arm()

    def _replace(self, entry: tuple[int, int, Callback], successor: tuple[int, int, Callback] | None) -> None:
        heap = self._heap
        if heap and heap[0] is entry:
            if successor is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, successor)
            return
        # the callback put something earlier before itself, or dropped itself: the rare, slower way
        if entry in heap:
            heap.remove(entry)
            heapq.heapify(heap)
            if successor is not None:
                heapq.heappush(heap, successor)
