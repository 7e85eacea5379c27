"""Azure Monitor's view of a run: the JSON of `az monitor metrics list`, on the run's own time axis.

The document is that of the Metrics - List API (`value[].timeseries[].data[]`), whose points cover the interval that
begins at `timeStamp`, usually a minute. Metrics and their dimension: concept-metrics of Azure Web PubSub. Ids of
subscriptions and resources, which the file holds, are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from wps_load.errors import ConfigError, Fault

HEALTHY_LOAD_PERCENT = 70.0
"""Azure's guidance for Server Load: above it latencies may grow, and one should scale."""
CLOSED = "ConnectionCloseCount"
_DIMENSION = "connectionclosecategory"

_GAUGE = ("maximum", "average", "minimum", "total")
_SUM = ("total", "count")
METRICS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ServerLoad": ("Server Load, %", _GAUGE),
        "ConnectionQuotaUtilization": ("connection quota used, %", _GAUGE),
        "ConnectionCount": ("connections", _GAUGE),
        "ConnectionOpenCount": ("connections opened", _SUM),
        CLOSED: ("connections closed", _SUM),
        "InboundTraffic": ("inbound bytes", _SUM),
        "OutboundTraffic": ("outbound bytes", _SUM),
    }
)
"""API name -> words, and which of a point's aggregates to read, the best first."""

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_USUAL_S = 60.0


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """`value` of the interval from `t_s`, seconds since the run's start."""

    t_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One metric during the run.

    `aggregate`: maximum, average, total, ... `category`: why connections closed, "" for all other metrics.
    `interval_s`: the interval of a point.
    """

    metric: str
    aggregate: str
    category: str
    interval_s: float
    points: tuple[MetricPoint, ...]

    @property
    def total(self) -> float:
        return sum(point.value for point in self.points)

    @property
    def highest(self) -> float:
        return max(point.value for point in self.points)


@dataclass(frozen=True, slots=True)
class AzureMetrics:
    """All series of one or more files, each with at least one point."""

    series: tuple[Series, ...]

    def of(self, metric: str) -> list[Series]:
        return [series for series in self.series if series.metric == metric]


def read_azure(paths: Sequence[str], started_at: datetime, duration_s: float) -> AzureMetrics:
    """The metrics in the files, cut to the run.

    There may be several, because a query by dimension has one kind of metric.

    Raises ConfigError, which says in one sentence what is wrong.
    """
    return AzureMetrics(tuple(series for path in paths for series in _read(path, started_at, duration_s)))


def of_documents(documents: Sequence[object], started_at: datetime, duration_s: float) -> AzureMetrics:
    """The metrics in the API's answers, cut to the run; answers without metrics are left out.

    Raises ValueError with the reason if nothing remains.
    """
    series: list[Series] = []
    reason = "Azure Monitor has answered with nothing"
    for document in documents:
        try:
            series += overlay(document, started_at, duration_s)
        except ValueError as error:
            reason = str(error)
    if not series:
        raise ValueError(reason)
    return AzureMetrics(tuple(series))


def _read(path: str, started_at: datetime, duration_s: float) -> list[Series]:
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"a readable file ({error.strerror or 'it cannot be read'})") from None
    except ValueError:
        raise _wrong(path, "JSON, as `az monitor metrics list --output json` prints it") from None
    try:
        return overlay(document, started_at, duration_s)
    except ValueError as error:
        raise _wrong(path, str(error)) from None


def overlay(document: object, started_at: datetime, duration_s: float) -> list[Series]:
    """The document's metrics as far as they overlap the run.

    Raises ValueError: another form, no metric of Web PubSub, no value, no overlap in time.
    """
    rows = document.get("value") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(rows, list):
        raise ValueError("the JSON of `az monitor metrics list`: an object with a list named value")
    interval_s = _interval_s(document.get("interval"))
    whole = [series for row in rows for series in _metric(row)]
    if not whole:
        raise ValueError(f"it has no values of a Web PubSub metric ({', '.join(METRICS)})")
    kept = [cut for series in whole if (cut := _cut(series, started_at, duration_s, interval_s)) is not None]
    if not kept:
        stamps = [at for _, _, _, points in whole for at, _ in points]
        raise ValueError(
            f"it covers {_clock(min(stamps))} to {_clock(max(stamps) + timedelta(seconds=interval_s))}, but the run "
            f"went from {_clock(started_at)} to {_clock(started_at + timedelta(seconds=duration_s))}"
        )
    return kept


_Whole = tuple[str, str, str, list[tuple[datetime, float]]]
"""metric, aggregate, category, (instant, value)"""


def _metric(row: object) -> Iterator[_Whole]:
    """The series of one metric; none for a metric that does not belong to Web PubSub."""
    name = _field(_field(row, "name"), "value")
    series = _field(row, "timeseries")
    if not isinstance(name, str) or not isinstance(series, list):
        raise ValueError("each metric in value needs name.value and a list named timeseries")
    metric = next((known for known in METRICS if known.lower() == name.lower().replace(" ", "")), None)
    if metric is None:
        return
    for each in series:
        data = _field(each, "data")
        if not isinstance(data, list):
            raise ValueError(f"a time series of {metric} has no list named data")
        aggregate = next((a for a in METRICS[metric][1] if any(_field(p, a) is not None for p in data)), None)
        if aggregate is not None:
            yield metric, aggregate, _category(each), list(_points(metric, data, aggregate))


def _points(metric: str, data: Sequence[object], aggregate: str) -> Iterator[tuple[datetime, float]]:
    for point in data:
        value, stamp = _field(point, aggregate), _field(point, "timeStamp")
        if value is None:
            continue  # Azure has no value of this interval
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"a value of {metric} is not a number")
        try:
            at = datetime.fromisoformat(str(stamp))
        except ValueError:
            raise ValueError(f"a point of {metric} has no timeStamp in ISO 8601") from None
        yield (at if at.tzinfo else at.replace(tzinfo=UTC)), float(value)


def _category(series: object) -> str:
    values = _field(series, "metadatavalues")
    for pair in values if isinstance(values, list) else ():
        if str(_field(_field(pair, "name"), "value")).lower() == _DIMENSION:
            return str(_field(pair, "value"))
    return ""


def _cut(series: _Whole, started_at: datetime, duration_s: float, interval_s: float) -> Series | None:
    """The part of a series that overlaps the run; None: nothing."""
    metric, aggregate, category, points = series
    placed = (MetricPoint((at - started_at).total_seconds(), value) for at, value in sorted(points))
    kept = tuple(point for point in placed if -interval_s < point.t_s < duration_s)
    return Series(metric, aggregate, category, interval_s, kept) if kept else None


def _interval_s(text: object) -> float:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return _USUAL_S
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds) or _USUAL_S


def _field(value: object, name: str) -> object:
    """A value of an object, ignoring case: tools spell names differently (timeStamp, timestamp)."""
    if not isinstance(value, dict):
        return None
    return next((part for key, part in value.items() if str(key).lower() == name.lower()), None)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _wrong(path: str, allowed: str) -> ConfigError:
    return ConfigError([Fault("--azure-metrics", path, allowed)])
