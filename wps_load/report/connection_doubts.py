"""The doubts about connections: fewer of them than the run asked for."""

from __future__ import annotations

from wps_load.report.evidence import Doubt, Evidence


def connections_failed(seen: Evidence) -> Doubt | None:
    opened, failed = seen.facts.connections.opened, seen.facts.connections.failed
    if opened is None or failed is None:
        return None
    if seen.nothing_connected:
        return Doubt(
            "connections_failed",
            "error",
            f"None of {failed:,} attempts to connect succeeded{_most_frequent(seen)}: nothing was measured.",
            "`wps-load doctor`, with the same options, checks the way to the target step by step.",
        )
    if seen.facts.capacity is not None:
        return None  # a search of users is there to find how many connect
    counts = seen.facts.connections
    # after a reset of the statistics, connections that were open already are not among the opened ones
    connected = max(opened - (counts.reconnected or 0), counts.peak or 0)
    target = counts.target if counts.target is not None else opened + failed
    never = target - connected
    if not failed or never <= target / 2:
        return None
    return Doubt(
        "connections_failed",
        "error",
        f"{never:,} of {target:,} connections never came about{_most_frequent(seen)}; the rest had a different test "
        "from the one asked for.",
        "See the failures of `connect` by label. `wps-load doctor` checks the way to the target; a unit of the "
        "service takes 1,000 connections; a lower spawn rate (-r) avoids throttling (http_429).",
    )


def connections_silent(seen: Evidence) -> Doubt | None:
    count = seen.facts.snapshot.counters.get("connections_silent")
    if not count:
        return None
    return Doubt(
        "connections_silent",
        "warning",
        f"{count:,} time{'s' if count > 1 else ''} a connection received no byte for three ping intervals or longer: "
        "its peer may have been gone, although TCP did not say so.",
        "See the failures of `disconnect` by label: after --wps-keepalive-timeout of silence a connection is dropped "
        "(keepalive_timeout). A NAT or load balancer on the way may forget connections.",
    )


def address_unanswered(seen: Evidence) -> Doubt | None:
    told = [text for (kind, _), text in sorted(seen.facts.snapshot.sentences.items()) if kind == "address"]
    if not told:
        return None
    more = f" ({len(told) - 3} more)" if len(told) > 3 else ""
    return Doubt(
        "address_unanswered",
        "warning",
        f"Of the target's addresses not all answered: {'; '.join(told[:3])}{more}.",
        "One connection in a minute waited 250 ms for it, which stands in its `connect`. Check this machine's routes "
        "(IPv6 that leads nowhere?), the name's records, and the server behind that address.",
    )


def _most_frequent(seen: Evidence) -> str:
    """`, most often NAME`, of the connects' failures."""
    labels = {label: n for (metric, label), n in seen.facts.snapshot.failures.items() if metric == "connect"}
    return f", most often with {max(labels, key=lambda label: labels[label])}" if labels else ""
