"""Some seconds of a run, for judging just these: exact at both ends, however long the run is."""

from __future__ import annotations

import math

from wps_load.measure.retention import Retention
from wps_load.measure.snapshot import Snapshot
from wps_load.report.document import Row, numbers
from wps_load.report.interval import Interval


class WatchedSeconds:
    """What is measured in the seconds after `from_s` up to `to_s`. `seen_s`: the end of the last of them so far."""

    def __init__(self, from_s: float, to_s: float = math.inf) -> None:
        self.from_s = from_s
        self.to_s = to_s
        self.seen_s = from_s
        self.snapshot = Snapshot()
        self._rows: Retention[Interval, dict[str, object]] = Retention(Interval.row)

    def add(self, interval: Interval) -> None:
        """Called with every second of the run, in order."""
        if self.from_s < interval.to_s <= self.to_s:
            self.seen_s = interval.to_s
            self.snapshot.merge(interval.snapshot)
            self._rows.append(interval.without_times())

    @property
    def rows(self) -> list[Row]:
        """The timeline's rows, without the columns of metrics; in a long range the older ones are merged."""
        return [numbers(row) for row in self._rows.rows()]
