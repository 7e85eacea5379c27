"""Connects hubs, sockets, faults, limits and event handlers: an emulator process without its HTTP side."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from wps_load.clock import now_ns
from wps_load.emulator.alarm import Alarm
from wps_load.emulator.delivery import Delivery, DirectDelivery, FaultyDelivery, Stats
from wps_load.emulator.event_contract import EventHandlers, HandlerFailed
from wps_load.emulator.hub import RECOVERY_WINDOW_NS, Hub
from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.limits import Limits, Tier
from wps_load.emulator.server_frames import ConnectionEnd
from wps_load.emulator.tokens import Trust
from wps_load.emulator.websocket import WebSocketLink
from wps_load.emulator.wires import GroupOfRaw, refuse
from wps_load.protocol.messages import CancelInvocation, Invoke, SendEvent, SendToGroup, StreamData, Upstream
from wps_load.workload.faults import NO_FAULTS, Dice, FaultSpec, Forbid

PING_INTERVAL_S = 20.0
_PING_SLOTS = 200
NO_INVOCATIONS = "The hub has no event handler, and so no invocations."
_PUBLISHES = frozenset({SendToGroup, SendEvent, Invoke, StreamData})
_BACKLOG_HIGH = 256
"""How many messages of one connection may wait for its event handler before its socket is no longer read."""


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    access_key: str = field(repr=False)
    faults: FaultSpec = NO_FAULTS
    tier: Tier | None = None
    anonymous: bool = False
    failed_event_closes: bool = False
    """Whether a failed event ends a PubSub client, as the CloudEvents page says, or is an error ack."""
    spent_quota_closes: bool = False
    """Whether a used-up day's quota ends present clients, or only refuses new ones."""
    recovery_window_ns: int = RECOVERY_WINDOW_NS
    unvalidated_entra_tokens: bool = False
    """Whether the data plane accepts tokens with Microsoft Entra ID's audience, whoever signed them."""
    entra_issuer: str | None = None
    """A further issuer whose tokens with that audience it accepts."""
    local_auth: bool = True
    """Whether tokens that are signed with the access key are accepted."""

    @property
    def trust(self) -> Trust:
        """Whose tokens are accepted."""
        key = self.access_key if self.local_auth else None
        return Trust(key, self.entra_issuer, self.unvalidated_entra_tokens)


class ServiceLink(WebSocketLink):
    """A socket and the connection that it carries at present."""

    __slots__ = ("connection", "decode", "hub", "on_lost", "slot")

    def __init__(self, service: Service, hub: Hub) -> None:
        super().__init__(service, service.loop)
        self.hub = hub
        self.connection: HubConnection | None = None
        self.decode: Callable[[int, bytes], Upstream]
        self.slot = 0
        self.on_lost: Callable[[ConnectionEnd], None] | None = None
        """Called before the hub is."""

    def divert(self, message: Callable[[Any, int, bytes], None]) -> None:
        """From now on its frames go to `message`, and not to the service."""
        self._message = message

    def carry(self, connection: HubConnection, raw_group: GroupOfRaw | None = None) -> None:
        """`raw_group`: what a simple client's frames become, if not events."""
        self.connection = connection
        self.decode = connection.wire.decode if raw_group is None else raw_group.decode


