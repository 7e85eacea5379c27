"""The doubts about connections: fewer of them than requested, and limits of this machine."""

from __future__ import annotations

from wps_load.measure.causes import is_own_limit
from wps_load.plurals import counted
from wps_load.report.evidence import Doubt, Evidence
from wps_load.report.model import ConnectionCounts, RunState
from wps_load.workload.scenarios import SCENARIOS

ENOUGH_SHARE = 0.5
"""With a smaller share of the connections open it is a different test from the one requested."""

OWN_LIMITS = {
    "files_exhausted": ("open files", "raise the limit of open files (ulimit -n; fs.file-max for the machine)"),
    "ports_exhausted": ("local ports", "widen net.ipv4.ip_local_port_range, or use more source addresses (--wps-bind)"),
    "conntrack_exhausted": (
        "room in its table of tracked connections",
        "raise net.netfilter.nf_conntrack_max, or leave the connections untracked (NOTRACK)",
    ),
    "source_unavailable": (
        "a source address",
        "pass addresses of this machine to --wps-bind (`ip address`), of the target's family: IPv4 or IPv6",
    ),
    "memory_exhausted": ("memory", "add memory to the machine, or use fewer connections"),
}
"""Label endings of failures on this machine (`causes.is_own_limit`): what was missing, and what helps."""

SNAT = "_timeout_snat"
"""The label ending of attempts without an answer while many connections passed a NAT."""

JOIN_ADVICE = (
    "See the failures of `join_group` by label: does the token have the role webpubsub.joinLeaveGroup (--wps-roles), "
    "and does the service answer requests?"
)


def connections_failed(seen: Evidence) -> Doubt | None:
    """Nothing ever connected."""
    counts = seen.facts.connections
    if not seen.nothing_connected:
        return None
    tried = (counts.failed or 0) + (counts.connecting or 0)
    if not tried:
        asked = counts.target or counts.requested_end or 0
        return Doubt(
            "connections_failed",
            "error",
            f"None of {asked:,} connections was attempted before the run ended: nothing was measured.",
            "Raise the spawn rate (-r) or the run time (-t): connections are opened 1/r apart.",
        )
    hanging = f", {counts.connecting:,} of them still under way when the run ended" if counts.connecting else ""
    return Doubt(
        "connections_failed",
        "error",
        f"None of {tried:,} attempts to connect succeeded{_most_frequent(seen)}{hanging}: nothing was measured.",
        "`wps-load doctor`, with the same options, checks the path to the target step by step.",
    )


def connections_silent(seen: Evidence) -> Doubt | None:
    count = seen.facts.snapshot.counters.get("connections_silent")
    if not count:
        return None
    return Doubt(
        "connections_silent",
        "warning",
        f"{counted(count, 'time')} a connection received no byte for three ping intervals or longer: "
        "its peer may have been gone, although TCP did not say so.",
        "See the failures of `disconnect` by label: after --wps-keepalive-timeout of silence a connection is dropped "
        "(keepalive_timeout). A NAT or load balancer on the path may forget connections.",
    )


def address_unanswered(seen: Evidence) -> Doubt | None:
    told = [text for (kind, _), text in sorted(seen.facts.snapshot.sentences.items()) if kind == "address"]
    if not told:
        return None
    more = f" ({len(told) - 3} more)" if len(told) > 3 else ""
    return Doubt(
        "address_unanswered",
        "warning",
        f"Not all of the target's addresses answered: {'; '.join(told[:3])}{more}.",
        "One connection a minute waited 250 ms for it, which is in its `connect`. Check this machine's routes "
        "(IPv6 that leads nowhere?), the name's records, and the server behind that address.",
    )


