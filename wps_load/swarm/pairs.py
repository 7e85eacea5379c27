"""Who has heard how much of whom, in a run of several populations: the agents' reports merged by pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import PairTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.epoch_report import Pair
from wps_load.swarm.messages import Accounts

_OF_EACH_MESSAGE: Final = ("rtt", "delivery")
"""Each message that arrives has a time of one of these metrics."""


class Pairs:
    """`delivery`: the latency of a sender population's messages to a receiver's, by the numbers of the two."""

    def __init__(self) -> None:
        self.delivery: dict[Pair, Histogram] = {}
        self._accounts: dict[str, Sequence[PairTotals]] = {}
        self._timed: dict[str, Counter[Pair]] = {}
        """By agent: how many messages have arrived, as reported during the run."""

    def merge(self, agent: str, pair: Pair, counted: Snapshot) -> None:
        """Adds the part of an agent's measurements that counts."""
        if "delivery" in counted.histograms:
            self.delivery.setdefault(pair, Histogram()).merge(counted.histograms["delivery"])
        came = sum(counted.histograms[name].count for name in _OF_EACH_MESSAGE if name in counted.histograms)
        self._timed.setdefault(agent, Counter())[pair] += came

    def finish(self, agent: str, accounts: Accounts) -> None:
        """Records an agent's final accounts."""
        self._accounts[agent] = accounts.pairs

    def reset(self) -> None:
        """Statistics start again."""
        self.delivery = {}
        self._timed = {}

    def matrix(self) -> dict[Pair, tuple[int, int]]:
        """Expected and delivered messages by pairs; empty before the end.

        For a lost agent, as in the run's totals, what had arrived is what was expected.
        """
        found: dict[Pair, tuple[int, int]] = {}
        for accounts in self._accounts.values():
            for each in accounts:
                expected, delivered = found.get((each.sender, each.receiver), (0, 0))
                found[each.sender, each.receiver] = expected + each.expected, delivered + each.delivered
        lost = self._timed.keys() - self._accounts.keys() if self._accounts else ()
        for agent in lost:
            for pair, came in self._timed[agent].items():
                expected, delivered = found.get(pair, (0, 0))
                if came:
                    found[pair] = expected + came, delivered + came
        return found
