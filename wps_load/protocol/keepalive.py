"""Whether the peer of a connection is still there, by the time since its last byte. Pure: instants in, a step out.

A peer that disappeared without a close (a host that froze, a NAT or load balancer that dropped the connection) only
shows by its silence: TCP tells nothing to an endpoint that only reads. So a client pings after a quiet interval, and
drops a peer that has been silent for much longer. Any byte counts as a sign of life: a message, an ack, a ping or pong.

Source: keepAliveIntervalInMs (20 s) and keepAliveTimeoutInMs (120 s) of the client `@azure/web-pubsub-client`; the
service's own WebSocket pings come every 20 s by default (webSocketKeepAliveIntervalInSeconds, 1 to 120).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from wps_load.clock import NS_PER_S

SERVICE_PING_NS: Final = 20 * NS_PER_S
"""The service's default ping interval."""
SILENT_INTERVALS: Final = 3
"""A peer that has been silent for this many intervals is suspicious, whether it is dropped or not."""


class KeepaliveStep(Enum):
    """What to do about a connection."""

    WAIT = auto()
    PING = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Keepalive:
    """`interval_ns`: quiet time before a ping; 0: no pings and no drops, because silence then proves nothing.

    `timeout_ns`: silence after which the peer counts as gone, 0: never.
    """

    interval_ns: int
    timeout_ns: int

    def step(self, now_ns: int, heard_ns: int, pinged_ns: int) -> KeepaliveStep:
        """`heard_ns`: when the last byte came. `pinged_ns`: when we last pinged, 0: never."""
        if not self.interval_ns:
            return KeepaliveStep.WAIT
        if self.timeout_ns and now_ns - heard_ns >= self.timeout_ns:
            return KeepaliveStep.GIVE_UP
        return KeepaliveStep.PING if now_ns - max(heard_ns, pinged_ns) >= self.interval_ns else KeepaliveStep.WAIT

    def suspicious(self, now_ns: int, heard_ns: int) -> bool:
        """Whether three ping intervals have passed without a byte: ours or, if we send no pings, the service's."""
        return now_ns - heard_ns >= SILENT_INTERVALS * (self.interval_ns or SERVICE_PING_NS)

    @property
    def resolution_ns(self) -> int:
        """The interval between checks of each connection: a step is late by at most an eighth of its time."""
        times = [ns for ns in (self.interval_ns, self.timeout_ns) if ns]
        return min([2_000_000_000, *(ns // 8 for ns in times)])


class ObservedClock:
    """Time in which we could have heard something: it stops while this process does.

    A process that was stopped, or was busy for a minute, has bytes waiting that it has not read: their senders were not
    silent. So between two readings of the clock at most `MOST_NS` pass.
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
