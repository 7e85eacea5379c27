"""Which connections a plan cuts, in which order, and which it leaves out, on a stopped clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import islice

import pytest
from gevent.event import Event

from tests.client.contexts import population_context
from wps_load.client import cuts
from wps_load.client.connection import Cut
from wps_load.client.context import PopulationContext
from wps_load.client.cuts import TOO_LATE_NS, Cutter
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.workload.chaos import CutPlan, victims

PRESENT = range(4)
TEN_A_SECOND = CutPlan("close", per_s=Fraction(10), code=1001)
"""Due 50, 150, ... ms after the start."""
EVERYBODY = CutPlan(all_at_ns=0)
HALF_A_SECOND_NS = NS_PER_S // 2


class Log:
    """Who was cut, and how."""

    def __init__(self) -> None:
        self.whom: list[int] = []
        self.how: set[tuple[Cut, int]] = set()

    def victim(self, index: int) -> User:
        return User(self, index)


class User:
    def __init__(self, log: Log, index: int) -> None:
        self._log = log
        self._index = index

    def cut(self, kind: Cut, code: int) -> bool:
        self._log.whom.append(self._index)
        self._log.how.add((kind, code))
        return True


@pytest.fixture
def context() -> Iterator[PopulationContext]:
    with population_context(protocol="json", scenario="echo") as made:
        yield made


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def start_ns(monkeypatch: pytest.MonkeyPatch) -> int:
    """Long ago, so that all is due at once; for the cutter it is a moment later."""
    found = now_ns() - 10 * NS_PER_S
    monkeypatch.setattr(cuts, "now_ns", lambda: found + HALF_A_SECOND_NS // 2)
    return found


def carry_out(
    context: PopulationContext,
    plan: CutPlan,
    users: Mapping[int, User],
    start_ns: int,
    change: Callable[[Cutter], None] = lambda cutter: None,
) -> None:
    """To the end of half a second; `change`: what happens before the first cut."""
    cutter = Cutter(context, users, PRESENT, plan, start_ns, start_ns + HALF_A_SECOND_NS)
    change(cutter)
    done = Event()
    context.run.scheduler.call_at(now_ns() + NS_PER_MS, lambda _: done.set())
    assert done.wait(10)


def chosen(context: PopulationContext, number: int, present: set[int], turn: int = 0) -> list[int]:
    return [*islice(victims(context.settings.seed, present, turn), number)]


def test_the_cuts_of_the_plan_in_its_order(context: PopulationContext, log: Log, start_ns: int) -> None:
    carry_out(context, TEN_A_SECOND, {index: log.victim(index) for index in PRESENT}, start_ns)
    assert log.whom == chosen(context, 5, {*PRESENT})
    assert log.how == {(Cut("close"), 1001)}


def test_victims_of_other_processes_have_their_turn_there(context: PopulationContext, log: Log, start_ns: int) -> None:
    carry_out(context, TEN_A_SECOND, {index: log.victim(index) for index in (1, 3)}, start_ns)
    assert log.whom == [index for index in chosen(context, 5, {*PRESENT}) if index in (1, 3)]


def test_what_was_due_before_this_process_came_is_not_made_up_for(
    context: PopulationContext, log: Log, start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "now_ns", lambda: start_ns + TOO_LATE_NS + 300 * NS_PER_MS)
    carry_out(context, TEN_A_SECOND, {index: log.victim(index) for index in PRESENT}, start_ns)
    assert log.whom == chosen(context, 5, {*PRESENT})[3:], "those of 350 and 450 ms"


@pytest.mark.parametrize(
    ("changed", "present", "turn"),
    [((), {0, 1, 2, 3}, 0), ((0, 1), {2, 3}, 1), ((5, 0), {1, 2, 3, 5}, 1)],
)
def test_the_cuts_are_theirs_who_are_there(
    context: PopulationContext,
    log: Log,
    start_ns: int,
    changed: tuple[int, ...],
    present: set[int],
    turn: int,
) -> None:
    users = {index: log.victim(index) for index in range(6)}
    carry_out(context, TEN_A_SECOND, users, start_ns, lambda cutter: cutter.attend(changed, present))
    assert log.whom == chosen(context, 5, present, turn)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda cutter, start_ns: cutter.move_end(start_ns + 250 * NS_PER_MS), 2),
        (lambda cutter, start_ns: cutter.move_end(start_ns + 650 * NS_PER_MS), 6),
        (lambda cutter, start_ns: cutter.end_at(start_ns + 150 * NS_PER_MS), 1),
        (lambda cutter, start_ns: cutter.end_at(start_ns + NS_PER_S), 5),
    ],
)
def test_an_end_that_is_moved(
    context: PopulationContext, log: Log, start_ns: int, change: Callable[[Cutter, int], None], number: int
) -> None:
    users = {index: log.victim(index) for index in PRESENT}
    carry_out(context, TEN_A_SECOND, users, start_ns, lambda cutter: change(cutter, start_ns))
    assert log.whom == chosen(context, number, {*PRESENT})


def test_everybody_is_cut_once(context: PopulationContext, log: Log, start_ns: int) -> None:
    carry_out(context, EVERYBODY, {index: log.victim(index) for index in PRESENT}, start_ns)
    assert (log.whom, log.how) == ([*PRESENT], {(Cut("reset"), EVERYBODY.code)})


def test_nobody_is_cut_where_the_process_came_late_or_the_end_came_first(
    context: PopulationContext, log: Log, start_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {index: log.victim(index) for index in PRESENT}
    carry_out(context, EVERYBODY, users, start_ns, lambda cutter: cutter.move_end(start_ns))
    monkeypatch.setattr(cuts, "now_ns", lambda: start_ns + TOO_LATE_NS)
    carry_out(context, EVERYBODY, users, start_ns)
    assert log.whom == []


def test_a_plan_without_cuts_has_none(context: PopulationContext, log: Log, start_ns: int) -> None:
    carry_out(context, CutPlan(), {0: log.victim(0)}, start_ns)
    assert log.whom == []
