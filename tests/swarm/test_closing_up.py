"""Users of several workers move up: whoever leaves, the remaining users have the parts of the first ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.swarm.runs import FakeCrowd, conducted, configured, planned, told
from wps_load.clock import NS_PER_S
from wps_load.swarm.actions import Send
from wps_load.swarm.closing_up import QUIET_NS, moves, who_stays
from wps_load.swarm.collector import Collector
from wps_load.swarm.messages import Claim, ClockReply, Grant, Hello, Move, Release, Status
from wps_load.swarm.roster import Roster
from wps_load.swarm.seats import Seat, Seats, Sitter
from wps_load.workload.mixture import Mixture
from wps_load.workload.population import Role, role


@dataclass
class Someone:
    stays: bool = False
    movable: bool = True


@dataclass
class Worker:
    """As `Players`, without greenlets: who moves has moved at once."""

    name: str
    stays: object
    seats: Seats[Someone] = field(default_factory=Seats)
    row: list[Seat[Someone]] = field(default_factory=list)


class Swarm:
    """`stays`: whether the user of an index leaves last."""

    def __init__(self, workers: int, stays: set[int]) -> None:
        self.roster = Roster(Collector(0, configured()), None)
        self.stays = stays
        self.workers = [Worker(f"w{number}", stays) for number in range(workers)]
        for worker in self.workers:
            self.roster.join(worker.name, "here", 0)
        self.moved = 0

    def come(self, at: int, count: int) -> None:
        worker = self.workers[at % len(self.workers)]
        for slot in self.roster.grant(worker.name, count, 0, FakeCrowd(10**6)).slots:
            worker.row.append(worker.seats.take(slot.user_index, Someone(slot.user_index in self.stays)))

    def go(self, at: int, which: int) -> None:
        worker = self.workers[at % len(self.workers)]
        if not worker.row:
            return
        seat = worker.row.pop(which % len(worker.row))
        leaving = worker.seats.give_up(seat)
        gone = [*leaving.gone]
        if leaving.moved is not None and (left := worker.seats.move_in(leaving.moved)) is not None:
            gone.append(left)
        for sitter in gone:
            self.roster.release(worker.name, sitter.user_index)

    def close_up(self) -> None:
        for index, to in list(moves(set(self.roster.indices), self.stays.__contains__)):
            found = self.roster.move(index, to, 0, 10.0)
            assert found is not None
            worker = next(each for each in self.workers if each.name == found[0])
            seat = worker.seats.of(index)
            assert seat is not None
            worker.seats.change(seat, Sitter(to, Someone(to in self.stays)))
            left = worker.seats.move_in(seat)
            assert left is not None
            assert left.user_index == index
            self.roster.release(worker.name, index)
            self.moved += 1


STEPS = st.lists(
    st.tuples(st.just("come"), st.integers(0, 5), st.integers(1, 12))
    | st.tuples(st.just("go"), st.integers(0, 5), st.integers(0, 50)),
    max_size=40,
)


def first(count: int, ever: int, stays: set[int]) -> set[int]:
    """Who is left of `ever` users if the others have left one process."""
    return set(sorted(range(ever), key=lambda index: (index not in stays, index))[:count])


@settings(max_examples=60)
@given(st.integers(1, 6), STEPS, st.sets(st.integers(0, 60), max_size=6))
def test_the_first_users_are_left_whoever_left_which_worker(
    workers: int, steps: list[tuple[str, int, int]], stays: set[int]
) -> None:
    swarm, ever = Swarm(workers, stays), 0
    for what, at, number in steps:
        if what == "come":
            swarm.come(at, number)
            ever = max(ever, max(swarm.roster.indices) + 1)
        else:
            swarm.go(at, number)
    before = set(swarm.roster.indices)
    swarm.close_up()
    after = set(swarm.roster.indices)
    assert len(after) == len(before) == swarm.roster.claimed
    if not stays:
        assert after == set(range(len(before)))
        assert swarm.moved == len(before - after)
    else:
        top = max(before, default=-1) + 1
        assert after == first(len(before), top, stays)
    assert not list(moves(after, stays.__contains__)), "once is enough"
    if workers == 1 and not stays:
        assert not swarm.moved


@given(st.integers(2, 5), st.integers(1, 60), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 50)), max_size=50))
def test_groups_are_as_full_and_rates_as_high_as_in_a_run_of_that_many_users(
    workers: int, users: int, leaving: list[tuple[int, int]]
) -> None:
    swarm = Swarm(workers, set())
    for turn in range(0, users, 7):  # blocks, as workers claim them
        swarm.come(turn // 7, min(7, users - turn))
    for at, which in leaving:
        swarm.go(at, which)
    swarm.close_up()

    def load(indices: set[int]) -> tuple[list[int], int]:
        roles: list[Role] = [role(small_group, "run", index, users) for index in indices]
        sizes = Counter(audience for part in roles for audience in part.audiences)
        heard = sum(sizes[part.publication.audience] for part in roles if part.publication is not None)
        return sorted(sizes.values()), heard

    left = set(swarm.roster.indices)
    assert load(left) == load(set(range(len(left))))


small_group = configured(scenario="small-group").population


def test_a_mix_keeps_its_shares() -> None:
    swarm, mixture = Swarm(3, set()), Mixture([each.users for each in configured().populations], 20, 1)
    swarm.come(0, 10)
    swarm.come(1, 10)
    for _ in range(10):
        swarm.go(0, 0)
    swarm.close_up()
    assert {mixture.of(index) for index in swarm.roster.indices} == {(0, local) for local in range(10)}


def test_who_stays_is_known_where_a_number_publishes() -> None:
    config = configured(scenario="big-group", publishers="2")
    stays = who_stays(config, "run", config.mixture(10))
    assert sum(map(stays, range(10))) == 2
    assert not any(map(who_stays(configured(), "run", configured().mixture(10)), range(10)))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_conductor_closes_up_when_the_number_of_users_has_been_held(workers: int) -> None:
    crowd = FakeCrowd(users=8)
    conductor = conducted(planned(configured(8, settle="1s")), crowd)
    agents = ["a", "b"][:workers]
    received = partial(conductor.received, run=conductor.plan.number)
    for agent in agents:
        received(agent, message=Hello("here"), now_ns=0)
        received(agent, message=ClockReply(0, 0), now_ns=1)
    conductor.tick(1, agents)
    granted = [
        slot.user_index
        for agent in agents
        for message in told(received(agent, message=Claim(8 // workers), now_ns=2), agent)
        if isinstance(message, Grant)
        for slot in message.slots
    ]
    for agent in agents:
        received(agent, message=Status(8 // workers, 8 // workers, 0, 0), now_ns=3)
    conductor.spawning_complete()
    now_ns = 3
    for _ in range(5):
        now_ns += NS_PER_S
        conductor.tick(now_ns, agents)
    assert granted == list(range(8))
    crowd.users = 6
    for index in (2, 3) if workers == 2 else (6, 7):
        received("a", message=Release(index), now_ns=now_ns)
    received("a", message=Status(8 // workers - 2, 8 // workers - 2, 0, 0), now_ns=now_ns)
    found: list[tuple[str | None, Move]] = []
    for _ in range(4):
        now_ns += QUIET_NS
        actions = conductor.tick(now_ns, agents)
        found += [
            (each.agent, each.message) for each in actions if isinstance(each, Send) and isinstance(each.message, Move)
        ]
    moved = {(agent, move.user_index, move.slot.user_index, move.slot.incarnation) for agent, move in found}
    assert moved == ({("b", 7, 2, 1), ("b", 6, 3, 1)} if workers == 2 else set())


def test_nobody_takes_a_place_that_nobody_may_have_any_more() -> None:
    assert list(moves({0, 3, 4}, lambda index: False)) == [(4, 1), (3, 2)]
    assert list(moves({0, 3, 4}, lambda index: False, {1})) == [(4, 2)]
    assert list(moves({0, 3, 4}, lambda index: False, {1, 2})) == []
