"""The run's time in this process: the coordinator's clock, as far as it is known, at the cost of an addition."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.client.timescale import Timescale
from wps_load.clock import now_ns


class RunClock:
    """`offset_ns`: the run's time minus this process's at present. It is refreshed a few times a second."""

    __slots__ = ("offset_ns", "timescale")

    def __init__(self) -> None:
        self.timescale = Timescale()
        self.offset_ns = 0

    def follow(self, line: Sequence[int], *, first: bool) -> None:
        """The coordinator knows this process's clock more exactly than before.

        `first`: it knows it for the first time.
        """
        if first:
            self.timescale.begin(*line)
        else:
            self.timescale.follow(now_ns(), *line)
        self.refresh()

    def now_ns(self) -> int:
        """The run's time."""
        return now_ns() + self.offset_ns

    def to_local(self, run_ns: int) -> int:
        """The instant of this process's clock that is `run_ns` of the run's time."""
        return self.timescale.to_local(run_ns)

    def refresh(self) -> None:
        """Must be called a few times a second: at 100 ppm the offset grows by 10 µs in between."""
        self.offset_ns = self.timescale.offset_at(now_ns())
