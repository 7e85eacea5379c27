"""What a machine tells of itself: read from files as Linux writes them, and nothing made up where they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wps_load import machine
from wps_load.machine import Machine, this_machine

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


LINUX = {
    "proc/sys/fs/file-nr": "2336\t0\t9223372036854775807\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "proc/sys/net/netfilter/nf_conntrack_count": "1072\n",
    "proc/sys/net/netfilter/nf_conntrack_max": "131072\n",
    "proc/meminfo": f"MemTotal: 9000000 kB\nMemAvailable:    {4 * GIB // 1024} kB\n",
}


def test_a_machine_without_limits_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "hard_open_files", lambda: 1024)
    monkeypatch.setattr(machine, "cpu_count", lambda: 4)
    found = this_machine(3, 2, write(tmp_path, LINUX))
    assert found == Machine(3, 1024, 9223372036854775807 - 2336, 28_232, 2, 130_000, 4 * GIB, 4.0)


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    found = this_machine(root=tmp_path)
    assert (found.files_left, found.ports, found.tracked, found.memory_bytes) == (None, None, None, None)
    assert found.files
    assert found.cores


def test_descriptors_are_counted_up_to_a_number(tmp_path: Path) -> None:
    for process, numbers in (("self", (0, 1, 2, 7, 251)), ("42", (0, 1, 9))):
        write(tmp_path, {f"proc/{process}/fd/{number}": "" for number in numbers})
    assert machine.descriptors(200, root=tmp_path) == 3, "251 takes no room, and one is the listing's own"
    assert machine.descriptors(200, 42, tmp_path) == 3
    assert machine.descriptors(9, 42, tmp_path) == 2
    assert machine.descriptors(200, 43, tmp_path) is None


@pytest.mark.parametrize("text", ["", "max", "12 x", "\x00", "1"])
def test_a_file_with_something_else_in_it_tells_nothing(tmp_path: Path, text: str) -> None:
    assert machine.port_range(write(tmp_path, {"proc/sys/net/ipv4/ip_local_port_range": text})) is None


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, 4 * GIB),
        ({"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5\n"}, 4 * GIB),
        ({"sys/fs/cgroup/memory.max": f"{GIB}\n", "sys/fs/cgroup/memory.current": f"{GIB // 4}\n"}, GIB - GIB // 4),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n",
            },
            GIB,
        ),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n",
            },
            4 * GIB,
        ),
        ({"sys/fs/cgroup/memory.max": "100\n", "sys/fs/cgroup/memory.current": "200\n"}, 0),
    ],
)
def test_a_cgroup_may_allow_less_memory(tmp_path: Path, files: dict[str, str], left: int) -> None:
    assert machine.memory_available(write(tmp_path, LINUX | files)) == left


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8.0),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8.0),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "proc/self/cgroup": "0::/system.slice/wps-load.service\n",
                "sys/fs/cgroup/system.slice/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/system.slice/wps-load.service/cpu.max": "max 100000\n",
            },
            0.5,
        ),
        ({"proc/self/cgroup": "0::/../..\n", "proc/cpu.max": "50000 100000\n"}, 8.0),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            2.0,
        ),
        (
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            8.0,
        ),
    ],
)
def test_a_cgroup_may_allow_fewer_cores(
    tmp_path: Path, files: dict[str, str], cores: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_count", lambda: 8)
    assert machine.cores(write(tmp_path, files)) == cores


def test_this_machine_is_read_without_a_fault() -> None:
    found = this_machine()
    assert found.files
    assert found.cores
    assert found.cores > 0
