"""How many connections are wanted at each moment, if the number requested from Locust changes. Pure.

For a mix also how many of each population: those among the first that many users, while it is present.

The first number counts at once. Later numbers are reached along the ramp that the spawn rate gives, and an added user
is wanted from its first attempt to connect on, successful or not, as the first users were waited for before the measure
phase began. A user that is silent long after its turn is wanted all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wps_load.clock import NS_PER_S
from wps_load.measure.presence import FOREVER, OpenTime

_KEPT_NS = 300 * NS_PER_S
"""For this long, requests and wanted numbers are remembered."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """From `at_ns` on `count` are requested; `before` were due until then."""

    at_ns: int
    before: int
    count: int
    per_second: float

    def due(self, at_ns: int) -> int:
        """How many are due: one at once, and one more, or one less, in each slot."""
        step = self.count - self.before
        if not step or self.per_second <= 0:
            return self.count
        slots = min(abs(step), 1 + int(max(0, at_ns - self.at_ns) * self.per_second / NS_PER_S))
        return self.before + slots * (1 if step > 0 else -1)


class WantedTime:
    """The number of wanted users, integrated over the measure phase."""

    def __init__(self) -> None:
        self._time = OpenTime()
        self._start_ns = FOREVER
        self.last_ns = 0
        """The instant of the last note."""

    @property
    def count(self) -> int:
        """The number that is wanted at present."""
        return self._time.count

    def want(self, count: int, at_ns: int) -> None:
        """This many are wanted from `at_ns` on, which does not go back."""
        self.last_ns = at_ns
        self._time.change(count - self._time.count, at_ns)

    def measure(self, start_ns: int) -> None:
        """Begins the integral here, at 0."""
        self._start_ns = start_ns
        self._time.window(start_ns, FOREVER)

    def end(self, at_ns: int) -> None:
        """The measure phase ends at `at_ns`."""
        self._time.end(at_ns)

    def mean(self, at_ns: int) -> float:
        """The mean number wanted since the measure phase began, until `at_ns` or the last note, whichever is later."""
        until_ns = max(at_ns, self.last_ns)
        total_ns = self._time.total_ns(until_ns)
        length_ns = min(until_ns, self._time.end_ns) - self._start_ns
        return total_ns / length_ns if length_ns > 0 else float(self.count)

    def at_end(self, at_ns: int) -> int:
        """The number wanted at the measure phase's end, or at present."""
        found = self._time.at_end(max(at_ns, self.last_ns))
        return self.count if found is None else found


class RequestedPart(WantedTime):
    """One population: `among(n)` of the first n users belong to it.

    They come one after the other from `start_ns` on, if that is later than their turn, and leave at `stop_ns`; None:
    they stay.
    """

    def __init__(self, among: Callable[[int], int], start_ns: int | None = None, stop_ns: int | None = None) -> None:
        super().__init__()
        self._among = among
        self._from_ns = start_ns
        self._until_ns = stop_ns

    def note(self, wanted: int, per_second: float, at_ns: int) -> None:
        """From `at_ns` on this many users of all populations are wanted."""
        start_ns, stop_ns = self._from_ns, self._until_ns
        if stop_ns is not None and at_ns >= stop_ns:
            self.want(0, max(stop_ns, self.last_ns))
            return
        count = self._among(wanted)
        if start_ns is not None:
            slots = 0 if at_ns < start_ns else 1 + int((at_ns - start_ns) * per_second / NS_PER_S)
            count = min(count, slots)
        self.want(count, at_ns)


class Requested(WantedTime):
    """`patience_ns`: how long after its turn a silent user does not count as missing.

    `parts`: the populations of a mix.
    """

    def __init__(self, patience_ns: int, parts: Sequence[RequestedPart] = ()) -> None:
        super().__init__()
        self._patience_ns = patience_ns
        self.parts = parts
        self._asks: list[_Ask] = []
        self._course: deque[tuple[int, int, int]] = deque()
        """(since, requested, wanted)"""
        self.most = 0
        """The highest number that was requested."""
        self.refused: str | None = None
        """Why a higher number was last refused."""

    @property
    def asked(self) -> int:
        """The number that is requested."""
        return self._asks[-1].count if self._asks else 0

    @property
    def steady(self) -> bool:
        """Whether as many are wanted as are requested."""
        return self.count == self.asked

    def note(self, asked: int, per_second: float, present: int, settled: int, at_ns: int) -> None:
        """Records how many users are wanted and present at an instant, which does not go back.

        `asked` are wanted; `settled` of the `present` ones have connected once, or failed to.
        """
        if not self._asks:
            if not asked:
                return
            self._asks.append(_Ask(at_ns, asked, asked, per_second))
        elif asked != self.asked:
            self._asks.append(_Ask(at_ns, self._asks[-1].due(at_ns), asked, per_second))
        self.most = max(self.most, asked)
        wanted = self._wanted(present, settled, at_ns)
        self.want(wanted, at_ns)
        for part in self.parts:
            part.note(wanted, per_second, at_ns)
        if not self._course or self._course[-1][1:] != (asked, wanted):
            self._course.append((at_ns, asked, wanted))
            while len(self._course) > 1 and self._course[1][0] < at_ns - _KEPT_NS:
                self._course.popleft()

    def _wanted(self, present: int, settled: int, at_ns: int) -> int:
        due = self._asks[-1].due(at_ns)
        if self.asked < due:  # Locust stops users in bursts: a user that has left is not missing
            due = min(due, max(self.asked, present))
        return max(min(settled, due), self._overdue(due, at_ns))

    def _overdue(self, due: int, at_ns: int) -> int:
        """How many were due during all of the patience, until `due` at its end."""
        since_ns = at_ns - self._patience_ns
        while len(self._asks) > 1 and self._asks[1].at_ns <= since_ns:
            del self._asks[0]
        # between two requests the number that is due only rises or only falls
        changes = (ask.before for ask in self._asks[1:])
        return min(self._asks[0].due(since_ns), *changes, due)

    # -- the last minutes --------------------------------------------------------------------------------------------

    def asked_at(self, at_ns: int) -> int:
        """The number that was requested at `at_ns`."""
        return next((asked for since_ns, asked, _ in reversed(self._course) if since_ns <= at_ns), self.asked)

    def held(self, from_ns: int, to_ns: int) -> int | None:
        """The number that was requested and wanted throughout `from_ns` to `to_ns`; None: it changed."""
        ends = [*[since_ns for since_ns, _, _ in self._course][1:], FOREVER]
        found = {
            asked if asked == wanted else None
            for (since_ns, asked, wanted), end_ns in zip(self._course, ends, strict=False)
            if since_ns <= to_ns and end_ns > from_ns
        }
        return found.pop() if len(found) == 1 else None

    # -- the measure phase -------------------------------------------------------------------------------------------

    def measure(self, start_ns: int) -> None:
        """Begins the integral here, at 0."""
        super().measure(start_ns)
        for part in self.parts:
            part.measure(start_ns)

    def end(self, at_ns: int) -> None:
        """The measure phase ends at `at_ns`."""
        super().end(at_ns)
        for part in self.parts:
            part.end(at_ns)
