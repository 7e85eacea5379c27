"""One simulated client: connects in its slot, joins, receives, publishes, is lost, recovers or connects anew.

`run` is its life, in a greenlet of its own that sleeps while the connection is up: what arrives is handled in the hub,
by its `Link`. A member is the same receiver and the same publisher through all of its connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent  # type: ignore[import-untyped]

from wps_load.client.access import Grant
from wps_load.client.connection import Cut
from wps_load.client.dial import Dialed
from wps_load.client.establish import (
    RECOVERY_PROOF_S,
    RECOVERY_RETRY_S,
    await_connected,
    dial_recovery,
    dial_timed,
)
from wps_load.client.link import Link
from wps_load.client.publisher import Publisher
from wps_load.client.reconnect import Backoff, BackoffPolicy
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost
from wps_load.measure.causes import Cause, cause_of
from wps_load.protocol.session import Session, State
from wps_load.workload.chaos import NORMAL_CLOSURE
from wps_load.workload.population import Role

if TYPE_CHECKING:
    from wps_load.client.engine import Engine


class Member:
    """`slot_ns`: the instant at which its first connection is due, in this worker's clock."""

    __slots__ = (
        "_backoff",
        "_engine",
        "_gap_ns",
        "_grant",
        "_in_groups",
        "_joining",
        "_outside",
        "_planned",
        "_settled",
        "_shut_out",
        "_slot_ns",
        "_was_up",
        "link",
        "publisher",
        "receiver",
        "role",
        "stream",
    )

    def __init__(self, engine: Engine, role: Role, stream: int, slot_ns: int) -> None:
        self._engine = engine
        self.role = role
        self.stream = stream
        self._slot_ns = slot_ns
        self.receiver = engine.ledger.receiver(role.index)
        self.publisher: Publisher | None = engine.timetable.publisher_of(role, stream)
        self.link: Link | None = None
        self._grant: Grant | None = None
        self._gap_ns: int | None = None
        """When the scenario itself ended the last connection, if nothing has failed since."""
        self._joining = 0
        self._outside = 0
        self._in_groups = False
        self._shut_out = False
        """A join of this connection, or of the one that it continues, was refused or not answered."""
        self._planned = False
        self._settled = False
        self._was_up = False
        self._backoff = Backoff(BackoffPolicy(), lambda: engine.random(role.index, "backoff"))

    @property
    def joins(self) -> bool:
        """Whether it is to join groups: a simple client is put into its groups by its token."""
        return self._engine.codec.enveloped and bool(self.role.groups)

    # -- life ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until `stop`, GreenletExit, or a failure that trying again cannot mend."""
        due_ns = self._slot_ns
        gevent.sleep(max(0.0, (due_ns - now_ns()) / NS_PER_S))
        while not self._planned:
            failure = self._connect(due_ns)
            if failure is not None:
                self._settle()
                if self.publisher is not None:
                    self.publisher.lost(cause_of(failure.label), holds=False)
                delay_s = self._backoff.next_delay_s(failure)
                if delay_s is None:
                    return
                if self._engine.back_off(delay_s):
                    self._backoff.reset()
                    gevent.sleep(self._backoff.next_delay_s() or 0.0)  # not all at once
            else:
                self._backoff.reset()
                by_plan = self._live()
                if not by_plan and not self._planned:
                    gevent.sleep(self._backoff.next_delay_s() or 0.0)  # a loss is never permanent: always a number
            due_ns = now_ns()

    def stop(self) -> None:
        """Ends the connection as planned: nothing that it misses from now on is lost."""
        self._planned = True
        self._close()
        self._leave(now_ns(), planned=True)  # also of a connection that is lost and not back yet

    def cut(self, kind: Cut, code: int = NORMAL_CLOSURE) -> bool:
        """The scenario breaks this connection; what follows is not the service's doing. False: there was none.

        `code`: what a close says. After any but the normal one a reliable connection is recovered, as after a reset.
        """
        if self.link is None:
            return False
        self._engine.recorder.count("connections_cut")
        if kind is Cut.CLOSE:
            self.link.comes_back = code != NORMAL_CLOSURE and self._engine.codec.reliable
            self.link.connection.close(code)
        else:
            self.link.connection.cut(kind)
        return True

    def _close(self) -> None:
        link = self.link
        if link is None:
            return
        self._engine.recorder.count("connections_closed_by_plan")
        self._leave(now_ns(), planned=True)
        link.connection.close()

    def _live(self) -> bool:
        """Stays until the connection ends for good, recovering where that is possible.

        True: we closed it ourselves, so that nobody needs to be spared a crowd that comes back at once.
        """
        while (link := self.link) is not None:
            lifetime_ns = self._engine.lifetime_ns(self.role.index)
            if lifetime_ns is not None and not link.ended.wait(lifetime_ns / NS_PER_S):
                self._close()
                link.ended.wait()
                return True
            link.ended.wait()
            if not link.recoverable:
                return link.closed_cleanly
            if not self._recover(link):
                return False
        return False

    # -- connecting ------------------------------------------------------------------------------------------

    def _connect(self, due_ns: int) -> ConnectFailure | None:
        """One attempt, from due time to usable, each part timed. None: it is up."""
        engine = self._engine
        deadline_ns = now_ns() + engine.config.connect_timeout_ns
        if self.publisher is not None:
            self.publisher.asks(now_ns())
        engine.attempts.begin(self, due_ns)
        try:
            asked_ns = now_ns()
            grant = engine.access.grant(self.role.user_id, () if engine.codec.enveloped else self.role.groups)
            engine.recorder.buffer("connect_token").append(now_ns() - asked_ns)
            dialed = dial_timed(engine, grant, deadline_ns)
            link = self._open(dialed, Session(engine.codec))
            if engine.codec.enveloped:
                self._await_connected(link, deadline_ns)
                engine.recorder.buffer("connect_ready").append(now_ns() - dialed.upgraded_ns)
        except ConnectFailure as failure:
            self._gap_ns = None
            engine.connect_failed(self, failure)
            return failure
        finally:
            engine.attempts.end(self)
        engine.connect_succeeded(self.link, now_ns() - due_ns, again=self._was_up, gap_ns=self._gap_ns)
        self._was_up = True
        self._grant = grant
        self._enter(link)
        return None

    def _open(self, dialed: Dialed, session: Session, *, tentative: bool = False) -> Link:
        link = self.link = Link(self._engine, self, session, dialed)
        link.tentative = tentative
        link.connection.start(dialed.leftover, dialed.upgraded_ns)
        return link

    def _await_connected(self, link: Link, deadline_ns: int) -> None:
        try:
            await_connected(link, deadline_ns)
        except ConnectFailure:
            if not link.ended.is_set():
                link.discard()
            raise

    def _enter(self, link: Link) -> None:
        """Up: a member of what needs no join at once, of its groups when each is acked; then it may publish."""
        groups = self.role.groups if self._engine.codec.enveloped else ()
        by_ack = set(self.role.audiences[: len(groups)])
        at_ns = now_ns() + self._engine.offset_ns
        for audience in set(self.role.audiences) - by_ack:
            self._hears(audience, at_ns)
        self._joining = self._outside = len(groups)
        self._shut_out = False
        for group, audience in zip(groups, self.role.audiences, strict=False):
            link.join(group, audience)
        if not groups:
            self._usable(link)

    def joined(self, audience: int, at_ns: int | None) -> None:
        """A join was answered; `at_ns` None: it was refused."""
        if at_ns is not None:
            self._belongs(audience, at_ns)
        elif self.link is not None:
            self._shut_out = True
            self._engine.link_in_groups(self.link, joined=False)
        self._joining -= 1
        if self._joining == 0 and self.link is not None:
            self._usable(self.link)

    def joined_late(self, audience: int, at_ns: int) -> None:
        """A join that had failed for want of an answer was acknowledged after all."""
        self._belongs(audience, at_ns)

    def _belongs(self, audience: int, at_ns: int) -> None:
        self._hears(audience, at_ns + self._engine.offset_ns)
        self._outside -= 1
        if self._outside == 0:
            self._tell_in_groups(True)
            if self._shut_out and self.link is not None:
                self._shut_out = False
                self._engine.link_in_groups(self.link, joined=True)

    def _tell_in_groups(self, now: bool) -> None:
        self._engine.joined += now - self._in_groups
        self._in_groups = now

    def _hears(self, audience: int, at_ns: int) -> None:
        """From now on messages to this audience are expected here. Slow readers are load, not instruments."""
        if not self.role.slow:
            self.receiver.joined(audience, at_ns)

    def _usable(self, link: Link) -> None:
        if self.role.slow and self._engine.config.population.slow is not None:
            link.connection.limit_reading(self._engine.config.population.slow.bytes_per_s)
        if self.publisher is not None:
            self.publisher.linked(link)
        self._settle()

    def _settle(self) -> None:
        if not self._settled:
            self._settled = True
            self._engine.settled += 1

    # -- the link tells --------------------------------------------------------------------------------------

    def writable(self) -> None:
        if self.publisher is not None:
            self.publisher.drained()

    def link_lost(self, link: Link, lost: ConnectionLost, asked: bool) -> None:
        """The connection has ended, asked (by plan, or cut by the scenario) or not."""
        self.link = None
        engine = self._engine
        was_usable = link.session.state is not State.NEW
        provoked = asked or (self.role.slow and was_usable) or engine.ping_refused(link, lost)
        link.closed_cleanly = asked and lost.code != 1006
        by_plan = link.closed_cleanly and not link.comes_back
        if by_plan or self._planned or self.role.slow:  # a slow reader's session has overflowed, or will
            link.session.close()
        else:
            link.session.lost(link.lost_ns, 1006 if asked else lost.code)
        if provoked and not asked:  # a slow reader that the service has had enough of, or the scout of pings
            engine.recorder.count("connections_cut")
        closed_ns = engine.link_closed(link, lost, counted=was_usable and not provoked and not link.tentative)
        if was_usable and not (link.tentative and provoked):
            self._gap_ns = closed_ns if provoked else None
        cause = Cause.PLAN if provoked or self._planned else Cause.SERVICE
        holds = link.recoverable
        if not holds:
            link.settle(cause, unasked=not (by_plan or self._planned))
            self._leave(link.lost_ns, planned=by_plan or self._planned)
        if self.publisher is not None:
            self.publisher.lost(cause, holds=holds or (by_plan and not self._planned))  # it comes back at once

    def _leave(self, at_ns: int, *, planned: bool) -> None:
        self._tell_in_groups(False)
        self.receiver.left_all(at_ns + self._engine.offset_ns, planned)

    # -- recovery --------------------------------------------------------------------------------------------

    def _recover(self, lost: Link) -> bool:
        """Reliable subprotocols: continues the lost connection. False: it is gone; connect anew."""
        engine, session = self._engine, lost.session
        if self.publisher is not None:
            self.publisher.asks(now_ns())
        while session.may_recover(now_ns()) and not self._planned:
            recovered_ns = self._try_recovery(session)
            if recovered_ns is not None:
                engine.recorder.buffer("recover").append(recovered_ns - lost.lost_ns)
                engine.recorder.count("connections_recovered")
                return True
            self._gap_ns = None
            if session.state is State.RECOVERING:
                gevent.sleep(RECOVERY_RETRY_S)
        refused = session.state is State.CLOSED
        if not self._planned:
            engine.failed(
                "recover",
                "recover_refused" if refused else "recover_timeout",
                "a lost connection could not be recovered",
                "the service keeps it for 30 s, and up to 1,000 unacknowledged messages",
            )
        session.close()
        cause = Cause.PLAN if self._planned else Cause.SERVICE
        lost.settle(cause, unasked=not self._planned)
        if self.publisher is not None:
            self.publisher.lost(cause, holds=False)
        self._leave(lost.lost_ns, planned=self._planned)
        return False

    def _try_recovery(self, session: Session) -> int | None:
        """One attempt: the instant of the answered upgrade, or None. `session.state` says whether to go on."""
        assert self._grant is not None
        engine = self._engine
        dialed = dial_recovery(engine, self._grant, session)
        if dialed is None:
            return None
        unanswered = session.recovered()
        link = self._open(dialed, session, tentative=True)
        for payload in unanswered:
            link.send(payload)
        if link.proven.wait(RECOVERY_PROOF_S) and link.ended.is_set():
            return None
        link.tentative = False
        engine.link_recovered(self, self._gap_ns)
        if self._shut_out:
            engine.link_in_groups(link, joined=False)
        if self.publisher is not None:
            self.publisher.linked(link)
        return dialed.upgraded_ns
