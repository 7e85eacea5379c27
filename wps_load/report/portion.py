"""One population's part of an interval, for its own charts beside the run's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, cast

from wps_load.clock import NS_PER_MS
from wps_load.measure.snapshot import Snapshot
from wps_load.report.document_course import CourseColumns

PORTIONS = "populations"
"""The key of a timeline's row that has the portions' views; summary.json has them by population instead."""

_COUNTS = {"published": "published", "delivered": "delivered", "lost": "missing"}


class PortionView(TypedDict):
    """What is kept of a portion, as JSON. `times`: [p50, p99] in ms by metric."""

    users: int
    counts: dict[str, int]
    times: dict[str, list[float]]


@dataclass(slots=True)
class Portion:
    """`users`: its connections at the end. `counts`: its messages. `snapshot`: its main times."""

    users: int
    counts: dict[str, int]
    snapshot: Snapshot = field(default_factory=Snapshot)

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds counts of messages in it."""
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def absorb(self, later: Portion) -> None:
        """Merges `later` into this one; `later` is not changed."""
        self.users = later.users
        self.add(later.counts)
        self.snapshot.merge(later.snapshot)

    def copy(self) -> Portion:
        snapshot = Snapshot()
        snapshot.merge(self.snapshot)
        return Portion(self.users, dict(self.counts), snapshot)

    def view(self) -> PortionView:
        times: dict[str, list[float]] = {}
        for name, histogram in self.snapshot.histograms.items():
            p50, p99 = histogram.percentiles((50.0, 99.0)) if histogram.count else (None, None)
            if p50 is not None and p99 is not None:
                times[name] = [round(p50 / NS_PER_MS, 3), round(p99 / NS_PER_MS, 3)]
        counts = {name: self.counts.get(key, 0) for name, key in _COUNTS.items()}
        return {"users": self.users, "counts": counts, "times": times}


def course_of(rows: Sequence[Mapping[str, object]], population: str, metric: str) -> CourseColumns | None:
    """A population over time, from the timeline's rows; None if they do not have it."""
    found = [(row["t_s"], view) for row in rows if (view := _view(row, population)) is not None]
    if not found:
        return None
    size = -(-len(found) // MOST_INTERVALS)
    groups = [found[at : at + size] for at in range(0, len(found), size)]
    times = [[pair for _, view in group if (pair := view["times"].get(metric)) is not None] for group in groups]
    return {
        "t_s": [cast(float, group[-1][0]) for group in groups],
        "users": [group[-1][1]["users"] for group in groups],
        "published": [sum(view["counts"]["published"] for _, view in group) for group in groups],
        "delivered": [sum(view["counts"]["delivered"] for _, view in group) for group in groups],
        "lost": [sum(view["counts"]["lost"] for _, view in group) for group in groups],
        "p50": [max((p50 for p50, _ in pairs), default=None) for pairs in times],
        "p99": [max((p99 for _, p99 in pairs), default=None) for pairs in times],
    }


MOST_INTERVALS = 600
"""As many as a chart has pixels; with ten populations a summary stays small."""


def _view(row: Mapping[str, object], population: str) -> PortionView | None:
    portions = row.get(PORTIONS)
    return portions.get(population) if isinstance(portions, Mapping) else None


def without_portions(rows: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The rows as summary.json has them."""
    return [{key: value for key, value in row.items() if key != PORTIONS} if PORTIONS in row else row for row in rows]
