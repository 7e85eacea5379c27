"""Our figures in Locust's own table: snapshots of intervals merged into its entries, one interval at a time.

`events.request.fire` costs some 10 µs a call, so it is not called for each message. If somebody else listens to
`events.request` (a CSV logger), each sample is fired for them instead, from a greenlet, and nothing is merged.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import gevent
from locust.stats import CachedResponseTimes, EntriesDict, RequestStats, StatsEntry, StatsError

from wps_load.clock import NS_PER_MS, utc_now
from wps_load.measure.catalog import METRIC_BY_NAME
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm import locust_seam
from wps_load.swarm.buckets import bucketed
from wps_load.swarm.epoch_report import EpochReport, Pair

REQUEST_TYPE = "WPS"
_FIRED_AT_ONCE = 500
EARLIER_APART_S, EARLIER_S = 4, 18
"""The interval at which a row's times are saved, and how long they are kept."""


class EarlierTimes(OrderedDict[int, CachedResponseTimes]):
    """A row's times some seconds ago, in a quarter of the bytes of a copy, which is made when it is read."""

    def __setitem__(self, second: int, earlier: CachedResponseTimes) -> None:
        times = earlier.response_times
        packed = array("d", times), array("q", times.values())
        super().__setitem__(second, earlier._replace(response_times=packed))

    def __getitem__(self, second: int) -> CachedResponseTimes:
        earlier = super().__getitem__(second)
        return earlier._replace(response_times=dict(zip(*earlier.response_times, strict=True)))


class PreciseEntry(StatsEntry):
    """A row that shows tenths of a millisecond, where Locust's own shows whole ones."""

    def reset(self) -> None:
        super().reset()  # type: ignore[no-untyped-call]
        if self.response_times_cache is not None:
            self.response_times_cache = EarlierTimes(self.response_times_cache)

    def _cache_response_times(self, t: int) -> None:
        """Locust does this each second, keeps twenty and reads one that is about ten seconds old, at most 18."""
        earlier = self.response_times_cache
        if not earlier or abs(t - next(reversed(earlier))) >= EARLIER_APART_S:  # a clock may be put back
            super()._cache_response_times(t)
        while earlier and next(iter(earlier)) < t - EARLIER_S:
            earlier.popitem(last=False)

    def to_string(self, current: bool = True) -> str:
        line: str = super().to_string(current)
        # Locust formats four times of seven characters between the bars: "|%7d %7d %7d%7d |"
        head, _, rest = line.partition("|")
        _, _, tail = rest.partition("|")
        times = (
            self.avg_response_time,
            self.min_response_time or 0,
            self.max_response_time,
            self.median_response_time or 0,
        )
        return f"{head}|{times[0]:7.1f} {times[1]:7.1f} {times[2]:7.1f}{times[3]:7.1f} |{tail}"

    def percentile(self) -> str:
        from locust import stats

        line: str = super().percentile()
        columns = len(stats.PERCENTILES_TO_REPORT) * 7 - 1
        times = " ".join(f"{self.get_response_time_percentile(p):6.1f}" for p in stats.PERCENTILES_TO_REPORT)
        return line[: -columns - 7] + times + line[-7:]

    def to_dict(self, escape_string_values: bool = False) -> dict[str, Any]:
        row: dict[str, Any] = super().to_dict(escape_string_values)
        row["min_response_time"] = round(self.min_response_time or 0, 2)
        row["max_response_time"] = round(self.max_response_time, 2)
        return row


class PreciseEntries(EntriesDict):
    """Locust's entries, with our rows shown precisely. `courses`: whether somebody reads a row's recent history.

    For that history, which only `--csv-full-history` reads, Locust keeps twenty copies of a row's times.
    """

    def __init__(self, stats: RequestStats, *, courses: bool) -> None:
        super().__init__(stats)  # type: ignore[no-untyped-call]
        self._courses = courses

    def __missing__(self, key: tuple[str, str]) -> StatsEntry:
        if key[1] != REQUEST_TYPE:
            return cast(StatsEntry, super().__missing__(key))  # type: ignore[no-untyped-call]
        stats = self.request_stats
        cache = stats.use_response_times_cache and self._courses
        entry = self[key] = PreciseEntry(stats, key[0], key[1], use_response_times_cache=cache)
        return entry

    def __setitem__(self, key: tuple[str, str], entry: StatsEntry) -> None:
        """A master makes plain entries from its workers' reports."""
        if key[1] == REQUEST_TYPE and not isinstance(entry, PreciseEntry):
            self.__missing__(key).extend(entry)
        else:
            super().__setitem__(key, entry)


def make_precise(stats: RequestStats, *, courses: bool = False) -> None:
    """Prepares a run that is about to start; Locust has just cleared its entries. `courses`: as in `PreciseEntries`."""
    stats.entries = PreciseEntries(stats, courses=courses)
    stats.total = PreciseEntry(stats, "Aggregated", "", use_response_times_cache=stats.use_response_times_cache)


