"""What a session has met that is neither a message nor an awaited answer: counted, as differences."""

from __future__ import annotations

from typing import Final

from wps_load.measure.recorder import Recorder
from wps_load.protocol.session import Session

COUNTERS: Final = ("messages_replayed", "sequence_gaps", "messages_unknown", "acks_late", "acks_unknown")
Met = tuple[int, int, int, int, int]
"""How many of each so far; a session's numbers outlive its connections."""


def met(session: Session) -> Met:
    return (
        session.duplicates_dropped,
        session.sequence_gaps,
        session.unknown_messages,
        session.late_acks,
        session.unknown_acks,
    )


def count(recorder: Recorder, session: Session, told: Met) -> Met:
    """Tells the recorder what is new. `told`: what it was told before; returns what it is now."""
    now = met(session)
    if now != told:
        for name, number, before in zip(COUNTERS, now, told, strict=True):
            if number > before:
                recorder.count(name, number - before)
    return now
