"""A process's requests without an ack: after a time limit each is a failure of its metric, once.

A publication or a join without an ack is an answer that never came (`ack_timeout`, `join_timeout`); so is what was
pending when its connection was lost for good (`ack_connection_lost`, `join_connection_lost`), and what is still open
when the run ends. An ack after its failure is counted as late and changes nothing, except that a member whose join is
acknowledged late is a member from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import gevent

from wps_load.protocol.pending import PendingAck
from wps_load.protocol.session import Session

SLICE = 256
"""After this many sessions messages may pass."""

UNANSWERED = {
    "timeout": (
        "the service did not answer a request in time",
        "the time is --wps-answer-timeout, and ends with the drain",
    ),
    "connection_lost": ("a connection ended with a request that the service had not answered", ""),
}
"""The sentence for an answer that did not come, and the advice."""


class Asker(Protocol):
    """A client that sends requests on a session, and is informed about those without an answer."""

    session: Session

    def unanswered(self, pending: PendingAck, why: str) -> None: ...


class Answers:
    """`limit_ns`: how long an answer may take. Call `beat` a few times a second, always from the same greenlet."""

    def __init__(self, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._period_ns = min(500_000_000, limit_ns // 8)
        self._next_ns = 0
        self.askers: set[Asker] = set()
        """Clients whose sessions may have pending requests; each adds itself."""

    def beat(self, at_ns: int) -> None:
        """Requests that have waited too long fail."""
        if at_ns < self._next_ns:
            return
        self._next_ns = at_ns + self._period_ns
        askers = list(self.askers)
        for start in range(0, len(askers), SLICE):
            self._expire(askers[start : start + SLICE], at_ns - self._limit_ns)
            gevent.sleep(0)

    @property
    def awaited(self) -> bool:
        """Whether an answer that may still come in time is outstanding."""
        return any(asker.session.unanswered for asker in self.askers)

    def end(self) -> None:
        """The run is over: nothing is waited for any more."""
        self._expire(list(self.askers), None)

    def lost(self, asker: Asker, *, counted: bool) -> None:
        """The connection is gone for good. `counted`: that was not planned."""
        self.askers.discard(asker)
        for pending in asker.session.abandon_all():
            if counted:
                asker.unanswered(pending, "connection_lost")

    def _expire(self, askers: Iterable[Asker], before_ns: int | None) -> None:
        for asker in askers:
            for pending in asker.session.overdue(before_ns):
                asker.unanswered(pending, "timeout")
            if not asker.session.unanswered:
                self.askers.discard(asker)
