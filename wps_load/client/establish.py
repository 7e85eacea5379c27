"""A connection of a run's: dialed with each part recorded, awaited until it is usable, dialed anew to recover one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from wps_load.client.access import Grant, recovery_grant
from wps_load.client.connection import Connection
from wps_load.client.dial import ConnectSpec, Dialed, dial
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost, EndedBy
from wps_load.protocol.session import CONNECTION_GONE, Session

if TYPE_CHECKING:
    from wps_load.client.engine import Engine

RECOVERY_RETRY_S = 1.0
"""The official SDKs' interval between attempts to recover."""
RECOVERY_PROOF_S = 0.5
"""A recovery is refused by a close frame (1008) behind the upgrade. A message proves it, or so long without either."""
RECOVERY_ATTEMPT_S = 5.0


class Awaited(Protocol):
    """`connected`: set when the connection is usable, or has ended. `lost`: the latter, and how."""

    connected: Any

    @property
    def lost(self) -> ConnectionLost | None: ...


class OpenLink(Protocol):
    """What an engine knows of an open connection: a member's, or an API client's."""

    @property
    def connection(self) -> Connection: ...

    def acknowledge(self, at_ns: int) -> None: ...


def dial_timed(engine: Engine, grant: Grant, deadline_ns: int) -> Dialed:
    """Connects and upgrades, and records `connect_dns`, `_tcp`, `_tls`, `_upgrade`. Raises ConnectFailure."""
    dialed = dial(
        ConnectSpec(grant.url, grant.headers, engine.codec.subprotocol, seconds_until(deadline_ns)), engine.network
    )
    parts = dialed.timings
    for name, part_ns in (
        ("connect_dns", parts.dns_ns),
        ("connect_tcp", parts.tcp_ns),
        ("connect_tls", parts.tls_ns),
        ("connect_upgrade", parts.upgrade_ns),
    ):
        if part_ns is not None:
            engine.recorder.buffer(name).append(part_ns)
    return dialed


def await_connected(link: Awaited, deadline_ns: int) -> None:
    """Raises ConnectFailure when `connected`, a PubSub client's first message, does not come in time."""
    if not link.connected.wait(seconds_until(deadline_ns)):
        raise ConnectFailure(
            "connected_timeout",
            "the upgrade was answered, but no `connected` message came in the time of --wps-connect-timeout",
            "check that the target is Web PubSub and that --wps-protocol is one that its hub speaks",
        )
    if link.lost is not None:
        raise never_usable(link.lost) from link.lost


def never_usable(lost: ConnectionLost) -> ConnectFailure:
    """A connection that ended between the upgrade and `connected`: with the label of its end, and why it ended.

    Where neither side said a word it is `connected_lost`.
    """
    label = "connected_lost" if lost.ended_by is EndedBy.NETWORK else lost.label
    return ConnectFailure(label, f"before `connected` came, {lost.message}", lost.advice)


def dial_recovery(engine: Engine, grant: Grant, session: Session) -> Dialed | None:
    """One attempt to continue a lost connection. None: it failed, and `session.state` says whether to go on."""
    query = session.recovery_query()
    assert query is not None
    again = recovery_grant(grant, query)
    try:
        return dial(ConnectSpec(again.url, again.headers, engine.codec.subprotocol, RECOVERY_ATTEMPT_S), engine.network)
    except ConnectFailure as failure:
        # older services answer 404 for what is gone; other refusals of the request itself are as final
        session.lost(now_ns(), CONNECTION_GONE if failure.permanent else 1006)
        return None


def seconds_until(deadline_ns: int) -> float:
    """What is left of a time limit, at least a millisecond: nothing left would mean no limit to some."""
    return max(0.001, (deadline_ns - now_ns()) / NS_PER_S)
