"""Which virtual user leaves when Locust stops a user, which it chooses at random. Pure.

A *seat* belongs to a user of Locust's: it is the greenlet in which a virtual user lives. When a seat is given up, the
virtual user with the highest index leaves, and the one that sat there continues in the leaver's seat. So the users that
remain are the first ones, as if the run had begun with them, and groups, shares and rates are right. Users that must
stay (one of a fixed number of publishers) leave when nobody else is left.
"""

from __future__ import annotations

import heapq
from typing import Any, Generic, NamedTuple, Protocol, TypeVar


class Life(Protocol):
    """A virtual user, as far as its seat matters."""

    @property
    def stays(self) -> bool: ...

    @property
    def movable(self) -> bool:
        """Whether it is connected, and can continue in another greenlet."""
        ...


L = TypeVar("L", bound=Life)


class Sitter(NamedTuple, Generic[L]):
    """A virtual user and its index in the run."""

    user_index: int
    user: L


class Seat(Generic[L]):
    """`sitter`: who lives here; `coming`: who will, as soon as the sitter has left.

    `greenlet`: the place itself, which is not used here.
    """

    __slots__ = ("coming", "greenlet", "sitter")

    def __init__(self, sitter: Sitter[L]) -> None:
        self.sitter: Sitter[L] | None = sitter
        self.coming: Sitter[L] | None = None
        self.greenlet: Any = None


class Leaving(NamedTuple, Generic[L]):
    """`gone`: users that leave now, whose seats end. `moved`: seats in which `coming` takes over."""

    gone: list[Sitter[L]]
    moved: Seat[L] | None


class Seats(Generic[L]):
    """The seats of one process."""

    def __init__(self) -> None:
        self._seats: dict[int, Seat[L]] = {}
        """Seats by the index of who lives or will live there."""
        self._row: list[tuple[bool, int]] = []
        """A heap with the first to leave on top; users that left otherwise are still in it."""

    def __len__(self) -> int:
        return len(self._seats)

    def take(self, index: int, user: L) -> Seat[L]:
        """A user has come."""
        seat = Seat(Sitter(index, user))
        self._seats[index] = seat
        heapq.heappush(self._row, (user.stays, -index))
        return seat

    def give_up(self, seat: Seat[L], *, moves: bool = True) -> Leaving[L]:
        """A seat is given up. `moves` False: the run is ending, and nobody takes another user's place."""
        gone: list[Sitter[L]] = []
        if seat.coming is not None and seat.sitter is not None:  # the sitter was to leave anyway
            gone.append(seat.sitter)
            seat.sitter = None
        player = seat.coming or seat.sitter
        seat.sitter = seat.coming = None
        if player is None:
            return Leaving(gone, None)
        del self._seats[player.user_index]
        other = self._first_to_leave() if moves and player.user.movable else None
        if other is None or _before(player, other.coming or other.sitter):
            return Leaving([*gone, player], None)
        leaver = other.coming or other.sitter
        assert leaver is not None
        del self._seats[leaver.user_index]
        if other.coming is not None:  # that user has not come yet, and never will
            gone.append(leaver)
        other.coming = player
        self._seats[player.user_index] = other
        heapq.heappush(self._row, (player.user.stays, -player.user_index))
        return Leaving(gone, other)

    def of(self, index: int) -> Seat[L] | None:
        """The seat of this user; None: it is not there, or is about to leave or to move."""
        seat = self._seats.get(index)
        return None if seat is None or seat.coming is not None else seat

    def change(self, seat: Seat[L], successor: Sitter[L]) -> None:
        """Makes `successor` take over from the sitter, who leaves."""
        assert seat.sitter is not None
        del self._seats[seat.sitter.user_index]
        seat.coming = successor
        self._seats[successor.user_index] = seat
        heapq.heappush(self._row, (successor.user.stays, -successor.user_index))

    def move_in(self, seat: Seat[L]) -> Sitter[L] | None:
        """The coming user takes over. Returns who has left; None: there was no successor any more."""
        if seat.coming is None:
            return None
        left, seat.sitter, seat.coming = seat.sitter, seat.coming, None
        return left

    def _first_to_leave(self) -> Seat[L] | None:
        while self._row:
            seat = self._seats.get(-self._row[0][1])
            if seat is not None:
                return seat
            heapq.heappop(self._row)
        return None


def _before(one: Sitter[L], other: Sitter[L] | None) -> bool:
    """Whether `one` leaves before `other`."""
    return other is None or (one.user.stays, -one.user_index) < (other.user.stays, -other.user_index)
