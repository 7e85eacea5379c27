"""Reads a run's folder: enough to render it again and to compare it.

Every fault of a folder is reported in one sentence; nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from wps_load.errors import WpsLoadError
from wps_load.measure.histogram import Histogram
from wps_load.measure.histogram_log import LogEntry, read_log
from wps_load.report.appended import TIMELINE
from wps_load.report.document import SCHEMA, Summary
from wps_load.report.schema import first_fault


class BrokenRun(WpsLoadError):
    """A folder or file that is not a run of wps-load; the message says why, in one sentence. Exit code 2."""


@dataclass(frozen=True, slots=True)
class MetricInterval:
    """One interval of a metric. `histogram` None: nothing was measured in it."""

    started_s: float
    length_s: float
    histogram: Histogram | None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run from its files. `name`: the folder's. `log`: the intervals of each metric, ascending."""

    name: str
    summary: Summary
    log: Mapping[str, Sequence[MetricInterval]] = field(default_factory=dict)

    @property
    def histograms(self) -> dict[str, Histogram]:
        """Each metric over the whole run."""
        return {name: merged(seconds) for name, seconds in self.log.items()}

    def count(self, metric: str) -> int:
        row = self.summary["metrics"].get(metric)
        return 0 if row is None else row["count"] - row["failures"]

    def seconds(self, metric: str) -> list[MetricInterval]:
        """The intervals from the first with a value to the last, with empty ones where the log has none.

        All have the same length: that of the longest, because a long run's log has short ones at its beginning.
        """
        found: list[MetricInterval] = []
        for second in _even(self.log.get(metric, ())):
            if found:
                found += _between(found[-1], second)
            found.append(second)
        return found


def merged(seconds: Iterable[MetricInterval]) -> Histogram:
    """One histogram of all seconds."""
    whole = Histogram()
    for second in seconds:
        if second.histogram is not None:
            whole.merge(second.histogram)
    return whole


def _even(seconds: Sequence[MetricInterval]) -> Sequence[MetricInterval]:
    """Merges short intervals to the length of the longest, if there are both."""
    longest = max((second.length_s for second in seconds), default=0.0)
    if not longest or 2 * min(second.length_s for second in seconds) > longest:
        return seconds
    parts: dict[int, list[MetricInterval]] = {}
    for second in seconds:
        parts.setdefault(int((second.started_s + second.length_s / 2) // longest), []).append(second)
    return [MetricInterval(at * longest, longest, merged(each)) for at, each in parts.items()]


def _between(last: MetricInterval, following: MetricInterval) -> list[MetricInterval]:
    end = last.started_s + last.length_s
    length = last.length_s or 1.0
    empty = max(0, round((following.started_s - end) / length))
    return [MetricInterval(end + i * length, length, None) for i in range(min(empty, 100_000))]


def load_run(path: Path) -> PastRun:
    """Reads a run's folder, or its summary.json alone. Raises BrokenRun."""
    folder = path if path.is_dir() else path.parent
    summary = load_summary(path / "summary.json" if path.is_dir() else path)
    name = folder.resolve().name if path.is_dir() or path.name == "summary.json" else path.name
    log_path = folder / "histograms.hlog"
    if not path.is_dir() and (path.name != "summary.json" or not log_path.exists()):
        return PastRun(name, summary)
    return PastRun(name, summary, load_log(log_path))


def load_log(path: Path) -> dict[str, list[MetricInterval]]:
    """The intervals of each metric in a histograms.hlog. Raises BrokenRun."""
    try:
        return _by_metric(read_log(_read(path)))
    except ValueError as error:
        raise BrokenRun(f"{path} is not a histogram log: {error}.") from error


def _by_metric(entries: Iterable[LogEntry]) -> dict[str, list[MetricInterval]]:
    found: dict[str, list[MetricInterval]] = {}
    for entry in entries:
        found.setdefault(entry.tag, []).append(MetricInterval(entry.started_s, entry.length_s, entry.histogram))
    return found


def load_summary(path: Path) -> Summary:
    """Reads a summary.json. Raises BrokenRun for a file that is not one, or of another version."""
    text = _read(path)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BrokenRun(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict) or "schema" not in document:
        raise BrokenRun(f"{path} is not a summary of wps-load: it names no schema.")
    document = _upgraded(document)
    if document["schema"] != SCHEMA:
        raise BrokenRun(
            f"{path} has schema {_shown(document['schema'])}, but this version of wps-load reads {SCHEMA}: "
            "use the version that "
            "wrote it, or run again."
        )
    if fault := first_fault(document):
        raise BrokenRun(f"{path} is broken: {fault}.")
    return cast(Summary, document)


_SINCE_2 = {
    "connections": ("requested_mean", "requested_end", "open_mean", "open_end", "connecting"),
    "messages": ("missed", "misdelivered", "corrupted"),
    "generator": ("clock_error_ms",),
}
"""Fields that the first version of the schema did not have."""


def _upgraded(document: dict[str, object]) -> dict[str, object]:
    """A summary of the first version as one of the present version: fields that it did not have are unknown, None."""
    if document["schema"] != "wps-load.summary/1":
        return document
    found = {**document, "schema": SCHEMA}
    for section, names in _SINCE_2.items():
        if isinstance(part := document.get(section), dict):
            found[section] = {**dict.fromkeys(names), **part}
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        what = f"{path.parent} is not the folder of a run"
        if (path.parent / TIMELINE).exists():
            what = f"the run was killed, or is in its first seconds; its {TIMELINE} has what it measured"
        raise BrokenRun(f"{path} does not exist: {what}.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BrokenRun(f"{path} cannot be read: {reason}.") from error


def _shown(value: object) -> str:
    return repr(value)[:60]
