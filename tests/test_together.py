"""Tests that share a run go to one process of pytest-xdist, as it is installed here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.together import ALL_SOURCE, SEVERAL_PROGRAMS, Together, group_of

RUNS = "tests/integration/test_scenario_runs.py"
CALIBRATION = "tests/calibration/test_calibration_counts.py"
PROSE = "tests/test_prose.py"
ALONE = "tests/test_errors.py"


@pytest.mark.parametrize(
    ("module", "group"),
    [(RUNS, SEVERAL_PROGRAMS), (CALIBRATION, SEVERAL_PROGRAMS), (PROSE, ALL_SOURCE), (ALONE, None)],
)
def test_who_shares_a_fixture_or_a_cache_is_a_group(module: str, group: str | None) -> None:
    assert group_of(module) == group


class Gateway:
    def __init__(self, number: int) -> None:
        self.id = f"gw{number}"


class Node:
    """One of xdist's processes, which keeps what it is given."""

    def __init__(self, number: int) -> None:
        self.gateway = Gateway(number)
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_all_of_a_group_go_to_one_process(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytestconfig.option, "tx", ["popen", "popen"])
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", True)
    tests = [f"{module}::test_{number}" for number in range(6) for module in (ALONE, RUNS, CALIBRATION)]
    scheduler: Any = Together(pytestconfig)
    nodes = [Node(0), Node(1)]
    for node in nodes:
        scheduler.add_node(node)
    for node in nodes:
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    for number in range(len(tests)):
        for node in nodes:
            for index in node.given[number : number + 1]:
                scheduler.mark_test_complete(node, index)

    assert sorted(nodes[0].given + nodes[1].given) == list(range(len(tests)))
    groups = [{group_of(tests[index].partition("::")[0]) for index in node.given} - {None} for node in nodes]
    assert sorted(map(len, groups)) == [0, 1], "both modules in one process"
    assert [len(node.given) for node in nodes] == [12, 6], "those that share nothing go where there is room"
    assert all(node.shutting_down for node in nodes)
