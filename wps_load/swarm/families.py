"""The metrics that a run shows to monitoring systems, as of now.

They are read on request, from the merged reports of each second: no message costs anything for them.

Every series belongs to one population, so that sums over them are the run's. What belongs to no population has an empty
label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from wps_load.clock import NS_PER_S
from wps_load.measure.catalog import COUNTERS, HEALTH, METRICS, WAITED
from wps_load.measure.family import Buckets, Family, Kind, Labels, TimeFamily, bounds_ns, buckets
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.measure.thresholds import Slo
from wps_load.settings.run_config import RunConfig
from wps_load.swarm.books import Books
from wps_load.swarm.conductor import Conductor

POPULATION: Final = ("population",)
NOBODY: Final = ""
"""The label of series that belong to no population."""

_CONNECTIONS: Final = {
    "opened": "Connections that became usable",
    "failed": "Attempts to connect that failed",
    "dropped": "Connections that the service or the network dropped",
    "reconnected": "Connections that were replaced by new ones after they were dropped",
    "recovered": "Connections of reliable protocols that were continued on a new socket",
    "cut": "Sockets that the scenario cut itself",
    "closed_by_plan": "Connections that the scenario closed itself",
}
_MESSAGES: Final = {
    "offered": "Messages that were due, sent or not",
    "published": "Messages that were handed to a socket, or to the REST API",
    "delivered": "Distinct messages that arrived at a receiver",
    "duplicated": "Duplicates of messages that had already arrived",
    "reordered": "Messages that arrived after a later one of the same publisher",
    "misdelivered": "Deliveries to connections that do not belong to the message's audience",
    "corrupted": "Arrivals whose content differs from what was sent",
}
_SETTLED: Final = {
    "expected": "Deliveries that were due, known once the run has drained",
    "lost": "Expected deliveries that never came, known once the run has drained",
    "missed": "Deliveries to members whose connections had dropped",
    "foreign": "Deliveries of other runs in the same hub",
}
_BYTES: Final = {"sent": "Bytes sent to the service", "received": "Bytes received from the service"}
_KNOWN: Final = frozenset(
    {f"connections_{name}" for name in _CONNECTIONS} | {f"bytes_{name}" for name in _BYTES}
    | {"tasks_published", "tasks_delivered"}
)  # fmt: skip
_OTHERS: Final = tuple(sorted(COUNTERS - _KNOWN))
"""Counters of the catalogue that are rarely above 0: shown only if they are."""
_LAGS: Final = {
    "send_lag": "From a message's due time to its bytes leaving: the generator's own lag",
    "loop_lag": "Lateness of the generator's event loops",
}


class RunFamilies:
    """The metrics of one run. `scenario`: the name of its only population."""

    def __init__(self, conductor: Conductor, scenario: str) -> None:
        self._conductor = conductor
        self._collector = conductor.collector
        config = conductor.plan.config
        self._books: Sequence[Books] = self._collector.populations or [self._collector]
        self.names: tuple[str, ...] = config.names or (scenario,)
        self._slos = all_slos(config)

    def read(self, now_ns: int) -> Iterator[Family | TimeFamily]:
        """One family at a time, so that the reader may let other greenlets run in between."""
        yield from self._connections(now_ns)
        yield from self._messages()
        yield from self._bytes()
        yield from self._others()
        yield self._failures()
        yield from self._times()
        yield from self._generator()

    # -- by population ---------------------------------------------------------------------------------------

    def _by_population(self, of: Callable[[Books], float]) -> dict[Labels, float]:
        """Samples by population, with those of no population if there are any."""
        found: dict[Labels, float] = {(name,): of(books) for name, books in zip(self.names, self._books, strict=True)}
        rest = of(self._collector) - sum(found.values())
        if rest > 0:
            found[NOBODY,] = rest
        return found

    def _counter(self, name: str, text: str, of: Callable[[Books], float], unit: str = "") -> Family:
        return Family(name, Kind.COUNTER, text, POPULATION, self._by_population(of), unit)

    def _connections(self, now_ns: int) -> Iterator[Family]:
        is_open, requested = self._by_population(lambda books: books.open), self._requested(now_ns)
        yield Family("connections_open", Kind.GAUGE, "Connections open now", POPULATION, is_open)
        text = "Connections requested"
        yield Family("connections_requested", Kind.GAUGE, text, POPULATION, requested)
        for name, text in _CONNECTIONS.items():
            yield self._counter(f"connections_{name}", text, _counter_of(f"connections_{name}"))

    def _requested(self, now_ns: int) -> dict[Labels, float]:
        plan, asked = self._conductor.plan, self._conductor.requested.asked
        config = plan.config
        if len(config.populations) == 1:
            return {(self.names[0],): asked}
        if config.mix is None:  # Locust distributes users to a locustfile's own classes
            return {(NOBODY,): asked}
        at_ns = now_ns - plan.started_ns
        counts = [self._conductor.mixture.among(number, asked) for number in range(len(config.populations))]
        return {
            (each.name,): count if each.start_ns <= at_ns and (each.stop_ns is None or at_ns < each.stop_ns) else 0
            for each, count in zip(config.populations, counts, strict=True)
        }

    def _messages(self) -> Iterator[Family]:
        for name, text in _MESSAGES.items():
            yield self._counter(f"messages_{name}", text, partial(_messages, name=name))
        settled = self._conductor.ended_ns is not None
        if not settled:
            yield Family(
                "messages_missing", Kind.GAUGE, "Gaps in sequence numbers that are not filled yet", POPULATION,
                self._by_population(lambda books: books.running("missing")),
            )  # fmt: skip
        causes: dict[Labels, float] = {
            (name, str(cause)): float(count)
            for name, books in zip(self.names, self._books, strict=True)
            for cause, count in books.not_sent().items()
        }
        yield Family(
            "messages_not_sent", Kind.GAUGE, "Messages that were due and have not been sent, by cause",
            ("population", "cause"), causes,
        )  # fmt: skip
        if settled and self._collector.totals() is not None:
            for name, text in _SETTLED.items():
                yield self._counter(f"messages_{name}", text, partial(_settled, name=name))

    def _bytes(self) -> Iterator[Family]:
        for name, text in _BYTES.items():
            yield self._counter(name, text, _counter_of(f"bytes_{name}"), "bytes")

    def _others(self) -> Iterator[Family]:
        for name in _OTHERS:
            of = _counter_of(name)
            if not of(self._collector):
                continue
            text = f"{name.replace('_', ' ').capitalize()}: see the catalogue of counters"
            if name.endswith("_ns"):
                yield self._counter(name.removesuffix("_ns"), text, partial(_in_seconds, of=of), "seconds")
            else:
                yield self._counter(name, text, of)

    def _failures(self) -> Family:
        found: dict[Labels, float] = {}
        left = _failures_of(self._collector)
        for name, books in zip(self.names, self._books, strict=True):
            for (metric, label), count in _failures_of(books).items():
                found[name, metric, label] = count
                left[metric, label] = left.get((metric, label), 0) - count
        found |= {(NOBODY, metric, label): count for (metric, label), count in left.items() if count > 0}
        text = "Failures by metric and label: attempts without a time"
        return Family("failures", Kind.COUNTER, text, ("population", "metric", "label"), found)

    def _times(self) -> Iterator[TimeFamily]:
        for metric in METRICS:
            if not metric.timed or not _measured(self._collector, metric.name):
                continue
            bounds = bounds_ns(metric.name, self._slos)
            whole = _buckets(self._collector, metric.name, bounds)
            points: dict[Labels, Buckets] = {}
            for name, books in zip(self.names, self._books, strict=True):
                points[name,] = own = _buckets(books, metric.name, bounds)
                whole = whole.plus(own, -1)
            if whole.count > 0:
                points[NOBODY,] = whole
            text = f"From {metric.starts} to {metric.ends}".replace("`", "")
            yield TimeFamily(metric.name, text, POPULATION, _seconds(bounds), points)

    # -- of the generator ------------------------------------------------------------------------------------

    def _generator(self) -> Iterator[Family | TimeFamily]:
        collector, roster = self._collector, self._conductor.roster
        for name in HEALTH:
            if _measured(collector, name):
                bounds = bounds_ns(name, ())
                yield TimeFamily(name, _LAGS[name], (), _seconds(bounds), {(): _buckets(collector, name, bounds)})
        alive = len(roster.agents.keys() - roster.lost)
        yield Family("workers", Kind.GAUGE, "Processes that generate load", (), {(): alive})
        yield Family("workers_lost", Kind.GAUGE, "Processes that were lost for good", (), {(): len(roster.lost)})
        busy: dict[Labels, float] = {(agent,): each.cpu_percent / 100 for agent, each in collector.vitals.items()}
        yield Family("worker_cpu", Kind.GAUGE, "CPU of the last second, of one core", ("worker",), busy, "ratio")
        busiest: dict[Labels, float] = {(agent,): percent / 100 for agent, percent in collector.busiest.items()}
        text = "CPU of a worker's busiest second, of one core"
        yield Family("worker_cpu_max", Kind.GAUGE, text, ("worker",), busiest, "ratio")
        memory: dict[Labels, float] = {(agent,): float(each.rss_bytes) for agent, each in collector.vitals.items()}
        yield Family("worker_memory", Kind.GAUGE, "Resident memory of a worker", ("worker",), memory, "bytes")


def all_slos(config: RunConfig) -> list[Slo]:
    """The SLOs of the run and of each population, even if a search judges only some."""
    return [*config.slos, *config.slos_of_all, *(slo for each in config.populations for slo in each.slos)]


def _seconds(bounds: Sequence[int]) -> tuple[float, ...]:
    return tuple(bound / NS_PER_S for bound in bounds)


def _both(books: Books) -> tuple[Snapshot, Snapshot]:
    """Measurements before the last reset of the statistics and since: a scraper's counters go on."""
    return books.before, books.total


def _counter_of(name: str) -> Callable[[Books], float]:
    return lambda books: sum(each.counters.get(name, 0) for each in _both(books))


def _in_seconds(books: Books, of: Callable[[Books], float]) -> float:
    return of(books) / NS_PER_S


def _messages(books: Books, name: str) -> float:
    """A count of messages, with those of a locustfile's own tasks, which are in counters."""
    return books.ever(name) + _counter_of(f"tasks_{name}")(books)


def _settled(books: Books, name: str) -> float:
    totals: LedgerTotals | None = books.totals()
    return 0 if totals is None else getattr(totals, name) or 0


def _failures_of(books: Books) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for snapshot in _both(books):
        for key, count in snapshot.failures.items():
            found[key] = found.get(key, 0) + count
    return found


def _measured(books: Books, metric: str) -> bool:
    names = (metric, WAITED.get(metric))
    return any(name in each.histograms and each.histograms[name].count for each in _both(books) for name in names)


def _buckets(books: Books, metric: str, bounds: Sequence[int]) -> Buckets:
    before, since = (each.histograms for each in _both(books))
    waited = WAITED.get(metric)
    behind = [] if waited is None else [before.get(waited), since.get(waited)]
    return buckets([before.get(metric), since.get(metric)], bounds, behind)
