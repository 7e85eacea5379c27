"""How quiet connections of one population are pinged: by WebSocket, or by the subprotocol's own message.

Every server must answer a WebSocket ping (RFC 6455 section 5.5.3), but that only proves that the front end is alive.
The service itself answers the subprotocols' `ping` message, which real clients send; a server that does not know it may
end the connection (close code 1007). So one connection, the scout, sends it first, while all others send WebSocket
pings: once a `pong` message has come, quiet connections send the message; else they continue with WebSocket pings.
"""

from __future__ import annotations

from typing import Any, Final

from wps_load.errors import ConnectionLost, EndedBy

_REFUSALS: Final = frozenset({1002, 1003, 1007, 1008})
"""Close codes (RFC 6455 section 7.4.1) with which a server answers a message that it does not understand."""


class PingWords:
    """How to ping: whether the service knows the subprotocol's `ping` message."""

    __slots__ = ("_scout", "known")

    def __init__(self, *, enveloped: bool, known: bool | None = None) -> None:
        self.known: bool | None = known if enveloped else False
        """None: unknown."""
        self._scout: Any = None

    def scout(self, link: object) -> bool:
        """`link` is to be pinged: returns whether it must try the message, for all of them."""
        if self.known is not None or self._scout is not None:
            return False
        self._scout = link
        return True

    def answered(self) -> None:
        """A `pong` message has come."""
        self.known = True
        self._scout = None

    def heard(self, link: object) -> None:
        """Something has come on `link` since it was pinged, but no `pong` message in a whole interval."""
        if link is self._scout:
            self.known = False
            self._scout = None

    def ended(self, link: object, lost: ConnectionLost) -> bool:
        """`link` was dropped. True: the service ended it because of the message, which it does not know."""
        if link is not self._scout:
            return False
        self._scout = None
        if lost.ended_by is EndedBy.SILENCE:
            return False
        self.known = False  # whatever ended it, WebSocket pings are safe
        return lost.ended_by is EndedBy.SERVICE and lost.code in _REFUSALS
