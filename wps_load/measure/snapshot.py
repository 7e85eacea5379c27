"""A recorder's counts as a value: merged across workers, sent as plain data, shown as rows."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wps_load.clock import NS_PER_MS
from wps_load.measure.catalog import WAITED
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

    @property
    def empty(self) -> bool:
        return not (self.histograms or self.failures or self.counters or self.sentences)

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

    def compact(self) -> None:
        """Reduces the histograms of a snapshot that is kept to few bytes."""
        for histogram in self.histograms.values():
            histogram.compact()

    def without(self, names: Collection[str]) -> Snapshot:
        """The same without these metrics, their times and failures. Shares the histograms."""
        return Snapshot(
            {name: histogram for name, histogram in self.histograms.items() if name not in names},
            {key: n for key, n in self.failures.items() if key[0] not in names},
            dict(self.counters),
            dict(self.sentences),
        )

    def only(self, names: Collection[str]) -> Snapshot:
        """Only the times of these metrics. Shares the histograms."""
        return Snapshot({name: histogram for name, histogram in self.histograms.items() if name in names})

    def failed(self, metric: str) -> int:
        """The failures of one metric, with any label."""
        return sum(n for (name, _), n in self.failures.items() if name == metric)

    def row(self, metric: str) -> dict[str, float | int | None]:
        """As `metric_row`; all values are unknown if nothing was measured."""
        waited = self.histograms.get(WAITED.get(metric, ""))
        return metric_row(self.histograms.get(metric), self.failed(metric), waited)

    def to_wire(self) -> dict[str, Any]:
        """Plain data for msgpack. All buckets are one piece, which zlib halves; single histograms would gain little."""
        wires = {name: histogram.to_wire() for name, histogram in self.histograms.items()}
        buckets = b"".join(gaps + counts for gaps, counts, *_ in wires.values())
        return {
            "histograms": {name: [len(gaps), len(counts), *rest] for name, (gaps, counts, *rest) in wires.items()},
            "buckets": zlib.compress(buckets, 1),
            "failures": [[metric, label, n] for (metric, label), n in self.failures.items()],
            "counters": dict(self.counters),
            "sentences": [[metric, label, text] for (metric, label), text in self.sentences.items()],
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Snapshot:
        """The inverse of `to_wire`. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            dict(_histograms(wire["histograms"], wire["buckets"])),
            {(metric, label): n for metric, label, n in wire["failures"]},
            dict(wire["counters"]),
            {(metric, label): text for metric, label, text in wire["sentences"]},
        )


def _histograms(heads: Mapping[str, Sequence[Any]], packed: bytes) -> Iterator[tuple[str, Histogram]]:
    try:
        buckets = zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError("not the buckets of histograms") from error
    at = 0
    for name, (gaps, counts, *rest) in heads.items():
        middle, end = at + gaps, at + gaps + counts
        yield name, Histogram.from_wire((buckets[at:middle], buckets[middle:end], *rest))
        at = end


def metric_row(
    histogram: Histogram | None, failures: int, waited: Histogram | None = None
) -> dict[str, float | int | None]:
    """A metric as summary.json shows it: times in ms, None without data.

    `count` is attempts, as in Locust's table: the values timed, and `failures`, which have no time. `waited`: the
    failures that were given up, and how long each had waited by then. In the percentiles they come after all values,
    because an attempt that still waits is slower than one that has ended; `waited` in the row is their number.
    """
    timed = histogram if histogram is not None and histogram.count else None
    behind = waited if waited is not None and waited.count else None
    whole = _together(timed, behind)
    row: dict[str, float | int | None] = {
        "count": (timed.count if timed else 0) + failures,
        "failures": failures,
        "min": _ms(whole.min) if whole else None,
        "mean": _ms(whole.mean) if whole else None,
        "stddev": _ms(whole.stddev) if whole else None,
    }
    percents = tuple(PERCENTILES.values())
    values = timed.percentiles(percents) if timed else [None] * len(PERCENTILES)
    if behind is not None:
        values = [_percentile_behind(percent, timed, behind) for percent in percents]
    row.update(zip(PERCENTILES, map(_ms, values), strict=True))
    row["max"] = _ms(whole.max) if whole else None
    if behind is not None:
        row["waited"] = behind.count
    return row


def _together(timed: Histogram | None, behind: Histogram | None) -> Histogram | None:
    if timed is None or behind is None:
        return timed or behind
    whole = timed.copy()
    whole.merge(behind)
    return whole


def _percentile_behind(percent: float, timed: Histogram | None, behind: Histogram) -> int | None:
    """A percentile of `timed`'s values followed by those of `behind`, none of which is below `timed`'s greatest."""
    ahead = timed.count if timed is not None else 0
    rank = rank_of(percent, ahead + behind.count)
    if timed is not None and rank <= ahead:
        return timed.percentile(100 * rank / ahead)
    least = behind.percentile(100 * (rank - ahead) / behind.count)
    return least if timed is None or timed.max is None or least is None else max(least, timed.max)


def rank_of(percent: float, count: int) -> int:
    """Which of `count` ascending values a percentile is, from 1: HdrHistogram's definition."""
    return max(1, int(min(percent, 100.0) * count / 100 + 0.5))


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / NS_PER_MS, 6)
