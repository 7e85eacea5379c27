"""The results of a run's streams and invocations, in words, beside its messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from wps_load.report.document import Summary

ALWAYS: Final[Mapping[str, str]] = {
    "started": "streams started",
    "ended": "streams ended as their publishers wanted",
    "failed": "streams refused, closed early or lost",
    "heard_whole": "streams heard to their end, over all subscribers",
    "cut_off": "streams cut off, over all subscribers",
    "nacks": "refused fragments (streamNack)",
    "fragments_replayed": "fragments sent again",
}
SOMETIMES: Final[Mapping[str, str]] = {
    "keepalives": "keepalives of streams",
    "unknown_answers": "answers to unknown streams",
}
"""Rows that are shown only if they are not 0."""


INVOKED: Final[Mapping[str, str]] = {
    "pending_max": "most invocations pending on one connection",
    "cancelled": "invocations cancelled without an answer",
}
INVOKED_SOMETIMES: Final[Mapping[str, str]] = {"unknown_responses": "responses to unknown invocations"}


def feature_counts(summary: Summary) -> list[tuple[str, int]]:
    """The rows; empty if the scenario has neither streams nor invocations."""
    streams = _rows(summary.get("streams"), ALWAYS, SOMETIMES)
    return streams + _rows(summary.get("invocations"), INVOKED, INVOKED_SOMETIMES)


def _rows(
    found: Mapping[str, object] | None, always: Mapping[str, str], sometimes: Mapping[str, str]
) -> list[tuple[str, int]]:
    if found is None:
        return []
    counts = {name: count for name, count in found.items() if isinstance(count, int)}
    rows = [(words, counts.get(name, 0)) for name, words in always.items()]
    return rows + [(words, counts[name]) for name, words in sometimes.items() if counts.get(name)]
