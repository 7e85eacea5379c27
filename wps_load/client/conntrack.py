"""The table in which Linux keeps the connections that its firewall or NAT watches: full, it drops new ones silently."""

from __future__ import annotations

from pathlib import Path

from wps_load.errors import ConnectFailure

_FOLDER = Path("/proc/sys/net/netfilter")
_FULL_SHARE = 0.99


def table(folder: Path = _FOLDER) -> tuple[int, int] | None:
    """Entries in use, and how many there may be; None where nothing is tracked."""
    try:
        return int((folder / "nf_conntrack_count").read_text()), int((folder / "nf_conntrack_max").read_text())
    except (OSError, ValueError):
        return None


def full(folder: Path = _FOLDER) -> ConnectFailure | None:
    """Why a connection that was not answered could not be: there was no room for it."""
    found = table(folder)
    if found is None or found[0] < _FULL_SHARE * found[1]:
        return None
    return ConnectFailure(
        "connect_conntrack_exhausted",
        f"this machine's table of tracked connections is full ({found[0]:,} of {found[1]:,})",
        "raise net.netfilter.nf_conntrack_max, or leave these connections untracked (NOTRACK)",
    )
