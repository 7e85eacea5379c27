"""What a run's streams have come to, in words: of scenarios whose messages are fragments of streams."""

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
    "unknown_answers": "answers to no stream of ours",
}
"""Shown where there are any."""


def stream_counts(summary: Summary) -> list[tuple[str, int]]:
    """Empty where the scenario has no streams."""
    found: Mapping[str, object] | None = summary.get("streams")
    if found is None:
        return []
    counts = {name: count for name, count in found.items() if isinstance(count, int)}
    rows = [(words, counts.get(name, 0)) for name, words in ALWAYS.items()]
    return rows + [(words, counts[name]) for name, words in SOMETIMES.items() if counts.get(name)]
