"""What a recorder has counted, as a value: merged across workers, sent as plain data, shown as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import Histogram

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
"""Keys of a metric's row -> percentiles."""


@dataclass(slots=True)
class Snapshot:
    """`histograms`: name -> ns values. `failures`: (metric, label) -> count. `counters`: name -> count.

    `sentences`: (metric, label) -> the first failure of this kind, in words that may be shown.
    """

    histograms: dict[str, Histogram] = field(default_factory=dict)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    sentences: dict[tuple[str, str], str] = field(default_factory=dict)

    def merge(self, other: Snapshot) -> None:
        """Adds `other`, whose histograms are copied."""
        for name, histogram in other.histograms.items():
            mine = self.histograms.get(name)
            if mine is None:
                mine = self.histograms[name] = Histogram()
            mine.merge(histogram)
        for key, n in other.failures.items():
            self.failures[key] = self.failures.get(key, 0) + n
        for name, n in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + n
        self.sentences = other.sentences | self.sentences

    def without(self, names: Collection[str]) -> Snapshot:
        """The same but for these metrics, times and failures. Shares the histograms."""
        return Snapshot(
            {name: histogram for name, histogram in self.histograms.items() if name not in names},
            {key: n for key, n in self.failures.items() if key[0] not in names},
            dict(self.counters),
            dict(self.sentences),
        )

    def failed(self, metric: str) -> int:
        """The failures of one metric, whatever their label."""
        return sum(n for (name, _), n in self.failures.items() if name == metric)

    def row(self, metric: str) -> dict[str, float | int | None]:
        """As `metric_row`; all unknown where nothing was measured."""
        return metric_row(self.histograms.get(metric), self.failed(metric))

    def to_wire(self) -> dict[str, Any]:
        """Plain data for msgpack."""
        return {
            "histograms": {name: histogram.to_wire() for name, histogram in self.histograms.items()},
            "failures": [[metric, label, n] for (metric, label), n in self.failures.items()],
            "counters": dict(self.counters),
            "sentences": [[metric, label, text] for (metric, label), text in self.sentences.items()],
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Snapshot:
        """The inverse of `to_wire`. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            {name: Histogram.from_wire(part) for name, part in wire["histograms"].items()},
            {(metric, label): n for metric, label, n in wire["failures"]},
            dict(wire["counters"]),
            {(metric, label): text for metric, label, text in wire["sentences"]},
        )


def metric_row(histogram: Histogram | None, failures: int) -> dict[str, float | int | None]:
    """A metric as summary.json shows it: times in ms, None without data.

    `count` is attempts, as in Locust's table: the values timed, and `failures`, which have no time.
    """
    timed = histogram if histogram is not None and histogram.count else None
    row: dict[str, float | int | None] = {
        "count": (timed.count if timed else 0) + failures,
        "failures": failures,
        "min": _ms(timed.min) if timed else None,
        "mean": _ms(timed.mean) if timed else None,
        "stddev": _ms(timed.stddev) if timed else None,
    }
    values = timed.percentiles(tuple(PERCENTILES.values())) if timed else [None] * len(PERCENTILES)
    row.update(zip(PERCENTILES, map(_ms, values), strict=True))
    row["max"] = _ms(timed.max) if timed else None
    return row


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / NS_PER_MS, 6)
