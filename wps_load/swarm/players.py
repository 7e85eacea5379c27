"""The users of one process that play the scenario: each gets an index, lives in a seat, and leaves.

A seat is a greenlet of Locust's. Locust chooses which seat is given up; `Seats` chooses which virtual user leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from wps_load.client.virtual_user import VirtualUser
from wps_load.swarm.messages import Claim, Grant, Move, Release, Slot
from wps_load.swarm.seats import Leaving, Seat, Seats, Sitter

UserSeat = Seat[VirtualUser]


class Moved(BaseException):
    """Thrown into a seat's greenlet: another virtual user continues in it."""


class Players:
    """`admit(slot)` creates a virtual user, and `dismiss(user)` ends one. `send` sends to the coordinator."""

    def __init__(
        self,
        admit: Callable[[Slot], VirtualUser],
        dismiss: Callable[[VirtualUser], None],
        send: Callable[[Claim | Release], None],
    ) -> None:
        self._admit = admit
        self._dismiss = dismiss
        self._send = send
        self._seats: Seats[VirtualUser] = Seats()
        self._waiting: list[AsyncResult] = []
        self._given_up: set[AsyncResult] = set()
        """The number of users that were stopped before they had an index."""
        self._unclaimed = 0
        self._ending = False
        self._closed = False

    # -- coming ----------------------------------------------------------------------------------------------

    def sit_down(self) -> UserSeat:
        """Waits in the seat's greenlet for an index and a slot from the coordinator."""
        result = AsyncResult()
        self._waiting.append(result)
        self._unclaimed += 1
        if self._unclaimed == 1:
            # one claim for all users that Locust spawns in this turn of the loop
            gevent.get_hub().loop.run_callback(gevent.spawn, self._claim)
        try:
            slot = result.get()
        except gevent.GreenletExit:
            if result.successful():
                self._release(result.value.user_index)
            else:
                self._given_up.add(result)
            raise
        seat = self._seats.take(slot.user_index, self._admit(slot))
        seat.greenlet = gevent.getcurrent()
        return seat

    def _claim(self) -> None:
        count, self._unclaimed = self._unclaimed, 0
        self._send(Claim(count))

    def granted(self, grant: Grant) -> None:
        """The coordinator has answered a claim."""
        waiting, self._waiting = self._waiting, self._waiting[len(grant.slots) :]
        for result, slot in zip(waiting, grant.slots, strict=False):
            if result in self._given_up:
                self._given_up.discard(result)
                self._release(slot.user_index)
            else:
                result.set(slot)

    def move(self, move: Move) -> None:
        """The coordinator wants a user to leave, and another one to take its seat."""
        seat = None if self._ending else self._seats.of(move.user_index)
        if seat is None:
            self._release(move.slot.user_index)
            return
        self._seats.change(seat, Sitter(move.slot.user_index, self._admit(move.slot)))
        gevent.get_hub().loop.run_callback(_move, seat)

    # -- living ----------------------------------------------------------------------------------------------

    def live(self, seat: UserSeat) -> None:
        """Runs the lives of the users of this seat, one after the other, until the greenlet ends."""
        while True:
            try:
                if seat.sitter is not None:
                    seat.sitter.user.run()
                Event().wait()
            except Moved:
                left = self._seats.move_in(seat)
                if left is not None:
                    self._let_go(left)

    # -- leaving ---------------------------------------------------------------------------------------------

    def give_up(self, seat: UserSeat) -> None:
        """Locust stops this user."""
        leaving: Leaving[VirtualUser] = self._seats.give_up(seat, moves=not self._ending)
        if leaving.moved is not None:
            gevent.get_hub().loop.run_callback(_move, leaving.moved)
        for sitter in leaving.gone:
            self._let_go(sitter)

    def _let_go(self, sitter: Sitter[VirtualUser]) -> None:
        self._dismiss(sitter.user)
        self._release(sitter.user_index)

    def _release(self, index: int) -> None:
        if not self._closed:
            self._send(Release(index))

    # -- the end ---------------------------------------------------------------------------------------------

    def end(self) -> None:
        """The run is ending: from now on the user that is stopped is the one that leaves."""
        self._ending = True

    def close(self) -> None:
        """Admits no more users."""
        self._ending = self._closed = True
        for result in self._waiting:
            result.set_exception(gevent.GreenletExit())


def _move(seat: Any) -> None:
    """Runs in the hub. A seat that was given up meanwhile has no successor."""
    if seat.coming is not None and not seat.greenlet.dead:
        seat.greenlet.throw(Moved)
