"""What `plan` says of machines, where the answer can be worked out on paper."""

from __future__ import annotations

import pytest

from wps_load.capacity.units import Load
from wps_load.commands.machines_text import busy_us_per_s, lines, workers_needed
from wps_load.commands.sample import Costs
from wps_load.machine import Machine

VM = Machine(processes=8, files=1_048_576, ports=28_232, addresses=1, memory_bytes=32 << 30, cores=8.0)
WIDE = Machine(processes=8, files=1_048_576, ports=64_512, addresses=20, memory_bytes=256 << 30, cores=8.0)


def said(users: int, busy_us: float | None, machine: Machine) -> str:
    return "\n".join(lines(users, busy_us, machine))


def test_a_load_that_one_machine_holds() -> None:
    found = said(28_232, 0.0, VM)
    assert "machines       1: one like this holds 28,232 connections, limited by local ports" in found
    assert "none; the first is at 28,232 connections: ports of one source address" in found


def test_a_million_passes_all_walls_in_their_order() -> None:
    found = said(1_000_000, 0.0, VM)
    assert "36 like this one, which holds 28,232 connections, limited by local ports (28,232 for each of 1 so" in found
    assert "to hold more: widen net.ipv4.ip_local_port_range, or give more source addresses (--wps-bind)" in found
    places = [found.index(text) for text in ("28,232 connections: ports", "50,000 connections: one public address",
                                             "131,072 connections: ", "500,000 connections: one Azure VM")]  # fmt: skip
    assert places == sorted(places)
    for count in ("takes 36 of them", "takes 20 of them", "takes 8 of them", "takes 2 of them"):
        assert count in found


def test_source_addresses_and_ports_move_the_first_wall() -> None:
    assert "2 like this one, which holds 500,000 connections, limited by flows" in said(1_000_000, 0.0, WIDE)


def test_messages_may_need_more_machines_than_connections_do() -> None:
    busy_us = 40e6  # 40 cores of work on machines that give 4
    assert "10 like this one, which holds 10,000 connections, limited by CPU" in said(100_000, busy_us, WIDE)
    assert "1: one like this" in said(100_000, None, WIDE), "an unknown rate is not taken for a fast one"


def test_a_machine_that_holds_nothing() -> None:
    assert "none like this one, which holds 0 connections, limited by open files" in said(5, 0.0, Machine(files=10))


@pytest.mark.parametrize(
    ("inbound", "outbound", "costs", "busy", "workers"),
    [
        (100.0, 1000.0, Costs(10.0, 5.0), 6_000.0, 1),
        (100_000.0, 100_000.0, Costs(10.0, 5.0), 1_500_000.0, 3),
        (100_000.0, 100_000.0, Costs(None, 5.0), 500_000.0, 1),
        (100_000.0, 100_000.0, None, 0.0, 1),
    ],
)
def test_work_of_the_messages(inbound: float, outbound: float, costs: Costs | None, busy: float, workers: int) -> None:
    load = Load(100, inbound, outbound, 2048.0, None)
    found = busy_us_per_s(load, costs)
    assert found == busy
    assert workers_needed(found) == workers


def test_a_closed_loop_has_no_rate() -> None:
    assert busy_us_per_s(Load(100, None, None, 2048.0, None), Costs(1.0, 1.0)) is None
