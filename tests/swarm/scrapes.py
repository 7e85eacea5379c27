"""Runs of one and of two populations as a scraper meets them: fed by hand, read by the client library's own parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.swarm.runs import COUNTS, NUMBER, FakeCrowd, planned
from wps_load.clock import NS_PER_MS, NS_PER_S, utc_now
from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.document import Summary
from wps_load.report.model import RunState
from wps_load.report.summary import build_summary
from wps_load.settings.classes import TaskClass
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig
from wps_load.settings.sources import Locustfile
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.facts import gather
from wps_load.swarm.messages import Accounts, ClockReply, Hello, Report, Sums, Vitals
from wps_load.swarm.monitored import Monitored
from wps_load.swarm.prometheus import RunMetrics

Scraped = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def two_classes(slo: str = "none") -> RunConfig:
    """Two populations, of a locustfile's own classes."""
    classes = TaskClass("ChatUser"), TaskClass("Display", protocol="protobuf")
    values = {"wps_report_dir": "", "wps_slo": slo}
    return load(values, users=4, spawn_rate=1.0, environ={}, sources={}, locustfile=Locustfile(False, classes=classes))


def counts(**known: int) -> dict[str, int]:
    return {**dict.fromkeys(COUNTS, 0), **known}


def times(name: str, *ms: float, received: int = 100) -> Snapshot:
    histogram = Histogram()
    histogram.record_many([int(each * NS_PER_MS) for each in ms])
    return Snapshot({name: histogram}, {}, {"bytes_received": received})


@dataclass
class Reported:
    """What a scrape asks of a run's reporter."""

    conductor: Conductor
    config: RunConfig
    scenario: str
    summary: Summary | None
    started_at: datetime
    facts: Callable[[Conductor, RunState], Any]


class FedRun:
    """A run that a test feeds with reports, second by second. It is in its measure phase."""

    def __init__(self, config: RunConfig | None = None) -> None:
        self.config = config or two_classes()
        tasks = len(self.config.populations) > 1
        self.conductor = Conductor(
            planned(self.config, scenario_users=not tasks), FakeCrowd(ours=0 if tasks else None), own_host="here"
        )
        self.summary: Summary | None = None
        self.started_at = utc_now()
        self.second = 0
        self.join("a")
        self.conductor.spawning_complete()
        for at in range(2, 4):
            self.conductor.tick(at, {"a"})

    def join(self, agent: str) -> None:
        self.conductor.received(agent, NUMBER, Hello("here"), 0)
        self.conductor.tick(1, {agent})
        self.conductor.received(agent, NUMBER, ClockReply(0, 0), 1)

    def report(
        self,
        parts: Iterable[EpochReport] = (),
        *,
        epoch: int = 1,
        totals: dict[str, int] | None = None,
        deltas: dict[str, int] | None = None,
        populations: Iterable[Sums] = (),
        open_: int = 3,
        agent: str = "a",
    ) -> None:
        self.second += 1
        so_far = totals or counts()
        report = Report(
            self.second, False, open_, epoch, deltas or so_far, so_far, Vitals(34.5, 1 << 20, 0), None, list(parts),
            list(populations),
        )  # fmt: skip
        self.conductor.received(agent, NUMBER, report, self.second * NS_PER_S)

    def finish(self, whole: LedgerTotals, populations: list[LedgerTotals] | None = None) -> Summary:
        at = (self.second + 1) * NS_PER_S
        self.conductor.drain(at)
        self.conductor.received("a", NUMBER, Accounts(whole, 0, populations or []), at)
        self.conductor.tick(at + 10 * NS_PER_S, {"a"})
        self.conductor.tick(at + 20 * NS_PER_S, {"a"})
        assert self.conductor.ended_ns is not None
        self.summary = build_summary(self._facts(RunState.FINISHED))
        return self.summary

    def _facts(self, state: RunState) -> Any:
        now = (self.second + 2) * NS_PER_S
        return gather(self.conductor, utc_now(), state, target_users=3, now_ns=now)

    @property
    def reporter(self) -> Any:
        return Reported(
            conductor=self.conductor,
            config=self.config,
            scenario="locustfile" if len(self.config.populations) > 1 else "echo",
            summary=self.summary,
            started_at=self.started_at,
            facts=lambda conductor, state: self._facts(state),
        )

    def scrape(self) -> Scraped:
        return scraped(RunMetrics(Monitored(lambda: self.reporter)))


def parsed(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def samples(families: Iterable[Metric]) -> Scraped:
    """By name and labels; a series that came twice is an error, as it is to Prometheus."""
    found: Scraped = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def scraped(metrics: RunMetrics) -> Scraped:
    registry = CollectorRegistry()
    registry.register(metrics)
    return samples(parsed(generate_latest(registry).decode()))


def value(found: Scraped, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def total(found: Scraped, name: str) -> float:
    """The sum over all its series."""
    return sum(each for (key, _), each in found.items() if key == name)


def presence(start_ns: int) -> Presence:
    return Presence(start_ns, start_ns + NS_PER_S, 3.0, 3, 3.0, 3)
