"""What this machine offers to connections: files, ports, tracked connections, memory, processors.

Linux shows all of it in /proc and /sys, also inside a container, whose cgroup may allow less than the machine has. None
means that the system does not show it.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wps_load.posix import resource

RESERVED_FILES: Final = 100
"""Descriptors that are planned for a process beside its connections: pipes, logs, libraries, its master.

A run that is about to begin counts those that are open, which are fewer.
"""
ROOT: Final = Path("/")
_CONNTRACK: Final = Path("proc/sys/net/netfilter")
_UNLIMITED: Final = 2**31
_CGROUP_NONE: Final = 2**60
"""Version 1 of cgroups writes a number near 2^63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The limits of a machine; None where one is not known.

    `files`: of a process. `files_taken`: how many of them a process has for other purposes than connections.
    `files_left`: of the whole machine. `ports`: of one source address. `tracked`: entries for which the table of
    tracked connections still has room, if there is one. `cores` may be a fraction.
    """

    processes: int = 1
    files: int | None = None
    files_left: int | None = None
    ports: int | None = None
    addresses: int = 1
    tracked: int | None = None
    memory_bytes: int | None = None
    cores: float | None = None
    files_taken: int = 0


def this_machine(processes: int = 1, addresses: int = 1, root: Path = ROOT) -> Machine:
    """The limits of this machine now. `addresses`: source addresses that connections take in turn."""
    ports, tracked = port_range(root), conntrack_table(root / _CONNTRACK)
    return Machine(
        processes=processes,
        files=hard_open_files(),
        files_left=files_left(root),
        ports=None if ports is None else ports[1] - ports[0] + 1,
        addresses=max(1, addresses),
        tracked=None if tracked is None or not tracked[0] else max(0, tracked[1] - tracked[0]),
        memory_bytes=memory_available(root),
        cores=cores(root),
    )


def network_identity(root: Path = ROOT) -> str:
    """An identifier of the network that processes share, with its ports and tracked connections.

    It belongs to a host, or to a container with a network of its own.
    """
    boot = _text(root / "proc/sys/kernel/random/boot_id").strip() or f"{platform.node()}/{uuid.getnode():x}"
    try:
        return f"{boot}/{os.readlink(root / 'proc/self/ns/net')}"
    except OSError:
        return boot


def hard_open_files() -> int:
    """The hard limit of open files of a process; a run raises its soft limit to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _UNLIMITED if hard == resource.RLIM_INFINITY else hard


def descriptors(below: int, pid: int | None = None, root: Path = ROOT) -> int | None:
    """How many descriptors a process (this one, if none is given) has open, of those with a number below `below`.

    The system gives each new file the lowest free number. A number above the limit was inherited and takes no room.
    """
    try:
        names = os.listdir(root / f"proc/{pid or 'self'}/fd")
    except OSError:
        return None
    listing = 1 if pid is None else 0  # the listing itself is open while it reads
    return max(0, sum(int(name) < below for name in names) - listing)


def files_left(root: Path = ROOT) -> int | None:
    """How many files all processes together may still open (fs.file-max)."""
    numbers = _numbers(root / "proc/sys/fs/file-nr")
    return None if len(numbers) != 3 else max(0, numbers[2] - numbers[0])


def port_range(root: Path = ROOT) -> tuple[int, int] | None:
    """The first and the last local port that the system assigns."""
    numbers = _numbers(root / "proc/sys/net/ipv4/ip_local_port_range")
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def conntrack_table(folder: Path = ROOT / _CONNTRACK) -> tuple[int, int] | None:
    """Entries used in the table of tracked connections, and its size; None where nothing is tracked."""
    used, most = _numbers(folder / "nf_conntrack_count"), _numbers(folder / "nf_conntrack_max")
    return (used[0], most[0]) if used and most else None


def tcp_in_use(root: Path = ROOT) -> int | None:
    """TCP sockets of this host, or of this container's network."""
    for line in _text(root / "proc/self/net/sockstat").splitlines():
        name, _, rest = line.partition(":")
        if name == "TCP":
            return int(rest.split()[1])
    return None


def memory_available(root: Path = ROOT) -> int | None:
    """Bytes that can still be used: the machine's, or fewer if a cgroup has a limit."""
    found = [each for each in (_meminfo(root), *_cgroup_memory(root)) if each is not None]
    return max(0, min(found)) if found else None


def cpu_count() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def cores(root: Path = ROOT) -> float:
    """Processors that this process may use, or the share of them that its cgroup allows."""
    return min(float(cpu_count()), *_cgroup_cores(root))


def load_average() -> float:
    """The load average of the last minute; 0 if the system has none."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def _meminfo(root: Path) -> int | None:
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _cgroups(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroup and of those around it; in a container the first is the container's own."""
    top = root / "sys/fs/cgroup"
    own = next((line[3:] for line in _text(root / "proc/self/cgroup").splitlines() if line.startswith("0::/")), "/")
    place = top / own.strip("/")
    yield from (folder for folder in (place, *place.parents) if folder == top or top in folder.parents)


def _cgroup_memory(root: Path) -> Iterator[int]:
    """The memory that each limit leaves: version 2 of cgroups, then version 1."""
    pairs = [(folder / "memory.max", folder / "memory.current") for folder in _cgroups(root)]
    first = root / "sys/fs/cgroup/memory"
    for limit, used in (*pairs, (first / "memory.limit_in_bytes", first / "memory.usage_in_bytes")):
        most, now = _numbers(limit), _numbers(used)
        if most and now and most[0] < _CGROUP_NONE:
            yield most[0] - now[0]


def _cgroup_cores(root: Path) -> Iterator[float]:
    yield float("inf")
    first = root / "sys/fs/cgroup/cpu"
    old = _numbers(first / "cpu.cfs_quota_us") + _numbers(first / "cpu.cfs_period_us")
    for numbers in (*(_numbers(folder / "cpu.max") for folder in _cgroups(root)), old):
        if len(numbers) == 2 and numbers[0] > 0 and numbers[1] > 0:
            yield numbers[0] / numbers[1]


def _numbers(path: Path) -> list[int]:
    """The file's numbers; empty if it is missing or contains anything else."""
    try:
        return [int(word) for word in _text(path).split()]
    except ValueError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError):
        return ""
