"""Who has heard how much of whom, by populations, also where an agent is lost before its last word."""

from __future__ import annotations

from wps_load.measure.histogram import Histogram
from wps_load.measure.ledger import LedgerTotals, PairTotals
from wps_load.measure.snapshot import Snapshot
from wps_load.swarm.messages import Accounts
from wps_load.swarm.pairs import Pairs

NOTHING = LedgerTotals(0, 0, 0, 0, 0, 0, 0)


def times(**counts: int) -> Snapshot:
    """This many times of each metric."""
    found = Snapshot()
    for name, count in counts.items():
        histogram = found.histograms[name] = Histogram()
        histogram.record(1_000_000, count)
    return found


def told(*pairs: PairTotals) -> Accounts:
    return Accounts(NOTHING, 0, (), pairs)


def test_before_the_end_nothing_is_known_of_what_was_expected() -> None:
    pairs = Pairs()
    pairs.merge("a", (0, 1), times(delivery=3))
    assert pairs.matrix() == {}
    assert pairs.delivery[0, 1].count == 3


def test_agents_add_up_by_pairs() -> None:
    pairs = Pairs()
    pairs.finish("a", told(PairTotals(0, 1, 8, 2, 0), PairTotals(1, 1, 5, 0, 0)))
    pairs.finish("b", told(PairTotals(0, 1, 7, 0, 3)))
    assert pairs.matrix() == {(0, 1): (17, 15), (1, 1): (5, 5)}, "what was missed was not expected"


def test_of_a_lost_agent_what_had_come_is_what_was_expected() -> None:
    pairs = Pairs()
    pairs.finish("a", told(PairTotals(0, 1, 8, 2, 0)))
    pairs.merge("a", (0, 1), times(delivery=8))
    pairs.merge("lost", (0, 1), times(delivery=4, connect=9))
    pairs.merge("lost", (1, 1), times(rtt=6))
    pairs.merge("lost", (2, 1), times(connect=1))
    assert pairs.matrix() == {(0, 1): (14, 12), (1, 1): (6, 6)}, "one message, one time; connects are no messages"


def test_statistics_that_start_again_forget_what_was_measured_and_no_accounts() -> None:
    pairs = Pairs()
    pairs.merge("lost", (0, 1), times(delivery=4))
    pairs.finish("a", told(PairTotals(0, 1, 8, 0, 0)))
    pairs.reset()
    assert (pairs.delivery, pairs.matrix()) == ({}, {(0, 1): (8, 8)})
