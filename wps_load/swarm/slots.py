"""Dense indices and connection slots, handed out by the coordinator. Pure.

Locust has no global index of a user and spawns in bursts of `r` once a second. Here each connection gets the lowest
free index, an *incarnation* (how often that index was used before, so that streams of two connections never share a
number), and a slot 1/r after the previous one: the instant at which it is due to connect. An index that was used as
often as streams can tell is *spent*: nobody gets it again, and the next user gets a higher one.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from wps_load.clock import NS_PER_S
from wps_load.swarm.messages import Slot
from wps_load.workload.user_streams import incarnations


@dataclass(slots=True)
class SlotAllocator:
    """`claim` is called as users are spawned, `release` as they end or when their worker died."""

    _next: int = 0
    _free: list[int] = field(default_factory=list)
    _incarnations: dict[int, int] = field(default_factory=dict)
    _last_due_ns: int | None = None
    spent: set[int] = field(default_factory=set)

    def take(self, index: int, now_ns: int, per_second: float) -> Slot:
        """The slot of a free index. Raises ValueError if the index is not free."""
        self._free.remove(index)
        heapq.heapify(self._free)
        return self._slot(index, now_ns, per_second)

    def claim(self, count: int, now_ns: int, per_second: float) -> list[Slot]:
        """Returns `count` slots, 1/`per_second` apart, none before `now_ns`."""
        slots = []
        for _ in range(count):
            if self._free:
                index = heapq.heappop(self._free)
            else:
                index = self._next
                self._next += 1
            slots.append(self._slot(index, now_ns, per_second))
        return slots

    def _slot(self, index: int, now_ns: int, per_second: float) -> Slot:
        gap_ns = int(NS_PER_S / per_second) if per_second > 0 else 0
        self._incarnations[index] = self._incarnations.get(index, -1) + 1
        due_ns = now_ns if self._last_due_ns is None else max(now_ns, self._last_due_ns + gap_ns)
        self._last_due_ns = due_ns
        return Slot(index, self._incarnations[index], due_ns)

    def release(self, index: int) -> None:
        if self._incarnations[index] + 1 < incarnations(index):
            heapq.heappush(self._free, index)
        else:
            self.spent.add(index)
