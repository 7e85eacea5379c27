"""Linux's table of connections that its firewall or NAT tracks: if it is full, new ones are silently dropped."""

from __future__ import annotations

from pathlib import Path

from wps_load.errors import ConnectFailure
from wps_load.machine import conntrack_table

_FULL_SHARE = 0.99


def full(folder: Path | None = None) -> ConnectFailure | None:
    """Why a connection was not answered, if the table has no room for it."""
    found = conntrack_table() if folder is None else conntrack_table(folder)
    if found is None or found[0] < _FULL_SHARE * found[1]:
        return None
    return ConnectFailure(
        "connect_conntrack_exhausted",
        f"this machine's table of tracked connections is full ({found[0]:,} of {found[1]:,})",
        "raise net.netfilter.nf_conntrack_max, or leave these connections untracked (NOTRACK)",
    )
