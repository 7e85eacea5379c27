"""Doubts about whether the run was the one that was asked for."""

from __future__ import annotations

from wps_load.report.evidence import Doubt, Evidence


def broken_off(seen: Evidence) -> Doubt | None:
    trouble = seen.facts.trouble
    if trouble is None:
        return None
    return Doubt(
        "broken_off",
        "error",
        f"The run was broken off: {trouble}.",
        "The program's own output has the details; the figures hold for the part that ran.",
    )


def users_changed(seen: Evidence) -> Doubt | None:
    """Roles, groups and rates are dealt out for one number of users."""
    counts = seen.facts.users_asked
    if len(counts) < 2:
        return None
    return Doubt(
        "users_changed",
        "error",
        f"The number of users was changed while the scenario ran: {', '.join(f'{count:,}' for count in counts[:8])}"
        f"{', ...' if len(counts) > 8 else ''}. Its groups, publishers and rates are dealt out for {counts[0]:,}.",
        "Start a run for each number of users, or let --wps-stages change it.",
    )
