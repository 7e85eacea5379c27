"""An interval of a run, of one second or many: what was measured in it, and its row of the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.portion import PORTIONS, Portion
from wps_load.report.timeline import timeline_row

COUNTS = (
    "offered",
    "published",
    "send_failed_service",
    "send_failed_plan",
    "delivered",
    "missing",
    "duplicated",
    "reordered",
    "misdelivered",
    "corrupted",
)
"""Message counts that agents report for each second."""
_RENAMED = {"missing": "lost"}


@dataclass(slots=True)
class Interval:
    """What was measured in the seconds after `from_s` up to `to_s`, counted from the start of the run.

    `phases`: how many seconds it spent in each. `users`: connections open at its end. `cpu_percent`: the busiest second
    of any worker. `counts`: messages, by the names of COUNTS. `portions`: each population's part, if there are several.
    """

    from_s: float
    to_s: float
    phases: dict[str, float]
    users: int
    cpu_percent: float | None
    counts: dict[str, int]
    snapshot: Snapshot = field(default_factory=Snapshot)
    portions: dict[str, Portion] = field(default_factory=dict)

    def absorb(self, later: Interval) -> None:
        """Merges `later` into this one; `later` begins where this one ends, and is not changed."""
        self.to_s = later.to_s
        for name, seconds in later.phases.items():
            self.phases[name] = self.phases.get(name, 0.0) + seconds
        self.users = later.users
        self.cpu_percent = max((p for p in (self.cpu_percent, later.cpu_percent) if p is not None), default=None)
        for name, count in later.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.snapshot.merge(later.snapshot)
        for name, portion in later.portions.items():
            mine = self.portions.get(name)
            if mine is None:
                self.portions[name] = portion.copy()
            else:
                mine.absorb(portion)
        self.compact()

    def compact(self) -> None:
        """Reduces the histograms of an interval that is kept to few bytes."""
        for snapshot in (self.snapshot, *(portion.snapshot for portion in self.portions.values())):
            snapshot.compact()

    def copy(self) -> Interval:
        """A copy that may absorb others while this one stays as it is."""
        snapshot = Snapshot()
        snapshot.merge(self.snapshot)
        return Interval(
            self.from_s,
            self.to_s,
            dict(self.phases),
            self.users,
            self.cpu_percent,
            dict(self.counts),
            snapshot,
            {name: portion.copy() for name, portion in self.portions.items()},
        )

    def without_times(self) -> Interval:
        """A copy with only the counts: some hundred bytes, whatever was measured."""
        return Interval(self.from_s, self.to_s, dict(self.phases), self.users, self.cpu_percent, dict(self.counts))

    @property
    def phase(self) -> str:
        """The phase of most of it."""
        return max(self.phases, key=lambda name: self.phases[name])

    def row(self) -> dict[str, object]:
        """Its row of the timeline."""
        counted = {_RENAMED.get(name, name): self.counts.get(name, 0) for name in COUNTS}
        row = timeline_row(
            t_s=self.to_s,
            interval_s=self.to_s - self.from_s,
            phase=self.phase,
            users=self.users,
            interval=self.snapshot,
            offered=counted.pop("offered"),
            published=counted.pop("published"),
            delivered=counted.pop("delivered"),
            lost=counted.pop("lost"),
            loop_lag_ms_p99=p99_ms(self.snapshot.histograms.get("loop_lag")),
            send_lag_ms_p99=p99_ms(self.snapshot.histograms.get("send_lag")),
            cpu_percent=self.cpu_percent,
        )
        if self.portions:
            row[PORTIONS] = {name: portion.view() for name, portion in self.portions.items()}
        return row | counted


def p99_ms(histogram: Histogram | None) -> float | None:
    """The p99 in ms; None: nothing was measured."""
    if histogram is None or not histogram.count:
        return None
    value = histogram.percentile(99.0)
    return None if value is None else round(value / NS_PER_MS, 3)


def with_tasks(counts: Mapping[str, int], counters: Mapping[str, int]) -> dict[str, int]:
    """`counts`, with what a locustfile's own tasks sent and received, which is in counters."""
    found = dict(counts)
    for name in ("published", "delivered"):
        found[name] = found.get(name, 0) + counters.get(f"tasks_{name}", 0)
    return found
