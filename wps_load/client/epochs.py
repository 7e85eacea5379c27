"""The epoch that a process is in, those that are announced, and the listeners for new ones. Pure.

An epoch is announced before it starts, and entered at its instant or when a message of it comes, whichever is first.
Instants are of this process's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from wps_load.measure.stamp import make_mark


@dataclass(frozen=True, slots=True)
class Epoch:
    """A period of publishing: sequence numbers start from 0, and the ledger counts it separately."""

    number: int
    start_ns: int
    until_ns: int


class Epochs:
    """`run_number`: the run's 32 bits in each stamp. Everything runs in the hub.

    `on_end(following)` is called before the accounts of the present epoch are discarded; `on_begin(number, start_ns)`
    once the new one is the present one. Both are called in the order in which they were appended.
    """

    __slots__ = ("_announced", "_run_number", "byte", "mark", "number", "on_begin", "on_end")

    def __init__(self, run_number: int) -> None:
        self._run_number = run_number
        self._announced: list[Epoch] = []
        self.on_end: list[Callable[[int], None]] = []
        self.on_begin: list[Callable[[int, int], None]] = []
        self._set(0)

    def _set(self, number: int) -> None:
        self.number = number
        self.byte = number & 0xFF
        self.mark = make_mark(number, self._run_number)

    @property
    def announced(self) -> bool:
        return bool(self._announced)

    def announce(self, epoch: Epoch) -> None:
        """Announces an epoch; one that was announced before ends at its start at the latest."""
        earlier = [each for each in self._announced if each.number < epoch.number]
        self._announced = [replace(each, until_ns=min(each.until_ns, epoch.start_ns)) for each in earlier]
        self._announced.append(epoch)

    def enter(self, number: int) -> None:
        """From now on messages of this epoch are sent and counted. Does nothing for an epoch that is over."""
        if number <= self.number:
            return
        for tell in self.on_end:
            tell(number)
        self._set(number)
        start_ns = next((each.start_ns for each in self._announced if each.number == number), 0)
        for begin in self.on_begin:
            begin(number, start_ns)

    def follow(self, stamped: int) -> bool:
        """A message of another epoch has come. True: it is one that we should have entered, and now have."""
        ahead = (stamped - self.number) & 0xFF
        if not 0 < ahead < 128:
            return False
        self.enter(self.number + ahead)
        return True

    def measured_at(self, due_ns: int) -> int | None:
        """The measured epoch in which a message due at this instant counts; None: it counts in none."""
        return next(
            (each.number for each in self._announced if each.number and each.start_ns <= due_ns < each.until_ns), None
        )

    def ending_after(self, at_ns: int) -> list[Epoch]:
        """The epochs that are announced and not over at `at_ns`."""
        return [each for each in self._announced if each.until_ns > at_ns]

    def move_end(self, at_ns: int) -> bool:
        """The newest epoch ends at `at_ns`. True: it is the present one."""
        if not self._announced:
            return False
        newest = self._announced[-1]
        self._announced[-1] = replace(newest, until_ns=at_ns)
        return newest.number == self.number

    def end_at(self, at_ns: int) -> None:
        """No epoch extends beyond `at_ns`."""
        self._announced = [replace(each, until_ns=min(each.until_ns, at_ns)) for each in self._announced]
