"""Is the peer of a connection still there? What the time since its last byte asks for. Pure: instants in, a step out.

A peer that has gone without a word (a host that froze, a NAT or load balancer that forgot the connection) is known by
its silence alone: TCP tells nothing to whoever only reads. So a client pings after a quiet interval, and drops a peer
of which nothing has come for much longer. Any byte counts as a sign of life: a message, an ack, a ping or pong.

Source: keepAliveIntervalInMs (20 s) and keepAliveTimeoutInMs (120 s) of the client `@azure/web-pubsub-client`; the
service's own WebSocket pings come every 20 s by default (webSocketKeepAliveIntervalInSeconds, 1 to 120).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from wps_load.clock import NS_PER_S

SERVICE_PING_NS: Final = 20 * NS_PER_S
"""How often the service pings by default."""
SILENT_INTERVALS: Final = 3
"""A peer of which nothing has come for so many intervals is suspicious, whether it is dropped or not."""


class KeepaliveStep(Enum):
    """What to do about a connection."""

    WAIT = auto()
    PING = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`interval_ns`: quiet time before a ping, 0: no pings, and nobody is dropped, as silence then proves nothing.
    `timeout_ns`: silence after which the peer is taken for gone, 0: never.
    """

    interval_ns: int
    timeout_ns: int

    def step(self, now_ns: int, heard_ns: int, pinged_ns: int) -> KeepaliveStep:
        """`heard_ns`: when something last came. `pinged_ns`: when we last pinged, 0: never."""
        if not self.interval_ns:
            return KeepaliveStep.WAIT
        if self.timeout_ns and now_ns - heard_ns >= self.timeout_ns:
            return KeepaliveStep.GIVE_UP
        return KeepaliveStep.PING if now_ns - max(heard_ns, pinged_ns) >= self.interval_ns else KeepaliveStep.WAIT

    def suspicious(self, now_ns: int, heard_ns: int) -> bool:
        """Whether three ping intervals have passed without a byte: ours, or without own pings the service's."""
        return now_ns - heard_ns >= SILENT_INTERVALS * (self.interval_ns or SERVICE_PING_NS)

    @property
    def resolution_ns(self) -> int:
        """How often to look at each connection, so that a step comes late by an eighth of its time at most."""
        times = [ns for ns in (self.interval_ns, self.timeout_ns) if ns]
        return min([2_000_000_000, *(ns // 8 for ns in times)])


class ObservedClock:
    """Time in which we could have heard something: it does not go on while this process does not.

    A process that was stopped, or was busy for a minute, has bytes waiting that it has not read: their senders were
    not silent. So between two looks at the clock at most `MOST_NS` pass.
    """

    MOST_NS: Final = NS_PER_S

    __slots__ = ("_last_ns", "now_ns")

    def __init__(self, at_ns: int) -> None:
        self.now_ns = at_ns
        self._last_ns = at_ns

    def advance(self, at_ns: int) -> int:
        """It is `at_ns` now; returns the observed time."""
        self.now_ns += min(at_ns - self._last_ns, self.MOST_NS)
        self._last_ns = at_ns
        return self.now_ns