def snat_suspected(seen: Evidence) -> Doubt | None:
    """A NAT on the way may have had no free port: nothing reports it, and it does not excuse the service."""
    count = sum(n for (_, label), n in seen.facts.snapshot.failures.items() if label.endswith(SNAT))
    if not count:
        return None
    return Doubt(
        "snat_suspected",
        "warning",
        f"{counted(count, 'attempt')} to connect got no answer while more than 1,000 connections of a "
        "private address went to a public one: a NAT on the path may have no ports left, or the service is silent.",
        "A NAT gateway holds 50,000 connections to one service for each of its addresses: add addresses, give each "
        "machine a public address, or use a private endpoint (docs/scale.md).",
    )


def connections_missing(seen: Evidence) -> Doubt | None:
    """Fewer than half were open, on average over the measure phase or at its end, for whatever reason."""
    counts = seen.facts.connections
    if seen.nothing_connected:
        return None
    if _few(counts.open_mean, counts.requested_mean):
        when = f"on average over the measure phase {counts.open_mean:,.1f} of {counts.requested_mean:,.1f}"
    elif _few(counts.open_end, counts.requested_end):
        when = f"at the end of the measure phase {counts.open_end:,} of {counts.requested_end:,}"
    else:
        return None
    return Doubt(
        "connections_missing",
        "error",
        f"Fewer than half of the requested connections were {_usable(seen)}: {when}; the test was not "
        f"the one requested. {_what_happened(seen)}",
        JOIN_ADVICE if nobody_joined(seen) is not None else _missing_advice(seen),
    )


def local_limit(seen: Evidence) -> Doubt | None:
    """Connections that failed on this machine, however few: the service never got that load."""
    found: dict[str, int] = {}
    for (_, label), n in seen.facts.snapshot.failures.items():
        if is_own_limit(label):
            kind = next(end for end in OWN_LIMITS if label.endswith(end))
            found[kind] = found.get(kind, 0) + n
    if not found:
        return None
    parts = " and ".join(f"{n:,} for want of {OWN_LIMITS[kind][0]}" for kind, n in found.items())
    advice = "; ".join(OWN_LIMITS[kind][1] for kind in found)
    return Doubt(
        "local_limit",
        "error",
        f"The load generator itself kept connections out: attempts failed {parts} on this machine, not at the service.",
        f"{advice[0].upper()}{advice[1:]}; or spread the users over more workers or machines.",
    )


def not_measured(seen: Evidence) -> Doubt | None:
    """Whether a run without messages has measured nothing that it could pass.

    It ended before its measure phase began, or its tasks never did anything.
    """
    facts = seen.facts
    if facts.has_messages or facts.state is RunState.RUNNING or seen.nothing_connected:
        return None
    counts = facts.connections
    if counts.target and not seen.metrics and not counts.peak:
        return Doubt(
            "not_measured",
            "error",
            f"The tasks of {counts.target:,} users opened no connection and sent nothing: nothing was measured.",
            "A WebPubSubUser connects with the first call of its client. Did its tasks run? See Locust's exceptions.",
        )
    if facts.measure_s or not counts.requested_end:
        return None  # measured; or users of a locustfile that send by REST
    return Doubt(
        "not_measured",
        "error",
        f"The run ended before its measure phase began: at most {counts.peak or 0:,} of {counts.target or 0:,} "
        "connections were open by then.",
        "Raise the run time (-t) or the spawn rate (-r): connections are opened 1/r apart, and must then settle.",
    )


def nothing_cut(seen: Evidence) -> Doubt | None:
    """A run about recovery in which no connection was ever lost: it proves nothing about recovery."""
    facts = seen.facts
    row = SCENARIOS.get(facts.scenario)  # tasks over a reliable protocol can recover, but are about something else
    if row is None or "recover" not in row.metrics or facts.state is RunState.RUNNING or not facts.measure_s:
        return None
    if facts.connections.cut or facts.connections.dropped or "recover" in seen.metrics or seen.nothing_connected:
        return None
    return Doubt(
        "nothing_cut",
        "error",
        "The scenario tests recovery, but no connection was cut: there was nothing to recover.",
        "Make sure that a cut comes before the end: `--wps-cut 1/s` cuts once a second, `all@10s` needs -t above 10 s.",
    )


