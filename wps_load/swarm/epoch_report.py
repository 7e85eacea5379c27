"""What an agent measured in one epoch, between two resets of the statistics: the pieces that its reports consist of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wps_load.measure.catalog import OF_MESSAGES
from wps_load.measure.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class EpochReport:
    """`resets`: how many resets of the statistics came before. `epoch`: 0 until the measure phase begins."""

    resets: int
    epoch: int
    snapshot: Snapshot

    def counted(self) -> Snapshot:
        """What the statistics take of it: of messages, none that was due before the measure phase."""
        return self.snapshot if self.epoch else self.snapshot.without(OF_MESSAGES)

    def to_wire(self) -> list[Any]:
        return [self.resets, self.epoch, self.snapshot.to_wire()]

    @classmethod
    def from_wire(cls, wire: list[Any]) -> EpochReport:
        resets, epoch, snapshot = wire
        return cls(resets, epoch, Snapshot.from_wire(snapshot))
