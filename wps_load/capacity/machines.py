"""How many connections a machine holds, what limits it first, and how many such machines a load needs. Pure.

The walls (limits) beyond it are Azure's: a NAT gateway holds 50,000 connections for each of its addresses to one
destination (`nat-gateway-resource`), a VM 500,000, whatever its size (`virtual-machine-network-throughput`). Both pages
of azure-docs were read on 27 November 2026.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wps_load.machine import RESERVED_FILES, Machine
from wps_load.plurals import counted

PROCESS_BYTES: Final = 15_300
"""Memory of the process for one connection without TLS; measured (docs/performance.md)."""
TLS_PROCESS_BYTES: Final = 63_000
"""The same over TLS; measured with OpenSSL 3.0 on 28 November 2026, between 1,700 and 4,700 idle connections."""
KERNEL_BYTES: Final = 10_000
"""Memory of the kernel for one connection with little traffic."""
CONNECTION_BYTES: Final = TLS_PROCESS_BYTES + KERNEL_BYTES
"""Memory planned for one connection."""
CONNECT_CPU_MS: Final = 2.0
"""CPU of one core for connecting over TLS; measured (docs/performance.md)."""
CPU_SHARE: Final = 0.5
"""The share of a core that a worker should use: the rest is for the event loop, connects, and accurate latencies."""
VM_CONNECTIONS: Final = 500_000
NAT_CONNECTIONS: Final = 50_000
USUAL_PORTS: Final = 28_232
"""Linux's own range, 32768 to 60999."""
USUAL_TRACKED: Final = 131_072
"""The default of an AKS node."""


@dataclass(frozen=True, slots=True)
class Margins:
    """`files`: of a process, at least, for purposes other than connections. `memory_share`: of what is available."""

    files: int
    memory_share: float
    connection_bytes: int


PLANNED: Final = Margins(RESERVED_FILES, 0.8, CONNECTION_BYTES)
UTMOST: Final = Margins(0, 1.0, PROCESS_BYTES)
"""The margins beyond which no run can fit."""


@dataclass(frozen=True, slots=True)
class Wall:
    """The most connections to one service that a limit allows.

    `more`: how to raise the limit. `firm`: the system refuses the next connection; else it is an estimate, or a rule of
    Azure's.
    """

    name: str
    connections: int
    found: str
    more: str
    firm: bool = True


def walls(
    machine: Machine, targets: int | None = 1, cpu_us_per_s: float = 0.0, margins: Margins = PLANNED
) -> list[Wall]:
    """The limits of this machine, the lowest first.

    `targets`: the number of addresses of the service's name; None: unknown. `cpu_us_per_s`: the CPU that the messages
    of one connection take from a core each second.
    """
    return sorted(_walls(machine, targets, cpu_us_per_s, margins), key=lambda wall: wall.connections)


def _walls(machine: Machine, targets: int | None, cpu_us_per_s: float, margins: Margins) -> Iterator[Wall]:
    if machine.files is not None:
        taken = max(margins.files, machine.files_taken)
        each = max(0, machine.files - taken)
        yield Wall(
            "open files", each * machine.processes,
            f"{each:,} for each of {counted(machine.processes, 'process')}, "
            f"its limit of {machine.files:,} less {taken:,} for other files",
            "raise the hard limit (ulimit -Hn, LimitNOFILE=), or run more workers (--processes)",
        )  # fmt: skip
    if machine.files_left is not None:
        room = max(0, machine.files_left - margins.files * machine.processes)
        yield Wall("files", room, "of all processes together", "raise fs.file-max")
    if machine.ports is not None and targets is not None:
        beside = f", to each of {targets:,} addresses of the service" if targets > 1 else ""
        yield Wall(
            "local ports", machine.ports * machine.addresses * max(1, targets),
            f"{machine.ports:,} for each of {counted(machine.addresses, 'source address')}{beside}",
            "widen net.ipv4.ip_local_port_range, or give more source addresses (--wps-bind)",
        )  # fmt: skip
    if machine.tracked is not None:
        yield Wall(
            "conntrack", machine.tracked, "the free entries of the table of tracked connections",
            "raise net.netfilter.nf_conntrack_max, or leave these connections untracked (NOTRACK)",
        )  # fmt: skip
    if machine.memory_bytes is not None:
        room = int(machine.memory_bytes * margins.memory_share)
        yield Wall(
            "memory", room // margins.connection_bytes,
            f"{room / 2**30:.1f} GiB to use, at {margins.connection_bytes / 1000:g} KB a connection",
            "give the machine more memory", firm=margins is UTMOST,
        )  # fmt: skip
    if machine.cores is not None and cpu_us_per_s > 0:
        busy = min(machine.cores, machine.processes)  # a process uses at most one
        yield Wall(
            "CPU", int(busy * CPU_SHARE * 1e6 / cpu_us_per_s),
            f"{counted(f'{busy:g}', 'core')} at {CPU_SHARE:.0%}, {_micros(cpu_us_per_s)} µs a second for the messages "
            "of a connection",
            "use more workers, each with a core of its own, or a lower rate", firm=False,
        )  # fmt: skip
    yield Wall("flows", VM_CONNECTIONS, "of an Azure VM, whatever its size", "use more machines", firm=False)


def machines_needed(users: int, machine: Machine, *, cpu_us_per_s: float = 0.0) -> int | None:
    """How many machines of this kind hold `users` connections; None: this kind holds none."""
    room = walls(machine, cpu_us_per_s=cpu_us_per_s)[0].connections
    return math.ceil(users / room) if room else None


def usual_walls() -> tuple[Wall, ...]:
    """The limits of any machine as it comes from Azure, in the order in which they are reached."""
    return (
        Wall(
            "local ports", USUAL_PORTS, "ports of one source address, in Linux's own range",
            "a wider net.ipv4.ip_local_port_range (64,512 at most)",
        ),
        Wall(
            "NAT gateway", NAT_CONNECTIONS, "one public address of a NAT gateway, to one service",
            "a public address for each VM, or a private endpoint", firm=False,
        ),
        Wall(
            "conntrack", USUAL_TRACKED, "a table of tracked connections, on an AKS node as it comes",
            "a higher net.netfilter.nf_conntrack_max", firm=False,
        ),
        Wall("flows", VM_CONNECTIONS, "one Azure VM, whatever its size", "", firm=False),
    )  # fmt: skip


def _micros(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
