"""Where a process records what it measures: one list append per value, folded into histograms a few times a second."""

from __future__ import annotations

from wps_load.measure import catalog
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot

MAX_SENTENCE_CHARS = 400
"""The longest description of a failure: a sentence that may quote the peer."""


class Recorder:
    """Times, failures and counters of one process: those since the last `take`, which the caller adds up.

    The hot path appends to a plain list (0.05 µs, against 2 µs for a histogram's call) that is never replaced, so
    callers may keep it. `flush` must be called a few times a second: until then a value costs 40 bytes, and folding it
    takes 0.1 µs in which nothing else happens.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, list[int]] = {}
        self._interval = Snapshot()
        self._told: set[tuple[str, str]] = set()

    def buffer(self, name: str) -> list[int]:
        """The list for the ns values of `name`: append to it. It is always the same object.

        Raises ValueError for a name that is not in the catalogue.
        """
        found = self._buffers.get(name)
        if found is None:
            if name not in catalog.HISTOGRAMS:
                raise ValueError(f"no metric with times is called {name!r}")
            found = self._buffers[name] = []
        return found

    def fail(self, metric: str, label: str, n: int = 1, sentence: str = "") -> None:
        """Counts failures of `metric`.

        A label outside the vocabulary is counted as `other`: it is never lost, and no free text gets through. Raises
        ValueError for an unknown metric.

        `sentence`: a description that may be shown; that of a kind's first failure is kept.
        """
        failures = self._interval.failures
        key = (metric, label)
        if key not in failures:
            if metric not in catalog.METRIC_BY_NAME:
                raise ValueError(f"no metric is called {metric!r}")
            key = (metric, catalog.bounded_label(label))
        failures[key] = failures.get(key, 0) + n
        if sentence and key not in self._told:
            self._told.add(key)
            self._interval.sentences[key] = sentence[:MAX_SENTENCE_CHARS]

    def note(self, kind: str, subject: str, sentence: str) -> None:
        """Keeps a sentence for the report about something that is not a failure: `kind` is a name such as `address`."""
        self._interval.sentences[kind, subject] = sentence[:MAX_SENTENCE_CHARS]

    def count(self, name: str, n: int = 1) -> None:
        """Adds to a counter. Raises ValueError for a name that is not in the catalogue."""
        counters = self._interval.counters
        if name not in counters:
            if name not in catalog.COUNTERS:
                raise ValueError(f"no counter is called {name!r}")
            counters[name] = 0
        counters[name] += n

    def flush(self) -> None:
        """Folds the buffers into the interval's histograms and empties them in place."""
        histograms = self._interval.histograms
        for name, values in self._buffers.items():
            if values:
                if name not in histograms:
                    histograms[name] = Histogram()
                histograms[name].record_many(values)
                values.clear()

    def take(self) -> Snapshot:
        """What was recorded since the last `take`; the caller owns it."""
        self.flush()
        taken, self._interval = self._interval, Snapshot()
        return taken

    def peek(self) -> Snapshot:
        """What `take` would return now, as a copy."""
        self.flush()
        found = Snapshot()
        found.merge(self._interval)
        return found
