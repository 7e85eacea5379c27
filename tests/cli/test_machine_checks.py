"""`doctor --machine` as rows of figures: every wall with its place, the first one named, what is unknown skipped."""

from __future__ import annotations

import pytest

from wps_load.client.checks import Check, Level
from wps_load.commands.machine_checks import rates, room
from wps_load.commands.sample import Costs
from wps_load.machine import Machine

AKS_NODE = Machine(
    processes=16, files=1_048_576, files_left=9_000_000, ports=63_977, addresses=4, tracked=131_072,
    memory_bytes=64 << 30, cores=16.0,
)  # fmt: skip


def by_name(found: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_the_first_limit_of_a_node_is_its_conntrack_table() -> None:
    found = list(room(AKS_NODE, None, 0.0))
    assert [check.name for check in found][:3] == ["conntrack", "local ports", "flows"]
    assert found[-1] == Check("first limit", Level.PASS, "conntrack, at 131,072 connections to one service")


@pytest.mark.parametrize(
    ("users", "conntrack", "flows", "first"),
    [
        (131_072, Level.PASS, Level.PASS, Level.PASS),
        (131_073, Level.FAIL, Level.PASS, Level.FAIL),
        (500_001, Level.FAIL, Level.WARN, Level.FAIL),
    ],
)
def test_a_load_at_the_bounds(users: int, conntrack: Level, flows: Level, first: Level) -> None:
    found = by_name(list(room(AKS_NODE, users, 0.0)))
    assert (found["conntrack"].level, found["flows"].level, found["first limit"].level) == (conntrack, flows, first)
    assert bool(found["conntrack"].advice) == (conntrack is Level.FAIL)


def test_messages_take_cores_and_no_more_than_the_processes_use() -> None:
    assert by_name(list(room(AKS_NODE, None, 100.0)))["CPU"].found.startswith("80,000 connections (16 cores at 50%")
    single = Machine(processes=1, cores=16.0)
    assert by_name(list(room(single, 5_001, 100.0)))["CPU"].level is Level.WARN
    assert by_name(list(room(single, 5_000, 100.0)))["CPU"].level is Level.PASS


def test_what_a_system_does_not_tell_is_skipped_with_a_sentence() -> None:
    found = by_name(list(room(Machine(files=1024), 10, 0.0)))
    assert {name for name, check in found.items() if check.level is Level.SKIP} == {
        "files", "local ports", "conntrack", "memory",
    }  # fmt: skip
    assert found["memory"].found == "this system does not report how much memory is left"
    assert found["first limit"].found == "open files, at 924 connections to one service"


def test_what_the_cores_do_in_a_second() -> None:
    found = by_name(list(rates(AKS_NODE, Costs(publish_us=5.0, receive_us=4.0))))
    assert found["messages"].found.startswith("2,000,000 received a second on 16 cores at 50% (4.0 µs each")
    assert found["connects"].found.startswith("4,000 a second over TLS on 16 cores at 50% (2 ms each")
    assert list(by_name(list(rates(Machine(cores=1.0), None)))) == ["connects"]
