"""Keeps an API client connected: connects on demand, waits after failures, rejoins groups, reports a loss once.

Everything here runs in the caller's greenlet and may wait. Failures are counted, and raised as a Finding.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

import gevent
from gevent.lock import RLock

from wps_load.client.access import ConnectGrant, MintedAccess
from wps_load.client.api_link import ApiLink, RequestOutcome
from wps_load.client.api_values import within_limit
from wps_load.client.connections import Connections
from wps_load.client.dial import Dialed
from wps_load.client.establish import establish, seconds_until
from wps_load.client.reconnect import USUAL, Backoff
from wps_load.client.task_accounts import Account
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure, ConnectionLost, Finding
from wps_load.measure.catalog import ack_label
from wps_load.protocol.messages import DataMessage, DataType, JoinGroup, LeaveGroup, StreamMessage, Upstream

TIMEOUT_S = 10.0
"""How long a request waits for its ack unless a call sets a time limit."""


class ApiConnector:
    """`groups`: those to be a member of. `on_data` and `on_end` are called in the hub."""

    def __init__(
        self,
        connections: Connections,
        *,
        user_id: str | None,
        groups: Iterable[str],
        on_data: Callable[[DataMessage | StreamMessage, int], None],
        on_end: Callable[[], None],
        account: Account,
    ) -> None:
        self._connections = connections
        self._context = context = connections.context
        run = context.run
        self._access = context.access
        self.name = user_id or f"{run.run_id}-{secrets.token_hex(8)}"
        self._on_data = on_data
        self._tell_end = on_end
        self._account = account
        self._wanted = False
        self._groups = dict.fromkeys(groups)  # a set that keeps its order
        self._connecting = RLock()
        self._was_up = False
        self._backoff = Backoff(run, secrets.randbits(30))
        self._not_before_ns = 0
        self.link: ApiLink | None = None

    @property
    def user_id(self) -> str | None:
        """The user id that the service reports; before that, the minted token's; else None."""
        told = None if self.link is None else self.link.session.user_id
        return told or (self.name if isinstance(self._access, MintedAccess) else None)

    # -- connecting ------------------------------------------------------------

    def ready(self) -> ApiLink:
        """Returns a connection that is a member of its groups. Raises ConnectFailure, ConnectionLost, Finding."""
        link = self.link
        if link is None:
            with self._connecting:  # a callback and the task may both want it
                link = self.link or self._connect()
        if link.lost is not None:
            self._tell_loss(link)
        if self._context.codec.enveloped and not self._groups.keys() <= link.groups:
            for group in [each for each in self._groups if each not in link.groups]:
                self.request_join(link, group, TIMEOUT_S)
        return link

    def close(self) -> None:
        """Starts the close handshake; never waits."""
        link, self.link = self.link, None
        self._account.closed()
        self._want(False)
        if link is not None:
            link.close()

    def _want(self, wanted: bool) -> None:
        """A task wants a connection from its first attempt until it closes it or it is lost."""
        if wanted is not self._wanted:
            self._wanted = wanted
            self._connections.want(wanted)

    def _on_end(self, link: ApiLink, lost_ns: int) -> None:
        """In the hub: the connection has ended for good.

        One that was closed by plan is settled already, and another one may be connected by now.
        """
        if not link.closing:
            self._account.lost(lost_ns)
            self._want(False)
            self._tell_end()

    def _connect(self) -> ApiLink:
        gevent.sleep(max(0.0, (self._not_before_ns - now_ns()) / NS_PER_S))
        self._want(True)
        try:
            link = establish(self._connections, self, now_ns(), again=self._was_up, gap_ns=lambda: None)
        except ConnectFailure as failure:
            delay_s = self._backoff.next_delay_s(failure)
            if delay_s is None:  # another attempt cannot help, but the task may try: not as fast as it can loop
                delay_s = USUAL.longest_s
            self._not_before_ns = now_ns() + int(delay_s * NS_PER_S)
            raise
        self.link = link
        self._account.connected(
            self.user_id, link.session.connection_id, () if self._context.codec.enveloped else self._groups
        )
        self._was_up = True
        self._backoff.reset()
        return link

    def grant(self) -> ConnectGrant:
        return self._access.grant(self.name, () if self._context.codec.enveloped else tuple(self._groups))

    def open(self, grant: ConnectGrant, dialed: Dialed) -> ApiLink:
        return ApiLink(self._connections, grant, dialed, on_data=self._on_data, on_end=self._on_end)

    def discard(self, link: ApiLink, _error: BaseException) -> None:
        """Discards a connection that has not become usable."""
        link.discard()

    def _tell_loss(self, link: ApiLink) -> None:
        """The connection was dropped: the first call that learns it raises it, and the next call connects anew."""
        if self.link is link:
            self.link = None
        assert link.lost is not None
        raise ConnectionLost(link.lost.code, link.lost.reason, link.lost.ended_by) from link.lost

    # -- groups ------------------------------------------------------------

    def join(self, group: str, timeout_s: float) -> None:
        link = self.ready()
        if group not in self._groups:
            self.request_join(link, group, timeout_s)
            self._groups[group] = None

    def join_optional(self, group: str, timeout_s: float) -> None:
        """As `join`, for groups that may need no join: a refusal is not a failure, and is remembered."""
        link = self.ready()
        if group in self._groups or group in link.groups:
            return
        link.has_joined(group)
        ack_id = link.session.next_ack_id()
        payload = self._context.codec.encode(JoinGroup(group, ack_id))
        link.request(ack_id, payload, self._context.codec.opcode).answer.wait(timeout_s)

    def leave(self, group: str, timeout_s: float) -> None:
        link = self.ready()
        self._groups.pop(group, None)
        link.leaves(group)
        self._account.leaving(group)
        deadline_ns = now_ns() + int(timeout_s * NS_PER_S)
        answer = self.ask(
            link, lambda ack_id: LeaveGroup(group, ack_id), deadline_ns, metric="join_group", prefix="leave"
        )
        self._account.left(group, answer.arrival_ns)

    def forget_groups(self) -> None:
        self._groups.clear()

    def request_join(self, link: ApiLink, group: str, timeout_s: float) -> None:
        asked_ns = now_ns()
        deadline_ns = asked_ns + int(timeout_s * NS_PER_S)
        self._account.joining(group)
        answer = self.ask(
            link, lambda ack_id: JoinGroup(group, ack_id), deadline_ns, metric="join_group", prefix="join"
        )
        link.has_joined(group)
        self._account.joined(group, answer.arrival_ns)
        self._context.recorder.buffer("join_group").append(answer.arrival_ns - asked_ns)

    # -- requests ------------------------------------------------------------

    def ask(
        self,
        link: ApiLink,
        message: Callable[[int], Upstream],
        deadline_ns: int,
        *,
        metric: str,
        prefix: str,
        on_send: Callable[[], None] = lambda: None,
    ) -> RequestOutcome:
        """Sends a request and waits for its positive ack.

        Any other outcome is counted for `metric` and raised as a Finding.
        """
        codec = self._context.codec
        self.await_passable(link, deadline_ns, metric)
        ack_id = link.session.next_ack_id()
        written = message(ack_id)
        payload = within_limit(codec.encode(written))
        on_send()
        request = link.request(ack_id, payload, codec.opcode_for(getattr(written, "data_type", DataType.JSON)))
        answer: RequestOutcome | None = request.answer.wait(seconds_until(deadline_ns))
        if answer is None:
            link.session.abandon(ack_id)
            self.fail(metric, f"{prefix}_timeout", "the service did not answer a request in time")
        elif answer.lost is not None:
            self._context.recorder.fail(metric, f"{prefix}_connection_lost")
            self._tell_loss(link)
        elif not answer.ok:
            self.fail(metric, ack_label(answer.error, "ack" if prefix == "join" else prefix), *_REFUSED[prefix])
        assert answer is not None
        return answer

    def await_passable(self, link: ApiLink, deadline_ns: int, metric: str) -> None:
        """Waits until the connection accepts a message: the peer reads, and no recovery is under way."""
        if not link.passable.wait(seconds_until(deadline_ns)):
            self.fail(
                metric,
                "send_stalled",
                "a message could not be sent in time: the service does not read, or a recovery takes too long",
            )
        if link.lost is not None:
            self._tell_loss(link)

    def fail(self, metric: str, label: str, message: str, advice: str = "") -> None:
        """Counts a failure, warns once of its kind, and raises a Finding."""
        self._context.failed(metric, label, message, advice)
        raise Finding(label, message, advice)


_REFUSED = {
    "join": ("the service refused a join", "give the token the role webpubsub.joinLeaveGroup (--wps-roles)"),
    "leave": ("the service refused a leave", "give the token the role webpubsub.joinLeaveGroup (--wps-roles)"),
    "ack": (
        "the service refused a publication",
        "give the token the role webpubsub.sendToGroup (--wps-roles), or check the event handler",
    ),
}
