"""Watches the open connections of a process: pings quiet ones, and drops those whose peer has gone silent.

There is no timer for each connection. One sweep goes over all of them, a part in each beat of the agent, and compares
the number of bytes with that of the last look: arriving messages cost nothing more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import ceil
from typing import Final

import gevent

from wps_load.client.connection import Cut
from wps_load.client.connections import Connections, OpenLink
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.protocol.frames import Opcode, encode_frame
from wps_load.protocol.keepalive import SERVICE_PING_NS, Keepalive, KeepaliveStep, ObservedClock
from wps_load.protocol.messages import Ping

SLICE_NS: Final = NS_PER_MS
"""How long the sweep sends pings before it lets messages pass."""


class WatchedConnection:
    """One connection as the sweep last saw it. Times are of the observed clock.

    `pinged_ns`: the last ping; 0 if none is unanswered, or one was and something came within an interval.
    """

    __slots__ = ("bytes_received", "heard_ns", "pinged_ns", "suspected")

    def __init__(self, bytes_received: int, heard_ns: int) -> None:
        self.bytes_received = bytes_received
        self.heard_ns = heard_ns
        self.pinged_ns = 0
        self.suspected = False


class Sweep:
    """Call `beat` a few times a second, always from the same greenlet."""

    def __init__(self, connections: Connections, keepalive: Keepalive, clock: Callable[[], int] = now_ns) -> None:
        self._connections = connections
        self._keepalive = keepalive
        self._now_ns = clock
        self._clock = ObservedClock(clock())
        self._watches: Mapping[OpenLink, WatchedConnection] = {}
        self._fresh: dict[OpenLink, WatchedConnection] = {}
        self._round: list[OpenLink] = []
        self._done = 0
        self._began_ns = 0
        self._quiet_ns = keepalive.interval_ns or SERVICE_PING_NS
        context = connections.context
        self._recorder = context.recorder
        self._words = context.ping_words
        self._message = context.codec.encode(Ping()) if context.codec.enveloped else b""

    def beat(self) -> None:
        """Looks at as many connections as are due by now, and lets messages pass in between."""
        now = self._clock.advance(self._now_ns())
        period_ns = self._keepalive.resolution_ns
        count = len(self._round)
        due = min(count, ceil(count * (now - self._began_ns) / period_ns))
        while self._done < due:
            self._look_at_some(due, now)
        if self._done == count and now - self._began_ns >= period_ns:
            self._watches, self._fresh = self._fresh, {}
            self._round = list(self._connections.open_links)
            self._done = 0
            self._began_ns = now

    def _look_at_some(self, due: int, now: int) -> None:
        """Looks at connections up to number `due` of this round, for a millisecond at most."""
        open_links, watches, fresh = self._connections.open_links, self._watches, self._fresh
        ends_ns = now_ns() + SLICE_NS
        for link in self._round[self._done : due]:
            self._done += 1
            if link not in open_links or not link.connection.open:
                continue
            received = link.connection.bytes_received
            watch = watches.get(link)
            if watch is None:
                watch = WatchedConnection(received, now)
            elif watch.bytes_received != received:
                watch.bytes_received = received
                watch.heard_ns = now
                watch.suspected = False
            fresh[link] = watch
            if now - watch.heard_ns >= self._quiet_ns or watch.pinged_ns:
                self._attend(link, watch, now)
                if now_ns() > ends_ns:
                    gevent.sleep(0)
                    return

    def _attend(self, link: OpenLink, watch: WatchedConnection, now: int) -> None:
        """`link` has been quiet for a ping interval or longer, or was pinged for that."""
        if watch.pinged_ns < watch.heard_ns and now - watch.pinged_ns >= self._keepalive.interval_ns:
            if watch.pinged_ns:
                self._words.heard(link)
            watch.pinged_ns = 0
        if not watch.suspected and self._keepalive.suspicious(now, watch.heard_ns):
            watch.suspected = True
            self._recorder.count("connections_silent")
        step = self._keepalive.step(now, watch.heard_ns, watch.pinged_ns)
        if step is KeepaliveStep.PING:
            watch.pinged_ns = now
            self._ping(link)
        elif step is KeepaliveStep.GIVE_UP:
            self._fresh.pop(link)
            silent_s = round((now - watch.heard_ns) / NS_PER_S)
            lost = ConnectionLost(1006, f"no byte came for {silent_s} s, not even an answer to a ping", EndedBy.SILENCE)
            link.connection.cut(Cut.RESET, lost)

    def _ping(self, link: OpenLink) -> None:
        self._recorder.count("pings_sent")
        connection, context = link.connection, self._connections.context
        # a control frame may wait behind unread frames, but a message there would count as unsent
        by_message = connection.writable and (self._words.known or self._words.scout(link))
        if not by_message or not self._words.known:
            connection.outbox.send_control(encode_frame(Opcode.PING, b"", os.urandom(4)))
        if by_message:
            connection.send(context.frame(context.codec.opcode, self._message))
