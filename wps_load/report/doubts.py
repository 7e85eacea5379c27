"""Reasons not to trust a run: a closed list, each with advice.

A doubt is about the measurement, not about the service. Level "error" makes the run invalid; "warning" asks the reader
to look closer. One function a doubt, `Evidence -> Doubt | None`, and one row of `CHECKS`; docs/metrics.md has the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from wps_load.plurals import counted
from wps_load.report.asked_doubts import broken_off, users_refused
from wps_load.report.connection_doubts import (
    JOIN_ADVICE,
    address_unanswered,
    connections_failed,
    connections_missing,
    connections_silent,
    local_limit,
    nobody_joined,
    nobody_left,
    not_measured,
    nothing_cut,
    snat_suspected,
)
from wps_load.report.evidence import (
    SAMPLES_BEYOND,
    Doubt,
    Evidence,
    samples,
    thin_percentiles,
)
from wps_load.report.feature_doubts import not_available
from wps_load.report.generator_doubts import (
    clock_error,
    cpu,
    gc_pauses,
    loop_lag,
    rate_missed,
    send_lag,
    worker_away,
    worker_lost,
    worker_unconnected,
)
from wps_load.report.model import RunFacts, RunState
from wps_load.report.significance import Drift, drift
from wps_load.report.step_doubts import client_bound, few_samples_in, judged_steps

__all__ = ["CHECKS", "Doubt", "Evidence", "find_doubts", "thin_percentiles"]


def interrupted(seen: Evidence) -> Doubt | None:
    if seen.facts.state is RunState.RUNNING:
        return Doubt(
            "interrupted",
            "error",
            f"The run did not reach its end; these are the figures {seen.facts.duration_s:.0f} s into it, and "
            "messages in flight were not waited for.",
            "Find out what ended the process (the kernel's out-of-memory killer, a timeout of the job) and run "
            "again; `wps-load report FOLDER` draws the charts of this one.",
        )
    capacity = seen.facts.capacity
    done = capacity is not None and capacity["bound_by"] != "time"  # a search ends when it has its answer
    if seen.facts.state is RunState.STOPPED and not done:
        return Doubt(
            "stopped_early",
            "warning",
            f"The run was stopped after {seen.facts.duration_s:.0f} s, before its end.",
            "Messages in flight were waited for; the figures hold for the part that ran.",
        )
    return None


def no_messages(seen: Evidence) -> Doubt | None:
    facts = seen.facts
    if not facts.has_messages or facts.state is RunState.RUNNING:
        return None
    if facts.totals is not None and facts.totals.published:
        if facts.totals.expected != 0:
            return None
        return Doubt(
            "no_messages",
            "error",
            f"{facts.totals.published:,} messages were published, but nobody was there to receive them, so there is "
            "nothing to judge.",
            JOIN_ADVICE,
        )
    if facts.totals is None and any(row.get("phase") == "measure" and row.get("published") for row in facts.timeline):
        return None  # their accounts were lost with the workers, and another doubt says so
    what, advice = _why_none(seen)
    return Doubt("no_messages", "error", f"{what}, so there is nothing to judge.", advice)


def _why_none(seen: Evidence) -> tuple[str, str]:
    """Why no message was sent, as far as counts show, and what helps."""
    due, counts = seen.facts.offered or 0, seen.facts.connections
    outside = nobody_joined(seen)
    if outside is not None:
        return (
            f"No user ever joined its group ({outside}), and no message was published in the measure phase",
            JOIN_ADVICE,
        )
    if seen.facts.measure_s is None and counts.connecting:
        return (
            f"The run ended before its measure phase began, as {counts.connecting:,} of {counts.target or 0:,} users "
            "had neither connected nor failed by then",
            "See `wps-load doctor`. Give a longer -t, or a shorter --wps-settle, after which the others are measured "
            "without them; an attempt without an answer ends after --wps-connect-timeout.",
        )
    return (
        f"None of the {due:,} messages that were due in the measure phase was sent"
        if due
        else "No message was published in the measure phase",
        "Were there publishers and a rate (--wps-publishers, --wps-rate)? Did connect and join succeed? Is -t "
        "longer than settle and warm-up?",
    )


def send_stalled(seen: Evidence) -> Doubt | None:
    stalls = seen.facts.generator.send_stalls
    if not stalls:
        return None
    return Doubt(
        "send_stalled",
        "warning",
        f"Send buffers were full {counted(stalls, 'time')}: the service or the network accepted "
        "bytes more slowly than they were due.",
        "The delay is in the latency, where it belongs. Check the uplink's bandwidth before blaming the service.",
    )


def ledger_full(seen: Evidence) -> Doubt | None:
    totals = seen.facts.totals
    if totals is None or not totals.unrecorded:
        return None
    return Doubt(
        "ledger_full",
        "warning",
        f"More was missing than the ledger keeps: {totals.unrecorded:,} messages were counted as lost without their "
        "place. So one that still arrives counts as a duplicate, and one that was due while its receiver had left by "
        "plan counts as lost.",
        "Look for the cause of the losses first. With fewer of them, or with fewer receivers that leave and come back, "
        "the counts are exact.",
    )


def few_samples(seen: Evidence) -> Doubt | None:
    steps = judged_steps(seen.facts)
    if steps is not None:
        return few_samples_in(steps)
    named = {name: percentiles for name, percentiles in seen.named.items() if name in seen.metrics}
    thin = {
        name: [percentile for percentile in thin_percentiles(seen.metrics[name]) if percentile in named[name]]
        for name in sorted(named)
    }
    if not any(thin.values()):
        return None
    parts = (
        f"{name} {', '.join(p.replace('_', '.') for p in percentiles)} ({samples(seen.metrics[name]):,} samples)"
        for name, percentiles in thin.items()
        if percentiles
    )
    return Doubt(
        "few_samples",
        "warning",
        f"Percentiles with fewer than {SAMPLES_BEYOND} samples above them: {'; '.join(parts)}.",
        "They change from run to run by chance. Run longer or at a higher rate, or read a lower percentile.",
    )


def drifted(seen: Evidence) -> Doubt | None:
    found = measured_drift(seen)
    if found is None:
        return None
    name = seen.main_metric
    course = f"from {found.first:.2f} ms in the first third of the measurement to {found.last:.2f} ms in the last"
    if found.last < found.first:
        message = f"The median `{name}` fell {course}: the warm-up was too short."
        advice = "Add a warm-up (--wps-warmup 10s), or run longer."
    else:
        message = f"The median `{name}` rose {course}: the run had no steady state."
        advice = "Queues may be growing at this rate. Run longer, or lower the rate."
    return Doubt("drift", "warning", message, advice)


def measured_drift(seen: Evidence) -> Drift | None:
    """`stats.drift` over the medians of each second of the measure phase."""
    name = seen.main_metric
    rows = [row for row in seen.facts.timeline if row.get("phase") == "measure"]
    medians = [value for row in rows if isinstance(value := row.get(f"{name}_p50"), (int, float))]
    return drift(medians)


def tls_unverified(seen: Evidence) -> Doubt | None:
    if seen.facts.tls_verified is not False:
        return None
    return Doubt(
        "tls_unverified",
        "warning",
        "Certificates were not verified (--wps-insecure): anybody on the path could have answered.",
        "Pass the authority's certificate with --wps-ca-file instead.",
    )


CHECKS: Sequence[Callable[[Evidence], Doubt | None]] = (
    interrupted,
    broken_off,
    users_refused,
    worker_lost,
    worker_away,
    worker_unconnected,
    no_messages,
    connections_failed,
    connections_missing,
    local_limit,
    not_measured,
    nothing_cut,
    nobody_left,
    not_available,
    client_bound,
    rate_missed,
    send_lag,
    cpu,
    loop_lag,
    send_stalled,
    connections_silent,
    address_unanswered,
    snat_suspected,
    ledger_full,
    gc_pauses,
    clock_error,
    drifted,
    few_samples,
    tls_unverified,
)
_NOT_OF_A_SEARCH = frozenset(
    {rate_missed, send_lag, loop_lag, send_stalled, ledger_full, drifted}
    | {connections_missing, local_limit, not_measured, nothing_cut, nobody_left}
)
"""A search overloads the service on purpose and judges its generator step by step: `client_bound`."""
_CONSEQUENCES = frozenset({"no_messages", "rate_missed"})
"""Doubts that follow from having no connection at all, or not those that the scenario is about."""


_OF_POPULATIONS = (
    connections_failed,
    connections_missing,
    no_messages,
    rate_missed,
    nothing_cut,
    nobody_left,
)
"""Doubts that a mix's sum would hide: they are also checked for each population, unless the whole run has them."""


