"""Makes a connection usable, with each part of the attempt timed and its result counted, for all clients alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from wps_load.client.access import ConnectGrant
from wps_load.client.connections import Connections, OpenLink
from wps_load.client.context import PopulationContext
from wps_load.client.dial import ConnectSpec, Dialed, dial
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost, EndedBy


class NewLink(OpenLink, Protocol):
    """`connected`: set when the connection is usable, or has ended. `lost`: how it ended."""

    @property
    def connected(self) -> Any: ...

    @property
    def ended(self) -> Any: ...

    @property
    def lost(self) -> ConnectionLost | None: ...


L = TypeVar("L", bound=NewLink)


class Connecting(Protocol[L]):
    """A client that wants a connection."""

    def grant(self) -> ConnectGrant:
        """Where to connect, and with which token. Raises ConnectFailure."""
        ...

    def open(self, grant: ConnectGrant, dialed: Dialed) -> L: ...

    def discard(self, link: L, error: BaseException) -> None:
        """`link` has not become usable, because of `error`."""
        ...


def establish(
    connections: Connections, owner: Connecting[L], due_ns: int, *, again: bool, gap_ns: Callable[[], int | None]
) -> L:
    """One attempt, from its due time to usable. Blocks its greenlet. Raises ConnectFailure, which is counted.

    `again`: it was connected before; `gap_ns` is called when the connection is up (see `Connections.opened`).
    """
    context = connections.context
    deadline_ns = now_ns() + context.run.config.connect_timeout_ns
    connections.attempts.begin(owner, due_ns)
    try:
        asked_ns = now_ns()
        grant = owner.grant()
        waited_ns = grant.waited_ns
        if waited_ns:  # for a token from the service, which is a metric of its own
            due_ns, deadline_ns = due_ns + waited_ns, deadline_ns + waited_ns
            connections.attempts.begin(owner, due_ns)
        context.recorder.buffer("connect_token").append(now_ns() - asked_ns - waited_ns)
        link = _usable(context, owner, grant, deadline_ns)
    except ConnectFailure as failure:
        connections.failed(owner, failure)
        raise
    finally:
        connections.attempts.end(owner)
    connections.connected(None if link.ended.is_set() else link, now_ns() - due_ns, again=again, gap_ns=gap_ns())
    return link


def _usable(context: PopulationContext, owner: Connecting[L], grant: ConnectGrant, deadline_ns: int) -> L:
    dialed = _dial_timed(context, grant, deadline_ns)
    link = owner.open(grant, dialed)
    if context.codec.enveloped:
        try:
            await_connected(link, deadline_ns)
        except BaseException as error:  # even if its user is killed
            owner.discard(link, error)
            raise
        context.recorder.buffer("connect_ready").append(now_ns() - dialed.upgraded_ns)
    return link


def _dial_timed(context: PopulationContext, grant: ConnectGrant, deadline_ns: int) -> Dialed:
    """Connects and upgrades, and records `connect_dns`, `_tcp`, `_tls`, `_upgrade`. Raises ConnectFailure."""
    spec = ConnectSpec(grant.url, grant.headers, context.codec.subprotocol, seconds_until(deadline_ns))
    try:
        dialed = dial(spec, context.run.network)
    except ConnectFailure as failure:
        if failure.label == "http_401":
            grant.refused()
        raise
    parts = dialed.timings
    for name, part_ns in (
        ("connect_dns", parts.dns_ns),
        ("connect_tcp", parts.tcp_ns),
        ("connect_tls", parts.tls_ns),
        ("connect_upgrade", parts.upgrade_ns),
    ):
        if part_ns is not None:
            context.recorder.buffer(name).append(part_ns)
    return dialed


def await_connected(link: NewLink, deadline_ns: int) -> None:
    """Raises ConnectFailure if `connected`, a PubSub client's first message, does not come in time."""
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

    If neither side sent a close frame it is `connected_lost`.
    """
    label = "connected_lost" if lost.ended_by is EndedBy.NETWORK else lost.label
    return ConnectFailure(label, f"before `connected` came, {lost.message}", lost.advice)


def seconds_until(deadline_ns: int) -> float:
    """The rest of a time limit, at least a millisecond: 0 would mean no limit to some functions."""
    return max(0.001, (deadline_ns - now_ns()) / NS_PER_S)
