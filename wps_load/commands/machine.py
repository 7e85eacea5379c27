"""What `doctor` and `plan` ask this machine."""

from __future__ import annotations

import os
from pathlib import Path

from wps_load.posix import resource

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def hard_open_files() -> int:
    """The hard limit of open files of a process; a run raises its soft limit to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 2**31 if hard == resource.RLIM_INFINITY else hard


def port_range() -> tuple[int, int] | None:
    """First and last local port that the system hands out; None where it does not tell (not Linux)."""
    try:
        low, high = _PORTS.read_text("ascii").split()
        return int(low), int(high)
    except (OSError, ValueError):
        return None


def cpu_count() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def load_average() -> float:
    """Of the last minute; 0 where there is none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0
