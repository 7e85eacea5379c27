"""What a hub knows of one client, and what it needs from its socket."""

from __future__ import annotations

from typing import Protocol

from wps_load.emulator.delivery import DeliveryLink as DeliveryLink
from wps_load.emulator.mqtt_wire import MqttQueue
from wps_load.emulator.permissions import Permissions
from wps_load.emulator.reliable import ReliableQueue
from wps_load.emulator.server_frames import ConnectionEnd
from wps_load.emulator.wires import Wire

_FINAL_CLOSES = frozenset({1000, 1005})
"""The close code of a client that has finished; after any other code it may come back."""


class ClientLink(DeliveryLink, Protocol):
    def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None: ...


def may_come_back(end: ConnectionEnd) -> bool:
    """Whether a reliable client may recover: the service did not end it, and the client did not mean to."""
    return end.code is None or (end.by_client and end.code not in _FINAL_CLOSES)


class HubConnection:
    """One client, as long as the service knows it: a reliable client outlives its sockets."""

    __slots__ = (
        "acked",
        "alive",
        "groups",
        "hub_name",
        "id",
        "invocations",
        "keeps_ns",
        "link",
        "lost_ns",
        "permissions",
        "queue",
        "reconnection_token",
        "streams",
        "subprotocol",
        "user_id",
        "wire",
    )

    def __init__(
        self, hub_name: str, connection_id: str, wire: Wire, user_id: str | None, permissions: Permissions
    ) -> None:
        self.hub_name = hub_name
        self.id = connection_id
        self.wire = wire
        self.user_id = user_id
        self.permissions = permissions
        self.groups: set[str] = set()
        self.link: ClientLink | None = None
        self.queue: ReliableQueue | MqttQueue | None = ReliableQueue() if wire.reliable else None
        self.keeps_ns: int | None = None
        """MQTT: how long the session is kept without a socket, however that ended. None: the hub's rule."""
        self.reconnection_token: str | None = None
        self.acked: dict[int, None] = {}
        self.invocations: set[str] = set()
        """The ids of invocations that must be answered."""
        self.streams: set[str] = set()
        """The ids of streams that it publishes."""
        self.alive = True
        self.lost_ns: int | None = None
        self.subprotocol = wire.subprotocol
        """The subprotocol of the upgrade: as the client wrote it, or a custom one that the event handler chose."""

    @property
    def protocol(self) -> str | None:
        return self.wire.subprotocol
