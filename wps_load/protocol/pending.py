"""A client's requests that have no answer yet."""

from __future__ import annotations

from typing import NamedTuple


class PendingAck(NamedTuple):
    """A request or an invocation whose answer has not arrived.

    `kind` and `context` are the caller's own, as is `at_ns`, when it was sent. `lasting`: its ack matters however late
    it is. `overdue`: the caller has been informed that it is.
    """

    kind: str
    context: object
    payload: bytes | None
    at_ns: int = 0
    lasting: bool = False
    overdue: bool = False
