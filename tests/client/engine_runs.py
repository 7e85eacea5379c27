"""Short runs of whole engines against a real emulator, without Locust: the clients' side of every scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event

from wps_load.client.access import MintedAccess
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.engine import Engine
from wps_load.client.epochs import Epoch
from wps_load.client.stream import Network
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.measure.ledger import LedgerTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.load import load
from wps_load.settings.run_config import RunConfig

PATIENCE_S = 30.0
LEAD_NS = 20 * NS_PER_MS
DRAIN_NS = 2 * NS_PER_S


@dataclass(frozen=True)
class Done:
    """What a run has come to, all engines together."""

    totals: LedgerTotals
    snapshot: Snapshot
    engines: list[Engine]

    def count(self, metric: str) -> int:
        histogram = self.snapshot.histograms.get(metric)
        return 0 if histogram is None else histogram.count

    def counter(self, name: str) -> int:
        return self.snapshot.counters.get(name, 0)

    def assert_whole(self, *, held: int = 0) -> None:
        """The ledger closes, and nothing is missing.

        `held`: how many messages may not have left because publishing ended while their connection was being recovered.
        """
        totals = self.totals
        assert totals.published > 0
        assert totals.lost == 0
        assert totals.expected == totals.delivered
        assert totals.duplicated == 0
        assert (totals.misdelivered, totals.corrupted) == (0, 0)
        assert totals.send_failed <= held


def settings(connection_string: str, users: int, **options: Any) -> RunConfig:
    values = {f"wps_{name}": value for name, value in {"seed": "5", "payload": "100B", **options}.items()}
    return load(values, users=users, spawn_rate=None, environ={}).with_emulator(connection_string)


class Run:
    """`engines`: as many engines as there would be processes, all in this one. Members connect at once."""

    def __init__(
        self,
        connection_string: str,
        users: int,
        *,
        engines: int = 1,
        run_id: str = "run",
        number: int = 7,
        changed: Callable[[RunConfig], RunConfig] = lambda config: config,
        **options: Any,
    ) -> None:
        self.config = changed(settings(connection_string, users, **options))
        self.warnings: list[str] = []
        self._users = users
        self.engines = [self._engine(run_id, number) for _ in range(engines)]
        for index in range(users):
            member = self.engines[index % engines].admit(index, 0, now_ns())
            gevent.spawn(member.run)

    def _engine(self, run_id: str, number: int) -> Engine:
        config = self.config
        connection = config.target.connection
        assert connection is not None
        return Engine(
            config,
            run_id=run_id,
            number=number,
            users=self._users,
            access_of=lambda part: MintedAccess(connection, part.hub, part.roles, 600, False),
            network=Network.create(insecure=True),
            on_warning=lambda _, sentence: self.warnings.append(sentence),
        )

    def settle(self) -> Run:
        until(lambda: sum(engine.status.settled for engine in self.engines) == self._users, "every user connected")
        return self

    def measure(self, duration_ms: int) -> Run:
        """Publishes for so long, from now on; returns when it is over."""
        start_ns = now_ns() + LEAD_NS
        end_ns = start_ns + duration_ms * NS_PER_MS
        for ordinal, engine in enumerate(self.engines):
            engine.deal_senders(ordinal, len(self.engines))
            engine.announce(Epoch(1, start_ns, end_ns))
        beat = gevent.spawn(self.beat)
        for engine in self.engines:
            await_time(engine, end_ns)
            engine.end_at(end_ns)
            engine.stop_publishing(end_ns)
        beat.kill()
        return self

    def beat(self) -> None:
        """What agents do a few times a second, for ever."""
        while True:
            gevent.sleep(0.02)
            for engine in self.engines:
                engine.beat()

    def await_failures(self, count: int) -> None:
        """Waits until this many requests have failed without an answer."""
        beat = gevent.spawn(self.beat)
        until(lambda: sum(self.engines[0].run.recorder.peek().failures.values()) >= count, f"{count} failures")
        beat.kill()

    def finish(self, drain_ns: int = DRAIN_NS) -> Done:
        """Drains, as the coordinator and its agents do."""
        streams = [[*final, at] for at, engine in enumerate(self.engines) for final in engine.finals()]
        clocks = [engine.run.clock.timescale.to_wire() for engine in self.engines]
        for engine in self.engines:
            engine.settle(streams, clocks, drain_ns)
        deadline_ns = now_ns() + drain_ns
        while any(engine.awaits(0) for engine in self.engines):
            if now_ns() > deadline_ns:
                break
            gevent.sleep(0.005)
        for engine in self.engines:
            engine.end_waiting(0)
        totals = LedgerTotals(0, 0, 0, 0, 0, 0, 0)
        snapshot = Snapshot()
        for engine in self.engines:
            totals = totals.plus(engine.totals())
            snapshot.merge(engine.run.recorder.peek())
        self.close()
        return Done(totals, snapshot, self.engines)

    def close(self) -> None:
        for engine in self.engines:
            engine.close()


def await_time(engine: Engine, time_ns: int) -> None:
    """Waits until the engine's scheduler has called all that is due before."""
    over = Event()
    engine.run.scheduler.call_at(time_ns, lambda _: over.set())
    assert over.wait(PATIENCE_S)


def exchange(context: RunContext | PopulationContext, **fields: Any) -> None:
    """What clients share is frozen; a test that plays a fault changes it all the same."""
    for name, value in fields.items():
        object.__setattr__(context, name, value)


def play(
    connection_string: str,
    users: int,
    *,
    duration_ms: int = 150,
    engines: int = 1,
    drain_ns: int = DRAIN_NS,
    **options: Any,
) -> Done:
    """A whole run. `drain_ns`: how long is waited for what never comes."""
    return Run(connection_string, users, engines=engines, **options).settle().measure(duration_ms).finish(drain_ns)


def until(condition: Callable[[], Any], what: str) -> None:
    """Waits for something that the hub does meanwhile."""
    deadline_ns = now_ns() + int(PATIENCE_S * NS_PER_S)
    while not condition():
        assert now_ns() < deadline_ns, f"not within {PATIENCE_S} s: {what}"
        gevent.sleep(0.005)
