"""Invocations, the service's side: events whose answers go to their caller. Pure.

Source: npm `@azure/web-pubsub-client` 1.1.0; what no page says is decided in docs/emulator.md.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from wps_load.emulator.delivery import Delivery
from wps_load.emulator.delivery import DeliveryLink as DeliveryLink
from wps_load.emulator.wires import Reply, Wire
from wps_load.protocol.messages import DataType, Invoke, SendEvent

_PENDING_ID = "An invocation with this id is pending."


class Invoker(Protocol):
    """A connection. `invocations`: the ids of those that must be answered."""

    @property
    def id(self) -> str: ...

    @property
    def wire(self) -> Wire: ...

    @property
    def link(self) -> DeliveryLink | None: ...

    @property
    def invocations(self) -> set[str]: ...


def event_of(connection: Invoker, message: Invoke) -> SendEvent | None:
    """The event that it requests. One with a pending id is refused, and the first one continues."""
    invocation_id, event, data_type, data = message
    if invocation_id in connection.invocations:
        _tell(connection, invocation_id, "BadRequest", _PENDING_ID)
        return None
    connection.invocations.add(invocation_id)
    return SendEvent(event, data_type or DataType.TEXT, data or b"", invocation_id=invocation_id)


def respond(delivery: Delivery, connection: Invoker, invocation_id: str, reply: Reply | None, now_ns: int) -> None:
    """The handler has answered.

    The response is a delivery, which faults may affect. Nothing is sent for an invocation that was cancelled, or whose
    socket is gone.
    """
    link = connection.link
    if invocation_id in connection.invocations and link is not None:
        connection.invocations.discard(invocation_id)
        stream: Hashable = (connection.id, None)
        delivery.submit(link, connection.wire.invoke_response(invocation_id, reply, None, ""), stream, now_ns)


def refuse(connection: Invoker, invocation_id: str, error: str, message: str) -> None:
    """There is no handler, or it failed."""
    if invocation_id in connection.invocations:
        connection.invocations.discard(invocation_id)
        _tell(connection, invocation_id, error, message)


def _tell(connection: Invoker, invocation_id: str, error: str, message: str) -> None:
    if connection.link is not None:
        connection.link.write(connection.wire.invoke_response(invocation_id, None, error, message))
