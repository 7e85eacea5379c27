"""Who publishes in which epoch, at which rate: the schedules of one process's publishers.

An epoch is announced before it starts. At its instant the ledger forgets, every publisher gets a new `Stint` (sequence
numbers from 0 on a schedule of its own), and its first message is due a phase later, so that publishers do not start in
one tick. Instants are of our own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from wps_load.client.chaos import Cutter
from wps_load.client.publisher import Publisher, Stint
from wps_load.client.rest_publisher import RestPublisher, RestSenders
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.causes import Cause
from wps_load.settings.run_config import RunConfig
from wps_load.workload.pacer import Pacer, Schedule, make_pacer
from wps_load.workload.population import Role, phase, publisher_count
from wps_load.workload.seeding import derive

if TYPE_CHECKING:
    from wps_load.client.engine import Engine


def initial_total_rate(config: RunConfig) -> Fraction | None:
    """Where stages or a search of the total rate begin; None: the rate is `--wps-rate` or `--wps-total-rate`."""
    if config.capacity is not None and config.capacity.variable == "rate":
        return Fraction(config.capacity.low)
    if config.stages is not None and config.stages.variable == "rate":
        return Fraction(config.stages.steps[0].value)
    return None


@dataclass(frozen=True, slots=True)
class Epoch:
    """One stretch of publishing, in our clock: sequence numbers start from 0, the ledger counts it apart."""

    number: int
    start_ns: int
    until_ns: int


class Timetable:
    """`users`: how many connections the topology is laid out for."""

    def __init__(self, engine: Engine, config: RunConfig, users: int) -> None:
        self._engine = engine
        self._epochs: list[Epoch] = []
        self._publishers: dict[int, Publisher | RestPublisher] = {}
        self._senders: RestSenders | None = None
        self._cutter: Cutter | None = None
        self._retired: dict[int, Stint] = {}
        """Of publishers that have left in this epoch: what they sent stays expected."""
        self._publisher_count = publisher_count(config.population, users)
        self._total_rate = initial_total_rate(config)

    # -- publishers ------------------------------------------------------------------------------------------

    def publisher_of(self, part: Role, stream: int) -> Publisher | None:
        """The publisher that this role asks for, at work in the epochs to come.

        One that comes after publishing was announced begins when it is first usable: it can't have missed its part.
        """
        publication = part.publication
        if publication is None:
            return None
        publisher = Publisher(
            self._engine,
            stream=stream,
            audience=publication.audience,
            kind="event" if publication.kind == "raw" else publication.kind,
            name=publication.name,
            no_echo=publication.no_echo,
            owner=part.index,
            phase=phase(publication.ordinal),
            seed=derive(self._engine.config.seed, "arrivals", stream),
        )
        publisher.newcomer = bool(self._epochs)
        self._publishers[stream] = publisher
        return publisher

    def start_newcomer(self, publisher: Publisher) -> None:
        """A publisher that came after publishing had been announced is usable for the first time."""
        publisher.newcomer = False
        now = now_ns()
        for epoch in self._epochs:
            if epoch.until_ns > now:
                self._employ([publisher], epoch, max(epoch.start_ns, now))

    def deal_senders(self, ordinal: int, processes: int) -> None:
        """This process is number `ordinal` of `processes`: takes its part of the REST senders, if there are any."""
        if self._engine.config.population.scenario_row.needs_key and self._senders is None:
            self._senders = RestSenders(self._engine, self._publisher_count, ordinal, processes)
            self._publishers.update((each.stream, each) for each in self._senders.publishers)

    # -- epochs ----------------------------------------------------------------------------------------------

    def plan(self, epoch: Epoch) -> None:
        """Publishing in this epoch, from its start on; announced before its start, or as soon as we know of it."""
        earlier = [each for each in self._epochs if each.number < epoch.number]
        self._epochs = [Epoch(each.number, each.start_ns, min(each.until_ns, epoch.start_ns)) for each in earlier]
        self._epochs.append(epoch)
        self._engine.scheduler.call_at(epoch.start_ns, lambda _: self._enter(epoch.number), first=True)
        self._employ([each for each in self._publishers.values() if not each.newcomer], epoch, epoch.start_ns)
        if self._engine.config.population.cut is not None and self._cutter is None and epoch.number > 0:
            self._cutter = Cutter(self._engine, self._engine.config.population.cut, epoch.start_ns, epoch.until_ns)

    def _employ(self, publishers: Sequence[Publisher | RestPublisher], epoch: Epoch, start_ns: int) -> None:
        """They work in `epoch`, from `start_ns` on: the first message of each is due a phase after that."""
        work = [(publisher, *self._stint(publisher, epoch, start_ns)) for publisher in publishers]
        # all in one callback: the first messages are due in the same millisecond, and would wait for thousands
        self._engine.scheduler.call_at(start_ns, lambda _: self._begin(work, epoch), first=True)

    def _stint(self, publisher: Publisher | RestPublisher, epoch: Epoch, start_ns: int) -> tuple[Stint, int]:
        """And when its first message is due."""
        out = self._engine.ledger.open_stream(publisher.stream, publisher.audience, publisher.owner, publisher.no_echo)
        stint = Stint(publisher, Schedule(self._pacer(publisher, start_ns)), out, epoch.until_ns)
        closed_ns = start_ns + int(publisher.phase * 1_000_000)
        return stint, stint.schedule.next_due() if stint.closed is None else closed_ns

    def change_rate(self, at_ns: int, total_rate: Fraction) -> None:
        """From `at_ns` of our clock on, all publishers of the run together send `total_rate` messages a second."""
        self._engine.scheduler.call_at(at_ns, lambda due_ns: self._change_rate(due_ns, total_rate), first=True)

    def _change_rate(self, at_ns: int, total_rate: Fraction) -> None:
        self._total_rate = total_rate
        self._engine.scheduler.drop(lambda callback: isinstance(getattr(callback, "__self__", None), Stint))
        for publisher in self._publishers.values():
            stint = publisher.stint
            if stint is not None and stint.closed is None and at_ns < stint.until_ns:
                first_ns = stint.change(self._pacer(publisher, at_ns, stint.out.seq))
                if first_ns < stint.until_ns:
                    self._engine.scheduler.call_at(first_ns, stint.due)

    def _pacer(self, publisher: Publisher | RestPublisher, start_ns: int, first_seq: int = 0) -> Pacer:
        """The publisher's part of the present rate, from sequence number `first_seq` on."""
        rate = self._engine.config.population.publisher_rate(self._publisher_count)
        if self._total_rate is not None:
            rate = self._total_rate / max(1, self._publisher_count)
        if rate is not None:
            rate *= publisher.share
        seed = publisher.seed if not first_seq else derive(publisher.seed, first_seq)
        return make_pacer(self._engine.config.population.arrival, start_ns, rate, phase=publisher.phase, seed=seed)

    def _begin(self, work: Sequence[tuple[Publisher | RestPublisher, Stint, int]], epoch: Epoch) -> None:
        self._enter(epoch.number)
        if self._engine.epoch != epoch.number:
            return
        call_at = self._engine.scheduler.call_at
        for publisher, stint, first_ns in work:
            if self._publishers.get(publisher.stream) is not publisher:
                continue
            publisher.begin(stint)
            if stint.closed is not None:
                call_at(first_ns, stint.start_closed)
            elif first_ns < stint.until_ns:
                call_at(first_ns, stint.due)

    def _enter(self, number: int) -> None:
        if number > self._engine.epoch:
            self._engine.on_epoch_end(number)
            # a message of the old schedules that is late must not take a number of the new ones
            for publisher in self._publishers.values():
                publisher.halt()
            began = next((each.start_ns for each in self._epochs if each.number == number), 0)
            self._engine.enter(number)
            self._engine.ledger.new_epoch(number, began + self._engine.offset_ns)
            self._retired.clear()

    def follow_epoch(self, stamped: int) -> bool:
        """A message of another epoch has come: true if it is one that we should be in by now."""
        ahead = (stamped - self._engine.epoch) & 0xFF
        if not 0 < ahead < 128:
            return False
        self._enter(self._engine.epoch + ahead)
        return True

    def epoch_of(self, due_ns: int) -> int | None:
        """The measured epoch in which a message that is due at this instant counts; None: it counts in none."""
        return next(
            (each.number for each in self._epochs if each.number and each.start_ns <= due_ns < each.until_ns), None
        )

    def move_end(self, at_ns: int) -> None:
        """The newest epoch ends at `at_ns` of our clock: the run's time of its end is known better than before."""
        if not self._epochs:
            return
        newest = self._epochs[-1]
        self._epochs[-1] = Epoch(newest.number, newest.start_ns, at_ns)
        if self._engine.epoch == newest.number:
            for publisher in self._publishers.values():
                if publisher.stint is not None and publisher.stint.until_ns:
                    publisher.stint.until_ns = at_ns
        if self._cutter is not None:
            self._cutter.until_ns = at_ns

    def end_at(self, at_ns: int) -> None:
        """No message that is due at `at_ns` of our clock or later is published."""
        self._epochs = [Epoch(each.number, each.start_ns, min(each.until_ns, at_ns)) for each in self._epochs]
        for publisher in self._publishers.values():
            if publisher.stint is not None:
                publisher.stint.until_ns = min(publisher.stint.until_ns, at_ns)
        if self._cutter is not None:
            self._cutter.until_ns = min(self._cutter.until_ns, at_ns)

    def stop_publishing(self, end_ns: int) -> None:
        """Publishing is over: what was due before `end_ns` of our clock and has not left has failed."""
        self._engine.scheduler.drop(lambda callback: isinstance(getattr(callback, "__self__", None), Stint))
        for publisher in self._publishers.values():
            publisher.end(end_ns)
        if self._senders is not None:
            self._senders.finish()

    @property
    def awaits_responses(self) -> bool:
        """A REST request is still out."""
        return self._senders is not None and self._senders.awaited

    def end_waiting(self) -> None:
        """REST requests that have no response have failed."""
        if self._senders is not None:
            self._senders.end()

    def retire(self, publisher: Publisher) -> None:
        """A publisher leaves for good."""
        self._publishers.pop(publisher.stream, None)
        publisher.end(now_ns())
        if publisher.stint is not None:
            publisher.stint.until_ns = 0
            self._retired[publisher.stream] = publisher.stint

    def finals(self) -> list[Any]:
        """Each stream's final with its schedule, which is in our clock, as plain data: `[final, segments]`."""
        stints = {**self._retired, **{stream: publisher.stint for stream, publisher in self._publishers.items()}}
        found = []
        for final in self._engine.ledger.finals():
            stint = stints.get(final.stream)
            segments = [] if stint is None else stint.schedule.describe()
            found.append([list(final), segments])
        return found

    def held_back(self) -> dict[Cause, int]:
        """Messages that were due and wait, by who keeps them waiting: a peer that reads nothing, a recovery."""
        held: dict[Cause, int] = {}
        at_ns = now_ns()
        for publisher in self._publishers.values():
            if unsent := publisher.unsent():
                cause = publisher.waits_for(at_ns)
                held[cause] = held.get(cause, 0) + unsent
        return held

    def give_up_waiting(self, at_ns: int) -> None:
        """Closed loop: a lost message must not end its publisher's work. Call it a few times a second."""
        if self._engine.closed_loop:
            patience_ns = max(self._engine.config.drain_ns, NS_PER_S)  # as long as messages are waited for in the drain
            for publisher in self._publishers.values():
                if isinstance(publisher, Publisher):  # a REST call always ends
                    publisher.give_up_waiting(at_ns, patience_ns)

    def close(self) -> None:
        if self._senders is not None:
            self._senders.close()
