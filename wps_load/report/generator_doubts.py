"""The doubts about the generator: whether it kept its schedule, and how its workers were doing."""

from __future__ import annotations

from wps_load.plurals import counted
from wps_load.report.evidence import Doubt, Evidence
from wps_load.report.lateness import LAG_LIMIT_MS, lateness
from wps_load.report.model import RunState

CPU_LIMIT_PERCENT = 90.0
GC_PAUSE_LIMIT_MS = 10.0
RATE_MISSED_SHARE = 0.01
CLOCK_ERROR_SHARE = 0.10


def worker_lost(seen: Evidence) -> Doubt | None:
    lost = seen.facts.generator.workers_lost
    if not lost:
        return None
    return Doubt(
        "worker_lost",
        "error",
        f"{counted(lost, 'worker')} went missing during the run; the load was lower than requested, and "
        "these figures lack what they had measured since their last snapshot.",
        "Look in the worker's own log; a signal, memory and the limit of open files are the usual causes.",
    )


def worker_away(seen: Evidence) -> Doubt | None:
    generator = seen.facts.generator
    if not generator.workers_away:
        return None
    for_s = "" if generator.away_s_max is None else f" for up to {generator.away_s_max:.0f} s"
    who = f"The generator stood still{for_s}"
    if (generator.workers or 1) > 1:
        who = f"{generator.workers_away} of {generator.workers} workers stood still or did not reach the master{for_s}"
    return Doubt(
        "worker_away",
        "warning",
        f"{who}, and then went on: all counts are complete, but messages due in that time were late.",
        "Look for the cause of the pause: a suspended or migrated machine, a throttled container, a blocked network.",
    )


def worker_unconnected(seen: Evidence) -> Doubt | None:
    """The path from one host differs from that of the others: the service alone did not cause what it missed."""
    workers = [each for each in seen.facts.workers or () if each.users and each.most_open is not None and not each.lost]
    without = [each for each in workers if not each.most_open]
    if not without or len(without) == len(workers):
        return None
    return Doubt(
        "worker_unconnected",
        "warning",
        f"Not one connection of {', '.join(each.name for each in without)} was open in any second, while "
        f"{counted(len(workers) - len(without), 'other worker')} reached the service.",
        "Check the route, the firewall and the name resolution of that host: run `wps-load doctor` on it.",
    )


def rate_missed(seen: Evidence) -> Doubt | None:
    """Messages that the service or our own plan kept from being sent are counted and shown, but raise no doubt."""
    facts = seen.facts
    if facts.closed_loop or facts.totals is None or not facts.offered or facts.state is RunState.RUNNING:
        return None
    by_others = facts.totals.send_failed_service + facts.totals.send_failed_plan
    missed = facts.offered - facts.totals.published - by_others
    if missed <= RATE_MISSED_SHARE * facts.offered:
        return None
    return Doubt(
        "rate_missed",
        "error",
        f"Of {facts.offered:,} messages that were due, the generator did not send {missed:,} "
        f"({missed / facts.offered:.1%}): they had waited too long, or files, ports or requests had run out.",
        "Add workers (--processes -1) or machines, or lower the rate; see its CPU and send lag, and the failures of "
        "`connect` by label.",
    )


def send_lag(seen: Evidence) -> Doubt | None:
    """Judges a pause at the percentiles that the SLOs and the headline use.

    Half a second in a minute is negligible at p99, and dominates p99.9.
    """
    late = [each for each in lateness(seen, "send_lag") if each.matters]
    if not late:
        return None
    worst = max(late, key=lambda each: (each.certain, each.worst_ms))
    return Doubt(
        "send_lag",
        "error" if worst.certain and not seen.facts.closed_loop else "warning",
        f"Messages were sent {worst.worst_ms:.1f} ms or more after they were due ({worst.at} of the send lag), against "
        f"{worst.latency_ms:.1f} ms, the {worst.at} of `{worst.metric}`: that latency includes the generator's own "
        "delay.",
        "Run the generator on a machine of its own that is not paused, or add workers (--processes -1).",
    )


def cpu(seen: Evidence) -> Doubt | None:
    percent = seen.cpu_percent
    if percent is None or percent <= CPU_LIMIT_PERCENT:
        return None
    return Doubt(
        "cpu",
        "warning",
        f"A worker used {percent:.0f} % of a core in its busiest second; above {CPU_LIMIT_PERCENT:.0f} % it may be "
        "the bottleneck.",
        "A closed loop uses all the CPU it gets: compare at a fixed --wps-rate."
        if seen.facts.closed_loop
        else "Add workers (--processes -1), or lower the rate.",
    )


def loop_lag(seen: Evidence) -> Doubt | None:
    """An error if an SLO was missed that would have been met without it: a blocked loop also reads late."""
    decisive = [each for each in lateness(seen, "loop_lag") if each.decides]
    if decisive and not seen.facts.closed_loop:
        worst = max(decisive, key=lambda each: each.worst_ms)
        return Doubt(
            "loop_lag",
            "error",
            f"The event loop of a worker stood still for up to {worst.worst_ms:.1f} ms ({worst.at} of its lag), and "
            f"without that the {worst.at} of `{worst.metric}`, {worst.latency_ms:.1f} ms, may have met its SLO.",
            "Run the generator on a machine of its own that is not paused; look for blocking code in other classes.",
        )
    lag = seen.facts.generator.loop_lag_ms_p99
    if lag is None or lag <= LAG_LIMIT_MS:
        return None
    return Doubt(
        "loop_lag",
        "warning",
        f"The event loop of a worker was late by {lag:.1f} ms or more in one of a hundred wake-ups.",
        "Look for blocking code in other User classes and listeners, for other load on the machine, or add workers.",
    )


def gc_pauses(seen: Evidence) -> Doubt | None:
    pause = seen.facts.generator.gc_pause_ms_max
    if pause is None or pause <= GC_PAUSE_LIMIT_MS:
        return None
    return Doubt(
        "gc_pauses",
        "warning",
        f"Python's garbage collector stopped a worker for {pause:.1f} ms.",
        "High percentiles may show it. With more workers, each with fewer users, the pauses are shorter.",
    )


def clock_error(seen: Evidence) -> Doubt | None:
    bound = seen.facts.generator.clock_error_ms
    p50 = (seen.metrics.get("delivery") or {}).get("p50")
    if bound is None or p50 is None or bound <= CLOCK_ERROR_SHARE * p50:
        return None
    return Doubt(
        "clock_error",
        "warning",
        f"The clocks of the workers' hosts are known only to ±{bound:.2f} ms, more than a tenth of the median "
        f"`delivery` ({p50:.2f} ms).",
        "Run all workers on one host, or read `rtt`, which needs only one clock.",
    )
