"""The way of a message delivery from the hub to a socket, with the faults on it. No socket, no clock: time
is an argument.

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

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.workload.faults import Dice, Fate, FaultSpec

REORDER_WAIT_NS = 200 * NS_PER_MS


class Link(Protocol):
    """A connection's socket. `due_ns`, `waiting`: this module's notes on it, kept there because that is
    cheapest.
    """

    due_ns: int
    waiting: int

    @property
    def open(self) -> bool: ...

    @property
    def write(self) -> Callable[[bytes], None]: ...


@dataclass(slots=True)
class Stats:
    """What the emulator did; `GET /emulator/stats` answers it."""

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


class DirectDelivery:
    """No faults: bytes to socket."""

    next_ns: int | None = None

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def submit(self, link: Link, frame: bytes, stream: Hashable, now_ns: int) -> None:
        stats = self._stats
        if link.open:
            link.write(frame)
            stats.deliveries += 1
            stats.bytes_out += len(frame)
        else:
            stats.undeliverable += 1

    def replay(self, link: Link, frame: bytes, now_ns: int) -> None:
        self.submit(link, frame, None, now_ns)

    def run(self, now_ns: int) -> None:
        """Nothing is ever due."""

    def first_message(self, now_ns: int) -> None:
        """Nothing waits for it."""


@dataclass(slots=True)
class _Held:
    """A delivery that waits for the next of its stream, to be overtaken by it."""

    key: tuple[Link, Hashable]
    overtaken: bool = False


_DUPLICATE = "duplicated"
_OVERTAKEN = "reordered"


class FaultyDelivery:
    """Deliveries with delays and faults. Call `run` at `next_ns`, which `submit` and `run` may change."""

    def __init__(self, spec: FaultSpec, dice: Dice, stats: Stats) -> None:
        self._spec = spec
        self._dice = dice
        self._stats = stats
        # (due, tie-break, link, frame, what to count besides the delivery, or the hold that ends)
        self._heap: list[tuple[int, int, Link, bytes, str | _Held | None]] = []
        self._order = count()
        self._held: dict[tuple[Link, Hashable], tuple[_Held, bytes]] = {}
        self._slot_ns = 0.0
        self._interval_ns = NS_PER_S / spec.service_rate if spec.service_rate else 0.0
        self._stall: tuple[int, int] | None = None

    @property
    def next_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def first_message(self, now_ns: int) -> None:
        """The first message came in: the stall's clock starts. Later calls change nothing."""
        if self._stall is None and self._spec.stall_ns:
            start = now_ns + self._spec.stall_after_ns
            self._stall = (start, start + self._spec.stall_ns)

    def submit(self, link: Link, frame: bytes, stream: Hashable, now_ns: int) -> None:
        """Takes one delivery; writes it at once if nothing delays it."""
        held = self._held.pop((link, stream), None) if self._held else None
        if held is not None:
            # The partner of a swap has no fault of its own: drop it, and the swap would not be one.
            held[0].overtaken = True
            self._leave(link, frame, None, now_ns)
            self._leave(link, held[1], _OVERTAKEN, now_ns)
            return
        fate = self._dice.fate()
        if fate is Fate.DROP:
            self._stats.dropped += 1
        elif fate is Fate.REORDER:
            hold = _Held((link, stream))
            self._held[hold.key] = (hold, frame)
            heapq.heappush(self._heap, (now_ns + REORDER_WAIT_NS, next(self._order), link, frame, hold))
        else:
            self._leave(link, frame, None, now_ns)
            if fate is Fate.DUPLICATE:
                self._leave(link, frame, _DUPLICATE, now_ns)

    def replay(self, link: Link, frame: bytes, now_ns: int) -> None:
        """What a recovered connection gets again: timed like all, but no second victim of drop and its
        like.
        """
        self._leave(link, frame, None, now_ns)

    def run(self, now_ns: int) -> None:
        """Writes what is due."""
        heap = self._heap
        while heap and heap[0][0] <= now_ns:
            _, _, link, frame, note = heapq.heappop(heap)
            if not isinstance(note, _Held):
                link.waiting -= 1
                self._write(link, frame, note)
            elif not note.overtaken:  # no next delivery came: it leaves after all, in order and not counted
                del self._held[note.key]
                self._leave(link, frame, None, now_ns)

    def _leave(self, link: Link, frame: bytes, note: str | None, now_ns: int) -> None:
        """Gives a delivery its instant."""
        due_ns = now_ns
        if self._interval_ns:
            self._slot_ns = max(self._slot_ns + self._interval_ns, now_ns)
            due_ns = int(self._slot_ns)
        due_ns += max(0, self._spec.delay_ns + self._dice.jitter_ns())
        if self._stall is not None and self._stall[0] <= due_ns < self._stall[1]:
            due_ns = self._stall[1]
        due_ns = link.due_ns = max(due_ns, link.due_ns)
        if due_ns <= now_ns and not link.waiting:
            self._write(link, frame, note)
        else:
            link.waiting += 1
            heapq.heappush(self._heap, (due_ns, next(self._order), link, frame, note))

    def _write(self, link: Link, frame: bytes, note: str | None) -> None:
        stats = self._stats
        if not link.open:
            stats.undeliverable += 1
            return
        link.write(frame)
        stats.deliveries += 1
        stats.bytes_out += len(frame)
        if note is _DUPLICATE:
            stats.duplicated += 1
        elif note is _OVERTAKEN:
            stats.reordered += 1


Delivery = DirectDelivery | FaultyDelivery
