"""Doubts about whether the run was the one that was requested."""

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


def users_refused(seen: Evidence) -> Doubt | None:
    why = seen.facts.refused_users
    if why is None:
        return None
    return Doubt(
        "users_refused",
        "warning",
        f"More users were requested while the run was on than its machines hold, and were refused: {why}.",
        "The run went on with the users that it had; `wps-load doctor --machine` says what a machine holds.",
    )
