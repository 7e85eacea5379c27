"""One run in the index of runs: a few fields of its summary, read without the rest of it. Pure.

A summary of a long run is megabytes, most of them its timeline: msgspec skips what its types do not name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NotRequired, TypedDict, cast

import msgspec

from wps_load.report import words
from wps_load.report.document import SCHEMA, Previous, RunSection, SloRow, Summary, Verdict
from wps_load.report.evidence import headline, high_percentile, slos_of
from wps_load.report.lookup import metric_row

SCHEMAS = (SCHEMA, "wps-load.summary/1")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    `folder`: its folder's name. `title`: what ran, the same for all runs of a `settings_hash`. `high`: the percentile
    that is shown beside p50, and `high_ms` its value. `unfinished`: the run was killed, or goes on. `offered_per_s`: of
    all publishers. `held`: the result of a search, in `variable`. `standing`: the comparison with the previous good
    run, from the run's own report.
    """

    folder: str
    id: str
    started_at: str
    duration_s: float
    scenario: str
    protocol: str
    target: str
    settings_hash: str
    title: str
    verdict: Verdict
    unfinished: bool
    connections: int | None
    offered_per_s: float | None
    metric: str
    p50_ms: float | None
    high: str
    high_ms: float | None
    lost: int | None
    expected: int | None
    is_search: bool
    held: float | None
    variable: str | None
    standing: str | None

    @property
    def is_good(self) -> bool:
        """Whether another run may be compared with it."""
        return self.verdict == "pass"

    @property
    def on_emulator(self) -> bool:
        return self.target.startswith("embedded emulator")

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.started_at).astimezone(UTC)


class _Doubt(TypedDict):
    name: str
    level: str


class _Found(TypedDict):
    variable: str
    value: float | None


class _Connections(TypedDict, total=False):
    target: int | None


class _Messages(TypedDict, total=False):
    lost: int | None
    expected: int | None


class _Seen(TypedDict):
    """The part of a summary that the index needs; also of the first version."""

    schema: str
    run: RunSection
    verdict: Verdict
    doubts: list[_Doubt]
    slo: list[SloRow]
    connections: _Connections
    messages: _Messages
    rates: dict[str, float | None]
    metrics: dict[str, dict[str, float | int | None]]
    capacity: _Found | None
    previous: NotRequired[Previous | None]


_DECODER = msgspec.json.Decoder(_Seen)


def entry_of(folder: str, content: bytes) -> Entry:
    """The entry of a summary.json. Raises ValueError with the reason for anything else."""
    try:
        seen = _DECODER.decode(content)
    except msgspec.ValidationError as error:
        raise ValueError(f"summary.json is not a run's: {_plain(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("summary.json is not JSON") from None
    if seen["schema"] not in SCHEMAS:
        raise ValueError(f"summary.json has schema {seen['schema']!r:.60}, which this version does not read")
    try:
        datetime.fromisoformat(seen["run"]["started_at"]).astimezone(UTC)
        return _entry(folder, seen)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"summary.json is not a run's: {type(error).__name__}: {error}") from None


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _entry(folder: str, seen: _Seen) -> Entry:
    summary = cast(Summary, seen)
    run, found, previous = seen["run"], seen["capacity"], seen.get("previous")
    metric = headline(summary)
    row = metric_row(summary, metric)
    high = high_percentile(metric, row, slos_of(summary))
    return Entry(
        folder=folder,
        id=run["id"],
        started_at=run["started_at"],
        duration_s=run["duration_s"],
        scenario=words.scenario_words(summary),
        protocol=run["protocol"],
        target=run["target"],
        settings_hash=run["settings_hash"],
        title=words.settings_words(summary),
        verdict=seen["verdict"],
        unfinished=any(doubt["name"] == "interrupted" for doubt in seen["doubts"]),
        connections=seen["connections"].get("target"),
        offered_per_s=seen["rates"].get("offered_per_s"),
        metric=metric,
        p50_ms=row.get("p50"),
        high=high.replace("_", "."),
        high_ms=row.get(high),
        lost=seen["messages"].get("lost"),
        expected=seen["messages"].get("expected"),
        is_search=found is not None,
        held=None if found is None else found["value"],
        variable=None if found is None else found["variable"],
        standing=None if previous is None else previous["verdict"],
    )