def find_doubts(seen: Evidence, populations: Mapping[str, Evidence] = MappingProxyType({})) -> list[Doubt]:
    """All doubts about a run, errors first, and among them first that nothing connected.

    `populations`: those of a mix, by name.
    """
    found = _of_run(seen)
    raised = {doubt.name for doubt in found}
    if seen.facts.capacity is None and not seen.nothing_connected:
        for name, each in populations.items():
            for check in _OF_POPULATIONS:
                doubt = None if check is no_messages and _is_heard(seen.facts, name) else check(each)
                if doubt is not None and doubt.name not in raised:
                    found.append(replace(doubt, message=f"Population {name}: {doubt.message}"))
    return sorted(found, key=lambda doubt: doubt.level != "error")


def _is_heard(facts: RunFacts, population: str) -> bool:
    return any(pair.sender == population and pair.expected != 0 for pair in facts.pairs)


def _of_run(seen: Evidence) -> list[Doubt]:
    found = [doubt for check in CHECKS if _applies(check, seen.facts) and (doubt := check(seen)) is not None]
    if seen.nothing_connected:
        found = [doubt for doubt in found if doubt.name not in _CONSEQUENCES]
        found.sort(key=lambda doubt: doubt.name != "connections_failed")
    elif any(doubt.name == "not_available" for doubt in found):
        found = [doubt for doubt in found if doubt.name not in _CONSEQUENCES]
    return sorted(found, key=lambda doubt: doubt.level != "error")


def _applies(check: Callable[[Evidence], Doubt | None], facts: RunFacts) -> bool:
    if facts.capacity is not None:
        return check not in _NOT_OF_A_SEARCH
    changed = facts.stages is not None or facts.user_phases
    return not changed or check is not drifted  # another load, another level
