"""Looks after the open connections of a process: pings those that are quiet, drops those whose peer has gone silent.

There is no timer for each connection. One sweep goes over all of them, a part in each beat of the agent, and compares
how many bytes have come with what it saw the last time: what arrives pays nothing for it.

A WebSocket ping has to be answered by every server (RFC 6455 section 5.5.3), but tells of the front end only. The
subprotocols' `ping` message is answered by the service itself, and real clients send it; a server that does not know it
may end the connection (close code 1007). So one connection, the scout, asks first, while all others send WebSocket
pings: once a `pong` message has come, quiet connections send the message; else they go on with WebSocket pings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import gevent  # type: ignore[import-untyped]

from wps_load.client.connection import Cut
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.errors import ConnectionLost, EndedBy
from wps_load.protocol.frames import Opcode, encode_frame
from wps_load.protocol.keepalive import SERVICE_PING_NS, Keepalive, ObservedClock, Step
from wps_load.protocol.messages import Ping

if TYPE_CHECKING:
    from wps_load.client.engine import Engine
    from wps_load.client.establish import OpenLink

SLICE_NS: Final = NS_PER_MS
"""How long the sweep sends pings before it lets messages pass."""
_REFUSALS: Final = frozenset({1002, 1003, 1007, 1008})
"""Close codes (RFC 6455 section 7.4.1) with which a server answers a message that it does not understand."""


class Watch:
    """One connection as the sweep saw it last. Times are of the observed clock.

    `pinged_ns`: the last ping; 0 when none is out, or one was and an interval later something had come.
    """

    __slots__ = ("bytes_received", "heard_ns", "pinged_ns", "suspected")

    def __init__(self, bytes_received: int, heard_ns: int) -> None:
        self.bytes_received = bytes_received
        self.heard_ns = heard_ns
        self.pinged_ns = 0
        self.suspected = False


class PingWords:
    """How to ping: whether the service knows the subprotocol's `ping` message. See the module."""

    __slots__ = ("_scout", "known")

    def __init__(self, *, enveloped: bool) -> None:
        self.known: bool | None = None if enveloped else False
        """None: not found out yet."""
        self._scout: Any = None

    def scout(self, link: object) -> bool:
        """`link` is to be pinged: whether it is to ask with the message, for all of them."""
        if self.known is not None or self._scout is not None:
            return False
        self._scout = link
        return True

    def answered(self) -> None:
        """A `pong` message has come."""
        self.known = True
        self._scout = None

    def heard(self, link: object) -> None:
        """Something has come on `link` since it was pinged, and in a whole interval no `pong` message."""
        if link is self._scout:
            self.known = False
            self._scout = None

    def ended(self, link: object, lost: ConnectionLost) -> bool:
        """`link` has ended unasked. True: the service ended it for the message, which it does not know."""
        if link is not self._scout:
            return False
        self._scout = None
        if lost.ended_by is EndedBy.SILENCE:
            return False
        self.known = False  # whatever ended it: WebSocket pings are safe
        return lost.ended_by is EndedBy.SERVICE and lost.code in _REFUSALS


class Sweep:
    """Call `beat` some times a second, always from the same greenlet."""

    def __init__(self, engine: Engine, keepalive: Keepalive, clock: Callable[[], int] = now_ns) -> None:
        self._engine = engine
        self._keepalive = keepalive
        self._now_ns = clock
        self._clock = ObservedClock(clock())
        self._watches: Mapping[OpenLink, Watch] = {}
        self._fresh: dict[OpenLink, Watch] = {}
        self._round: list[OpenLink] = []
        self._done = 0
        self._began_ns = 0
        self._quiet_ns = keepalive.interval_ns or SERVICE_PING_NS
        codec = engine.codec
        self.words = PingWords(enveloped=codec.enveloped)
        self._message = codec.encode(Ping()) if codec.enveloped else b""

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
            self._round = list(self._engine.open_links)
            self._done = 0
            self._began_ns = now

    def _look_at_some(self, due: int, now: int) -> None:
        """Up to number `due` of this round, for a millisecond at most."""
        open_links, watches, fresh = self._engine.open_links, self._watches, self._fresh
        ends_ns = now_ns() + SLICE_NS
        for link in self._round[self._done : due]:
            self._done += 1
            if link not in open_links or not link.connection.open:
                continue
            received = link.connection.bytes_received
            watch = watches.get(link)
            if watch is None:
                watch = Watch(received, now)
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

    def _attend(self, link: OpenLink, watch: Watch, now: int) -> None:
        """`link` has been quiet for a ping interval or longer, or was pinged for it."""
        if watch.pinged_ns < watch.heard_ns and now - watch.pinged_ns >= self._keepalive.interval_ns:
            if watch.pinged_ns:
                self.words.heard(link)
            watch.pinged_ns = 0
        if not watch.suspected and self._keepalive.suspicious(now, watch.heard_ns):
            watch.suspected = True
            self._engine.recorder.count("connections_silent")
        step = self._keepalive.step(now, watch.heard_ns, watch.pinged_ns)
        if step is Step.PING:
            watch.pinged_ns = now
            self._ping(link)
        elif step is Step.GIVE_UP:
            self._fresh.pop(link)
            silent_s = round((now - watch.heard_ns) / NS_PER_S)
            lost = ConnectionLost(1006, f"no byte came for {silent_s} s, not even an answer to a ping", EndedBy.SILENCE)
            link.connection.cut(Cut.RESET, lost)

    def _ping(self, link: OpenLink) -> None:
        self._engine.recorder.count("pings_sent")
        connection = link.connection
        # behind what a peer has not read yet a control frame may wait; a message there would count as unsent
        by_message = connection.writable and (self.words.known or self.words.scout(link))
        if not by_message or not self.words.known:
            connection.outbox.send_control(encode_frame(Opcode.PING, b"", os.urandom(4)))
        if by_message:
            connection.send(self._engine.frame(self._engine.codec.opcode, self._message))
