"""A session's messages that are neither data nor awaited answers: counted, as differences."""

from __future__ import annotations

from typing import Final

from wps_load.measure.recorder import Recorder
from wps_load.protocol.session import Session

COUNTERS: Final = ("messages_replayed", "sequence_gaps", "messages_unknown", "acks_late", "acks_unknown")
Met = tuple[int, int, int, int, int]
"""The counts so far; a session's numbers outlive its connections."""


def met(session: Session) -> Met:
    return (
        session.duplicates_dropped,
        session.sequence_gaps,
        session.unknown_messages,
        session.late_acks,
        session.unknown_acks,
    )


def count(recorder: Recorder, session: Session, told: Met) -> Met:
    """Adds what is new to the recorder. `told`: the counts already added; returns the new ones."""
    now = met(session)
    if now != told:
        for name, number, before in zip(COUNTERS, now, told, strict=True):
            if number > before:
                recorder.count(name, number - before)
    return now