class Service:
    """Owner of all links. Created inside the running loop; `close` ends everything.

    `handlers`: who gets events; None: the built-in handler, which echoes.
    """

    def __init__(self, config: EmulatorConfig, handlers: EventHandlers | None = None) -> None:
        self.config = config
        self.trust = config.trust
        self._forbids = config.faults.of(Forbid)
        self._began_ns = now_ns()
        self.stats = Stats()
        self.limits = Limits(config.tier) if config.tier else None
        self.dice = Dice(config.faults)
        self.handlers = handlers
        self.hubs: dict[str, Hub] = {}
        self.loop = asyncio.get_running_loop()
        self.delivery: Delivery = DirectDelivery(self.stats)
        self._alarm: Alarm | None = None
        if config.faults.touches_deliveries:
            self.delivery = FaultyDelivery(self.dice, self.stats)
            self._alarm = Alarm(self.loop, self._ring)
        self.batch_end = None if self._alarm is None else self.set_alarm
        self._cuts = bool(self.dice.publications)
        self._timed = bool(self.dice.timers)
        self._inboxes: dict[HubConnection, deque[Upstream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: list[set[ServiceLink]] = [set() for _ in range(_PING_SLOTS)]
        self._numbers = count()
        self._heartbeat: asyncio.TimerHandle | None = self.loop.call_later(0, self._beat, 0)

    # -- connections ---------------------------------------------------------------------------------------

    def hub(self, name: str) -> Hub:
        """The hub of this name, ignoring case; made on first use."""
        key = name.lower()
        hub = self.hubs.get(key)
        if hub is None:
            hub = Hub(key, self.delivery, new_id, self._gone, self.config.recovery_window_ns)
            self.hubs[key] = hub
        return hub

    def opened(self, link: ServiceLink) -> None:
        """A link carries a connection from now on."""
        self.stats.connections += 1
        self.stats.connections_opened += 1
        link.slot = next(self._numbers) % _PING_SLOTS
        self._slots[link.slot].add(link)
        self.set_alarm()

    def lost(self, link: WebSocketLink, end: ConnectionEnd) -> None:
        assert isinstance(link, ServiceLink)
        self._slots[link.slot].discard(link)
        connection, link.connection = link.connection, None
        if connection is not None:
            self.stats.connections -= 1
            if link.on_lost is not None:
                link.on_lost(end)
            link.hub.lose(connection, link, end, now_ns())

    def slow_client(self, link: WebSocketLink) -> None:
        self.stats.slow_clients += 1

    def _gone(self, connection: HubConnection, reason: str) -> None:
        if self.handlers is not None:
            self.spawn(self.handlers.disconnected(connection, reason))

    def forbids(self, what: str) -> bool:
        """Whether the fault specification forbids this now: `network`, `role`."""
        return any(each.applies(what, now_ns() - self._began_ns) for each in self._forbids)

    # -- messages ------------------------------------------------------------------------------------------

    def message(self, link: ServiceLink, opcode: int, payload: bytes) -> None:
        connection = link.connection
        if connection is None:
            return
        self.take(link, connection, link.decode(opcode, payload))

    def take(self, link: ServiceLink, connection: HubConnection, upstream: Upstream) -> None:
        """Handles a client's message."""
        publishes = type(upstream) in _PUBLISHES and not (type(upstream) is StreamData and upstream.number is None)
        if type(upstream) is Invoke and self.handlers is not None and not self.handlers.invokes(connection.hub_name):
            raise refuse(NO_INVOCATIONS)
        if publishes:
            self.stats.messages_in += 1
            if self._timed:
                self.delivery.first_message(now_ns())
        if self._inboxes and connection in self._inboxes and type(upstream) is not CancelInvocation:
            self._postpone(connection, upstream)
        else:
            event = link.hub.receive(connection, upstream, now_ns())
            if event is not None:
                self._handle(link.hub, connection, event)
        if self._cuts and publishes and (fault := self.dice.publications.thrown()) is not None:
            self.stats.add(fault.counter)
            fault.strike(link)

    def _postpone(self, connection: HubConnection, upstream: Upstream) -> None:
        """One connection's messages are processed one after another, including those that wait for the handler."""
        inbox = self._inboxes[connection]
        inbox.append(upstream)
        if len(inbox) == _BACKLOG_HIGH and isinstance(connection.link, ServiceLink):
            connection.link.pause_reading()

    def _handle(self, hub: Hub, connection: HubConnection, event: SendEvent) -> None:
        if self.handlers is None:
            self.stats.upstream_calls += 1
            assert isinstance(event.data, bytes)
            hub.answer(connection, event, (event.data_type, event.data, event.metadata), now_ns())
            return
        self._inboxes[connection] = deque()
        self.spawn(self._consult(hub, connection, event))

    async def _consult(self, hub: Hub, connection: HubConnection, event: SendEvent | None) -> None:
        """Asks the handler, then processes what arrived meanwhile."""
        assert self.handlers is not None
        inbox = self._inboxes[connection]
        try:
            while True:
                if event is not None:
                    await self._ask_handler(hub, connection, event)
                if not inbox:
                    return
                event = hub.receive(connection, inbox.popleft(), now_ns())
                if len(inbox) == _BACKLOG_HIGH // 2 and isinstance(connection.link, ServiceLink):
                    connection.link.resume_reading()
        finally:
            del self._inboxes[connection]
            self.set_alarm()

    async def _ask_handler(self, hub: Hub, connection: HubConnection, event: SendEvent) -> None:
        assert self.handlers is not None
        try:
            reply = await self.handlers.user_event(connection, event)
        except HandlerFailed:
            hub.fail(connection, event, now_ns(), closes=self.config.failed_event_closes)
        else:
            hub.answer(connection, event, reply, now_ns())
        self.set_alarm()

    def set_alarm(self) -> None:
        """Sets the alarm for the earliest delivery, because some may have been made."""
        if self._alarm is not None:
            self._alarm.set(self.delivery.next_ns)

    def _ring(self) -> None:
        self.delivery.run(now_ns())
        self.set_alarm()

    # -- upkeep --------------------------------------------------------------------------------------------

    def _beat(self, slot: int) -> None:
        """Pings one slot of links, so that ten thousand pings do not cause one pause."""
        for link in tuple(self._slots[slot]):
            link.ping()
        for hub in self.hubs.values():
            hub.expire(now_ns())
        if self.config.spent_quota_closes:
            self._end_if_spent()
        following = (slot + 1) % _PING_SLOTS
        self._heartbeat = self.loop.call_later(PING_INTERVAL_S / _PING_SLOTS, self._beat, following)

    def _end_if_spent(self) -> None:
        if self.limits is None or not self.limits.quota_used_up(self.stats.bytes_out, now_ns()):
            return
        for hub in self.hubs.values():
            for connection in tuple(hub.connections.values()):
                hub.close(connection, "Message count reaches limit.")

    def spawn_connected(self, connection: HubConnection) -> None:
        if self.handlers is not None:
            self.spawn(self.handlers.connected(connection))

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Cuts every socket (an orderly end would wait for each peer) and drops what was in progress."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        for task in self._tasks:
            task.cancel()
        for slot in self._slots:
            for link in tuple(slot):
                link.close(1001, "The emulator is shutting down.")
        if self._alarm is not None:
            self._alarm.close()


def new_id() -> str:
    """An unguessable name for a connection, a reconnection token."""
    return secrets.token_urlsafe(18)
