"""One step of load, cut out of a run's seconds: stages are reported from it, and a capacity search judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wps_load.capacity.search import Outcome
from wps_load.measure import thresholds
from wps_load.measure.catalog import METRICS
from wps_load.measure.causes import is_own_limit
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.plurals import counted
from wps_load.report.document import Row
from wps_load.report.lateness import LAG_LIMIT_MS
from wps_load.report.step_doubts import GENERATOR_TOO
from wps_load.swarm.watch import WatchedSeconds

BEHIND_SHARE, BEHIND_S = 0.01, 0.06
"""The share of a step, or the time, by which deliveries may fall behind publications: more is a queue that grows.

Such a queue breaks any latency in time; less is in flight when a short step ends.
"""
BEHIND_MESSAGES = 2
"""Fewer messages than this are not a queue either, whatever their share of a slow step."""
LATE_SHARE = 0.5
"""If the generator's own lag exceeds this share of a step's p99, the generator is what is measured."""
SATURATED_PERCENT = 95.0
"""The share of a core, in a step's median second, beyond which a worker cannot send or read faster."""
MISSED_SHARE = 0.01
"""The share of messages that were due but not published beyond which the generator was the limit, as in `rate_missed`.

With more than this share of the requested users not connected, the load was not reached.
"""
HOPELESS_SHARE = 0.1
"""The share of deliveries behind publications, or of messages that the service blocked, at which a step ends early.

A longer step would only queue up more messages that must be waited for.
"""

