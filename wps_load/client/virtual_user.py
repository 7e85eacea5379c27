"""One simulated client: connects in its slot, joins, receives, publishes, is lost, recovers or connects anew.

`run` is its life, in a greenlet of its own that sleeps while the connection is up: its `Link` handles arrivals in the
hub. It is the same receiver and the same publisher through all of its connections. If its greenlet is ended, another
one may continue its life.
"""

from __future__ import annotations

from collections.abc import Iterator

import gevent

from wps_load.client.access import ConnectGrant
from wps_load.client.connection import Cut
from wps_load.client.connections import Connections
from wps_load.client.dial import Dialed
from wps_load.client.establish import establish
from wps_load.client.hearing import Hearing
from wps_load.client.link import Link
from wps_load.client.publisher import Publisher
from wps_load.client.readiness import Readiness
from wps_load.client.reconnect import Backoff
from wps_load.client.recovery import recover
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost
from wps_load.measure.causes import Cause, cause_of
from wps_load.protocol.session import Session
from wps_load.protocol.session_states import State
from wps_load.protocol.sessions import new_session
from wps_load.workload.chaos import NORMAL_CLOSURE
from wps_load.workload.population import Role


class VirtualUser:
    """`slot_ns`: the instant at which its first connection is due, in this worker's clock.

    `lifetimes`: how long each connection lives before it is closed (`churn`), in ns; None: until it is lost.
    """

    __slots__ = (
        "_apart",
        "_backoff",
        "_connections",
        "_context",
        "_entered",
        "_gap_ns",
        "_grant",
        "_in_groups",
        "_joining",
        "_lifetimes",
        "_lived",
        "_next_part",
        "_outside",
        "_planned",
        "_readiness",
        "_shut_out",
        "_slot_ns",
        "_was_up",
        "hearing",
        "link",
        "publisher",
        "receiver",
        "role",
        "settled",
        "stream",
    )

    def __init__(
        self,
        connections: Connections,
        readiness: Readiness,
        role: Role,
        stream: int,
        slot_ns: int,
        *,
        publisher: Publisher | None,
        lifetimes: Iterator[int] | None,
    ) -> None:
        context = connections.context
        self._context = context
        self._connections = connections
        self._readiness = readiness
        self.role = role
        self.stream = stream
        self._slot_ns = slot_ns
        self._lifetimes = lifetimes
        self.receiver = context.run.ledger.receiver(role.index)
        self.publisher = publisher
        self.hearing = Hearing(context, self.receiver, stream)
        self.link: Link | None = None
        self._lived: Link | None = None
        """The connection for whose end its greenlet waits, or waited when it was ended itself."""
        self._grant: ConnectGrant | None = None
        self._gap_ns: int | None = None
        """When the scenario itself ended the last connection, if nothing has failed since."""
        self._joining = 0
        self._outside = 0
        self._in_groups = False
        self._entered = False  # its joins have been sent, on this connection or on the one that it continues
        self._apart: list[tuple[str, int]] = []  # to be joined when the connection is recovered
        self._next_part: Role | None = None
        self._shut_out = False
        """Whether a join of this connection, or of the one that it continues, was refused or not answered."""
        self._planned = False
        self.settled = False
        """Whether it has connected once, or failed to."""
        self._was_up = False
        self._backoff = Backoff(context.run, role.index)

    @property
    def joins(self) -> bool:
        """Whether it must join groups: a simple client's token puts it into its groups."""
        return self._context.codec.enveloped and bool(self.role.groups)

    # -- life ------------------------------------------------------------------------------------------------

    @property
    def stays(self) -> bool:
        """Whether others leave first if users are to leave."""
        return self.role.stays

    @property
    def movable(self) -> bool:
        """Whether it is up, so that its life may be ended and continued by calling `run` in another greenlet."""
        return self._lived is not None

    def run(self) -> None:
        """Runs until `stop`, GreenletExit, or a failure that another attempt cannot mend."""
        due_ns = now_ns() if self._was_up else self._slot_ns
        gevent.sleep(max(0.0, (due_ns - now_ns()) / NS_PER_S))
        while not self._planned:
            failure = None if self._lived is not None else self._connect(due_ns)
            if failure is not None:
                self._settle()
                if self.publisher is not None:
                    self.publisher.lost(cause_of(failure.label), holds=False)
                delay_s = self._backoff.next_delay_s(failure)
                if delay_s is None:
                    return
                if self._context.run.back_offs.wait(delay_s):
                    self._backoff.reset()
                    gevent.sleep(self._backoff.next_delay_s() or 0.0)  # not all at once
            else:
                self._backoff.reset()
                if self._planned:  # stopped while it was connecting, by its population's plan
                    self._close()
                by_plan = self._live()
                if not by_plan and not self._planned:
                    gevent.sleep(self._backoff.next_delay_s() or 0.0)  # a loss is never permanent: always a number
            due_ns = now_ns()

    def stop(self) -> None:
        """Ends the connection as planned: nothing that it misses from now on is lost."""
        self._planned = True
        self._close()
        self._leave(now_ns(), planned=True)  # also if its connection is lost and not back yet

    def stay_away(self) -> None:
        """It never connects, and nobody waits for it."""
        self._settle()
        self._planned = True

    def cut(self, kind: Cut, code: int = NORMAL_CLOSURE) -> bool:
        """The scenario breaks this connection; the service did not cause what follows. False: there was no connection.

        `code`: the close code. After any but the normal one a reliable connection is recovered, as after a reset.
        """
        if self.link is None:
            return False
        self._context.recorder.count("connections_cut")
        if kind is Cut.CLOSE:
            self.link.close(code, comes_back=code != NORMAL_CLOSURE and self._context.codec.reliable)
        else:
            self.link.connection.cut(kind)
        return True

    def _close(self) -> None:
        if (link := self.link) is not None:
            self._context.recorder.count("connections_closed_by_plan")
            self._leave(now_ns(), planned=True)
            link.close()

    def _live(self) -> bool:
        """Waits until the connection ends for good, recovering it if possible.

        True: we closed it ourselves, so reconnecting at once does not cause a crowd.
        """
        while (link := self._lived or self.link) is not None:
            self._lived = link
            if self._lifetimes is not None and not link.ended.wait(next(self._lifetimes) / NS_PER_S):
                self._close()
                link.ended.wait()
                self._lived = None
                return True
            link.ended.wait()
            self._lived = None
            if not link.recoverable:
                return link.closed_cleanly
            if not self._recover(link):
                return False
        return False

    # -- connecting ------------------------------------------------------------------------------------------

    def _connect(self, due_ns: int) -> ConnectFailure | None:
        """One attempt, from due time to usable, each part timed. None: it is up."""
        if self.publisher is not None:
            self.publisher.asks(now_ns())
        try:
            link = establish(self._connections, self, due_ns, again=self._was_up, gap_ns=lambda: self._gap_ns)
        except ConnectFailure as failure:
            self._gap_ns = None
            return failure
        self._was_up = True
        self._enter(link)
        return None

    def grant(self) -> ConnectGrant:
        self.role = self._next_part or self.role
        return self._context.access.grant(self.role.user_id, () if self._context.codec.enveloped else self.role.groups)

    def open(self, grant: ConnectGrant, dialed: Dialed) -> Link:
        self._grant = grant if self._context.codec.reliable else None  # what a recovery connects with
        link = self._open(dialed, new_session(self._context.codec))
        link.greet()
        return link

    def discard(self, link: Link, error: BaseException) -> None:
        """The connection has not become usable. A user that is stopped meanwhile closes it (`stop`)."""
        if isinstance(error, ConnectFailure) and link.up:
            self.link = None
            link.discard()

    def _open(self, dialed: Dialed, session: Session, *, tentative: bool = False) -> Link:
        link = self.link = Link(self._context, self, session, dialed, tentative=tentative)
        link.connection.start(dialed.leftover, dialed.upgraded_ns)
        return link

    def _enter(self, link: Link) -> None:
        """It is up: a member of groups without a join at once, of others when each is acked; then it may publish."""
        groups = self.role.groups if self._context.codec.enveloped else ()
        by_ack = set(self.role.audiences[: len(groups)])
        at_ns = now_ns() + self._context.clock.offset_ns
        for audience in set(self.role.audiences) - by_ack:
            self._hears(audience, at_ns)
        self._joining = self._outside = len(groups)
        self._shut_out = False
        self._entered = True
        for group, audience in zip(groups, self.role.audiences, strict=False):
            link.join(group, audience)
        if not groups:
            self._usable(link)

    def widen(self, part: Role) -> None:
        """Its part has more groups than before; nothing else in it has changed."""
        if not self._context.codec.enveloped:
            self._next_part = part  # the token of its next connection has them
            return
        known = set(self.role.groups)
        more = [each for each in zip(part.groups, part.audiences, strict=False) if each[0] not in known]
        self.role = part
        if self._entered:
            self._apart += more
            if self.link is not None and not self.link.tentative:
                self._join_more(self.link)

    def _join_more(self, link: Link) -> None:
        more, self._apart = self._apart, []
        link.belongs_to(self.role)
        if self._joining > 0:  # else it is already usable
            self._joining += len(more)
        self._outside += len(more)
        for group, audience in more:
            link.join(group, audience)

    def joined(self, audience: int, at_ns: int | None) -> None:
        """A join was answered; `at_ns` None: it was refused."""
        if at_ns is not None:
            self._belongs(audience, at_ns)
        elif self.link is not None:
            self._shut_out = True
            self._connections.in_groups(self.link, joined=False)
        self._joining -= 1
        if self._joining == 0 and self.link is not None:
            self._usable(self.link)

    def joined_late(self, audience: int, at_ns: int) -> None:
        """A join that had failed without an answer was acknowledged after all."""
        self._belongs(audience, at_ns)

    def _belongs(self, audience: int, at_ns: int) -> None:
        self._hears(audience, at_ns + self._context.clock.offset_ns)
        self._outside -= 1
        if self._outside == 0:
            self._tell_in_groups(True)
            if self._shut_out and self.link is not None:
                self._shut_out = False
                self._connections.in_groups(self.link, joined=True)

    def _tell_in_groups(self, now: bool) -> None:
        if now is not self._in_groups:
            self._in_groups = now
            self._readiness.in_groups(now)

    def _hears(self, audience: int, at_ns: int) -> None:
        """From now on messages to this audience are expected here. Slow readers are load, not instruments."""
        if not self.role.slow:
            self.receiver.joined(audience, at_ns)

    def _usable(self, link: Link) -> None:
        if self.role.slow and self._context.settings.slow is not None:
            link.connection.limit_reading(self._context.settings.slow.bytes_per_s)
        if self.publisher is not None:
            self.publisher.linked(link)
        self._settle()

    def _settle(self) -> None:
        if not self.settled and not self._planned:
            self.settled = True
            self._readiness.settle()

    # -- called by the link --------------------------------------------------------------------------------------

    def writable(self) -> None:
        if self.publisher is not None:
            self.publisher.drained()

    def link_lost(self, link: Link, lost: ConnectionLost, asked: bool) -> None:
        """The connection has ended. `asked`: by plan, or cut by the scenario."""
        if link is not self.link:
            return  # it was discarded
        self.link = None
        was_usable = link.session.state is not State.NEW
        provoked = asked or (self.role.slow and was_usable) or self._connections.ping_refused(link, lost)
        by_plan = link.closed_cleanly and not link.comes_back
        if by_plan or self._planned or self.role.slow:  # a slow reader's session has overflowed, or will
            link.session.close()
        else:
            link.session.lost(link.lost_ns, 1006 if asked else lost.code)
        if provoked and not asked:  # a slow reader that the service dropped, or the scout of pings
            self._context.recorder.count("connections_cut")
        closed_ns = self._connections.closed(link, lost, counted=was_usable and not provoked and not link.tentative)
        if was_usable and not (link.tentative and provoked):
            self._gap_ns = closed_ns if provoked else None
        cause = Cause.PLAN if provoked or self._planned else Cause.SERVICE
        holds = link.recoverable
        if not holds:
            link.settle(cause, unplanned=not (by_plan or self._planned))
            self._leave(link.lost_ns, planned=by_plan or self._planned)
        if self.publisher is not None:
            self.publisher.lost(cause, holds=holds or (by_plan and not self._planned))  # it comes back at once

    def _leave(self, at_ns: int, *, planned: bool) -> None:
        self._entered = False
        self._apart = []
        self._tell_in_groups(False)
        self.receiver.left_all(at_ns + self._context.clock.offset_ns, planned)

    # -- recovery --------------------------------------------------------------------------------------------

    def _recover(self, lost: Link) -> bool:
        """Reliable subprotocols: continues the lost connection. False: it is gone; connect anew."""
        assert self._grant is not None
        if self.publisher is not None:
            self.publisher.asks(now_ns())
        if recover(self._context, self._grant, lost.session, lost.lost_ns, self):
            self._resume()
            return True
        cause = Cause.PLAN if self._planned else Cause.SERVICE
        lost.settle(cause, unplanned=not self._planned)
        if self.publisher is not None:
            self.publisher.lost(cause, holds=False)
        self._leave(lost.lost_ns, planned=self._planned)
        return False

    @property
    def gives_up(self) -> bool:
        return self._planned

    def reopen(self, dialed: Dialed, session: Session, unanswered: list[bytes]) -> Link:
        link = self._open(dialed, session, tentative=True)
        for payload in unanswered:
            link.send(payload)
        return link

    def not_recovered(self) -> None:
        self._gap_ns = None

    def _resume(self) -> None:
        """The connection goes on, in its groups."""
        link = self.link
        assert link is not None
        link.confirm()
        self._connections.opened(link, self._gap_ns)
        self._join_more(link)
        if self._shut_out:
            self._connections.in_groups(link, joined=False)
        if self.publisher is not None:
            self.publisher.linked(link)
