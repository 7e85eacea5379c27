"""What the service needs from an event handler, however that is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wps_load.emulator.hub_connection import HubConnection
from wps_load.emulator.wires import Reply
from wps_load.protocol.messages import SendEvent


class HandlerFailed(Exception):
    """There is no handler, it could not be reached, or it answered with an error.

    `status`: the connecting client's HTTP status; the text says what happened.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A handler's information about a client that wants to connect, without its token.

    `authority`: host and port in the client's request, which also identify the service to a handler.
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
    """The contents of an MQTT client's CONNECT."""
    physical_id: str | None = None
    """The id of an MQTT client's socket: its connection is the session."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """A handler's decision; None keeps the value of the token or the client's offer."""

    user_id: str | None = None
    groups: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    subprotocol: str | None = None


class EventHandlers(Protocol):
    """`connect` and `user_event` raise HandlerFailed; the others never raise.

    Each accepted `connect` is followed by `connected` and `disconnected`, or by `forget` if no connection resulted.
    """

    async def connect(self, request: ConnectRequest) -> ConnectAnswer: ...

    def forget(self, connection_id: str) -> None: ...

    async def connected(self, connection: HubConnection) -> None: ...

    def invokes(self, hub: str) -> bool:
        """Whether clients of this hub can invoke: a hub without an event handler does not have the feature."""
        ...

    async def user_event(self, connection: HubConnection, event: SendEvent) -> Reply | None: ...

    async def disconnected(self, connection: HubConnection, reason: str) -> None: ...
