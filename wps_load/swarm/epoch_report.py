"""What an agent measured in one epoch, between two resets of the statistics: the pieces that its reports consist of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wps_load.measure.catalog import OF_MESSAGES
from wps_load.measure.snapshot import Snapshot

Pair = tuple[int, int]
"""The numbers of a sender's population and of a receiver's."""


@dataclass(frozen=True, slots=True)
class EpochReport:
    """`resets`: how many resets of the statistics came before. `epoch`: 0 until the measure phase begins.

    `snapshot`: all of it. `pairs`: in a run of several populations, what belongs to a receiver's population and comes
    from a sender's; what belongs to a population and comes from none is that of the pair with itself.
    """

    resets: int
    epoch: int
    snapshot: Snapshot
    pairs: Mapping[Pair, Snapshot] = field(default_factory=dict)

    @classmethod
    def of(cls, resets: int, epoch: int, taken: Mapping[Pair | None, Snapshot]) -> EpochReport:
        """`taken`: by pairs; None: what belongs to no population."""
        pairs = {pair: snapshot for pair, snapshot in taken.items() if pair is not None}
        rest = taken.get(None) or Snapshot()
        if not pairs:
            return cls(resets, epoch, rest)
        whole = Snapshot()
        for snapshot in (rest, *pairs.values()):
            whole.merge(snapshot)
        return cls(resets, epoch, whole, pairs)

    def counted(self) -> Snapshot:
        """What the statistics take of it: of messages, none that was due before the measure phase."""
        return self._measured(self.snapshot)

    def counted_pairs(self) -> dict[Pair, Snapshot]:
        """As `counted`, by populations."""
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
