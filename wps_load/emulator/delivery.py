"""The path of a message delivery from the hub to a socket, with the faults on it.

No socket, no clock: time is an argument.

Order: a connection's deliveries leave in the order they were made, whatever delay and jitter do; only
`reorder` reorders. `service-rate` gives each delivery its place in one line; `delay` and `jitter` follow;
what would leave during the stall leaves at its end.

Truth of the counts: everything is counted when it happens to bytes that really go to a socket. A delivery
whose socket has gone meanwhile is `undeliverable`: neither delivered nor dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from wps_load.clock import NS_PER_MS
from wps_load.workload.faults import Dice, Moment

REORDER_WAIT_NS = 200 * NS_PER_MS


class DeliveryLink(Protocol):
    """A connection's socket. This module keeps `due_ns` and `waiting` there because that is cheapest."""

    due_ns: int
    waiting: int

    @property
    def open(self) -> bool: ...

    @property
    def write(self) -> Callable[[bytes], None]: ...


@dataclass(slots=True)
class Stats:
    """The counts of what the emulator did, which `GET /emulator/stats` returns."""

    connections: int = 0
    connections_opened: int = 0
    messages_in: int = 0
    deliveries: int = 0
    bytes_out: int = 0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    disconnected: int = 0
    undeliverable: int = 0
    upstream_calls: int = 0
    upgrades_refused: int = 0
    upgrades_throttled: int = 0
    slow_clients: int = 0

    def add(self, counter: str) -> None:
        """Counts one event of a fault."""
        setattr(self, counter, getattr(self, counter) + 1)


class DirectDelivery:
    """Without faults: bytes go directly to the socket."""

    next_ns: int | None = None

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def submit(self, link: DeliveryLink, frame: bytes, stream: Hashable, now_ns: int) -> None:
        stats = self._stats
        if link.open:
            link.write(frame)
            stats.deliveries += 1
            stats.bytes_out += len(frame)
        else:
            stats.undeliverable += 1

    def replay(self, link: DeliveryLink, frame: bytes, now_ns: int) -> None:
        self.submit(link, frame, None, now_ns)

    def run(self, now_ns: int) -> None:
        """Does nothing: nothing is ever due."""

    def first_message(self, now_ns: int) -> None:
        """Does nothing: nothing waits for the first message."""


@dataclass(slots=True)
class _Held:
    """A delivery that waits to be overtaken by the next one of its stream."""

    key: tuple[DeliveryLink, Hashable]
    counter: str
    overtaken: bool = False


class FaultyDelivery:
    """Deliveries with delays and faults. Call `run` at `next_ns`, which `submit` and `run` may change."""

    def __init__(self, dice: Dice, stats: Stats) -> None:
        self._stats = stats
        self._die = dice.deliveries
        self._timers = dice.timers
        # (due, tie-break, link, frame, what to count besides the delivery, or the hold that ends)
        self._heap: list[tuple[int, int, DeliveryLink, bytes, str | _Held | None]] = []
        self._order = count()
        self._held: dict[tuple[DeliveryLink, Hashable], tuple[_Held, bytes]] = {}
        self._first_ns: int | None = None

    @property
    def next_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def first_message(self, now_ns: int) -> None:
        """The first message came in: some faults' clocks start. Later calls change nothing."""
        if self._first_ns is None:
            self._first_ns = now_ns

    def submit(self, link: DeliveryLink, frame: bytes, stream: Hashable, now_ns: int) -> None:
        """Takes one delivery; writes it at once if nothing delays it."""
        held = self._held.pop((link, stream), None) if self._held else None
        if held is not None:
            # The partner of a swap has no fault of its own: if it were dropped, there would be no swap.
            held[0].overtaken = True
            self._leave(link, frame, None, now_ns)
            self._leave(link, held[1], held[0].counter, now_ns)
            return
        fault = self._die.thrown()
        if fault is None:
            self._leave(link, frame, None, now_ns)
        else:
            fault.strike(_Outgoing(self, link, frame, stream, now_ns))

    def replay(self, link: DeliveryLink, frame: bytes, now_ns: int) -> None:
        """Sends again to a recovered connection: timed like all others, but never dropped, duplicated or swapped."""
        self._leave(link, frame, None, now_ns)

    def run(self, now_ns: int) -> None:
        """Writes the deliveries that are due."""
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            _, _, link, frame, note = heapq.heappop(heap)
            if not isinstance(note, _Held):
                link.waiting -= 1
                self._write(link, frame, note)
            elif not note.overtaken:  # no next delivery came: it leaves in order after all, and is not counted
                del self._held[note.key]
                self._leave(link, frame, None, now_ns)

    def _hold(self, held: _Held, frame: bytes, now_ns: int) -> None:
        self._held[held.key] = (held, frame)
        heapq.heappush(self._heap, (now_ns + REORDER_WAIT_NS, next(self._order), held.key[0], frame, held))

    def _leave(self, link: DeliveryLink, frame: bytes, counter: str | None, now_ns: int) -> None:
        """Sets the instant of a delivery."""
        moment = Moment(now_ns, now_ns, self._first_ns)
        for late in self._timers:
            late(moment)
        due_ns = link.due_ns = max(moment.due_ns, link.due_ns)
        if due_ns <= now_ns and not link.waiting:
            self._write(link, frame, counter)
        else:
            link.waiting += 1
            heapq.heappush(self._heap, (due_ns, next(self._order), link, frame, counter))

    def _write(self, link: DeliveryLink, frame: bytes, counter: str | None) -> None:
        stats = self._stats
        if not link.open:
            stats.undeliverable += 1
            return
        link.write(frame)
        stats.deliveries += 1
        stats.bytes_out += len(frame)
        if counter is not None:
            stats.add(counter)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """One delivery, as a fault sees it (`faults.Outgoing`)."""

    line: FaultyDelivery
    link: DeliveryLink
    frame: bytes
    stream: Hashable
    now_ns: int

    def drop(self, counter: str) -> None:
        self.line._stats.add(counter)

    def leave(self, counter: str | None = None) -> None:
        self.line._leave(self.link, self.frame, counter, self.now_ns)

    def let_next_overtake(self, counter: str) -> None:
        self.line._hold(_Held((self.link, self.stream), counter), self.frame, self.now_ns)


Delivery = DirectDelivery | FaultyDelivery
