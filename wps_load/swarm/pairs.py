"""Who has heard how much of whom, in a run of several populations: the agents' reports put together by pairs."""

from __future__ import annotations

from collections.abc import Sequence

from wps_load.measure.ledger import PairTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import Pair
from wps_load.swarm.messages import Accounts


class Pairs:
    """`measured`: what belongs to a receiver's population and comes from a sender's, by their numbers."""

    def __init__(self) -> None:
        self.measured: dict[Pair, Snapshot] = {}
        self._accounts: dict[str, Sequence[PairTotals]] = {}

    def merge(self, pair: Pair, counted: Snapshot) -> None:
        """What counts of what an agent has measured."""
        self.measured.setdefault(pair, Snapshot()).merge(counted)

    def finish(self, agent: str, accounts: Accounts) -> None:
        """An agent's last word."""
        self._accounts[agent] = accounts.pairs

    def reset(self) -> None:
        """Statistics start anew."""
        self.measured = {}

    def matrix(self) -> dict[Pair, tuple[int, int]]:
        """Expected and delivered messages by pairs; empty before the end."""
        found: dict[Pair, tuple[int, int]] = {}
        for accounts in self._accounts.values():
            for each in accounts:
                expected, delivered = found.get((each.sender, each.receiver), (0, 0))
                found[each.sender, each.receiver] = expected + each.expected, delivered + each.delivered
        return found
