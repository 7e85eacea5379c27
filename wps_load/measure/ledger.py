"""The ledger counts delivered, lost, duplicated and reordered messages for each stream and receiver, exactly.

The theory is "Exact accounting" in docs/architecture.md. One process has one ledger, with its own streams and its own
receivers. In the drain each ledger settles the finals of *all* of them, and their totals add up to the run's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Final, NamedTuple

from wps_load.measure.causes import Cause
from wps_load.measure.intervals import IntervalSet
from wps_load.measure.outgoing import OutStream, StreamFinal
from wps_load.measure.receiver import (
    DUPLICATE,
    FRESH,
    MISDELIVERED,
    REORDERED,
    Receiver,
    Tally,
)
from wps_load.measure.settlement import evaluate, instants, settle_stream

__all__ = [
    "DUPLICATE",
    "FRESH",
    "GAPS_LIMIT",
    "MISDELIVERED",
    "REORDERED",
    "CountBefore",
    "Ledger",
    "LedgerTotals",
    "OutStream",
    "PairTotals",
    "Receiver",
    "Running",
    "StreamFinal",
]

GAPS_LIMIT: Final = 4_000_000
"""The most missing intervals of a ledger, all pairs together: 64 MB. See `LedgerTotals.unrecorded`."""


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The messages of an epoch. `expected` and `lost` are None before `settle`: unknown is not 0.

    expected = delivered + lost, always. `missed`: what members would have received while their connections were
    dropped; in none of the others. `send_failed_service`, `send_failed_plan`: the parts of `send_failed` that the
    generator did not cause. `unrecorded`: missing messages beyond GAPS_LIMIT gaps; they are in `lost`, and a late
    arrival of one is counted as a duplicate. If it is not 0, the numbers are bounds. `misdelivered`: deliveries to a
    receiver that does not belong to their audience, in none of the others. `corrupted`: arrivals whose stamp or content
    is not what was sent, so that they do not count as delivered.
    """

    published: int
    send_failed: int
    expected: int | None
    delivered: int
    lost: int | None
    duplicated: int
    reordered: int
    foreign: int = 0
    unrecorded: int = 0
    send_failed_service: int = 0
    send_failed_plan: int = 0
    missed: int | None = 0
    misdelivered: int = 0
    corrupted: int = 0

    @property
    def send_failed_by(self) -> dict[Cause, int]:
        """`send_failed` by cause. The generator caused what nothing else accounts for."""
        service, plan = self.send_failed_service, self.send_failed_plan
        return {Cause.SERVICE: service, Cause.PLAN: plan, Cause.GENERATOR: self.send_failed - service - plan}

    def plus(self, other: LedgerTotals) -> LedgerTotals:
        """The sums; an unknown value makes its sum unknown."""
        pairs = zip(self.to_wire(), other.to_wire(), strict=True)
        return self.from_wire([None if a is None or b is None else a + b for a, b in pairs])

    def to_wire(self) -> list[int | None]:
        return list(astuple(self))

    @classmethod
    def from_wire(cls, wire: Sequence[int | None]) -> LedgerTotals:
        return cls(*wire)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Running:
    """The counts before the drain.

    `missing`: skipped numbers that have not arrived; they may be on their way, or were due while a receiver's
    connection was dropped. Messages before the first arrival after a join do not count. `missing_opened`: how many were
    ever skipped. Of those skipped until some instant, at least `missing - (missing_opened - missing_opened then)` are
    still missing.
    """

    published: int
    send_failed: int
    delivered: int
    duplicated: int
    reordered: int
    missing: int
    missing_opened: int
    send_failed_service: int = 0
    send_failed_plan: int = 0
    misdelivered: int = 0
    corrupted: int = 0


NOWHERE: Final = IntervalSet()


class PairTotals(NamedTuple):
    """The messages from one population to another or to itself, with their numbers."""

    sender: int
    receiver: int
    delivered: int
    lost: int
    missed: int

    @property
    def expected(self) -> int:
        return self.delivered + self.lost


