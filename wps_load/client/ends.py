"""How an established connection ended, and by whom, as a `ConnectionLost` that may be shown."""

from __future__ import annotations

import errno
import ssl

from wps_load.client.quote import quote
from wps_load.errors import ConnectionLost, EndedBy, RemoteProtocolError


def ended_by_peer(code: int, reason: str) -> ConnectionLost:
    """A close frame came. Its reason is the peer's own text."""
    return ConnectionLost(code, quote(reason))


def ended_by_us(code: int, cause: Exception) -> ConnectionLost:
    """wps-load ends it: the peer broke the protocol, or our own code failed; `cause` says which."""
    if isinstance(cause, RemoteProtocolError):
        lost = ConnectionLost(code, quote(cause.message), EndedBy.PROTOCOL)
    else:
        lost = ConnectionLost(code, "internal error of the client", EndedBy.BUG)
    lost.__cause__ = cause
    return lost


def broken_by(error: OSError) -> str:
    """What ended TCP, in words."""
    if isinstance(error, ssl.SSLError):
        return "TLS was broken off"
    if error.errno == errno.ECONNRESET:
        return "reset by the peer or by a device on the way"
    return error.strerror or "TCP broke"
