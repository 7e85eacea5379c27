"""All of one process's clients: composes what they share, admits and dismisses them, settles their accounts.

Knows no Locust and no other process. Instants from the coordinator are in its clock, the run's time; `run.clock`
converts them to ours (the same on one host). Stamps, memberships and the ledger use the run's time, schedules ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from wps_load.client.access import Access
from wps_load.client.context import PopulationContext, RunContext
from wps_load.client.epochs import Epoch
from wps_load.client.population_users import PopulationRunner
from wps_load.client.stream import Network
from wps_load.client.timescale import Timescale
from wps_load.client.virtual_user import VirtualUser
from wps_load.clock import NS_PER_S, now_ns
from wps_load.errors import ConnectFailure
from wps_load.measure.causes import Cause
from wps_load.measure.intervals import IntervalSet
from wps_load.measure.ledger import NOWHERE, LedgerTotals, StreamFinal
from wps_load.measure.presence import Presence
from wps_load.measure.recorder import Recorder
from wps_load.measure.snapshot import Snapshot
from wps_load.settings.run_config import Population, RunConfig
from wps_load.workload.pacer import ScheduleCounter

Pair = tuple[int, int]
"""The number of a sender's population and that of a receiver's."""


class EngineStatus(NamedTuple):
    """The progress of the clients.

    `settled`: users that have connected once, or failed to; `open`: connections; `joiners`: users that are to join
    groups; `joined`: those that are in all of theirs.
    """

    settled: int
    open: int
    joiners: int
    joined: int


class Engine:
    """`users`: the number of connections for which the topology is laid out. `number`: the run's 32 bits in each stamp.

    `access_of`: the source of a population's Client URLs. `started_ns`: the run's start in its time. `on_warning(kind,
    sentence)`: prints once of its kind. `run`: what all clients share; `populations`: one each.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        run_id: str,
        number: int,
        users: int,
        access_of: Callable[[Population], Access],
        network: Network,
        on_warning: Callable[[str, str], None],
        started_ns: int = 0,
    ) -> None:
        self.run = run = RunContext.create(
            config,
            run_id=run_id,
            number=number,
            users=users,
            network=network,
            warn=on_warning,
            started_ns=started_ns,
        )
        self.populations = [
            PopulationRunner(PopulationContext.create(run, settings, access_of(settings), at))
            for at, settings in enumerate(config.populations)
        ]
        self._present = set(range(users))
        """The indices of all present users, in all processes."""
        network.resolver.tell_unanswered(self._unanswered)

    def _unanswered(self, address: str, sentence: str) -> None:
        self.run.recorder.note("address", address, sentence)
        self.run.warn(f"address/{address}", f"{sentence}; it is tried last from now on, and again once a minute")

    def count_token_call(self, result: int | ConnectFailure) -> None:
        """A call for a client token took this many ns, or failed."""
        context = self.populations[0].context
        if isinstance(result, ConnectFailure):
            context.failed("token_request", result.label, result.message, result.advice)
        else:
            context.recorder.buffer("token_request").append(result)

    # -- users -----------------------------------------------------------------------------------------------

    def admit(self, index: int, incarnation: int, slot_ns: int) -> VirtualUser:
        """Admits a virtual user for `index`, due to connect at `slot_ns` of our clock."""
        found = self.run.mixture.of(index)
        if found is None:
            return self.populations[0].admit_bystander(index, slot_ns)
        return self.populations[found[0]].admit(index, incarnation, slot_ns)

    def dismiss(self, user: VirtualUser) -> None:
        """A virtual user ends by plan."""
        self.populations[self.run.audiences.population_of(user.role.index)].dismiss(user)

    def of_class(self, user_class: str) -> PopulationRunner:
        """The population of a locustfile's User class with tasks of its own."""
        return next(each for each in self.populations if each.context.settings.user_class == user_class)

    @property
    def open(self) -> int:
        """Connections that are open."""
        return sum(len(each.connections.open_links) for each in self.populations)

    @property
    def status(self) -> EngineStatus:
        found = [each.readiness for each in self.populations]
        return EngineStatus(
            sum(each.settled for each in found),
            self.open,
            sum(each.joiners for each in found),
            sum(each.joined for each in found),
        )

    # -- publishing ------------------------------------------------------------------------------------------

    def deal_senders(self, ordinal: int, processes: int) -> None:
        """This process is number `ordinal` of `processes`: it takes its part of the REST senders, if there are any."""
        for each in self.populations:
            each.plan.deal_senders(ordinal, processes)

    def announce(self, epoch: Epoch) -> None:
        """Begins publishing in this epoch: at its start, or at once if that has passed."""
        epochs = self.run.epochs
        epochs.announce(epoch)
        self.run.scheduler.call_at(epoch.start_ns, lambda _: epochs.enter(epoch.number), first=True)
        for each in self.populations:
            each.announce(epoch, self._present)

    def change_rate(self, at_ns: int, total_rate: Fraction) -> None:
        """From `at_ns` of our clock on, all publishers of the run together send `total_rate` messages a second."""
        for each in self.populations:
            each.plan.change_rate(at_ns, total_rate)

    def attend(self, at_ns: int, indices: set[int]) -> None:
        """From `at_ns` of our clock on, the users with these indices are present, in all processes."""
        self.run.scheduler.call_at(at_ns, lambda due_ns: self._attend(due_ns, indices), first=True)

    def _attend(self, at_ns: int, indices: set[int]) -> None:
        came, gone = sorted(indices - self._present), sorted(self._present - indices)
        self._present = indices
        listening = self.run.audiences.came(came)
        for number, each in enumerate(self.populations):
            each.attend(at_ns, came, gone, indices)
            if number in listening:
                each.widen()

    def move_end(self, at_ns: int) -> None:
        """The newest epoch ends at `at_ns` of our clock, as the run's time is known more exactly now."""
        present = self.run.epochs.move_end(at_ns)
        for each in self.populations:
            each.move_end(at_ns, present=present)

    def end_at(self, at_ns: int) -> None:
        """Nothing that is due at `at_ns` of our clock or later is published or counted."""
        self.run.epochs.end_at(at_ns)
        for each in self.populations:
            each.end_at(at_ns)

    def stop_publishing(self, end_ns: int) -> None:
        """Publishing is over: messages that were due before `end_ns` of our clock and have not left have failed.

        May block.
        """
        for each in self.populations:
            each.plan.stop_publishing(end_ns)

    def held_back(self) -> dict[Cause, int]:
        """Messages that were due and wait, by what delays them: a peer that does not read, or a recovery."""
        held: dict[Cause, int] = {}
        for each in self.populations:
            for cause, count in each.plan.held_back().items():
                held[cause] = held.get(cause, 0) + count
        return held

    # -- a few times a second ---------------------------------------------------------------------------------

    def beat(self) -> None:
        """Does what is due by time. A few times a second, always from the same greenlet."""
        run = self.run
        run.clock.refresh()
        for each in self.populations:
            each.acknowledge(now_ns())
        for each in self.populations:
            each.keep_alive()
        run.answers.beat(now_ns())
        for recorder in self.recorders.values():
            recorder.flush()  # a second's worth at once would hold up the messages for milliseconds
        for each in self.populations:
            each.plan.give_up_waiting(now_ns())
            each.plan.beat(now_ns())

    # -- accounts --------------------------------------------------------------------------------------------

    @property
    def recorders(self) -> dict[Pair | None, Recorder]:
        """Recorders by the numbers of the sender's and the receiver's population; None: what belongs to no population.

        In a run with one population there is only that.
        """
        found: dict[Pair | None, Recorder] = {None: self.run.recorder}
        if len(self.populations) > 1:
            for each in self.populations:
                for sender, recorder in each.context.recorders.items():
                    found[sender, each.context.number] = recorder
        return found

    def take(self) -> dict[Pair | None, Snapshot]:
        """What was recorded since the last call, as in `recorders`, without empty ones."""
        taken = {pair: recorder.take() for pair, recorder in self.recorders.items()}
        return {pair: snapshot for pair, snapshot in taken.items() if pair is None or not snapshot.empty}

    def measure_presence(self, start_ns: int, end_ns: int) -> None:
        """The measure phase, in our clock: open and wanted connections are integrated from its start."""
        for each in self.populations:
            each.connections.measure(start_ns, end_ns)

    def presence(self, start_ns: int, at_ns: int, population: int | None = None) -> Presence:
        """The presence as of `at_ns` of our clock; of one population if one is given.

        `start_ns`: the start of the measure phase, in the coordinator's clock.
        """
        found = self.populations if population is None else [self.populations[population]]
        opened = [each.connections.open_time for each in found]
        wanted = [each.connections.wanted_time for each in found]
        return Presence(
            start_ns,
            at_ns + self.run.clock.offset_ns,
            sum(each.total_ns(at_ns) for each in opened) / NS_PER_S,
            _sum(each.at_end(at_ns) for each in opened),
            sum(each.total_ns(at_ns) for each in wanted) / NS_PER_S,
            _sum(each.at_end(at_ns) for each in wanted),
        )

    def finals(self) -> list[Any]:
        """Each stream's final with its schedule, which is in our clock, as plain data: `[final, segments]`."""
        schedules: dict[int, Any] = self.run.task_streams.schedules()
        for each in self.populations:
            schedules.update(each.plan.schedules())
        return [[list(final), schedules.get(final.stream, [])] for final in self.run.ledger.finals()]

    def settle(
        self, streams: Sequence[Any], clocks: Sequence[Any], drain_ns: int, elsewhere: IntervalSet = NOWHERE
    ) -> None:
        """Settles the finals of the streams that can be heard here: then `ledger.outstanding` counts what is to come.

        `clocks`: the agents' timescales; each stream names the one that its schedule is in. `elsewhere`: the numbers of
        other streams that have finals.
        """
        scales = [Timescale(lines) for lines in clocks]
        counters: dict[int, tuple[ScheduleCounter, Timescale]] = {}
        finals = []
        for wire, segments, clock in streams:
            final = StreamFinal.from_wire(wire)
            finals.append(final)
            counters[final.stream] = ScheduleCounter(segments), scales[clock]

        def count_before(final: StreamFinal, t_ns: int) -> int:
            counter, scale = counters[final.stream]
            return counter.before(scale.to_local(t_ns))

        self.run.ledger.settle(finals, count_before, drain_ns, elsewhere)

    def awaits(self, end_ns: int) -> bool:
        """Whether an expected message, an answer, or an attempt to connect due before `end_ns` may still come."""
        return (
            bool(self.run.ledger.outstanding())
            or self.run.answers.awaited
            or any(each.plan.awaits_responses or each.hears_on for each in self.populations)
            or any(each.connections.attempts.hopeful(end_ns) for each in self.populations)
        )

    def end_waiting(self, end_ns: int) -> int:
        """The drain is over: unanswered requests have failed.

        Returns how many attempts to connect that were due before `end_ns` were given up.
        """
        self.run.answers.end()
        for each in self.populations:
            each.plan.end_waiting()
            each.end_hearing()
        return sum(each.connections.attempts.abandon(end_ns) for each in self.populations)

    def totals(self, population: int | None = None) -> LedgerTotals:
        """The messages of the run, or of one population."""
        return self.run.ledger.totals(population)

    def close(self) -> None:
        """Ends every connection as planned, and the scheduler."""
        for each in self.populations:
            each.close()
        self.run.scheduler.close()


def _sum(found: Iterable[int | None]) -> int | None:
    """The sum; None if one of them is unknown."""
    known = list(found)
    return None if None in known else sum(each for each in known if each is not None)
