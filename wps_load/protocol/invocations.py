"""Which of a client's invocations have no response yet. Pure: responses in, outcomes out, time as an argument.

Ids are 1, 2, 3, ... for each connection, written in decimal. An invocation belongs to its socket: when that is lost,
all pending ones have failed, and none is sent again, even if the connection is recovered. The protocol has no time
limit: the caller sets one, and cancels. Source: npm `@azure/web-pubsub-client` 1.1.0, whose preview this is.
"""

from __future__ import annotations

from wps_load.protocol.messages import InvokeResponse
from wps_load.protocol.pending import PendingAck

KIND = "invoke"
"""The kind of pending invocations, which tells them from requests with acks."""


class Invocations:
    """Not thread-safe. `unknown` only grows."""

    __slots__ = ("_last", "_pending", "unknown")

    def __init__(self) -> None:
        self._last = 0
        self._pending: dict[int, PendingAck] = {}
        self.unknown = 0
        """Responses to no invocation of this client, or to one that had already ended."""

    def __len__(self) -> int:
        return len(self._pending)

    def next_number(self) -> int:
        self._last += 1
        return self._last

    def expect(self, number: int, context: object, at_ns: int) -> None:
        """Invocation `number` is about to be sent."""
        self._pending[number] = PendingAck(KIND, context, None, at_ns)

    def resolve(self, response: InvokeResponse) -> PendingAck | None:
        """The invocation that it answers; None (counted): none that is waited for."""
        number = response.invocation_id
        known = number.isascii() and number.isdigit() and len(number) < 20 and number[0] != "0"
        pending = self._pending.pop(int(number), None) if known else None
        if pending is None:
            self.unknown += 1
        return pending

    def abandon(self, number: int) -> PendingAck | None:
        """Stops waiting for it. None: it has been answered."""
        return self._pending.pop(number, None)

    def overdue(self, before_ns: int | None) -> list[PendingAck]:
        """Removes and returns the invocations that were sent before `before_ns` (None: all), oldest first."""
        found = []
        for number, pending in self._pending.items():
            if before_ns is not None and pending.at_ns >= before_ns:
                break
            found.append(number)
        return [self._pending.pop(number) for number in found]
