"""The measure phase by numbers of users: periods in which one number was held, and the ramps between them. Pure.

A number is *held* if at least HOLD_S whole seconds in a row had it: it was requested, and all of its users were present
or had failed to connect. Everything else is a ramp, however long: a shape that changes each second makes one ramp. With
more than MOST periods the time that a number must be held doubles, so that a run of days keeps a bounded number. A run
with only one requested number has no such phases, even if it is too short to hold the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from wps_load.plurals import counted
from wps_load.report.interval import Interval

HOLD_S = 3.0
MOST = 60


@dataclass(slots=True)
class UserPhase:
    """`users`: the number that was held, None for a ramp, which led from `first` to `last`.

    `connected_s`: open connections, times seconds. `portions_s`: the same for each population, if there are several.
    """

    users: int | None
    first: int
    last: int
    interval: Interval
    connected_s: float
    portions_s: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The phase's name in the report."""
        if self.users is not None:
            return counted(self.users, "user")
        return f"around {self.first} users" if self.first == self.last else f"{self.first} to {self.last} users"

    @property
    def length_s(self) -> float:
        return self.interval.to_s - self.interval.from_s

    def absorb(self, later: UserPhase) -> None:
        """Merges `later` into this one; `later` begins where this one ends."""
        self.interval.absorb(later.interval)
        self.last = later.last
        self.connected_s += later.connected_s
        for name, open_s in later.portions_s.items():
            self.portions_s[name] = self.portions_s.get(name, 0.0) + open_s

    def copy(self) -> UserPhase:
        """A copy that may absorb others while this one stays as it is."""
        return replace(self, interval=self.interval.copy(), portions_s=dict(self.portions_s))


class UserPhases:
    """Gets each second of the measure phase."""

    def __init__(self) -> None:
        self._stretches: list[UserPhase] = []
        self._hold_s = HOLD_S
        self._open = 0
        """Connections at the last second's end, before the change with which the next one begins."""
        self._numbers: tuple[int, int] | None = None
        """The lowest and the highest number that was requested."""

    def add(self, second: Interval, first: int, asked: int, held: int | None) -> None:
        """`first`, `asked`: the numbers that were requested at its beginning and its end.

        `held`: the number that was held throughout, if there is one.
        """
        lowest, highest = self._numbers or (first, first)
        self._numbers = min(lowest, first, asked), max(highest, first, asked)
        goes_on = bool(self._stretches) and self._stretches[-1].users == held
        opened = self._open if goes_on and held is not None else second.users
        self._open = second.users
        length_s = second.to_s - second.from_s
        portions_s = {name: each.users * length_s for name, each in second.portions.items()}
        newest = UserPhase(held, first, asked, second, opened * length_s, portions_s)
        if goes_on:
            self._stretches[-1].absorb(newest)
            return
        self._stretches = _joined(self._stretches, self._hold_s)  # finished ones were held, or are ramps
        while len(self._stretches) > MOST:
            self._hold_s *= 2
            self._stretches = _joined(self._stretches, self._hold_s)
        if held is None and self._stretches and self._stretches[-1].users is None:
            self._stretches[-1].absorb(newest)
        else:
            self._stretches.append(newest.copy())

    def found(self) -> Sequence[UserPhase]:
        """The phases; None if one number was requested throughout, however long its users took to come."""
        if self._numbers is None or self._numbers[0] == self._numbers[1]:
            return ()
        return _joined([each.copy() for each in self._stretches], self._hold_s)


def _joined(stretches: Iterable[UserPhase], hold_s: float) -> list[UserPhase]:
    """Numbers that were held too briefly become ramps, and adjacent ramps become one."""
    found: list[UserPhase] = []
    for each in stretches:
        if each.length_s < hold_s:
            each.users = None
        if found and found[-1].users == each.users:
            found[-1].absorb(each)
        else:
            found.append(each)
    return found
