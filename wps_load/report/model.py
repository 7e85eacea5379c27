"""The result of a run, and snapshots of it: `RunFacts`, from which a report is made.

These are facts, not judgements: `doubts` and `summary` judge them. None means unknown and stays unknown in every file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import Slo
from wps_load.report.document import Capacity, Scalar, SloRow, StagesSection
from wps_load.report.user_phases import UserPhase

TimelineRow = Mapping[str, object]
"""One second of the run; `timeline.timeline_row` makes it, and is where its columns are named."""


class RunState(Enum):
    """How far the run had come when the facts were taken."""

    RUNNING = "running"
    """A snapshot during the run, which is all that a killed process leaves."""
    STOPPED = "stopped"
    """Ended before its time (Ctrl-C, SIGTERM, an SLO out of reach), but drained."""
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCounts:
    """`target`: users requested, at most.

    `opened` and `failed` count attempts that ended, `connecting` those that were under way at the end of the run.
    `dropped`: ended by the service or the network. `cut` and `closed_by_plan`: ended by the scenario itself. `peak`:
    the most that were open at one instant. `requested_*` and `open_*`: requested and open over the measure phase,
    time-weighted, and at its end; a gap that the scenario caused counts as open if it was closed at once.
    """

    target: int | None = None
    requested_mean: float | None = None
    requested_end: int | None = None
    open_mean: float | None = None
    open_end: int | None = None
    connecting: int | None = None
    opened: int | None = None
    failed: int | None = None
    dropped: int | None = None
    reconnected: int | None = None
    recovered: int | None = None
    cut: int | None = None
    closed_by_plan: int | None = None
    peak: int | None = None

    @property
    def share(self) -> float | None:
        """Connections open over the measure phase, as a share of those requested."""
        if self.open_mean is None or not self.requested_mean:
            return None
        return min(1.0, self.open_mean / self.requested_mean)  # old users take a moment to leave


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorHealth:
    """The health of the machine that generated the load; the worst of all workers.

    `workers_away`: silent for seconds, at most `away_s_max`, and back. `cpu_percent_max`: of one core, the busiest
    worker's busiest second. `send_lag`: from a message's due time to its bytes leaving. `send_stalls`: times a socket's
    send buffer was full. `gc_pause_ms_max`: the longest pause of the garbage collector. `clock_error_ms`: bound of the
    clock offset between workers of several hosts. `lags`: of each worker, `send_lag` and `loop_lag` of the measure
    phase.
    """

    workers: int | None = None
    workers_lost: int = 0
    workers_away: int = 0
    away_s_max: float | None = None
    cpu_percent_max: float | None = None
    loop_lag_ms_p99: float | None = None
    send_lag_ms_p99: float | None = None
    rss_bytes_max: int | None = None
    send_stalls: int | None = None
    gc_pause_ms_max: float | None = None
    clock_error_ms: float | None = None
    lags: Sequence[Mapping[str, Histogram]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process that generated load.

    `host`: numbered in the run; workers of one share a clock. `users`: the most at a time. `most_open`: the most
    connections that were open at the end of a second. `cpu_percent_max`: its busiest second, of one core.
    `send_lag_ms_p99`: of the measure phase. `clock_error_ms`: bound of the error of its clock in the run's time.
    `lost`: gone for good before the end.
    """

    name: str
    host: str | None = None
    users: int | None = None
    most_open: int | None = None
    cpu_percent_max: float | None = None
    send_lag_ms_p99: float | None = None
    clock_error_ms: float | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """`name`: connect, settle, warmup, measure, drain. Seconds since the start of the run."""

    name: str
    started_s: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What affects the exit code but is in no figure of the run.

    `stopped_by`: the signal that stopped a headless run before its time, and when (`SIGTERM after 3 s`). `misused`: a
    fault of the settings that was found when the run had begun. `failures`: Locust's failed requests of all classes,
    `NAME count` each, the most frequent first; `failed`: their total. `exceptions`: what tasks of the locustfile
    raised. `exit_code_on_error`: Locust's option. `unwritten`: which part of the report could not be written, and why.
    `set_code`: the process's exit code if the locustfile has set another one than ours.
    """

    stopped_by: str | None = None
    misused: str | None = None
    failed: int = 0
    failures: Sequence[str] = ()
    exceptions: int = 0
    exit_code_on_error: int = 1
    unwritten: str | None = None
    set_code: int | None = None


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What members of one population have received from another, or from their own.

    Names, and the expected and received messages. `expected` None: before the end. `delivery`: how long those took.
    """

    sender: str
    receiver: str
    expected: int | None
    delivered: int
    delivery: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run, finished or not. `target` and `settings` are free of secrets: config made them so.

    `offered`: messages due in the measure phase. `totals`: the ledger's, settled. `measure_s`: length of the measure
    phase, the divisor of every rate. `snapshot`: histograms and failures of the whole run. `timeline`: the last hour by
    seconds, what is older by longer intervals. `latencies`: those of messages that the run can have, the most
    informative first; empty if nobody plays a scenario. `closed_loop`: `--wps-rate max`. `has_messages`: the scenario
    sends some. `tls_verified`: None where there is no TLS. `workers`: each process that generated load; None: unknown.
    `capacity`: the result of a search, with its steps; `best_slo`: the SLOs of the highest step that passed. `stages`:
    the steps of `--wps-stages`. `user_phases`: if the number of users changed, the numbers that were held and the ramps
    between them. `trouble`: why the run was broken off. `populations`: each of several; empty if there is one.
    """

    run_id: str
    started_at: datetime
    duration_s: float
    scenario: str
    protocol: str
    target: str
    settings: Mapping[str, Scalar]
    settings_hash: str
    seed: int | None
    versions: Mapping[str, str]
    host: Mapping[str, Scalar]
    state: RunState = RunState.FINISHED
    latencies: Sequence[str] = ()
    closed_loop: bool = False
    has_messages: bool = True
    tls_verified: bool | None = None
    connections: ConnectionCounts = field(default_factory=ConnectionCounts)
    offered: int | None = None
    totals: LedgerTotals | None = None
    billed_outbound: int | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    measure_s: float | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)
    timeline: Sequence[TimelineRow] = ()
    phases: Sequence[PhaseSpan] = ()
    generator: GeneratorHealth = field(default_factory=GeneratorHealth)
    slos: Sequence[Slo] = ()
    workers: Sequence[Worker] | None = None
    capacity: Capacity | None = None
    best_slo: Sequence[SloRow] | None = None
    stages: StagesSection | None = None
    outside: Outside = field(default_factory=Outside)
    user_phases: Sequence[UserPhase] = ()
    trouble: str | None = None
    refused_users: str | None = None
    """Why users that were requested during the run were not started, the last time."""
    reset_s: float | None = None
    """When the statistics were last reset, in seconds since the start."""
    populations: Mapping[str, RunFacts] = field(default_factory=dict)
    """For a mix: the same facts of each population, by name, including the run's own."""
    pairs: Sequence[PairFacts] = ()
    publishers: int | None = None
    groups: int | None = None
    """For a population of a mix: how many publish, and how many groups they fill."""

    @property
    def histograms(self) -> dict[str, Histogram]:
        """The run's histograms, and its populations' as `POPULATION.METRIC`."""
        return {
            **self.snapshot.histograms,
            **{
                f"{name}.{metric}": found
                for name, each in self.populations.items()
                for metric, found in each.snapshot.histograms.items()
            },
        }

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("started_at needs a time zone")