CountBefore = Callable[[StreamFinal, int], int]
"""(final, t) -> how many of the stream's numbers were due before t, by its schedule."""


class Ledger:
    """The accounting of one process.

    `run`: the id in our stamps; the caller reports messages of other runs (`stranger`) and damaged ones (`damaged`),
    and ignores messages whose epoch is not `epoch`.

    `entitled(index, stream)`: whether the receiver with that index belongs to the stream's audience. A delivery belongs
    to the receiver's population, a publication to the publisher's: `population_of(index)`, `sender_of(stream)` are
    their numbers, below `populations`.
    """

    def __init__(
        self,
        run: int,
        *,
        gaps_limit: int = GAPS_LIMIT,
        entitled: Callable[[int, int], bool] = lambda index, stream: True,
        populations: int = 1,
        population_of: Callable[[int], int] = lambda index: 0,
        sender_of: Callable[[int], int] = lambda stream: 0,
    ) -> None:
        self.run = run
        self.epoch = 0
        self._entitled = entitled
        self._population_of = population_of
        self._sender_of = sender_of
        self._tallies = [Tally(gaps_limit // populations) for _ in range(populations)]
        self._streams: dict[int, OutStream] = {}
        self._receivers: dict[int, Receiver] = {}
        self._members: dict[int, list[Receiver]] = {}
        self._settled = False

    def new_epoch(self, epoch: int, closed_before_ns: int = 0) -> None:
        """Discards the counts, and streams start at 0.

        Memberships remain, except windows that ended before `closed_before_ns`: pass the instant at which the epoch
        began.
        """
        self.epoch = epoch
        self._settled = False
        for tally in self._tallies:
            tally.reset()
        for stream in self._streams.values():
            stream.restart()
        for receiver in self._receivers.values():
            receiver.forget(closed_before_ns)

    # -- both sides ------------------------------------------------------------------------------------------

    def open_stream(self, stream: int, audience: int, owner: int | None, no_echo: bool) -> OutStream:
        """The publisher's side; opening the same stream again (a reconnect) continues its numbers.

        `owner`: the publisher's index, None for REST senders. Raises ValueError if the stream is open with another
        audience.
        """
        out = self._streams.get(stream)
        if out is None:
            out = self._streams[stream] = OutStream(stream, audience, owner, no_echo, self._sender_of(stream))
        elif (out.audience, out.owner, out.no_echo) != (audience, owner, no_echo):
            raise ValueError(f"stream {stream} is open with another audience or owner")
        return out

    def receiver(self, index: int) -> Receiver:
        """The receiver's side; the same index again (a reconnect) is the same receiver."""
        receiver = self._receivers.get(index)
        if receiver is None:
            tally = self._tallies[self._population_of(index)]
            receiver = self._receivers[index] = Receiver(index, tally, self._enrol, self._entitled)
        return receiver

    def _enrol(self, audience: int, receiver: Receiver) -> None:
        self._members.setdefault(audience, []).append(receiver)

    # -- numbers ---------------------------------------------------------------------------------------------

    def running(self, population: int | None = None) -> Running:
        """The live numbers; those of one population if one is given."""
        whole = self._summed(population)
        taken, failed, by_service, by_plan = self._sent(population)
        return Running(
            published=taken - failed,
            send_failed=failed,
            delivered=whole.fresh,
            duplicated=whole.duplicated,
            reordered=whole.reordered,
            missing=whole.missing,
            missing_opened=whole.missing_opened,
            send_failed_service=by_service,
            send_failed_plan=by_plan,
            misdelivered=whole.misdelivered,
            corrupted=whole.corrupted,
        )

    def outstanding(self) -> int:
        """After `settle`: expected messages that have not arrived. Costs nothing; the drain ends when it is 0."""
        return sum([tally.outstanding for tally in self._tallies])

    def totals(self, population: int | None = None) -> LedgerTotals:
        """The present totals, complete after `settle` and the drain; those of one population if one is given."""
        whole = self._summed(population)
        taken, failed, by_service, by_plan = self._sent(population)
        lost = whole.outstanding + whole.unrecorded if self._settled else None
        return LedgerTotals(
            published=taken - failed,
            send_failed=failed,
            expected=None if lost is None else whole.fresh + lost,
            delivered=whole.fresh,
            lost=lost,
            duplicated=whole.duplicated,
            reordered=whole.reordered,
            foreign=whole.foreign,
            unrecorded=whole.unrecorded,
            send_failed_service=by_service,
            send_failed_plan=by_plan,
            missed=whole.missed if self._settled else None,
            misdelivered=whole.misdelivered,
            corrupted=whole.corrupted,
        )

    def pairs(self) -> list[PairTotals]:
        """After `settle` and the drain: who has heard how much of whom, by the numbers of their populations.

        It takes one pass over all pairs of stream and receiver, as `settle` does.
        """
        found: dict[tuple[int, int], list[int]] = {}
        for index, receiver in self._receivers.items():
            to = self._population_of(index)
            for stream, *counts in receiver.accounts():
                sums = found.setdefault((self._sender_of(stream), to), [0, 0, 0])
                for at, count in enumerate(counts):
                    sums[at] += count
        return [PairTotals(*pair, *sums) for pair, sums in sorted(found.items())]

    def stranger(self, population: int = 0) -> None:
        """A member of this population received a message that is not from this run."""
        self._tallies[population].foreign += 1

    def damaged(self, population: int = 0) -> None:
        """A message arrived whose stamp or content is not what was sent."""
        self._tallies[population].corrupted += 1

    def misdelivered(self, population: int = 0) -> None:
        """A message arrived that belongs to a group of which its receiver is not a member, as its envelope says."""
        self._tallies[population].misdelivered += 1

    def _summed(self, population: int | None) -> Tally:
        if population is not None:
            return self._tallies[population]
        return self._tallies[0] if len(self._tallies) == 1 else Tally.sum(self._tallies)

    def _sent(self, population: int | None) -> tuple[int, int, int, int]:
        """Sequence numbers taken; of these, all failed ones, those that the service caused, and those by our plan."""
        streams = [out for out in self._streams.values() if population in (None, out.population)]
        failed = [out.failed_by for out in streams if out.failed_by]
        service, plan = (sum([by.get(cause, 0) for by in failed]) for cause in (Cause.SERVICE, Cause.PLAN))
        return sum([out.seq for out in streams]), sum([sum(by.values()) for by in failed]), service, plan

    # -- the end ---------------------------------------------------------------------------------------------

    def finals(self) -> list[StreamFinal]:
        """This process's streams, once publishing has stopped."""
        return [out.final() for out in self._streams.values()]

    def audiences(self) -> IntervalSet:
        """The audiences that receivers of this process belong or belonged to: it needs no other streams' finals."""
        return IntervalSet((audience, audience + 1) for audience in sorted(self._members))

    def settle(
        self,
        finals: Iterable[StreamFinal],
        count_before: CountBefore,
        drain_ns: int,
        elsewhere: IntervalSet = NOWHERE,
    ) -> None:
        """Decides what each receiver must have received, from the finals of all processes. A second call starts over.

        `drain_ns`: how long before a planned end a message may have been due without being expected. `elsewhere`:
        streams whose finals only other processes have, because nobody here belongs to their audiences.
        """
        for receiver in self._receivers.values():
            receiver.unwatch()
        for tally in self._tallies:
            tally.outstanding = tally.missed = 0
        self._settled = True
        known = set()
        times: dict[int, list[int]] = {}
        for final in finals:
            known.add(final.stream)
            members = self._members.get(final.audience)
            if members is None or final.count == 0:
                continue
            if final.audience not in times:
                times[final.audience] = instants(members, final.audience, drain_ns)
            before = evaluate(lambda t, final=final: count_before(final, t), times[final.audience])  # type: ignore[misc]
            settle_stream(final, members, before, drain_ns)
        for receiver in self._receivers.values():
            for stream in receiver.gapped():
                # else its publisher's process died: only what arrived is known
                if stream not in known and stream not in elsewhere:
                    receiver.watch(stream, IntervalSet([(0, receiver.seen(stream))]), ())
