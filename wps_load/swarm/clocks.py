"""One time for all workers: the agents follow the coordinator's monotonic clock, with a known bound of the error.

On one host the clock is shared, so the offset is exactly 0. One exchange must confirm that, because virtual machines
from one snapshot claim the same identity. Across hosts the coordinator asks each agent for its clock's time: several
times in a row when the agent says hello, before anything is planned with it, and then once a second. `corridor`
evaluates the answers. An agent gets a new line (offset and rate) when the one that it follows has left the middle of
the corridor.
"""

from __future__ import annotations

import os
import platform
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from wps_load.clock import NS_PER_S
from wps_load.swarm.corridor import ClockLine, Corridor
from wps_load.swarm.messages import ClockReply

EXCHANGES = 8
"""Exchanges in a row when a worker says hello: one of them is rarely disturbed."""
PATIENCE_NS = 2 * NS_PER_S
"""The time after which fewer exchanges must do."""
REPEAT_NS = NS_PER_S
HASTE_NS = NS_PER_S // 5
"""The time between two exchanges until the rate of drift is known, because the error grows with an unknown rate."""
STEADY = 50e-6
"""The rate is known when the slowest and the fastest line that fit are this close (50 ppm)."""
_SAME = ClockLine(0, 0, 0)


def host_identity() -> str:
    """The same for all processes that share a monotonic clock: the kernel's boot id, else the host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = f"{platform.node()}/{uuid.getnode():x}"
    # a time namespace has a clock of its own
    try:
        return f"{boot}/{os.readlink('/proc/self/ns/time')}"
    except OSError:
        return boot


@dataclass(slots=True)
class _AgentClock:
    claims: bool
    """Whether it claims to be on the coordinator's host."""
    since_ns: int
    shared: bool = False
    corridor: Corridor = field(default_factory=Corridor)
    exchanges: int = 0
    next_ns: int = 0
    last: tuple[int, int] = (0, 0)
    """The newest exchange: our clock, and the agent's clock."""
    followed: ClockLine | None = None
    fresh: bool = True
    """Whether there was an exchange since the last decision about a new line."""
    worst_ns: int = 0
    gone: bool = False

    def agent_ns(self, now_ns: int) -> int:
        """The present time on the agent's clock, apart from the drift since the last exchange."""
        return self.last[1] + max(0, now_ns - self.last[0])

    def known(self, now_ns: int) -> bool:
        if self.shared or self.exchanges >= EXCHANGES:
            return True
        return self.corridor.known and now_ns - self.since_ns > PATIENCE_NS

    def error_at(self, agent_ns: int) -> int:
        """The greatest error of the line that the agent follows."""
        assert self.followed is not None
        low, high, *_ = self.corridor.at(agent_ns)
        offset = self.followed.at(agent_ns)
        return max(high - offset, offset - low)


class ClockSync:
    """The coordinator's side. Instants are the coordinator's nanoseconds."""

    def __init__(self, own_host: str | None = None) -> None:
        self._own = own_host if own_host is not None else host_identity()
        self._peers: dict[str, _AgentClock] = {}

    def hello(self, agent: str, host: str, now_ns: int) -> None:
        self._peers[agent] = _AgentClock(host == self._own, now_ns)

    def leave(self, agent: str) -> None:
        """An agent is lost: its clock no longer matters, but what it has measured does."""
        if agent in self._peers:
            self._peers[agent].gone = True

    def back(self, agent: str) -> None:
        """A lost agent is back."""
        if agent in self._peers:
            self._peers[agent].gone = False

    def known(self, agent: str, now_ns: int) -> bool:
        """Whether this agent's clock is known, so that it can be given instants."""
        peer = self._peers.get(agent)
        return peer is not None and peer.known(now_ns)

    def due(self, now_ns: int) -> list[str]:
        """The agents that are due for a ping."""
        due = [
            name for name, peer in self._peers.items() if not peer.shared and not peer.gone and peer.next_ns <= now_ns
        ]
        for name in due:
            self._peers[name].next_ns = now_ns + REPEAT_NS
        return due

    def pong(self, agent: str, pong: ClockReply, received_ns: int) -> None:
        peer = self._peers.get(agent)
        if peer is None or peer.shared:
            return
        if peer.claims and not peer.exchanges and pong.sent_ns <= pong.agent_ns <= received_ns:
            peer.shared = True
        peer.corridor.add(pong.sent_ns, pong.agent_ns, received_ns)
        peer.last = received_ns, pong.agent_ns
        peer.exchanges += 1
        peer.fresh = True
        peer.next_ns = received_ns + _pause(peer)
        if peer.followed is not None:
            peer.worst_ns = max(peer.worst_ns, peer.error_at(pong.agent_ns))

    def news(self, now_ns: int) -> list[tuple[str, ClockLine]]:
        """The agents that should follow another line from now on, or have no line yet."""
        news = []
        for name, peer in self._peers.items():
            line = _news(peer, now_ns)
            if line is not None:
                peer.followed = line
                news.append((name, line))
        return news

    def start_over(self) -> None:
        """Discards past errors, because the measure phase begins."""
        for peer in self._peers.values():
            peer.worst_ns = 0

    def errors_ns(self, now_ns: int) -> dict[str, int | None]:
        """The bound of each agent's error, the widest since `start_over`; 0 on one host, None if it is unknown."""
        return {name: _error(peer, now_ns) for name, peer in self._peers.items()}

    def error_ns(self, now_ns: int) -> int | None:
        """The bound for a message between the two worst agents; None if one is unknown."""
        bounds = list(self.errors_ns(now_ns).values())
        if any(bound is None for bound in bounds):
            return None
        return sum(sorted((bound for bound in bounds if bound is not None), reverse=True)[:2])


def _pause(peer: _AgentClock) -> int:
    if peer.exchanges < EXCHANGES:
        return 0
    _, _, slowest, fastest = peer.corridor.at(peer.last[1])
    return REPEAT_NS if fastest - slowest < STEADY else HASTE_NS


def _news(peer: _AgentClock, now_ns: int) -> ClockLine | None:
    if peer.gone or not peer.known(now_ns):
        return None
    if peer.shared:
        return _SAME if peer.followed is None else None
    if not peer.fresh:
        return None
    peer.fresh = False
    agent_ns = peer.agent_ns(now_ns)
    line = peer.corridor.line(agent_ns)
    if peer.followed is None:
        return line
    low, high, *_ = peer.corridor.at(agent_ns)
    ahead_ns = agent_ns + REPEAT_NS  # a line that barely fits is wrong before the next answer
    off_ns = max(abs(peer.followed.at(at) - line.at(at)) for at in (agent_ns, ahead_ns))
    return line if off_ns > (high - low) // 8 else None


def _error(peer: _AgentClock, now_ns: int) -> int | None:
    if peer.shared:
        return 0
    if peer.followed is None:
        return None
    return peer.worst_ns if peer.gone else max(peer.worst_ns, peer.error_at(peer.agent_ns(now_ns)))
