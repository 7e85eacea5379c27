"""Users of a process that come and are stopped, with lives that only wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from wps_load.swarm.messages import Claim, Grant, Move, Release, Slot
from wps_load.swarm.players import Players

PATIENCE_S = 30


class Life:
    """Of a virtual user: it waits for its end, in whatever greenlet it is lived."""

    stays = False
    movable = True

    def __init__(self, index: int) -> None:
        self.index = index
        self.where: Any = None

    def run(self) -> None:
        self.where = gevent.getcurrent()
        Event().wait()


class Locust:
    """Spawns greenlets as users, and stops any of them."""

    def __init__(self) -> None:
        self.lives: dict[int, Life] = {}
        self.dismissed: list[int] = []
        self.sent: list[Claim | Release] = []
        self.players = Players(cast(Any, self.admit), cast(Any, self.dismiss), self.sent.append)
        self.greenlets: list[Any] = []

    def admit(self, slot: Slot) -> Life:
        self.lives[slot.user_index] = Life(slot.user_index)
        return self.lives[slot.user_index]

    def dismiss(self, life: Life) -> None:
        self.dismissed.append(life.index)

    def user(self) -> None:
        seat = None
        try:
            seat = self.players.sit_down()
            self.players.live(seat)
        except gevent.GreenletExit:
            if seat is not None:
                self.players.give_up(seat)

    def spawn(self, count: int) -> None:
        known = len(self.lives)
        self.greenlets += [gevent.spawn(self.user) for _ in range(count)]
        idle()
        self.players.granted(Grant([Slot(index, 0, 0) for index in range(known, known + count)]))
        idle()

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self.greenlets[number].kill(block=False)
        idle()

    @property
    def alive(self) -> list[int]:
        return sorted(
            index for index, life in self.lives.items() if not life.where.dead and index not in self.dismissed
        )


def idle() -> None:
    for _ in range(5):
        gevent.sleep(0)


@pytest.fixture
def locust() -> Iterator[Locust]:
    made = Locust()
    with gevent.Timeout(PATIENCE_S):
        yield made
    made.players.close()
    gevent.killall(made.greenlets)


def test_the_last_ones_leave_and_the_others_go_on_in_their_greenlets(locust: Locust) -> None:
    locust.spawn(6)
    assert locust.sent == [Claim(6)]
    locust.stop(0, 3, 5)
    assert locust.alive == [0, 1, 2]
    assert sorted(locust.dismissed) == [3, 4, 5]
    assert sorted(each for each in locust.sent[1:]) == [Release(3), Release(4), Release(5)]
    assert all(greenlet.dead for greenlet in (locust.greenlets[at] for at in (0, 3, 5)))
    assert not any(locust.greenlets[at].dead for at in (1, 2, 4))


def test_all_may_be_stopped_one_after_the_other(locust: Locust) -> None:
    locust.spawn(4)
    for number, left in ((2, [0, 1, 2]), (0, [0, 1]), (3, [0]), (1, [])):
        locust.stop(number)
        assert locust.alive == left
    assert sorted(locust.dismissed) == [0, 1, 2, 3]


def test_at_the_end_everybody_leaves_where_they_are(locust: Locust) -> None:
    locust.spawn(3)
    locust.players.end()
    locust.stop(0)
    assert locust.dismissed == [0]


def test_a_user_that_is_stopped_before_it_has_its_index_gives_it_back(locust: Locust) -> None:
    locust.greenlets += [gevent.spawn(locust.user) for _ in range(2)]
    idle()
    locust.stop(0)
    locust.players.granted(Grant([Slot(0, 0, 0), Slot(1, 0, 0)]))
    idle()
    assert locust.sent == [Claim(2), Release(0)]
    assert (locust.alive, locust.dismissed) == ([1], [])


def test_one_makes_room_for_another_in_the_same_seat(locust: Locust) -> None:
    locust.spawn(3)
    locust.players.move(Move(2, Slot(7, 0, 0)))
    locust.players.move(Move(2, Slot(8, 0, 0)))  # it is about to leave: what is not taken is given back
    idle()
    assert locust.dismissed == [2]
    assert locust.sent == [Claim(3), Release(8), Release(2)]
    assert locust.lives[7].where is locust.greenlets[2]
    assert locust.alive == [0, 1, 7]
    locust.stop(0)
    assert locust.alive == [0, 1], "the last one leaves"
