"""What the service asks of an event handler, whoever it is reached by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.wires import Reply
from wps_load.protocol.messages import SendEvent


class HandlerFailed(Exception):
    """There is no handler, it could not be reached, or it answered with an error.

    `status` is what a connecting client gets, the text is what happened.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What a handler is told of a client that wants to connect. Without its token.

    `authority`: host and port as the client asked for them, by which the service is known to a handler, too.
    """

    hub: str
    connection_id: str
    authority: str
    user_id: str | None
    claims: dict[str, list[str]] = field(repr=False)
    query: dict[str, list[str]] = field(repr=False)
    headers: dict[str, list[str]] = field(repr=False)
    subprotocols: tuple[str, ...]
    mqtt: Mapping[str, object] | None = field(default=None, repr=False)
    """Of an MQTT client, what its CONNECT says."""
    physical_id: str | None = None
    """Of an MQTT client, its socket's id: the connection is its session."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """What a handler decided; None leaves the token's word, or the client's offer, as it is."""

    user_id: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None


class EventHandlers(Protocol):
    """`connect` and `user_event` raise HandlerFailed; the others never raise.

    Each `connect`, if it was accepted, is followed by `connected` and `disconnected`, or, if
    nothing came of it, by `forget`.
    """

    async def connect(self, request: ConnectRequest) -> ConnectAnswer: ...

    def forget(self, connection_id: str) -> None: ...

    async def connected(self, connection: HubConnection) -> None: ...

    def invokes(self, hub: str) -> bool:
        """Whether clients of this hub can invoke: a hub without any event handler is one without the feature."""
        ...

    async def user_event(self, connection: HubConnection, event: SendEvent) -> Reply | None: ...

    async def disconnected(self, connection: HubConnection, reason: str) -> None: ...
