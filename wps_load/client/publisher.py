"""A publisher: puts a stream's messages on their way at their due times, whatever the service does.

A message whose time has come leaves at once if its connection can take it. If the peer has stopped reading, it waits
unencoded, so that its stamp has the true waiting time when it leaves; if there is no connection, it has failed
(`send_failed`), and is neither published nor lost: its `Cause` says why. Its latency counts from the due time in every
case.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from wps_load.client import invoking
from wps_load.client.context import PopulationContext
from wps_load.client.publishing_window import PublishingWindow
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.measure.causes import Cause
from wps_load.protocol.codecs import Template
from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session
from wps_load.protocol.traits import PublishKind

BACKLOG_MESSAGES = 10_000
"""The most messages that one publisher holds back while its peer does not read; a new one then fails the oldest."""

LATE_NS = 10 * NS_PER_MS
"""A message that was due this long before its connection was lost had not left because the loop was busy."""
PATIENCE_NS = NS_PER_S
"""After the run's own plan had ended a connection, the next one may take this long; then the service is the cause."""


class OutletOutbox(Protocol):
    """The part of a `Connection`'s `Outbox` that says whether the peer reads."""

    @property
    def writable(self) -> bool: ...


class OutletConnection(Protocol):
    """The part of a `Connection` that sending needs."""

    @property
    def outbox(self) -> OutletOutbox: ...

    @property
    def send(self) -> Callable[[bytes], bool]: ...


class OutletEcho(Protocol):
    """The part of a connection's `Echo` that gets what is sent."""

    @property
    def ready(self) -> bool: ...

    def left(self, stamp: bytes, seq: int, due_ns: int, lag_ns: int) -> None: ...


class Outlet(Protocol):
    """The connection on which a publisher sends."""

    session: Session

    @property
    def echo(self) -> OutletEcho | None:
        """Predicts how a message will come back, once it is `ready`."""
        ...

    @property
    def connection(self) -> OutletConnection: ...

    def window_full(self) -> None:
        """No other publication may be in flight: call `drained` when an answer has come."""
        ...

    def stalled_on(self, publisher: Publisher, seq: int) -> None:
        """The peer no longer reads; only a part of `seq` may have left."""
        ...

    def unanswered(self, pending: PendingAck, why: str) -> None: ...


class PublisherOwner(Protocol):
    """The owner that gave the publisher its work."""

    def start_newcomer(self, publisher: Publisher) -> None:
        """It came after publishing had been announced, and is usable for the first time."""
        ...


