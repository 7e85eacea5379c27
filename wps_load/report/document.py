"""The summary document, `wps-load.summary/2`, as types.

`summary` builds it, every renderer reads it, and other programs may rely on it. `schema` makes summary.schema.json from
these types, and checks documents against them.

Unknown values are None, never 0. Times are in milliseconds unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict, cast

from msgspec import Meta

from wps_load.measure.catalog import METRICS
from wps_load.report.document_course import CourseColumns, TimelineRow
from wps_load.report.document_features import InvocationCounts, StreamCounts
from wps_load.report.document_phases import Amount, Count, Number, PhaseRow, Whole

SCHEMA = "wps-load.summary/2"

Verdict = Literal["pass", "fail", "invalid"]
Level = Literal["warning", "error"]
SloVerdict = Literal["pass", "fail", "no_data"]
Variable = Literal["rate", "users"]
Standing = Literal["worse", "better", "same", "unclear"]

Scalar = str | bool | float | int | None
"""A setting as it was given, or a fact of a machine."""


class RunSection(TypedDict):
    """What ran, against which target, and on which machine."""

    id: Annotated[str, Meta(min_length=1)]
    started_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    duration_s: Number
    reset_s: NotRequired[Annotated[Amount, Meta(description="When the statistics were last reset; null: never.")]]
    scenario: str
    main_metric: NotRequired[Annotated[str, Meta(description="The run's main latency.")]]
    protocol: str
    target: Annotated[str, Meta(description="Never holds a secret.")]
    settings: dict[str, Scalar]
    settings_hash: Annotated[str, Meta(description="Equal for runs that may be compared.")]
    seed: int | None
    versions: dict[str, str]
    host: dict[str, Scalar]


class DoubtRow(TypedDict):
    """A reason not to trust the run, and the advice. At level `error` the run is invalid."""

    name: Annotated[str, Meta(pattern="^[a-z_]+$")]
    level: Level
    message: str
    advice: str


class SloRow(TypedDict):
    """One SLO."""

    expression: str
    value: Annotated[float | None, Meta(description="In the unit of the expression.")]
    verdict: SloVerdict


class ConnectionTotals(TypedDict):
    """Connections over the whole run, and over the measure phase."""

    target: Annotated[Count, Meta(description="Connections requested (-u, or the highest stage).")]
    requested_mean: Annotated[Amount, Meta(description="Requested over the measure phase, time-weighted.")]
    requested_end: Annotated[Count, Meta(description="Requested at its end.")]
    open_mean: Annotated[
        Amount,
        Meta(
            description="Open over the measure phase, time-weighted; gaps that the scenario made and that were closed "
            "at once count as open."
        ),
    ]
    open_end: Annotated[Count, Meta(description="Open at its end.")]
    connecting: Annotated[Count, Meta(description="Attempts that were under way when the run ended.")]
    opened: Count
    failed: Count
    dropped: Annotated[Count, Meta(description="Ended by the service or the network.")]
    reconnected: Count
    recovered: Count
    cut: Annotated[Count, Meta(description="By the scenario.")]
    closed_by_plan: Annotated[Count, Meta(description="By the scenario.")]
    peak: Count


class SendFailures(TypedDict):
    """`send_failed` by its causes: no connection, because the service ended, refused or did not answer it.

    Or because the run's own plan had ended it; or the generator was too late, or at its own limits.
    """

    service: Count
    plan: Count
    generator: Count


class Messages(TypedDict):
    """Messages that were due in the measure phase, and what happened to them."""

    offered: Annotated[Count, Meta(description="Due in the measure phase.")]
    published: Annotated[Count, Meta(description="Handed to the socket.")]
    send_failed: Annotated[Count, Meta(description="Due, but never handed to the socket.")]
    send_failed_by: NotRequired[SendFailures | None]
    expected: Annotated[
        Count,
        Meta(description="Expected deliveries: for each published message, its eligible receivers."),
    ]
    delivered: Annotated[Count, Meta(description="Distinct.")]
    lost: Annotated[Count, Meta(description="expected - delivered.")]
    missed: Annotated[
        Count,
        Meta(description="Deliveries to members whose connections had dropped; not in lost or expected."),
    ]
    duplicated: Count
    reordered: Count
    replayed: NotRequired[
        Annotated[
            Count,
            Meta(
                description="Sent again after a recovery although they had arrived; dropped by the protocol, in no "
                "other count. Null if the protocol has no recovery."
            ),
        ]
    ]
    unknown: NotRequired[
        Annotated[
            Count,
            Meta(description="Of an unknown type: ignored, as the protocol demands; in no other count."),
        ]
    ]
    foreign: Annotated[Count, Meta(description="Messages of other runs in the same hub.")]
    misdelivered: Annotated[
        Count,
        Meta(
            description="Deliveries to a connection that does not belong to their audience; never in expected or "
            "delivered."
        ),
    ]
    corrupted: Annotated[
        Count, Meta(description="Arrivals whose stamp or content is not what was sent; not delivered.")
    ]
    billed_outbound: Count


class Bytes(TypedDict):
    sent: Count
    received: Count


class Rates(TypedDict):
    """Counts divided by the length of the measure phase."""

    offered_per_s: Amount
    published_per_s: Amount
    delivered_per_s: Amount


class MetricRow(TypedDict):
    """One metric over the measure phase, or over the whole run for connections."""

    count: Whole
    failures: Whole
    min: Amount
    mean: Amount
    stddev: Amount
    p50: Amount
    p90: Amount
    p95: Amount
    p99: Amount
    p99_9: Amount
    p99_99: Amount
    max: Amount
    waited: NotRequired[
        Annotated[
            int,
            Meta(
                ge=1,
                description="Failures of connect that were given up; in the percentiles they come after all others, "
                "with the time that they had waited.",
            ),
        ]
    ]


_NAMES = "|".join(metric.name for metric in METRICS)
MetricName = Annotated[str, Meta(pattern=f"^({_NAMES})$")]


Cause = Literal["settings", "doubts", "unwritten", "slo", "stopped", "requests", "locustfile"]


class Reason(TypedDict):
    """One reason for the exit code."""

    code: Annotated[int, Meta(ge=1)]
    cause: NotRequired[Cause]
    message: str
    judged: Annotated[bool, Meta(description="Verdict and SLOs say it already.")]


class Exit(TypedDict):
    """The process's exit code, and every reason why it is not zero, the worst first."""

    code: Whole
    reasons: list[Reason]