class LocustTable:
    """Merges intervals into one environment's table.

    `aggregated`: the metrics that count in its last row. `names`: of the run's populations, which have rows of their
    own in a mix (`viewers/delivery`).
    """

    def __init__(self, environment: Any, aggregated: frozenset[str], names: Sequence[str] = ()) -> None:
        self._environment = environment
        self._aggregated = aggregated
        self._names = names

    def add(self, part: EpochReport) -> None:
        """Adds the part of an interval that counts."""
        if self.fires():
            self.fire(part)
        else:
            self.merge(part.counted(), part.counted_pairs())

    def fires(self) -> bool:
        """Whether somebody wants each request."""
        return locust_seam.others_listen(self._environment)

    def fire(self, part: EpochReport) -> None:
        """Fires the part of an interval that counts, request by request, if somebody listens."""
        if self.fires():
            gevent.spawn(self._fire, part.counted())

    def merge(self, interval: Snapshot, pairs: Mapping[Pair, Snapshot]) -> None:
        """Merges an interval. `pairs`: its parts by the populations that they belong to."""
        self._merge_all(interval)
        if self._names:
            for (_, receiver), own in pairs.items():
                self._merge_all(own, f"{self._names[receiver]}/")

    def _merge_all(self, interval: Snapshot, of: str = "") -> None:
        """`of`: the prefix of the metrics' names."""
        for name, histogram in interval.histograms.items():
            if name in METRIC_BY_NAME and histogram.count:
                self._merge(of + name, _timed(histogram))
        for (metric, label), count in interval.failures.items():
            self._merge(of + metric, _Addition(failed=count))
            if not of:
                self._merge_error(metric, label, count)

    def _merge(self, name: str, addition: _Addition) -> None:
        stats = self._environment.stats
        targets = [stats.get(name, REQUEST_TYPE)]
        if name in self._aggregated:
            targets.append(stats.total)
        for entry in targets:
            entry.extend(addition.as_entry(stats, name))

    def _merge_error(self, metric: str, label: str, count: int) -> None:
        errors = self._environment.stats.errors
        key = StatsError.create_key(REQUEST_TYPE, metric, label)
        error = errors.get(key)
        if error is None:
            error = errors[key] = StatsError(REQUEST_TYPE, metric, label)
        error.occurred()
        error.occurrences += count - 1

    def _fire(self, interval: Snapshot) -> None:
        """Fires each sample by itself; other greenlets get their turn in between."""
        fire = self._environment.events.request.fire
        fired = 0
        for name, histogram in interval.histograms.items():
            if name not in METRIC_BY_NAME:
                continue
            for value_ns, count in histogram.nonzero():
                for _ in range(count):
                    fire(
                        request_type=REQUEST_TYPE,
                        name=name,
                        response_time=value_ns / NS_PER_MS,
                        response_length=0,
                        exception=None,
                        context={},
                    )
                    fired += 1
                    if fired % _FIRED_AT_ONCE == 0:
                        gevent.sleep(0)
        for (metric, label), count in interval.failures.items():
            for _ in range(count):
                fire(
                    request_type=REQUEST_TYPE,
                    name=metric,
                    response_time=None,
                    response_length=0,
                    exception=label,
                    context={},
                )


class WorkersTable:
    """The table of a master, into which its workers' measurements are merged once a second, however many they are.

    Each worker sends us all of them; in Locust's reports they would travel a second time, three times as large.
    """

    def __init__(self, table: LocustTable) -> None:
        self._table = table
        self._taken = Snapshot()
        self._pairs: dict[Pair, Snapshot] = {}

    def take(self, part: EpochReport) -> None:
        """Takes the part of one worker's interval that counts."""
        self._taken.merge(part.counted())
        for pair, own in part.counted_pairs().items():
            self._pairs.setdefault(pair, Snapshot()).merge(own)

    def show(self) -> None:
        """Adds what was taken to the table."""
        taken, pairs = self._taken, self._pairs
        self.forget()
        self._table.merge(taken, pairs)

    def forget(self) -> None:
        """Discards what was taken, because the statistics start again."""
        self._taken, self._pairs = Snapshot(), {}


class _Addition:
    """What an interval adds to a row of the table."""

    def __init__(
        self, times: dict[float, int] | None = None, histogram: Histogram | None = None, failed: int = 0
    ) -> None:
        self.times = times or {}
        self.histogram = histogram
        self.failed = failed

    def as_entry(self, stats: RequestStats, name: str) -> Any:
        now = utc_now().timestamp()
        timed = self.histogram.count if self.histogram is not None else 0
        entry: Any = StatsEntry(stats, name, REQUEST_TYPE)
        entry.start_time = entry.last_request_timestamp = now
        entry.num_requests = timed + self.failed
        entry.num_none_requests = self.failed
        entry.num_failures = self.failed
        entry.num_reqs_per_sec = {int(now): timed + self.failed}
        if self.failed:
            entry.num_fail_per_sec = {int(now): self.failed}
        if self.histogram is not None and self.histogram.min is not None and self.histogram.max is not None:
            entry.response_times = self.times
            entry.total_response_time = self.histogram.sum / NS_PER_MS
            entry.min_response_time = self.histogram.min / NS_PER_MS
            entry.max_response_time = self.histogram.max / NS_PER_MS
        return entry


def _timed(histogram: Histogram) -> _Addition:
    return _Addition(bucketed(histogram), histogram)
