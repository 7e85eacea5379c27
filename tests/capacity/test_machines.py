"""What a machine holds: the nearest wall counts, and every wall says how to get beyond it."""

from __future__ import annotations

import pytest

from wps_load.capacity.machines import machines_needed, walls
from wps_load.machine import Machine

ROOMY = Machine(processes=8, files=1_048_576, ports=64_512, addresses=20, tracked=1_048_576, memory_bytes=64 << 30)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("machine", "name", "connections"),
    [
        (Machine(), "flows", 500_000),
        (Machine(files=1024), "open files", 924),
        (Machine(files=1024, processes=4), "open files", 3_696),
        (Machine(files=1_048_576, ports=28_232), "local ports", 28_232),
        (Machine(files=1_048_576, ports=28_232, addresses=4), "local ports", 112_928),
        (Machine(ports=64_512, addresses=20, tracked=131_072), "conntrack", 131_072),
        (Machine(memory_bytes=GIB), "memory", 11_767),
        (Machine(files=50), "open files", 0),
        (ROOMY, "flows", 500_000),
    ],
)
def test_the_nearest_wall_comes_first(machine: Machine, name: str, connections: int) -> None:
    first = walls(machine)[0]
    assert (first.name, first.connections) == (name, connections)
    assert first.more


def test_several_addresses_of_the_service_have_ports_of_their_own() -> None:
    assert walls(Machine(ports=28_232), targets=2)[0].connections == 56_464


@pytest.mark.parametrize(
    ("users", "machine", "count"),
    [(1, Machine(), 1), (1_000_000, ROOMY, 2), (100_000, Machine(ports=28_232), 4), (5, Machine(files=10), None)],
)
def test_machines_of_a_kind(users: int, machine: Machine, count: int | None) -> None:
    assert machines_needed(users, machine) == count