class FailureRow(TypedDict):
    """Failures of one kind."""

    metric: str
    label: Annotated[str, Meta(pattern="^[a-z0-9_]+$", description="Fixed vocabulary: no free text, URL, token or id.")]
    count: Annotated[int, Meta(ge=1)]
    message: NotRequired[
        Annotated[
            str,
            Meta(description="The first of its kind in words, without secrets. A peer may have chosen some of them."),
        ]
    ]


class Generator(TypedDict):
    """The health of the machines that generated the load: the worst of all workers."""

    workers: Count
    cpu_percent_max: Amount
    loop_lag_ms_p99: Amount
    send_lag_ms_p99: Amount
    rss_bytes_max: Count
    clock_error_ms: Annotated[
        Amount,
        Meta(
            description="Bound of the error between the clocks of the two worst hosts over the measure phase; 0 on one "
            "host."
        ),
    ]


class WorkerRow(TypedDict):
    """One process that generated load."""

    name: str
    host: Annotated[str | None, Meta(description="The machine, numbered in the run: workers of one share a clock.")]
    users: Annotated[Count, Meta(description="The most at a time; null if tasks of a locustfile decide.")]
    cpu_percent_max: Annotated[Amount, Meta(description="Of one core, its busiest second.")]
    send_lag_ms_p99: Annotated[Amount, Meta(description="Over the measure phase.")]
    clock_error_ms: Annotated[Amount, Meta(description="Bound of the error of its clock in the run's time.")]
    lost: Annotated[bool, Meta(description="Gone for good before the run's end.")]


