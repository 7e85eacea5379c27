"""The states of a client's session, and its transitions.

                        `connected` came                lost, recoverable
    NEW ------------------------------------> CONNECTED -----------------> RECOVERING
     |                                         |     ^     recovered        |      |
     | lost, closed        lost for good,      |     +----------------------+      | gone (1008),
     v                     closed              v                                   v closed
     +-------------------------------------> CLOSED <------------------------------+

The picture shows `TRANSITIONS`; any other transition raises LocalProtocolError. A simple client has no `connected`: its
session begins CONNECTED.
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType


class State(Enum):
    NEW = auto()
    CONNECTED = auto()
    RECOVERING = auto()
    CLOSED = auto()


class SessionEvent(Enum):
    """What happens to a session."""

    CONNECTED = auto()
    LOST_RECOVERABLE = auto()
    LOST = auto()
    RECOVERED = auto()
    CLOSED = auto()


TRANSITIONS = MappingProxyType(
    {
        (State.NEW, SessionEvent.CONNECTED): State.CONNECTED,
        (State.NEW, SessionEvent.LOST): State.CLOSED,
        (State.NEW, SessionEvent.CLOSED): State.CLOSED,
        (State.CONNECTED, SessionEvent.CONNECTED): State.CONNECTED,  # after a recovery: a new token, nothing else
        (State.CONNECTED, SessionEvent.LOST_RECOVERABLE): State.RECOVERING,
        (State.CONNECTED, SessionEvent.LOST): State.CLOSED,
        (State.CONNECTED, SessionEvent.CLOSED): State.CLOSED,
        (State.RECOVERING, SessionEvent.RECOVERED): State.CONNECTED,
        (State.RECOVERING, SessionEvent.LOST_RECOVERABLE): State.RECOVERING,  # an attempt failed
        (State.RECOVERING, SessionEvent.LOST): State.CLOSED,
        (State.RECOVERING, SessionEvent.CLOSED): State.CLOSED,
        (State.CLOSED, SessionEvent.LOST_RECOVERABLE): State.CLOSED,  # the socket's end, after our close
        (State.CLOSED, SessionEvent.LOST): State.CLOSED,
        (State.CLOSED, SessionEvent.CLOSED): State.CLOSED,
    }
)
