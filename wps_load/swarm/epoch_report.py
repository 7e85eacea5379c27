"""What an agent measured in one epoch, between two resets of the statistics: reports consist of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wps_load.measure.catalog import OF_MESSAGES
from wps_load.measure.snapshot import Snapshot

Pair = tuple[int, int]
"""The number of a sender's population, and that of a receiver's."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """`resets`: the number of resets of the statistics before it. `epoch`: 0 until the measure phase begins.

    `snapshot`: everything that was measured. `pairs`, in a run of several populations: what a receiver's population
    measured about a sender's; what no sender's population caused is in the pair of a population with itself.
    """

    resets: int
    epoch: int
    snapshot: Snapshot
    pairs: Mapping[Pair, Snapshot] = field(default_factory=dict)

    @classmethod
    def of(cls, resets: int, epoch: int, taken: Mapping[Pair | None, Snapshot]) -> EpochReport:
        """`taken`: snapshots by pair; None: what belongs to no population."""
        pairs = {pair: snapshot for pair, snapshot in taken.items() if pair is not None}
        rest = taken.get(None) or Snapshot()
        if not pairs:
            return cls(resets, epoch, rest)
        whole = Snapshot()
        for snapshot in (rest, *pairs.values()):
            whole.merge(snapshot)
        return cls(resets, epoch, whole, pairs)

    def counted(self) -> Snapshot:
        """The part that the statistics take: no messages that were due before the measure phase."""
        return self._measured(self.snapshot)

    def counted_pairs(self) -> dict[Pair, Snapshot]:
        """The same as `counted`, by populations."""
        return {pair: self._measured(snapshot) for pair, snapshot in self.pairs.items()}

    def _measured(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self.epoch else snapshot.without(OF_MESSAGES)

    def to_wire(self) -> list[Any]:
        return [
            self.resets,
            self.epoch,
            self.snapshot.to_wire(),
            [[*pair, snapshot.to_wire()] for pair, snapshot in self.pairs.items()],
        ]

    @classmethod
    def from_wire(cls, wire: list[Any]) -> EpochReport:
        resets, epoch, snapshot, pairs = wire
        by_pair = {(sender, receiver): Snapshot.from_wire(part) for sender, receiver, part in pairs}
        return cls(resets, epoch, Snapshot.from_wire(snapshot), by_pair)
