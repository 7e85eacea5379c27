"""The progress of the virtual users of one population, which a run waits for before it measures."""

from __future__ import annotations


class Readiness:
    """`settled`: present users that have connected once, or failed to.

    `joiners`: those that are to join groups; `joined`: those that are in all of theirs.
    """

    __slots__ = ("joined", "joiners", "settled")

    def __init__(self) -> None:
        self.settled = 0
        self.joiners = 0
        self.joined = 0

    def settle(self) -> None:
        """A user has connected, or failed to, for the first time."""
        self.settled += 1

    def come(self, *, joins: bool) -> None:
        """A user has been admitted. `joins`: it is to join groups."""
        self.joiners += joins

    def leave(self, *, joins: bool, settled: bool) -> None:
        """A user has left by plan. `settled`: it had connected once, or failed to."""
        self.joiners -= joins
        self.settled -= settled

    def in_groups(self, now: bool) -> None:
        """A user is in all of its groups from now on, or no longer."""
        self.joined += 1 if now else -1
