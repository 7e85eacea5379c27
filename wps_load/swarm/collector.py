"""Merges the agents' reports into the whole run's snapshot and one timeline row a second."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from wps_load.clock import NS_PER_S
from wps_load.measure.catalog import HEALTH
from wps_load.measure.histogram import Histogram
from wps_load.measure.snapshot import Snapshot
from wps_load.report.interval import COUNTS, Interval, with_tasks
from wps_load.report.kept_rows import KeptRows
from wps_load.report.portion import Portion
from wps_load.settings.run_config import Population, RunConfig
from wps_load.swarm.books import Books
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Accounts, Report, Vitals
from wps_load.swarm.pairs import Pairs
from wps_load.swarm.watch import WatchedSeconds

logger = logging.getLogger(__name__)

_DELTAS = (*COUNTS, "missing_opened")
PAUSE_S = 3
"""A longer time than this, in seconds, between two reports is a pause; lag metrics cover shorter ones."""


@dataclass(slots=True)
class Second:
    """The reports of all agents about one second so far."""

    interval: Snapshot = field(default_factory=Snapshot)
    deltas: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_DELTAS, 0))
    open: dict[str, int] = field(default_factory=dict)
    cpu_percent: float | None = None
    populations: dict[int, Snapshot] = field(default_factory=dict)
    """The measurements of each population, by its number."""
    portions: dict[str, Portion] = field(default_factory=dict)


class Collector(Books):
    """The whole run's books; `populations` has the books of each population, if there are several.

    `on_second(self)` is called after each second. Totals of messages are complete when every agent has finished.
    """

    def __init__(
        self, started_ns: int, config: RunConfig, on_second: Callable[[Collector], None] = lambda _: None
    ) -> None:
        super().__init__()
        several = config.populations if len(config.populations) > 1 else ()
        self.populations = [Books() for _ in several]
        self._shown = [_shown(each) for each in several]
        self.phases: list[tuple[str, int]] = []
        self.timeline = KeptRows()
        self.newest: Interval | None = None
        """The second that has just become a row, for immediate readers: rows are merged with others later."""
        self.newest_of: dict[int, Snapshot] = {}
        """The measurements of each population in that second, by its number."""
        self._watches: list[WatchedSeconds] = []
        self.lags: dict[str, dict[str, Histogram]] = {}
        """The lag of each agent in the measure phase: the pause of one would hardly show among many."""
        self.most_open: dict[str, int] = {}
        """The most connections that each agent had open at the end of a second."""
        self.busiest: dict[str, float] = {}
        """Each agent's busiest second, in percent of one core."""
        self.vitals: dict[str, Vitals] = {}
        """Each agent's newest values for a whole second."""
        self.rss_bytes_max = 0
        self.gc_pause_ns_max = 0
        self._started_ns = started_ns
        self.config = config
        self._on_second = on_second
        self.on_counted: Callable[[EpochReport], None] = lambda _: None
        """Called with each part that the statistics take, unless Locust's own tables have it from the agent."""
        self.paused_s: dict[str, int] = {}
        """The longest silence of each agent, if it was longer than PAUSE_S."""
        self._heard: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._connecting: dict[str, int] = {}
        self._pending: dict[int, Second] = {}
        self.pairs = Pairs()
        self._last_row = 0
        self.resets = 0
        self._resets_before: dict[str, int] = {}
        """Resets before an agent joined: it counts only its own."""

    def join(self, agent: str) -> None:
        self._reported.setdefault(agent, self._last_row)
        self._resets_before.setdefault(agent, self.resets)

    def leave(self, agent: str) -> None:
        """An agent is lost: no second waits for it any more."""
        self._reported.pop(agent, None)
        for books in (self, *self.populations):
            books.gone(agent)
        self.vitals.pop(agent, None)
        self._write_rows()

    def add(self, agent: str, report: Report) -> None:
        """Adds an agent's report about the second that has just ended, or about part of one during the drain."""
        self._note_pause(agent, report.second)
        second = max(report.second, self._last_row + 1)
        found = self._pending.setdefault(second, Second())
        for part in report.parts:
            found.interval.merge(part.snapshot)
            for (_, receiver), own in part.pairs.items():
                found.populations.setdefault(receiver, Snapshot()).merge(own)
            if self._resets_before.get(agent, 0) + part.resets >= self.resets:
                self.total.merge(part.counted())
                for pair, own in part.counted_pairs().items():
                    self.populations[pair[1]].total.merge(own)
                    self.pairs.merge(agent, pair, own)
                if part.epoch:
                    self._merge_lags(agent, part.snapshot)
                if not report.fired:
                    self.on_counted(part)
            else:  # measured before a reset, but reported after it
                self.before.merge(part.counted())
                for pair, own in part.counted_pairs().items():
                    self.populations[pair[1]].before.merge(own)
        for name, delta in report.deltas.items():
            found.deltas[name] += delta
        found.open[agent] = report.open
        self.most_open[agent] = max(self.most_open.get(agent, 0), report.open)
        self.count(agent, report.epoch, report)
        for number, (books, sums) in enumerate(zip(self.populations, report.populations, strict=False)):
            books.count(agent, report.epoch, sums)
            self._portion(found, number).add(sums.deltas)
        vitals = report.vitals
        if not report.partial:  # the kernel's accounts are too coarse for a few milliseconds
            self.vitals[agent] = vitals
            self.busiest[agent] = max(self.busiest.get(agent, 0.0), vitals.cpu_percent)
            found.cpu_percent = max(found.cpu_percent or 0.0, vitals.cpu_percent)
        self.rss_bytes_max = max(self.rss_bytes_max, vitals.rss_bytes)
        self.gc_pause_ns_max = max(self.gc_pause_ns_max, vitals.gc_pause_ns)
        if agent in self._reported:
            self._reported[agent] = second
        self._write_rows()

    def _portion(self, second: Second, number: int) -> Portion:
        """A population's part of a second that is not complete yet."""
        return second.portions.setdefault(self.config.populations[number].name, Portion(0, {}))

    def _note_pause(self, agent: str, second: int) -> None:
        """An agent reports each second unless it has stopped or is cut off."""
        silent_s = second - self._heard.get(agent, second)
        self._heard[agent] = second
        if silent_s > PAUSE_S:
            self.paused_s[agent] = max(silent_s, self.paused_s.get(agent, 0))

    def _merge_lags(self, agent: str, snapshot: Snapshot) -> None:
        lags = self.lags.setdefault(agent, {})
        for name in HEALTH:
            if name in snapshot.histograms:
                lags.setdefault(name, Histogram()).merge(snapshot.histograms[name])

    def finish(self, agent: str, accounts: Accounts) -> None:
        """Takes an agent's final accounts."""
        self.settle(agent, accounts.totals)
        for books, totals in zip(self.populations, accounts.populations, strict=False):
            books.settle(agent, totals)
        self._connecting[agent] = accounts.connecting
        self.pairs.finish(agent, accounts)

    def reset(self) -> None:
        """Statistics start again, with what the agents measure from their next reset on; the timeline goes on."""
        self.resets += 1
        for books in (self, *self.populations):
            books.start_over()
        self.pairs.reset()
        self.lags = {}
        self.paused_s = {}
        self.busiest = {}
        self.gc_pause_ns_max = 0

    def close(self) -> None:
        """Ends reporting: pending seconds become rows."""
        self._reported.clear()
        self._write_rows(everything=True)

    # -- totals ----------------------------------------------------------------------------------------------

    @property
    def cpu_percent_max(self) -> float:
        """The CPU of any agent's busiest second."""
        return max(self.busiest.values(), default=0.0)

    @property
    def connecting(self) -> int | None:
        """Attempts that were under way when the run ended; None before the end."""
        return sum(self._connecting.values()) if self._connecting else None

    # -- rows ------------------------------------------------------------------------------------------------

    def watch(self, from_s: float, to_s: float = math.inf) -> WatchedSeconds:
        """Collects what is measured in the seconds after `from_s`, which is not written yet, up to `to_s`."""
        watch = WatchedSeconds(from_s, to_s)
        self._watches.append(watch)
        return watch

    def unwatch(self, watch: WatchedSeconds) -> None:
        """Stops collecting for this watch."""
        self._watches.remove(watch)

    def _write_rows(self, *, everything: bool = False) -> None:
        """Makes rows of the seconds that every agent has reported."""
        complete = max(self._pending, default=0) if everything else min(self._reported.values(), default=0)
        for second in sorted(self._pending):
            if second > complete:
                break
            self._write_row(second, self._pending.pop(second))

    def _write_row(self, number: int, second: Second) -> None:
        began = float(self._last_row)
        self._last_row = number
        self.newest_of = second.populations
        for population, books in enumerate(self.populations):
            portion = self._portion(second, population)
            portion.users = books.open
            portion.snapshot = second.populations.get(population, Snapshot()).only(self._shown[population])
        self.write(
            Interval(
                began,
                float(number),
                {self._phase_at(number): number - began},
                sum({**self._open, **second.open}.values()),
                second.cpu_percent,
                with_tasks(second.deltas, second.interval.counters),
                second.interval,
                second.portions,
            )
        )

    def write(self, interval: Interval) -> None:
        """Writes a second that is complete."""
        interval.compact()
        self.newest = interval
        for watch in self._watches:
            watch.add(interval)
        self.timeline.append(interval)
        try:
            self._on_second(self)
        except Exception:  # a failing observer must not end the measurement
            logger.exception("an observer of the run failed; the run goes on")
            self._on_second = lambda _: None

    def _phase_at(self, second: int) -> str:
        """The phase that covers most of the second that ends at `second`."""
        middle = self._started_ns + second * NS_PER_S - NS_PER_S // 2
        return next((name for name, at in reversed(self.phases) if at <= middle), "connect")


def _shown(population: Population) -> frozenset[str]:
    """The metrics of a population that are shown each second: its main latency, as far as it is known in advance."""
    tasks = {"rtt"} if population.user_class else set()
    return frozenset({population.main_metric, "delivery", *tasks})
