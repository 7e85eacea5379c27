"""Who publishes in which epoch, at which rate: the schedules of a population's publishers in this process.

At an epoch's instant every publisher gets a new publishing window (sequence numbers from 0 on a schedule of its own),
and its first message is due a phase later, so that publishers do not start in one tick. Instants are of our own clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import gevent

from wps_load.client.context import PopulationContext
from wps_load.client.epochs import Epoch
from wps_load.client.fragments import StreamPublisher
from wps_load.client.publisher import Publisher
from wps_load.client.publishing_window import PublishingWindow
from wps_load.client.rest_publisher import RestPublisher, RestSenders
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.causes import Cause
from wps_load.settings.run_config import RunConfig
from wps_load.workload.pacer import Pacer, Schedule, make_pacer
from wps_load.workload.population import Role, phase
from wps_load.workload.seeding import derive
from wps_load.workload.standing import publishers_of

AnyPublisher = Publisher | RestPublisher
_ACCEPTANCE_NS = NS_PER_S
"""The longest wait, when publishing ends, for a stream to be accepted."""


def initial_total_rate(config: RunConfig) -> Fraction | None:
    """The first total rate of stages or a search; None: the rate is `--wps-rate` or `--wps-total-rate`."""
    if config.capacity is not None and config.capacity.variable == "rate":
        return Fraction(config.capacity.low)
    if config.stages is not None and config.stages.variable == "rate":
        return Fraction(config.stages.steps[0].value)
    return None


class PublishPlan:
    """The publishers of one population in one process."""

    def __init__(self, context: PopulationContext) -> None:
        self._context = context
        self._scheduler = context.run.scheduler
        self._publishers: dict[int, AnyPublisher] = {}
        self._senders: RestSenders | None = None
        self._retired: dict[int, PublishingWindow] = {}
        """Publishers that have left in this epoch: what they sent remains expected."""
        run = context.run
        self._publisher_count = publishers_of(run.config.populations, run.mixture.counts, context.number)
        self._came: set[int] = set()
        self._left: set[int] = set()
        """Users that came after the first ones, and first users that have left, as announced."""
        self._uncounted: list[Publisher] = []
        """Publishers that are usable and begin when the rate is divided anew."""
        self._total_rate: Fraction | None = None
        if (total := initial_total_rate(run.config)) is not None:
            self._total_rate = total * self._share
        context.epochs.on_begin.append(self._epoch_begins)

    @property
    def _share(self) -> Fraction:
        """The share of a rate for all publishers of the run."""
        return self._context.run.config.rate_shares(self._context.run.users)[self._context.number]

    # -- publishers ------------------------------------------------------------------------------------------

    def publisher_of(self, part: Role, stream: int) -> Publisher | None:
        """The publisher of this role, at work in the epochs to come.

        One that comes after publishing was announced begins when it is first usable, so it has missed nothing.
        """
        publication = part.publication
        if publication is None:
            return None
        make = StreamPublisher if publication.kind == "stream" else Publisher
        publisher = make(
            self._context,
            stream=stream,
            audience=publication.audience,
            kind="event" if publication.kind == "raw" else publication.kind,
            name=publication.name,
            no_echo=publication.no_echo,
            owner=part.index,
            phase=phase(publication.ordinal),
            seed=derive(self._context.settings.seed, "arrivals", stream),
            newcomer_to=self if self._context.epochs.announced or self._context.settings.start_ns else None,
        )
        self._publishers[stream] = publisher
        return publisher

    def start_newcomer(self, publisher: Publisher) -> None:
        """A publisher that came after publishing had been announced is usable for the first time."""
        if self._divides and not self._is_counted(publisher.owner):
            self._uncounted.append(publisher)  # until then the others have the whole rate
        else:
            self._start([publisher], now_ns())

    def _start(self, publishers: Sequence[AnyPublisher], at_ns: int) -> None:
        for epoch in self._context.epochs.ending_after(at_ns):
            self._employ(publishers, epoch, max(epoch.start_ns, at_ns))

    @property
    def _divides(self) -> bool:
        """Whether a rate is divided among all publishers."""
        return self._total_rate is not None or self._context.settings.total_rate is not None

    def _is_counted(self, index: int) -> bool:
        """Whether this user is one of those among whom a rate is divided."""
        return index not in self._left if index < self._context.run.users else index in self._came

    def deal_senders(self, ordinal: int, processes: int) -> None:
        """This process is number `ordinal` of `processes`: it takes its part of the REST senders, if there are any."""
        if self._context.settings.scenario_row.needs_key and self._senders is None:
            self._senders = RestSenders(self._context, self._publisher_count, ordinal, processes)
            self._publishers.update((each.stream, each) for each in self._senders.publishers)

    # -- epochs ----------------------------------------------------------------------------------------------

    def announce(self, epoch: Epoch) -> None:
        """Begins publishing in this epoch: at its start, or at once if that has passed.

        Publishers of a population that starts later begin then.
        """
        start_ns = self._context.start_ns
        if start_ns <= epoch.start_ns:
            self._employ_all(epoch, epoch.start_ns)
        elif start_ns < epoch.until_ns:
            self._scheduler.call_at(start_ns, lambda due_ns: self._employ_all(epoch, due_ns), first=True)

    def _employ_all(self, epoch: Epoch, start_ns: int) -> None:
        waiting = set(self._uncounted)
        self._employ(
            [each for each in self._publishers.values() if not each.newcomer and each not in waiting], epoch, start_ns
        )

    def _employ(self, publishers: Sequence[AnyPublisher], epoch: Epoch, start_ns: int) -> None:
        """The publishers work in `epoch` from `start_ns` on: the first message of each is due a phase after that."""
        work = [(publisher, *self._window(publisher, epoch, start_ns)) for publisher in publishers]
        # all in one callback: first messages are due within a millisecond, and would wait for thousands of others
        self._scheduler.call_at(start_ns, lambda _: self._begin(work, epoch), first=True)

    def _window(self, publisher: AnyPublisher, epoch: Epoch, start_ns: int) -> tuple[PublishingWindow, int]:
        """A publisher's window, and the due time of its first message."""
        out = self._context.run.ledger.open_stream(
            publisher.stream, publisher.audience, publisher.owner, publisher.no_echo
        )
        until_ns = self._until(epoch.until_ns)
        window = PublishingWindow(publisher, Schedule(self._pacer(publisher, start_ns)), out, until_ns)
        closed_ns = start_ns + int(publisher.phase * 1_000_000)
        return window, window.schedule.next_due() if window.closed is None else closed_ns

    def _until(self, until_ns: int) -> int:
        """The end of a window whose epoch ends there: earlier if the population ends earlier."""
        stop_ns = self._context.stop_ns
        return until_ns if stop_ns is None else min(until_ns, stop_ns)

    def change_rate(self, at_ns: int, total_rate: Fraction) -> None:
        """From `at_ns` of our clock on, all publishers of the run together send `total_rate` messages a second."""
        own = total_rate * self._share
        self._scheduler.call_at(at_ns, lambda due_ns: self._change_rate(due_ns, own), first=True)

    def _change_rate(self, at_ns: int, total_rate: Fraction) -> None:
        self._total_rate = total_rate
        self._pace_anew(at_ns)

    def _pace_anew(self, at_ns: int) -> None:
        """From `at_ns` on each publisher has its part of the present rate.

        The order of the publishers' turns remains.
        """
        self._unschedule()
        for publisher in self._publishers.values():
            window = publisher.window
            if window is not None and window.closed is None and at_ns < window.until_ns:
                begin = publisher.new_turn()
                pacer = self._pacer(
                    publisher, at_ns, window.out.seq, window.left_of_period(at_ns) if begin is None else begin
                )
                first_ns = window.change(pacer)
                if first_ns < window.until_ns:
                    self._scheduler.call_at(first_ns, window.due)

    def attend(self, at_ns: int, came: Sequence[int], gone: Sequence[int]) -> None:
        """Divides the total rate anew after users have come or gone, here or in other processes.

        REST senders send to the present users.
        """
        if self._context.settings.scenario_row.needs_key:
            self._follow_targets(at_ns, came, gone)
            return
        change = self._publishing(came) - self._publishing(gone)
        self._publisher_count += change
        self._came = self._came.union(came).difference(gone)
        self._left = self._left.union(gone).difference(came)
        if change and self._divides:
            self._pace_anew(at_ns)
        counted = [each for each in self._uncounted if self._is_counted(each.owner)]
        self._uncounted = [each for each in self._uncounted if not self._is_counted(each.owner)]
        self._start([each for each in counted if self._publishers.get(each.stream) is each], at_ns)

    def _publishing(self, indices: Sequence[int]) -> int:
        """How many of these users are publishers of this population."""
        audiences, number = self._context.run.audiences, self._context.number
        found = (audiences.role_of(index) for index in indices if audiences.population_of(index) == number)
        return sum(part is not None and part.publication is not None for part in found)

    def _follow_targets(self, at_ns: int, came: Sequence[int], gone: Sequence[int]) -> None:
        if self._senders is None:
            return
        new = self._senders.follow(at_ns, came, gone)
        if new is None:
            return
        self._publishers.update((each.stream, each) for each in new)
        epochs = self._context.epochs.ending_after(at_ns)
        for each in new:
            if each.window is not None and epochs:
                each.window.reopen(self._until(epochs[0].until_ns))
        self._pace_anew(at_ns)
        self._start([each for each in new if each.window is None], at_ns)

    def _pacer(self, publisher: AnyPublisher, start_ns: int, first_seq: int = 0, phase: float | None = None) -> Pacer:
        """The publisher's part of the present rate, from sequence number `first_seq` on."""
        rate = self._context.settings.publisher_rate(self._publisher_count)
        if self._total_rate is not None:
            rate = self._total_rate / max(1, self._publisher_count)
        if rate is not None:
            rate *= publisher.share
        seed = publisher.seed if not first_seq else derive(publisher.seed, first_seq)
        begin = publisher.phase if phase is None else phase
        return make_pacer(self._context.settings.arrival, start_ns, rate, phase=begin, seed=seed)

    def _begin(self, work: Sequence[tuple[AnyPublisher, PublishingWindow, int]], epoch: Epoch) -> None:
        self._context.epochs.enter(epoch.number)
        if self._context.epochs.number != epoch.number:
            return
        call_at = self._scheduler.call_at
        for publisher, window, first_ns in work:
            if self._publishers.get(publisher.stream) is not publisher:
                continue
            publisher.begin(window)
            if window.closed is not None:
                call_at(first_ns, window.start_closed)
            elif first_ns < window.until_ns:
                call_at(first_ns, window.due)

    def _epoch_begins(self, _number: int, _start_ns: int) -> None:
        # a late message of the old schedules must not take a number of the new ones
        for publisher in self._publishers.values():
            publisher.halt()
        self._retired.clear()

    def _present(self) -> Iterator[PublishingWindow]:
        for publisher in self._publishers.values():
            if publisher.window is not None:
                yield publisher.window

    def move_end(self, at_ns: int) -> None:
        """The present epoch ends at `at_ns` of our clock, as the run's time is known more exactly now."""
        for window in self._present():
            window.move_end(self._until(at_ns))

    def end_at(self, at_ns: int) -> None:
        """No message that is due at `at_ns` of our clock or later is published."""
        for window in self._present():
            window.end_at(at_ns)

    def _unschedule(self) -> None:
        windows = set(self._present())
        self._scheduler.drop(lambda callback: getattr(callback, "__self__", None) in windows)

    def stop_publishing(self, end_ns: int) -> None:
        """Publishing is over: messages that were due before `end_ns` of our clock and have not left have failed."""
        self._unschedule()
        for publisher in self._publishers.values():
            publisher.end(end_ns)
        self._await_streams()
        if self._senders is not None:
            self._senders.finish()

    @property
    def _streaming(self) -> list[StreamPublisher]:
        """The publishers whose messages are the fragments of streams."""
        if not self._context.settings.scenario_row.streams:
            return []
        return [each for each in self._publishers.values() if isinstance(each, StreamPublisher)]

    def _await_streams(self) -> None:
        """A stream that has just begun is accepted in a moment, and then its fragments leave. May block."""
        deadline_ns = now_ns() + _ACCEPTANCE_NS
        while any(each.starting for each in self._streaming) and now_ns() < deadline_ns:
            gevent.sleep(0.005)
        for each in self._streaming:
            each.give_up_fragments()

    def beat(self, at_ns: int) -> None:
        """Does what is due by time in streams. Call it a few times a second."""
        for each in self._streaming:
            each.beat(at_ns)

    @property
    def awaits_responses(self) -> bool:
        """Whether a REST request is still unanswered."""
        return self._senders is not None and self._senders.awaited

    def end_waiting(self) -> None:
        """REST requests that have no response have failed."""
        if self._senders is not None:
            self._senders.end()

    def retire(self, publisher: Publisher) -> None:
        """A publisher leaves for good."""
        self._publishers.pop(publisher.stream, None)
        publisher.end(now_ns())
        if publisher.window is not None:
            publisher.window.close()
            self._retired[publisher.stream] = publisher.window

    def schedules(self) -> dict[int, Any]:
        """Of each stream that has published in this epoch, the schedule as plain data: segments in our clock."""
        windows = {**self._retired, **{stream: publisher.window for stream, publisher in self._publishers.items()}}
        return {stream: window.schedule.describe() for stream, window in windows.items() if window is not None}

    def held_back(self) -> dict[Cause, int]:
        """Messages that were due and wait, by what delays them: a peer that does not read, or a recovery."""
        held: dict[Cause, int] = {}
        at_ns = now_ns()
        for publisher in self._publishers.values():
            if unsent := publisher.unsent():
                cause = publisher.waits_for(at_ns)
                held[cause] = held.get(cause, 0) + unsent
        return held

    def give_up_waiting(self, at_ns: int) -> None:
        """Closed loop: a lost message must not stop its publisher. Call it a few times a second."""
        if self._context.settings.closed_loop:
            patience_ns = max(self._context.run.config.drain_ns, NS_PER_S)  # as long as the drain waits for messages
            for publisher in self._publishers.values():
                if isinstance(publisher, Publisher):  # a REST call always ends
                    publisher.give_up_waiting(at_ns, patience_ns)

    def close(self) -> None:
        if self._senders is not None:
            self._senders.close()
