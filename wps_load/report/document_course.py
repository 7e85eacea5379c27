"""The course over time in the summary document, of the run and of each population. A part of `document`."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from wps_load.report.document_phases import Amount, Count


class TimelineRow(TypedDict):
    """One interval, usually a second; counts are those of the interval.

    Metrics with a value in it add NAME_count, NAME_p50, NAME_p90, NAME_p99; kinds of failures add failed_METRIC_LABEL.
    """

    t_s: Annotated[float, Meta(description="Its end, seconds since the start.")]
    interval_s: NotRequired[Annotated[Amount, Meta(description="Its length.")]]
    phase: NotRequired[str]
    users: Annotated[Count, Meta(description="Connections open at its end.")]
    offered: NotRequired[Count]
    published: Count
    delivered: Count
    lost: Annotated[int | None, Meta(description="Missing so far: negative if late messages arrived.")]
    connect_opened: NotRequired[Count]
    connect_failed: NotRequired[Count]
    loop_lag_ms_p99: NotRequired[Amount]
    send_lag_ms_p99: NotRequired[Amount]
    cpu_percent: NotRequired[Annotated[Amount, Meta(description="Of one core, the busiest worker.")]]
    failed: NotRequired[Annotated[Count, Meta(description="Failures of any kind.")]]
    send_failed_service: NotRequired[Count]
    send_failed_plan: NotRequired[Count]
    duplicated: NotRequired[Count]
    reordered: NotRequired[Count]
    misdelivered: NotRequired[Count]
    corrupted: NotRequired[Count]


class CourseColumns(TypedDict):
    """One population over time, in at most 600 intervals: a value for each.

    An interval begins where the previous one ends. `p50`, `p99`: of its main metric; for several rows of the run's
    `timeline` the largest.
    """

    t_s: Annotated[list[float], Meta(description="Its end, seconds since the start.")]
    users: Annotated[list[Count], Meta(description="Connections open at the interval's end.")]
    published: list[Count]
    delivered: list[Count]
    lost: Annotated[list[int | None], Meta(description="Missing so far: negative if late messages arrived.")]
    p50: list[Amount]
    p99: list[Amount]
