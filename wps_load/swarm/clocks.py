"""One time for all workers: the offset of each worker's monotonic clock to the coordinator's, with its error bound.

On one host the monotonic clock is shared, and the offset is exactly 0. Across hosts: two-way exchanges (Cristian's
algorithm): a ping leaves at t1, the worker's clock reads w, the answer is back at t2. The w was taken somewhere in
[t1, t2], so `offset = (t1 + t2)/2 - w`, wrong by at most (t2 - t1)/2. The exchange with the shortest round trip wins;
later ones replace it when they are tighter than it has become, given that clocks drift apart.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.swarm.bus import Data

EXCHANGES = 8
"""In quick succession when a worker says hello: one of them is seldom disturbed."""
REPEAT_NS = 5 * NS_PER_S
DRIFT_PPM = 50
"""What two crystal oscillators may drift apart, parts per million; added to the bound as an exchange ages."""


def host_identity() -> str:
    """The same for all processes that share a monotonic clock: the kernel's boot id, else the host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = platform.node()
    # a time namespace has a clock of its own
    try:
        return f"{boot}/{os.readlink('/proc/self/ns/time')}"
    except OSError:
        return boot


@dataclass(slots=True)
class _Peer:
    shared: bool
    exchanges: int = 0
    next_ns: int = 0
    offset_ns: int = 0
    bound_ns: int | None = None
    measured_ns: int = 0
    told_ns: int | None = None

    def bound_at(self, now_ns: int) -> int | None:
        if self.shared:
            return 0
        if self.bound_ns is None:
            return None
        return self.bound_ns + (now_ns - self.measured_ns) * DRIFT_PPM // 1_000_000


class ClockSync:
    """The coordinator's side. Instants are the coordinator's nanoseconds."""

    def __init__(self, own_host: str | None = None) -> None:
        self._own = own_host if own_host is not None else host_identity()
        self._peers: dict[str, _Peer] = {}

    def hello(self, agent: str, host: str) -> None:
        self._peers[agent] = _Peer(shared=host == self._own)

    def due(self, now_ns: int) -> list[str]:
        """The agents that a ping should go to now."""
        due = [name for name, peer in self._peers.items() if not peer.shared and peer.next_ns <= now_ns]
        for name in due:
            peer = self._peers[name]
            peer.exchanges += 1
            peer.next_ns = now_ns + (50 * NS_PER_MS if peer.exchanges < EXCHANGES else REPEAT_NS)
        return due

    def pong(self, agent: str, data: Data, received_ns: int) -> None:
        """`data`: `sent_ns` as it was in the ping, and `agent_ns`, the agent's clock in between."""
        peer = self._peers.get(agent)
        if peer is None or peer.shared:
            return
        sent_ns = data["sent_ns"]
        bound_ns = (received_ns - sent_ns + 1) // 2
        known = peer.bound_at(received_ns)
        if known is None or bound_ns <= known:
            peer.offset_ns = (sent_ns + received_ns) // 2 - data["agent_ns"]
            peer.bound_ns = bound_ns
            peer.measured_ns = received_ns

    def changed(self) -> list[tuple[str, int]]:
        """`(agent, offset)` of the agents that have not been told the newest offset yet."""
        news = [
            (name, peer.offset_ns)
            for name, peer in self._peers.items()
            if peer.bound_ns is not None and peer.told_ns != peer.offset_ns
        ]
        for name, offset_ns in news:
            self._peers[name].told_ns = offset_ns
        return news

    def error_ns(self, now_ns: int) -> int | None:
        """The bound for two messages between the two worst agents; 0 on one host, None where one is unknown."""
        bounds = [peer.bound_at(now_ns) for peer in self._peers.values()]
        if any(bound is None for bound in bounds):
            return None
        known = sorted((bound for bound in bounds if bound is not None), reverse=True)
        return sum(known[:2])
