"""The phases of a run in the summary document, and the sentences about a changed number of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wps_load.plurals import counted
from wps_load.report.document import Summary
from wps_load.report.document_phases import PhasePart, PhaseRow
from wps_load.report.evidence import samples, thin_percentiles
from wps_load.report.model import RunFacts
from wps_load.report.tables import Cell, Table, millis, number, seconds, table
from wps_load.report.user_phases import UserPhase

MOST_SAID = 4
"""The most phases in a sentence; the table has all."""
_LOAD: Final = ("connections", "offered_per_s", "delivered_per_s", "lost")


def phase_rows(facts: RunFacts, metric: str) -> list[PhaseRow]:
    """In the order of their beginnings. `metric`: the run's main latency."""
    rows: list[PhaseRow] = [
        {"name": phase.name, "started_s": phase.started_s, "duration_s": phase.duration_s} for phase in facts.phases
    ]
    drain = next((at for at, row in enumerate(rows) if row["name"] == "drain"), len(rows))
    return [*rows[:drain], *(_row(each, metric) for each in facts.user_phases), *rows[drain:]]


def _row(phase: UserPhase, metric: str) -> PhaseRow:
    row = _whole_row(phase, metric)
    if phase.interval.portions:
        row["populations"] = [_part(name, phase) for name in phase.interval.portions]
    return row


def _part(name: str, phase: UserPhase) -> PhasePart:
    counts, length_s = phase.interval.portions[name].counts, phase.length_s
    return {
        "name": name,
        "connections": round(phase.portions_s.get(name, 0.0) / length_s, 3),
        "offered_per_s": round(counts.get("offered", 0) / length_s, 3),
        "published_per_s": round(counts.get("published", 0) / length_s, 3),
        "delivered_per_s": round(counts.get("delivered", 0) / length_s, 3),
        "lost": max(0, counts.get("missing", 0)),
    }


def _whole_row(phase: UserPhase, metric: str) -> PhaseRow:
    counts, length_s, latency = phase.interval.counts, phase.length_s, phase.interval.snapshot.row(metric)
    return {
        "name": phase.name,
        "started_s": phase.interval.from_s,
        "duration_s": length_s,
        "users": phase.users,
        "connections": round(phase.connected_s / length_s, 3),
        "offered": counts["offered"],
        "published": counts["published"],
        "delivered": counts["delivered"],
        "lost": max(0, counts["missing"]),
        "offered_per_s": round(counts["offered"] / length_s, 3),
        "delivered_per_s": round(counts["delivered"] / length_s, 3),
        "metric": metric,
        "p50": latency["p50"],
        "p99": latency["p99"],
        "samples": samples(latency),
        "few_samples": bool({"p50", "p99"} & set(thin_percentiles(latency))),
    }


def user_phases(summary: Summary) -> Sequence[PhaseRow]:
    """The phases by numbers of users; none if there was only one number."""
    return [phase for phase in summary["phases"] if "users" in phase]


def users_sentence(summary: Summary) -> str:
    """What was offered with which number of users; empty if there was only one number."""
    found = user_phases(summary)
    if not found:
        return ""
    held = [phase for phase in found if phase["users"] is not None]
    ramps = len(found) - len(held)
    more = len(held) - MOST_SAID
    parts = [_told(phase) for phase in (held[:MOST_SAID] or found[:1])]
    parts += [f"and {more} more numbers"] if more > 0 else []
    parts += [f"{counted(ramps, 'ramp')} in between"] if held and ramps else []
    return f"The number of users changed: {'; '.join(parts)}."


def _told(phase: PhaseRow) -> str:
    offered, delivered = phase.get("offered_per_s"), phase.get("delivered_per_s")
    load = (
        f", {counted(number(offered), 'message')}/s offered, {number(delivered)} delivered"
        if phase.get("offered")
        else ""
    )
    what = phase["name"] if phase["users"] is not None else f"a ramp of {phase['name']}"
    parts = ", ".join(
        f"{part['name']} {number(part['offered_per_s'])} and {number(part['delivered_per_s'])}"
        for part in phase.get("populations", ())
        if part["offered_per_s"] or part["delivered_per_s"]
    )
    return f"{what} for {seconds(phase['duration_s'])}{load}{f' ({parts})' if parts else ''}"


def users_table(summary: Summary) -> Table:
    """A row for each phase, and in a run of several populations one for each of them in it."""
    found = user_phases(summary)
    metric = next((phase["metric"] for phase in found), "")
    rows: list[list[str | Cell]] = []
    for phase in found:
        rows.append(
            [
                phase["name"] if phase["users"] is not None else f"ramp, {phase['name']}",
                f"{phase['started_s']:g}–{phase['started_s'] + (phase['duration_s'] or 0):g}",
                *(number(phase[key]) for key in _LOAD),
                *(Cell(millis(phase[key]), faint=phase["few_samples"]) for key in ("p50", "p99")),
                number(phase["samples"]),
            ]
        )
        rows += [
            [f"… {part['name']}", "", *(number(part[key]) for key in _LOAD), "", "", ""]
            for part in phase.get("populations", ())
        ]
    header = ["users", "seconds", "connections", "offered/s", "delivered/s", "lost"]
    return table([*header, f"{metric} p50, ms", f"{metric} p99, ms", "samples"], rows, 1)