Failures = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class StepSeconds:
    """The seconds (`from_s`, `to_s`] of a run at one load. `fan_out`: the deliveries expected from a publication.

    `failures`: those since the load was set; connects in `snapshot` may be older.
    """

    load: int
    from_s: int
    to_s: int
    rows: Sequence[Row]
    snapshot: Snapshot
    target_users: int
    fan_out: float
    failures: Failures = field(default_factory=dict)

    def total(self, column: str) -> int:
        return _total(self.rows, column)

    # -- as thresholds read it (SloSource) ----------------------------------------------------------------

    def row(self, metric: str) -> Row:
        return self.snapshot.row(metric)

    @property
    def messages(self) -> LedgerTotals:
        delivered, lost = self.total("delivered"), max(0, self.total("lost"))
        published = self.total("published")
        return LedgerTotals(
            published=published,
            send_failed=max(0, self.total("offered") - published),
            send_failed_service=self.total("send_failed_service"),
            send_failed_plan=self.total("send_failed_plan"),
            expected=delivered + lost,
            delivered=delivered,
            lost=lost,
            duplicated=self.total("duplicated"),
            misdelivered=self.total("misdelivered"),
            reordered=self.total("reordered"),
        )

    @property
    def connected_share(self) -> float | None:
        if not self.rows or not self.target_users:
            return None
        return min(int(row["users"] or 0) for row in self.rows) / self.target_users

    def of(self, population: str) -> None:
        """Populations are not known separately."""

    @property
    def measure_s(self) -> float:
        return float(self.to_s - self.from_s)

    # -- what limits it --------------------------------------------------------------------------------------

    @property
    def behind(self) -> float:
        return behind(self.rows, self.fan_out)

    @property
    def falls_behind(self) -> bool:
        few = BEHIND_MESSAGES / max(1, self.total("published"))
        return self.behind > max(BEHIND_SHARE, BEHIND_S / self.measure_s, few)

    @property
    def carried(self) -> float | None:
        """The load that the service carried, without users that were not connected and deliveries that fell behind.

        None: it shed load, so what it carried meanwhile proves nothing.
        """
        if self.shed(of_users=True):
            return None
        connected = 1.0 if self.connected_share is None else min(1.0, self.connected_share)
        return self.load * min(connected, 1.0 - self.behind)

    def shed(self, *, of_users: bool = False) -> list[str]:
        """How the service shed load instead of answering late; empty: it did not.

        It ended or refused connections, or messages could not be sent because it had.

        `of_users`: refusals while a crowd connects are not final, because refused users come back; `users_missing` says
        whether they are there when it counts.
        """
        found = [*_done_by_service("ended", _by_label(self.failures, "disconnect"))]
        found += [] if of_users else self.refused()
        offered, unsent = self.total("offered"), self.total("send_failed_service")
        if unsent > MISSED_SHARE * offered:
            found.append(f"{unsent:,} of {offered:,} messages due could not be sent to it")
        return found

    def refused(self, *, answered: bool = False) -> list[str]:
        """Connections that the service refused, in a sentence; empty: none. `answered`: only those with an answer."""
        labels = {
            label: n
            for label, n in _by_label(self.failures, "connect").items()
            if not is_own_limit(label) and not (answered and "timeout" in label)
        }
        return _done_by_service("refused", labels)

    def rate_missed(self) -> str | None:
        """Messages that the generator failed to send; None: it sent all that it could."""
        offered, published = self.total("offered"), self.total("published")
        missed = offered - published - self.total("send_failed_service") - self.total("send_failed_plan")
        if offered and missed > MISSED_SHARE * offered:
            return f"the generator did not send {missed:,} of {offered:,} messages due"
        return None

    def users_missing(self, *, come_and_go: bool = False) -> str | None:
        """Users who were not connected at any second's end; None: all were, or those missing are away by plan."""
        most = max((int(row["users"] or 0) for row in self.rows), default=0)
        if most >= (1 - MISSED_SHARE) * self.target_users:
            return None
        connects = self.row("connect")
        if come_and_go and int(connects["failures"] or 0) <= MISSED_SHARE * int(connects["count"] or 0):
            return None
        return f"only {most:,} of {self.target_users:,} users connected"

    def strained(self, main_metric: str) -> str | None:
        """Evidence that the generator was at a limit of its own, as text; None: there is none."""
        return self.failed_locally() or self.sent_late(main_metric) or self.saturated()

    def failed_locally(self) -> str | None:
        """Connects that failed because this machine lacked a resource, as text."""
        connects = {**_by_label(self.snapshot.failures, "connect"), **_by_label(self.failures, "connect")}
        local = [label for label in connects if is_own_limit(label)]
        return f"this machine's limit: {', '.join(local)}" if local else None

    def saturated(self) -> str | None:
        """Whether the busiest worker used up its core in most of the step's seconds, as text."""
        busy = sorted(float(row.get("cpu_percent") or 0) for row in self.rows)
        middle = busy[len(busy) // 2] if busy else 0.0
        return f"a worker used {middle:.0f} % of a core" if middle >= SATURATED_PERCENT else None

    def sent_late(self, main_metric: str) -> str | None:
        """Messages that were sent so late that their latency is mostly that delay; None: they were not."""
        lag = self.snapshot.histograms.get("send_lag")
        lag_ms = None if lag is None else (lag.percentile(99.0) or 0) / 1e6
        p99_ms = self.row(main_metric)["p99"]
        if lag_ms and p99_ms and lag_ms > LAG_LIMIT_MS and lag_ms > LATE_SHARE * p99_ms:
            return f"messages were sent {lag_ms:.1f} ms or more late"
        return None


def _by_label(failures: Failures, metric: str) -> dict[str, int]:
    """The failures of one metric, the most frequent first."""
    found = {label: n for (name, label), n in failures.items() if name == metric}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _done_by_service(what: str, labels: Mapping[str, int]) -> list[str]:
    many = sum(labels.values())
    return [f"the service {what} {counted(many, 'connection')} ({', '.join(labels)})"] if labels else []


def hopeless(rows: Sequence[Row], fan_out: float) -> bool:
    """Whether these seconds already prove that the load is too high."""
    unsent = _total(rows, "send_failed_service")
    return behind(rows, fan_out) > HOPELESS_SHARE or unsent > HOPELESS_SHARE * _total(rows, "offered")


def behind(rows: Sequence[Row], fan_out: float) -> float:
    """The share of these seconds' deliveries that was outstanding at their end, beyond that at their beginning.

    It is the lower value of the last two seconds' ends: a growing queue is there at both, a hiccup at one.
    """
    return min(_behind(rows, fan_out), _behind(rows[:-1], fan_out)) if len(rows) > 1 else _behind(rows, fan_out)


def _behind(rows: Sequence[Row], fan_out: float) -> float:
    due = fan_out * _total(rows, "published")
    return max(0.0, due - _total(rows, "delivered") - max(0, _total(rows, "lost"))) / due if due else 0.0


def _total(rows: Sequence[Row], column: str) -> int:
    return sum(int(row.get(column) or 0) for row in rows)


def cut(
    load: int,
    measured: WatchedSeconds,
    *,
    target_users: int,
    fan_out: float,
    connects: Sequence[WatchedSeconds] = (),
    since_set: WatchedSeconds | None = None,
) -> StepSeconds:
    """The step of the seconds that were `measured`.

    `connects`: where the step's connects are, because they happen before it is measured: in the first of these ranges
    that has any. `since_set`: the range from when the load was set, if that was earlier.
    """
    snapshot = measured.snapshot
    failures = (since_set or measured).snapshot.failures
    if connects:
        found = next((each for each in connects if each.snapshot.row("connect")["count"]), connects[-1])
        snapshot = _with_connects(snapshot, found.snapshot)
    from_s, to_s = int(measured.from_s), int(measured.seen_s)
    return StepSeconds(load, from_s, to_s, measured.rows, snapshot, target_users, fan_out, failures)


def _with_connects(snapshot: Snapshot, connects: Snapshot) -> Snapshot:
    found = snapshot.without([metric.name for metric in METRICS if metric.name.startswith("connect")])
    found.histograms |= {name: each for name, each in connects.histograms.items() if name.startswith("connect")}
    found.failures |= {key: n for key, n in connects.failures.items() if key[0].startswith("connect")}
    return found


def judge(
    step: StepSeconds,
    slos: Sequence[thresholds.Slo],
    main_metric: str,
    *,
    of_users: bool = False,
    come_and_go: bool = False,
) -> tuple[Outcome, list[str]]:
    """Whether the load passed, and why not.

    `of_users`: the load is a number of users, who must then be connected; if they `come_and_go`, some are away by plan.

    A service that ended or refused connections has failed, whatever the generator did. Otherwise latencies count from
    the due time, so a late generator makes a load look worse, never better: its lag matters if it may have broken a
    latency that the service would have kept.
    """
    shed, strained = step.shed(of_users=of_users), step.strained(main_metric)
    if shed:
        return Outcome.FAILED, [*shed, *([f"{GENERATOR_TOO}{strained}"] if strained else [])]
    absent = step.users_missing(come_and_go=come_and_go) if of_users else None
    if absent is not None:
        # a late generator may miss an answer, but does not invent one
        refused = step.refused(answered=strained is not None) if step.failed_locally() is None else []
        if refused or strained is None:
            return Outcome.FAILED, [absent, *refused, *([f"{GENERATOR_TOO}{strained}"] if strained else [])]
        return Outcome.GENERATOR, [absent, strained]
    missed = step.rate_missed()
    if missed is not None:
        return Outcome.GENERATOR, [missed]
    results = [thresholds.evaluate(slo, step) for slo in slos]
    reasons = [result.expression for result in results if result.verdict != "pass"]
    if step.falls_behind:
        reasons.append(f"deliveries fell behind publications by {step.behind:.1%}")
        strained = step.saturated()  # no lag is half of latencies that grow without bound
    if reasons and strained is not None:
        return Outcome.GENERATOR, [*reasons, strained]
    return (Outcome.FAILED if reasons else Outcome.HELD), reasons
