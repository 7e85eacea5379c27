"""Continues a lost connection of a reliable subprotocol: one loop for users, tasks and doctor.

The service keeps the state of a lost connection for 30 s. Source: Azure Web PubSub, "Create reliable clients".
"""

from __future__ import annotations

from typing import Any, Protocol

import gevent

from wps_load.client.access import ConnectGrant, recovery_grant
from wps_load.client.context import PopulationContext
from wps_load.client.dial import ConnectSpec, Dialed, dial
from wps_load.clock import now_ns
from wps_load.errors import ConnectFailure
from wps_load.protocol.session import CONNECTION_GONE, Session
from wps_load.protocol.session_states import State
from wps_load.protocol.traits import First

RECOVERY_RETRY_S = 1.0
"""The official SDKs' interval between attempts to recover."""
RECOVERY_PROOF_S = 0.5
"""A close frame (1008) after the upgrade refuses a recovery. A message proves it, or this long without either.

MQTT answers: only CONNACK proves it.
"""
RECOVERY_ATTEMPT_S = 5.0


class Reopened(Protocol):
    """A socket that continues the connection, if the service agrees. `proven`: set when a message came, or it ended."""

    @property
    def proven(self) -> Any: ...

    @property
    def up(self) -> bool:
        """Whether it has not ended."""
        ...

    def discard(self) -> None:
        """Nothing came in time."""
        ...


class Recoverable(Protocol):
    """The client that has lost the connection."""

    @property
    def gives_up(self) -> bool:
        """Whether the connection is no longer wanted: nothing has failed."""
        ...

    def reopen(self, dialed: Dialed, session: Session, unanswered: list[bytes]) -> Reopened:
        """Continues with this socket, and sends unanswered requests again."""
        ...

    def not_recovered(self) -> None:
        """An attempt has failed."""
        ...


def recover(
    context: PopulationContext, grant: ConnectGrant, session: Session, lost_ns: int, owner: Recoverable
) -> bool:
    """Blocks its greenlet. True: the session goes on. False: it is closed, which is counted unless `owner` gave up."""
    while session.may_recover(now_ns()) and not owner.gives_up:
        recovered_ns = _attempt(context, grant, session, owner)
        if recovered_ns is not None:
            context.recorder.buffer("recover").append(recovered_ns - lost_ns)
            context.recorder.count("connections_recovered")
            return True
        owner.not_recovered()
        if session.state is State.RECOVERING:
            gevent.sleep(RECOVERY_RETRY_S)
    if not owner.gives_up:
        context.failed(
            "recover",
            "recover_refused" if session.state is State.CLOSED else "recover_timeout",
            "a lost connection could not be recovered",
            "the service keeps it for 30 s, and up to 1,000 unacknowledged messages",
        )
    session.close()
    return False


def _attempt(context: PopulationContext, grant: ConnectGrant, session: Session, owner: Recoverable) -> int | None:
    """The instant of the answered upgrade, or None: `session.state` says whether to continue."""
    dialed = _dial(context, grant, session)
    if dialed is None:
        return None
    reopened = owner.reopen(dialed, session, session.recovered())
    if context.codec.traits.speaks_first is not First.CLIENT:
        reopened.proven.wait(RECOVERY_PROOF_S)
        return dialed.upgraded_ns if reopened.up else None
    if not reopened.proven.wait(RECOVERY_ATTEMPT_S):
        reopened.discard()
    return now_ns() if reopened.up else None


def _dial(context: PopulationContext, grant: ConnectGrant, session: Session) -> Dialed | None:
    query = session.recovery_query()
    assert query is not None
    again = recovery_grant(grant, query) if query else grant  # MQTT reconnects with the same URL
    spec = ConnectSpec(again.url, again.headers, context.codec.subprotocol, RECOVERY_ATTEMPT_S)
    try:
        return dial(spec, context.run.network)
    except ConnectFailure as failure:
        # older services answer 404 if the connection is gone; other refusals of the request itself are as final
        session.lost(now_ns(), CONNECTION_GONE if failure.permanent else 1006)
        return None
