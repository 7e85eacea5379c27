"""Seats against a model that keeps a plain list of who is there."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wps_load.swarm.seats import Seat, Seats


@dataclass
class Someone:
    stays: bool = False
    movable: bool = True


def taken(seats: Seats[Someone], users: dict[int, Someone]) -> list[Seat[Someone]]:
    return [seats.take(index, user) for index, user in users.items()]


def present(seats: list[Seat[Someone]]) -> list[int]:
    return sorted(sitter.user_index for seat in seats if (sitter := seat.coming or seat.sitter) is not None)


@given(st.permutations(range(10)), st.integers(1, 9))
def test_whichever_seats_are_given_up_the_first_users_are_left(order: list[int], count: int) -> None:
    seats: Seats[Someone] = Seats()
    row = taken(seats, {index: Someone() for index in range(10)})
    gone = [sitter.user_index for at in order[:count] for sitter in seats.give_up(row[at]).gone]
    left = [sitter.user_index for seat in row if (sitter := seats.move_in(seat)) is not None]
    assert present(row) == list(range(10 - count))
    assert sorted(gone + left) == list(range(10 - count, 10))


@given(st.permutations(range(10)), st.sets(st.integers(0, 9), max_size=5), st.integers(1, 9))
def test_who_stays_leaves_when_nobody_else_is_left(order: list[int], staying: set[int], count: int) -> None:
    seats: Seats[Someone] = Seats()
    row = taken(seats, {index: Someone(index in staying) for index in range(10)})
    for at in order[:count]:
        seats.give_up(row[at])
    ranks = sorted(range(10), key=lambda index: (index not in staying, index))
    assert present(row) == sorted(ranks[: 10 - count])


def test_who_is_not_up_cannot_move_and_leaves_itself() -> None:
    seats: Seats[Someone] = Seats()
    row = taken(seats, {0: Someone(movable=False), 1: Someone()})
    leaving = seats.give_up(row[0])
    assert ([sitter.user_index for sitter in leaving.gone], leaving.moved) == ([0], None)
    assert present(row) == [1]


def test_at_the_end_nobody_moves() -> None:
    seats: Seats[Someone] = Seats()
    row = taken(seats, {0: Someone(), 1: Someone()})
    assert [sitter.user_index for sitter in seats.give_up(row[0], moves=False).gone] == [0]
    assert len(seats) == 1


class Model(RuleBasedStateMachine):
    """Users come, seats are given up, and moves happen some time later or are overtaken."""

    def __init__(self) -> None:
        super().__init__()
        self.seats: Seats[Someone] = Seats()
        self.row: list[Seat[Someone]] = []
        self.moves: list[Seat[Someone]] = []
        self.here: dict[int, Someone] = {}
        self.living: set[int] = set()

    @rule(movable=st.booleans())
    def come(self, movable: bool) -> None:
        index = next(number for number in range(len(self.living) + 1) if number not in self.living)
        self.here[index] = Someone(index % 3 == 0, movable)
        self.living.add(index)
        self.row.append(self.seats.take(index, self.here[index]))

    @precondition(lambda self: self.row)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        seat = self.row.pop(data.draw(st.integers(0, len(self.row) - 1)))
        sitter = seat.coming or seat.sitter
        assert sitter is not None
        last = max(self.here, key=lambda index: (not self.here[index].stays, index))
        leaves = last if sitter.user.movable else sitter.user_index
        leaving = self.seats.give_up(seat)
        del self.here[leaves]
        self.living -= {each.user_index for each in leaving.gone}
        if leaving.moved is not None:
            self.moves.append(leaving.moved)

    @precondition(lambda self: self.moves)
    @rule()
    def move(self) -> None:
        left = self.seats.move_in(self.moves.pop(0))
        if left is not None:
            self.living.remove(left.user_index)

    @invariant()
    def those_who_are_to_be_here_have_a_seat_each(self) -> None:
        assert present(self.row) == sorted(self.here)
        assert len(self.seats) == len(self.here)
        assert self.living >= set(self.here)
        if not any(seat.coming for seat in self.row):
            assert self.living == set(self.here)


TestSeats = Model.TestCase