class StepRow(TypedDict):
    """Some seconds at one load: messages a second of all publishers, or users."""

    load: Number
    from_s: Annotated[float, Meta(description="Seconds since the start.")]
    duration_s: Number
    users: Annotated[Count, Meta(description="Connections open.")]
    published_per_s: Amount
    delivered_per_s: Amount
    lost: Count
    metric: Annotated[str, Meta(description="The latency of p50 and p99.")]
    p50: Amount
    p99: Amount
    samples: Count
    few_samples: Annotated[bool, Meta(description="Too few samples for p50 or p99.")]
    cpu_percent_max: Annotated[Amount, Meta(description="Of one core, the busiest worker.")]
    outcome: Annotated[Literal["held", "failed", "generator"] | None, Meta(description="Null: the step had no SLOs.")]
    reasons: list[str]


class Capacity(TypedDict):
    """The result of a search."""

    variable: Variable
    value: Amount
    low: Amount
    high: Amount
    bound_by: Literal["service", "generator", "range", "time"] | None
    answer: NotRequired[Annotated[str, Meta(description="The result in one sentence.")]]
    steps: list[StepRow]


class StagesSection(TypedDict):
    """The steps of --wps-stages."""

    variable: Variable
    steps: list[StepRow]


class PopulationRow(TypedDict):
    """One population of a mix."""

    name: str
    users: Count
    scenario: str
    protocol: str
    publishers: NotRequired[Annotated[Count, Meta(description="Users that publish, or REST senders; null: not known.")]]
    groups: NotRequired[Annotated[Count, Meta(description="Null: it fills none of its own.")]]
    connections: ConnectionTotals
    messages: Messages
    bytes: Bytes
    rates: Rates
    metrics: dict[MetricName, MetricRow]
    failures: list[FailureRow]
    main_metric: Annotated[MetricName, Meta(description="Its main latency.")]
    slo: list[SloRow]
    course: NotRequired[Annotated[CourseColumns | None, Meta(description="Null during the run.")]]


class MatrixRow(TypedDict):
    """What members of one population have heard of another's, or of their own.

    The names are those of populations; a delivery belongs to the receiver's.
    """

    sender: str
    receiver: str
    expected: Count | None
    delivered: Count
    lost: Count | None
    p50: Amount
    p99: Amount


class Previous(TypedDict):
    """The last good run before this one with the same settings, and how this one compares with it."""

    folder: Annotated[str, Meta(description="The name of its folder, beside the run's own.")]
    id: str
    started_at: str
    verdict: Annotated[Standing | None, Meta(description="Null: they were not compared.")]
    sentence: str


class Summary(TypedDict):
    """The result of one run of wps-load.

    Unknown values are null, never 0. Times are in milliseconds unless the name says otherwise.
    """

    schema: Literal["wps-load.summary/2"]
    run: RunSection
    verdict: Verdict
    doubts: list[DoubtRow]
    slo: list[SloRow]
    connections: ConnectionTotals
    messages: Messages
    streams: NotRequired[Annotated[StreamCounts | None, Meta(description="Null if the scenario has none.")]]
    invocations: NotRequired[Annotated[InvocationCounts | None, Meta(description="Null if the scenario has none.")]]
    bytes: Bytes
    rates: Rates
    metrics: dict[MetricName, MetricRow]
    exit: NotRequired[Exit]
    failures: list[FailureRow]
    generator: Generator
    workers: NotRequired[
        Annotated[list[WorkerRow] | None, Meta(description="Each process that generated load; null: unknown.")]
    ]
    populations: NotRequired[
        Annotated[list[PopulationRow] | None, Meta(description="The populations of a mix, else null.")]
    ]
    matrix: NotRequired[
        Annotated[list[MatrixRow] | None, Meta(description="In a mix: who heard how much of whom, else null.")]
    ]
    phases: list[PhaseRow]
    timeline: list[TimelineRow]
    capacity: Capacity | None
    stages: NotRequired[StagesSection | None]
    previous: NotRequired[
        Annotated[Previous | None, Meta(description="Null: the run is the first with its settings in its folder.")]
    ]


Row = Mapping[str, float | int | None]
"""A row of numbers whose columns are chosen by name, such as the percentiles that an SLO names."""


def numbers(section: Mapping[str, object]) -> Row:
    """A section as numbers, for code that chooses names at run time: of the timeline all but `phase`."""
    return cast(Row, section)
