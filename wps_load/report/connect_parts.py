"""The mean connect, divided into its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wps_load.report.document import MetricRow, numbers
from wps_load.report.evidence import samples

CONNECT_PARTS = (
    ("connect_token", "token"),
    ("connect_dns", "DNS"),
    ("connect_tcp", "TCP"),
    ("connect_tls", "TLS"),
    ("connect_upgrade", "upgrade"),
    ("connect_ready", "ready"),
)


class ConnectPart(NamedTuple):
    """The mean time of one part of a connect."""

    name: str
    label: str
    ms: float


def connect_anatomy(metrics: Mapping[str, MetricRow]) -> list[ConnectPart]:
    """The parts of the mean connect, which add up to it (percentiles would not).

    A part that not every connection had, such as TLS or a cached name, is weighted by how often it occurred; the rest
    is waiting.
    """
    whole = metrics.get("connect")
    of_all = samples(numbers(whole)) if whole else 0  # attempts that were given up have a mean, but no parts
    if not whole or whole["mean"] is None or not of_all:
        return []
    parts = []
    for name, label in CONNECT_PARTS:
        row = metrics.get(name)
        if row and row["mean"] is not None:
            parts.append(ConnectPart(name, label, row["mean"] * samples(numbers(row)) / of_all))
    rest = whole["mean"] - sum(part.ms for part in parts)
    if parts and rest > 0:
        parts.append(ConnectPart("waiting", "waiting", rest))
    return [part._replace(ms=round(part.ms, 4)) for part in parts]
