"""The users of one process that play the scenario: they come with an index each, live in a seat, and leave.

A seat is a greenlet of Locust's. Which seat is given up is Locust's choice, which virtual user leaves is `Seats`'.
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
    """Thrown into a seat's greenlet: another virtual user goes on in it."""


class Players:
    """`admit(slot)`, `dismiss(user)`: makes a virtual user, and ends one. `send`: to the coordinator."""

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
        """Users that were stopped before they had their index."""
        self._unclaimed = 0
        self._ending = False
        self._closed = False

    # -- coming ----------------------------------------------------------------------------------------------

    def sit_down(self) -> UserSeat:
        """In the seat's greenlet: waits for an index and a slot from the coordinator."""
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
        """The coordinator wants a user to leave, and another one in its seat."""
        seat = None if self._ending else self._seats.of(move.user_index)
        if seat is None:
            self._release(move.slot.user_index)
            return
        self._seats.change(seat, Sitter(move.slot.user_index, self._admit(move.slot)))
        gevent.get_hub().loop.run_callback(_move, seat)

    # -- living ----------------------------------------------------------------------------------------------

    def live(self, seat: UserSeat) -> None:
        """In the seat's greenlet: the lives of those who sit there, one after the other. Ends with the greenlet."""
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
        """The run is ending: whoever is stopped leaves from now on."""
        self._ending = True

    def close(self) -> None:
        """Nobody comes any more."""
        self._ending = self._closed = True
        for result in self._waiting:
            result.set_exception(gevent.GreenletExit())


def _move(seat: Any) -> None:
    """In the hub. A seat that was given up meanwhile has nobody who comes."""
    if seat.coming is not None and not seat.greenlet.dead:
        seat.greenlet.throw(Moved)
