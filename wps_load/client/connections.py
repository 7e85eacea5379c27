"""The connections of one population in this process: which are open, what they carried, how each came and went."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from wps_load.client.attempts import TIME_LIMITS, Attempts
from wps_load.client.connection import Cut
from wps_load.client.context import PopulationContext
from wps_load.clock import now_ns
from wps_load.errors import ConnectFailure, ConnectionLost
from wps_load.measure.presence import OpenTime


class SentBytes(Protocol):
    """What an `Outbox` has sent, and how often it could not."""

    @property
    def bytes_sent(self) -> int: ...

    @property
    def stalls(self) -> int: ...

    @property
    def stalled_ns(self) -> int: ...

    def send_control(self, frame: bytes, /) -> None: ...


class OpenConnection(Protocol):
    """The part of a `Connection` that counting and watching need."""

    @property
    def outbox(self) -> SentBytes: ...

    @property
    def bytes_received(self) -> int: ...

    @property
    def open(self) -> bool: ...

    @property
    def writable(self) -> bool: ...

    @property
    def send(self) -> Callable[[bytes], bool]: ...

    def cut(self, kind: Cut, lost: ConnectionLost | None = None) -> None: ...


class OpenLink(Protocol):
    """An open connection: a virtual user's, or an API client's."""

    @property
    def connection(self) -> OpenConnection: ...

    def acknowledge(self, at_ns: int) -> None: ...


class Streaming(Protocol):
    """A task's connection that publishes streams."""

    def beat(self, at_ns: int) -> None:
        """Does what is due by time in its streams."""
        ...


class Traffic(NamedTuple):
    """Bytes include frame headers, but not the upgrade.

    `stalls`, `stalled_ns`: how often and long peers read nothing.
    """

    bytes_sent: int = 0
    bytes_received: int = 0
    stalls: int = 0
    stalled_ns: int = 0

    def plus(self, other: Traffic) -> Traffic:
        return Traffic(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))


class Connections:
    """Every client reports here what happens to its connection. Everything runs in the hub.

    `open_links` is read-only for others. `open_time`: the integral of open connections, with planned gaps bridged;
    `wanted_time`: of those that tasks of a locustfile want.
    """

    def __init__(self, context: PopulationContext) -> None:
        self.context = context
        self.open_links: set[OpenLink] = set()
        self._outsiders: set[OpenLink] = set()
        """Open connections that are not in all of their groups."""
        self.streaming: set[Streaming] = set()
        """Tasks' connections that publish streams; each adds itself."""
        self.open_time = OpenTime()
        self.wanted_time = OpenTime()
        self.attempts = Attempts(context.recorder)
        self._closed_traffic = Traffic()

    # -- how they come ---------------------------------------------------------------------------------------

    def connected(self, link: OpenLink | None, took_ns: int, *, again: bool, gap_ns: int | None = None) -> None:
        """An attempt has succeeded. `link` None: it has already ended again. `gap_ns`: as in `opened`."""
        recorder = self.context.recorder
        recorder.buffer("connect").append(took_ns)
        recorder.count("connections_opened")
        if again:
            recorder.count("connections_reconnected")
        if link is not None:
            self.opened(link, gap_ns)

    def failed(self, who: object, failure: ConnectFailure) -> None:
        """An attempt that `who` had begun has failed."""
        if failure.label in TIME_LIMITS:
            self.attempts.gave_up(who)
        self.context.recorder.count("connections_failed")
        self.context.failed("connect", failure.label, failure.message, failure.advice)

    def opened(self, link: OpenLink, gap_ns: int | None = None) -> None:
        """Counts a new connection, and how long its user was without one.

        `gap_ns`: when the scenario itself ended the previous connection, if this is the first attempt since: the gap
        counts as open.
        """
        if link not in self.open_links:
            at_ns = now_ns()
            self.open_links.add(link)
            self.open_time.change(+1, at_ns)
            if gap_ns is not None:
                self.open_time.bridge(gap_ns, at_ns)

    def in_groups(self, link: OpenLink, *, joined: bool) -> None:
        """A connection whose join was refused or not answered hears nothing, so it does not count as open."""
        if joined and link in self._outsiders:
            self._outsiders.remove(link)
            self.open_time.change(+1, now_ns())
        elif not joined and link in self.open_links and link not in self._outsiders:
            self._outsiders.add(link)
            self.open_time.change(-1, now_ns())

    def want(self, wanted: bool) -> None:
        """A task wants a connection from now on, or no longer."""
        self.wanted_time.change(+1 if wanted else -1, now_ns())

    # -- how they go -----------------------------------------------------------------------------------------

    def closed(self, link: OpenLink, lost: ConnectionLost, *, counted: bool) -> int:
        """`counted`: the service or the network dropped it. Returns the instant."""
        at_ns = now_ns()
        if link in self.open_links:
            self.open_links.remove(link)
            if link in self._outsiders:
                self._outsiders.remove(link)
            else:
                self.open_time.change(-1, at_ns)
        self._closed_traffic = self._closed_traffic.plus(_traffic_of(link))
        if counted:
            self.context.recorder.count("connections_dropped")
            self.context.failed("disconnect", lost.label, f"a connection dropped: {lost.message}", lost.advice)
        return at_ns

    def ping_refused(self, link: OpenLink, lost: ConnectionLost) -> bool:
        """Whether the service ended this connection because of our `ping` message."""
        refused = self.context.ping_words.ended(link, lost)
        if refused:
            self.context.run.warn(
                "keepalive/unknown",
                "the service closed a connection for the subprotocol's ping message, which it does not know; quiet "
                "connections send WebSocket pings instead",
            )
        return refused

    # -- all of them -----------------------------------------------------------------------------------------

    def traffic(self) -> Traffic:
        """The traffic so far, in one pass over the connections: there may be thousands, and messages wait meanwhile."""
        sent, received, stalls, stalled_ns = self._closed_traffic
        for link in self.open_links:
            connection = link.connection
            outbox = connection.outbox
            sent += outbox.bytes_sent
            received += connection.bytes_received
            if outbox.stalls:
                stalls += outbox.stalls
                stalled_ns += outbox.stalled_ns
        return Traffic(sent, received, stalls, stalled_ns)

    def acknowledge(self, at_ns: int) -> None:
        """Does what is due by time: sequence acks, and tasks' streams. Call it a few times a second."""
        if self.context.codec.reliable:
            for link in list(self.open_links):
                link.acknowledge(at_ns)
        for streaming in tuple(self.streaming):
            streaming.beat(at_ns)

    def measure(self, start_ns: int, end_ns: int) -> None:
        """The measure phase: open and wanted connections are integrated from its start, beginning at 0."""
        self.open_time.window(start_ns, end_ns)
        self.wanted_time.window(start_ns, end_ns)

    def end_at(self, at_ns: int) -> None:
        """The measure phase ends at this instant."""
        self.open_time.end(at_ns)
        self.wanted_time.end(at_ns)


def _traffic_of(link: OpenLink) -> Traffic:
    outbox = link.connection.outbox
    return Traffic(outbox.bytes_sent, link.connection.bytes_received, outbox.stalls, outbox.stalled_ns)
