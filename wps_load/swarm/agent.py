"""The agent, one process's part in a run: it carries out the coordinator's messages and reports once a second."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import gevent

from wps_load.client.connections import Traffic
from wps_load.client.engine import Engine
from wps_load.client.epochs import Epoch
from wps_load.client.virtual_user import VirtualUser
from wps_load.clock import NS_PER_MS, NS_PER_S, now_ns
from wps_load.measure.intervals import IntervalSet
from wps_load.measure.presence import Presence
from wps_load.swarm.accounts import Counting, counts_of
from wps_load.swarm.bus import Bus
from wps_load.swarm.clocks import host_identity
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.generator_health import Health
from wps_load.swarm.messages import (
    Accounts,
    Clock,
    ClockReply,
    ClockRequest,
    End,
    Expect,
    Finals,
    Grant,
    Hello,
    Move,
    Present,
    Rate,
    Report,
    Reset,
    Retry,
    Slot,
    Status,
    Sums,
    ToAgent,
    ToCoordinator,
    Window,
)  # fmt: skip
from wps_load.swarm.players import Players
from wps_load.swarm.stream_finals import Streams

BEAT_S = 0.1
END_GRACE_NS = 100 * NS_PER_MS
"""The grace after the end of publishing: a message due just before may still be sent, but later ones never are."""
COPIES_NS = 50 * NS_PER_MS
"""The wait when nothing is outstanding any more: a duplicate may follow right behind the last message."""


class Agent:
    """`started_ns`: the run's start in the coordinator's clock, from which seconds are counted.

    `on_interval(part)` gets what was measured since the last call, for Locust's own tables. `fires()`: whether a
    listener wants each request by itself.
    """

    def __init__(
        self,
        engine: Engine,
        bus: Bus,
        started_ns: int,
        *,
        on_interval: Callable[[EpochReport], None],
        fires: Callable[[], bool] = lambda: False,
    ) -> None:
        self.engine = engine
        self._bus = bus
        self._started_ns = started_ns
        self._on_interval = on_interval
        self._fires = fires
        self._health = Health(engine.run.scheduler, engine.run.recorder)
        self.players = Players(self._admit, engine.dismiss, self._send)
        self._status = Status(0, 0, 0, 0)
        self._second = 0
        self._whole = Counting(self._counts)
        several = range(len(engine.populations)) if len(engine.populations) > 1 else ()
        self._populations = {each: Counting(partial(self._counts, each)) for each in several}
        self._parts: list[EpochReport] = []
        self._showing: list[EpochReport] = []
        """Parts that are closed but not in Locust's tables yet."""
        self._resets = 0
        self._reset_epochs: set[int] = set()
        """The epochs that begin with a reset of the statistics."""
        self._traffic = [Traffic() for _ in engine.populations]
        self._measure_ns: int | None = None
        """When the measure phase began, in the coordinator's clock."""
        self._closed = False
        self._timed = False
        """Whether the run's time is known: until then nothing is counted by its seconds."""
        self._until_ns: int | None = None
        """The end of the newest epoch, in the run's time."""
        self.draining = False
        """Whether the coordinator has ended the run."""
        self._finished = False
        """Whether the accounts are sent: what comes later counts nowhere, not even in Locust's tables."""

    @property
    def finished(self) -> bool:
        """Whether nobody needs this process any more, because its accounts are sent."""
        return self._finished

    def start(self) -> None:
        """Begins to listen to the coordinator, registers with it and reports regularly."""
        self._bus.on_agent = self.told
        self.engine.run.epochs.on_end.append(self._epoch_ends)
        self._health.start()
        gevent.spawn(self._beats)
        self._send(Hello(host_identity()))

    def _send(self, message: ToCoordinator) -> None:
        self._bus.to_coordinator(self.engine.run.number, message)

    # -- users -----------------------------------------------------------------------------------------------

    def _admit(self, slot: Slot) -> VirtualUser:
        return self.engine.admit(slot.user_index, slot.incarnation, self._local(slot.due_ns))

    # -- messages of the coordinator --------------------------------------------------------------------------------

    def told(self, message: ToAgent) -> None:
        OBEYED[type(message)](self, message)

    def _granted(self, grant: Grant) -> None:
        self.players.granted(grant)

    def _move(self, move: Move) -> None:
        self.players.move(move)

    def _publish(self, window: Window) -> None:
        engine = self.engine
        self._health.settled()
        if window.ordinal is not None:
            engine.deal_senders(window.ordinal, window.agents)
        epoch = Epoch(window.epoch, self._local(window.start_ns), self._local(window.until_ns))
        self._until_ns = window.until_ns
        engine.announce(epoch)
        if epoch.number:
            self._measure_ns = window.start_ns
            engine.measure_presence(epoch.start_ns, epoch.until_ns)

    def _change_rate(self, rate: Rate) -> None:
        if self._timed:  # else it is repeated when the time is known
            self.engine.change_rate(self._local(rate.at_ns), Fraction(rate.per_second))

    def _attend(self, present: Present) -> None:
        if self._timed:  # else it is repeated when the time is known
            indices = {index for lo, hi in IntervalSet.from_list(present.indices) for index in range(lo, hi)}
            self.engine.attend(self._local(present.at_ns), indices)

    def _retry(self, _: Retry) -> None:
        self.engine.run.back_offs.end()

    def _start_over(self, reset: Reset) -> None:
        if reset.epoch is None:
            at_ns = self._local(reset.at_ns) if self._timed else now_ns()
            self.engine.run.scheduler.call_at(at_ns, self._reset, first=True)
        else:
            self._reset_epochs.add(reset.epoch)

    def _answer(self, ping: ClockRequest) -> None:
        self._send(ClockReply(ping.sent_ns, now_ns()))

    def _follow_clock(self, line: Clock) -> None:
        self.engine.run.clock.follow(list(line), first=not self._timed)
        self._timed = True
        if self._until_ns is not None:
            self.engine.move_end(self._local(self._until_ns))

    def _end(self, end: End) -> None:
        self.draining, self._until_ns = True, None
        self.players.end()
        self.engine.end_at(self._local(end.at_ns))
        gevent.spawn(self._end_publishing, self._local(end.at_ns))

    def _expect(self, expect: Expect) -> None:
        gevent.spawn(self._finish, expect)

    def _local(self, at_ns: int) -> int:
        return self.engine.run.clock.to_local(at_ns)

    def _end_publishing(self, end_ns: int) -> None:
        # the end is an instant of the run's time: without that time nothing was published that could be waited for
        gevent.sleep(max(0.0, (end_ns + END_GRACE_NS - now_ns()) / NS_PER_S) if self._timed else 0.0)
        self.engine.stop_publishing(end_ns)
        engine = self.engine
        hears = engine.run.ledger.audiences().to_list()
        self._send(Finals(Streams.of(engine.finals()), engine.run.clock.timescale.to_wire(), hears))

    def _finish(self, expect: Expect) -> None:
        """Waits for messages in flight and for connects that have just begun, then sends the accounts."""
        engine, drain_ns, end_ns = self.engine, expect.drain_ns, self._local(expect.end_ns)
        engine.settle(expect.streams.rows(), expect.clocks, drain_ns, IntervalSet.from_list(expect.known))
        deadline_ns = now_ns() + drain_ns
        while engine.awaits(end_ns) and now_ns() < deadline_ns:
            gevent.sleep(0.01)
        # nobody knows of duplicates in flight: those of the last messages come right behind them
        gevent.sleep(max(0.0, min(COPIES_NS, deadline_ns - now_ns()) / NS_PER_S))
        unfinished = engine.end_waiting(end_ns)
        self._tick(partial=True)
        self._bus.report_to_locust()
        populations = [engine.totals(each) for each in self._populations]
        pairs = engine.run.ledger.pairs() if populations else []
        self._send(Accounts(engine.totals(), unfinished, populations, pairs))
        self._finished = True

    def _reset(self, _: int) -> None:
        self._close_part()
        self._resets += 1

    def _epoch_ends(self, following: int) -> None:
        self._close_part()
        for counting in self._countings:
            counting.start_over()
        if following in self._reset_epochs:
            self._resets += 1

    # -- beats -----------------------------------------------------------------------------------------------

    def _beats(self) -> None:
        while not self._closed:
            gevent.sleep(BEAT_S)
            engine = self.engine
            engine.beat()
            status = Status(*engine.status)
            self._health.grown(status.open)
            if status != self._status:
                self._status = status
                self._send(status)
            if self._timed and engine.run.clock.now_ns() >= self._started_ns + (self._second + 1) * NS_PER_S:
                self._tick(partial=False)

    def _tick(self, *, partial: bool) -> None:
        """Reports what was measured since the last report as the figures of the second that has just ended.

        It works in steps, between which messages leave and arrive: each takes a millisecond or two with thousands of
        users.
        """
        engine = self.engine
        self._second = (engine.run.clock.now_ns() - self._started_ns) // NS_PER_S
        self._close_part()
        parts, self._parts = self._parts, []
        report = Report(
            second=self._second,
            partial=partial,
            open=engine.open,
            epoch=engine.run.epochs.number,
            deltas=self._whole.take(),
            totals=self._whole.totals,
            vitals=self._health.second(),
            presence=self._presence(),
            parts=parts,
            populations=[
                Sums(len(runner.connections.open_links), counting.take(), counting.totals, self._presence(number))
                for (number, counting), runner in zip(self._populations.items(), engine.populations, strict=False)
            ],
            fired=self._fires(),
        )
        self._showing += parts
        gevent.sleep(0)
        self._send(report)
        gevent.sleep(0)
        self._show()

    def _presence(self, population: int | None = None) -> Presence | None:
        """The presence of users; None before the measure phase is announced."""
        if self._measure_ns is None:
            return None
        return self.engine.presence(self._measure_ns, now_ns(), population)

    def _close_part(self) -> None:
        """Assigns what was measured until now to the present epoch. Also called in the hub, so it must not block."""
        self._count_traffic()
        self._parts.append(EpochReport.of(self._resets, self.engine.run.epochs.number, self.engine.take()))
        for counting in self._countings:
            counting.close()

    @property
    def _countings(self) -> list[Counting]:
        return [self._whole, *self._populations.values()]

    def _show(self) -> None:
        """Updates Locust's own tables with what counts of the present statistics."""
        parts, self._showing = self._showing, []
        for part in parts:
            if part.resets == self._resets:
                self._on_interval(part)

    def _counts(self, population: int | None = None) -> dict[str, int]:
        engine = self.engine
        held = engine.held_back() if population is None else engine.populations[population].plan.held_back()
        return counts_of(engine.run.ledger.running(population), held)

    def _count_traffic(self) -> None:
        for number, runner in enumerate(self.engine.populations):
            recorder, before = runner.context.recorder, self._traffic[number]
            self._traffic[number] = now = runner.connections.traffic()
            recorder.count("bytes_sent", now.bytes_sent - before.bytes_sent)
            recorder.count("bytes_received", now.bytes_received - before.bytes_received)
            recorder.count("send_stalls", now.stalls - before.stalls)
            recorder.count("send_stall_ns", now.stalled_ns - before.stalled_ns)

    def close(self) -> None:
        """Ends every connection by plan, because the run is over. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._health.stop()
        if not self._finished:
            self._close_part()
            self._showing += self._parts
            self._show()
        self.engine.close()
        self.players.close()


OBEYED: dict[type[Any], Callable[[Agent, Any], None]] = {
    Grant: Agent._granted,
    Move: Agent._move,
    Window: Agent._publish,
    Rate: Agent._change_rate,
    Present: Agent._attend,
    Retry: Agent._retry,
    Reset: Agent._start_over,
    ClockRequest: Agent._answer,
    Clock: Agent._follow_clock,
    End: Agent._end,
    Expect: Agent._expect,
}
"""The agent's handler of each kind of message from the coordinator."""