class Publisher:
    """One stream. The scheduler calls `window.due`; the user reports when its link comes, drains and goes."""

    __slots__ = (
        "_absent_for",
        "_absent_since_ns",
        "_ack",
        "_asking_since_ns",
        "_backlog",
        "_before",
        "_behind",
        "_choose",
        "_context",
        "_invokes",
        "_key",
        "_newcomer_to",
        "_opcode",
        "_pack",
        "_template",
        "audience",
        "holds",
        "link",
        "no_echo",
        "owner",
        "phase",
        "seed",
        "stream",
        "window",
    )

    def __init__(
        self,
        context: PopulationContext,
        *,
        stream: int,
        audience: int,
        kind: PublishKind,
        name: str,
        no_echo: bool,
        owner: int,
        phase: float,
        seed: int,
        newcomer_to: PublisherOwner | None = None,
    ) -> None:
        self._context = context
        self.stream = stream
        self.audience = audience
        self.no_echo = no_echo
        self.owner = owner
        self.phase = phase
        self.seed = seed
        self.link: Outlet | None = None
        self._absent_for = Cause.PLAN  # not due to connect yet
        self._absent_since_ns = 0
        self._asking_since_ns: int | None = None
        self.holds = False
        """There is no link, but one that continues it will come (recovery): keep messages meanwhile."""
        self._newcomer_to = newcomer_to
        self._template: Template = context.template(kind, name, no_echo)
        self._invokes = kind == "invoke"
        self._ack = context.wants_acks
        self._choose = context.payloads.choose
        self._opcode = self._template.opcode
        around = None if self._ack or self._invokes else context.payloads.around(self._template.encode_safe)
        self._before: bytes | None = around[0] if around else None
        self._behind = around[1] if around else b""
        self._key = 0
        self._pack = context.pack_stamp
        self._backlog: deque[tuple[int, int]] = deque()
        self.window: PublishingWindow | None = None

    @property
    def ready(self) -> bool:
        return self.link is not None

    @property
    def newcomer(self) -> bool:
        """Whether it came after publishing had been announced, and has never been usable."""
        return self._newcomer_to is not None

    @property
    def share(self) -> Fraction:
        """The part of a publisher's rate that this stream has: all of it."""
        return Fraction(1)

    def new_turn(self) -> float | None:
        """Where in its interval it begins anew; None: it continues as before."""
        return None

    # -- windows ----------------------------------------------------------------------------------------------

    def halt(self) -> None:
        """The ledger's epoch is over: nothing of it leaves any more, and messages that are held back are dropped."""
        self._backlog.clear()
        if self.window is not None:
            self.window.close()

    def begin(self, window: PublishingWindow) -> None:
        """A new epoch: sequence numbers start again from 0."""
        self.window = window
        self._key = self._context.epochs.mark ^ self.stream

    def unsent(self) -> int:
        """Messages that were due and wait for their peer to read."""
        return len(self._backlog)

    def waits_for(self, at_ns: int) -> Cause:
        """The cause if nothing left from now on."""
        if self.link is not None:
            return Cause.SERVICE  # the peer reads nothing
        asking_ns = self._asking_since_ns
        if self._absent_for is Cause.PLAN and asking_ns is not None and at_ns - asking_ns > PATIENCE_NS:
            return Cause.SERVICE  # by plan it would be back by now
        return self._absent_for

    def _give_up(self, cause: Cause) -> None:
        """Messages that are held back fail."""
        while self._backlog:
            self.fail(self._backlog.popleft()[0], cause)

    def end(self, end_ns: int) -> None:
        """Nothing leaves any more: messages that were due before `end_ns` and did not leave have failed."""
        self._give_up(self.waits_for(now_ns()))
        if self.window is not None:
            self.window.miss(end_ns)

    # -- messages --------------------------------------------------------------------------------------------

    def publish(self, due_ns: int) -> None:
        """Publishes the message that is due at `due_ns`, in this worker's clock."""
        window = self.window
        assert window is not None
        out = window.out
        seq = out.seq
        out.seq = seq + 1
        link = self.link
        if link is not None and link.connection.outbox.writable and not self._backlog:
            self._transmit(link, seq, due_ns)
        elif link is not None or self.holds:
            self._backlog.append((seq, due_ns))
            if len(self._backlog) > BACKLOG_MESSAGES:
                self.fail(self._backlog.popleft()[0], self.waits_for(due_ns))
        else:
            late = due_ns < self._absent_since_ns - LATE_NS
            self.fail(seq, Cause.GENERATOR if late else self.waits_for(due_ns))

    def _transmit(self, link: Outlet, seq: int, due_ns: int, *, held: bool = False) -> None:
        """`held`: it had to wait for its peer, or for a recovery, which is not the generator's own lag."""
        context, pack = self._context, self._pack  # local: see Connection._on_readable
        stream = self.stream
        connection, frame = link.connection, context.frame
        send = connection.send
        sent_ns = now_ns()
        lag_ns = sent_ns - due_ns
        stamp = pack(context.epochs.byte, self._key, stream, seq, due_ns + context.clock.offset_ns, lag_ns)
        before = self._before
        if before is not None:  # the usual message: three calls less
            payload = before + stamp + self._behind
            echo = link.echo
            if echo is not None and echo.ready:
                echo.left(stamp, seq, due_ns + context.clock.offset_ns, lag_ns)
        elif self._ack:
            session = link.session
            if not session.room:
                self._backlog.appendleft((seq, due_ns))
                link.window_full()
                return
            data = self._choose(stream, seq).wrap(stamp)
            ack_id = session.next_ack_id()
            payload = self._template.encode_safe(data, ack_id)
            session.expect_ack(ack_id, "publish", (due_ns, context.epochs.number), payload, sent_ns)
            context.run.answers.askers.add(link)
        elif self._invokes:
            number = invoking.begin(context, link, (seq, due_ns, context.epochs.number), sent_ns)
            payload = self._template.encode_safe(self._choose(stream, seq).wrap(stamp), number)
        else:
            payload = self._template.encode_safe(self._choose(stream, seq).wrap(stamp))
        if send(frame(self._opcode, payload)):
            if not held:
                context.send_lag.append(lag_ns)
            if not connection.outbox.writable:
                link.stalled_on(self, seq)
        elif not (self._ack and context.codec.reliable):  # one that waits for an ack is sent again after a recovery
            self.fail(seq, Cause.SERVICE)

    def linked(self, link: Outlet) -> None:
        """There is a connection to publish on."""
        self.link = link
        self.holds = False
        self._asking_since_ns = None
        owner, self._newcomer_to = self._newcomer_to, None
        if owner is not None:
            owner.start_newcomer(self)
        self.drained()
        window = self.window
        if window is not None and window.closed is not None and window.last_due_ns is None:
            window.advance(now_ns())

    def drained(self) -> None:
        """The connection accepts messages again."""
        backlog = self._backlog
        while backlog:
            link = self.link
            if link is None or not link.connection.outbox.writable or not link.session.room:
                return
            self._transmit(link, *backlog.popleft(), held=True)

    def asks(self, at_ns: int) -> None:
        """An attempt to connect begins."""
        if self._asking_since_ns is None:
            self._asking_since_ns = at_ns

    def lost(self, cause: Cause, *, holds: bool) -> None:
        """There is no link: it has ended, or an attempt to get one has failed.

        `holds`: there may be one that continues it.
        """
        if self.link is not None:
            self.link = None
            self._absent_since_ns = now_ns()
            self._asking_since_ns = None
        self._absent_for = cause
        self.holds = holds
        if not holds:
            self._give_up(cause)
            if self.window is not None:
                self.window.lost()

    def fail(self, seq: int, cause: Cause) -> None:
        """A message was not, or not completely, handed to the socket."""
        if self.window is not None:
            self.window.out.failed(seq, cause)

    def refused(self, at_ns: int, seq: int) -> None:
        """Message `seq` was answered with an error: nobody expects more. Closed loop: the next one leaves."""
        if self.window is not None:
            self.window.out.uncertain(seq)
        self.came_back(at_ns, seq)

    def came_back(self, at_ns: int, seq: int) -> None:
        """Closed loop: message `seq` is back. If it is the one in flight, not one given up, the next one leaves."""
        window = self.window
        if window is not None and window.closed is not None and seq == window.out.seq - 1:
            window.advance(at_ns)

    def give_up_waiting(self, at_ns: int, patience_ns: int) -> None:
        """Closed loop: a message that has not come back for this long counts as lost, and the next one leaves."""
        window = self.window
        if window is not None and window.last_due_ns is not None and at_ns - window.last_due_ns > patience_ns:
            window.advance(at_ns)