def nobody_left(seen: Evidence) -> Doubt | None:
    """A run about connections that come and go in which none was replaced: it proves nothing about new ones."""
    facts = seen.facts
    row = SCENARIOS.get(facts.scenario)
    if row is None or not row.lifetime or facts.state is RunState.RUNNING or not facts.measure_s:
        return None
    counts = facts.connections
    if counts.closed_by_plan or counts.reconnected or seen.nothing_connected:
        return None
    return Doubt(
        "nobody_left",
        "error",
        "The scenario tests connections that come and go, but none was closed: nobody connected after the ramp.",
        "Set a mean lifetime well below the run time: `--wps-lifetime 10s`, or a longer -t.",
    )


def nobody_joined(seen: Evidence) -> str | None:
    """The labels and counts of failed joins, if every join failed."""
    joined = seen.facts.snapshot.histograms.get("join_group")
    failed = {label: n for (metric, label), n in seen.facts.snapshot.failures.items() if metric == "join_group"}
    if not failed or (joined is not None and joined.count):
        return None
    return ", ".join(f"{label} {n:,}x" for label, n in sorted(failed.items()))


def _few(found: float | None, asked: float | None) -> bool:
    return found is not None and bool(asked) and found < ENOUGH_SHARE * (asked or 0)


def _usable(seen: Evidence) -> str:
    return "open and in their groups" if seen.facts.snapshot.failed("join_group") else "open"


def _what_happened(seen: Evidence) -> str:
    """Why connections were missing, as far as counts show: `40 dropped, 12 attempts failed, ...`."""
    counts = seen.facts.connections
    parts = [
        f"{counts.dropped:,} dropped" if counts.dropped else "",
        f"{gone:,} that the scenario cut did not recover" if (gone := _not_recovered(counts)) else "",
        f"{counts.failed:,} attempts failed{_most_frequent(seen)}" if counts.failed else "",
        f"{counts.connecting:,} attempts never ended" if counts.connecting else "",
        f"{never:,} were never tried" if (never := _never_tried(counts)) else "",
        f"{outside:,} joins of groups failed" if (outside := seen.facts.snapshot.failed("join_group")) else "",
    ]
    said = "; ".join(part for part in parts if part)
    return f"What happened: {said}." if said else "They opened too late."


def _not_recovered(counts: ConnectionCounts) -> int:
    return max(0, (counts.cut or 0) - (counts.recovered or 0) - (counts.reconnected or 0) - (counts.dropped or 0))


def _never_tried(counts: ConnectionCounts) -> int:
    first = max((counts.opened or 0) - (counts.reconnected or 0), counts.peak or 0)
    return max(0, (counts.requested_end or 0) - first - (counts.failed or 0) - (counts.connecting or 0))


def _missing_advice(seen: Evidence) -> str:
    """The advice, by what happened: refusals of new connections have other reasons than closes of open ones."""
    labels = {label for metric, label in seen.facts.snapshot.failures if metric in ("connect", "disconnect")}
    said = ["See the failures of `connect` and `disconnect` by label."]
    if any(metric == "connect" for metric, _ in seen.facts.snapshot.failures):
        said.append("`wps-load doctor` checks the path to the target.")
    if "http_429" in labels:
        said.append("http_429 is throttling: a unit of the service takes 1,000 connections; lower the spawn rate (-r).")
    if seen.facts.connections.dropped:
        said.append(
            "Connections that the service ends under load show its limit: find it with `wps-load run capacity`."
        )
    return " ".join(said)


def _most_frequent(seen: Evidence) -> str:
    """`, most often with NAME`, for the failures of connects that ended."""
    labels = {
        label: n
        for (metric, label), n in seen.facts.snapshot.failures.items()
        if metric == "connect" and label != "connect_unfinished"
    }
    return f", most often with {max(labels, key=lambda label: labels[label])}" if labels else ""
