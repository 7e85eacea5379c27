"""The ledger against its oracle, and its rules one by one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.measure.ledger_oracle import (
    AWAY,
    LEAVING,
    REJOINED,
    History,
    histories,
    never_called,
    oracle,
    play,
    summed,
)
from tests.measure.ledger_schedule import DRAIN_NS, count_before, due_ns
from wps_load.measure.ledger import (
    DUPLICATE,
    FRESH,
    MISDELIVERED,
    REORDERED,
    Ledger,
    LedgerTotals,
    StreamFinal,
)
from wps_load.measure.settlement import evaluate


@settings(max_examples=300, deadline=None)
@given(histories(), st.integers(1, 3))
@example(REJOINED, 1)
@example(AWAY, 1)
@example(LEAVING, 1)
def test_totals_are_the_oracles_whatever_happens_and_on_any_number_of_workers(history: History, workers: int) -> None:
    ledgers = play(history, workers)
    assert summed(ledgers) == oracle(history, with_late=False)
    assert sum(ledger.outstanding() for ledger in ledgers) == summed(ledgers).lost

    for subscriber in history.subscribers:
        receiver = ledgers[subscriber.index % workers].receiver(subscriber.index)
        for stream, seq in subscriber.late:
            receiver.arrive(stream, seq)
    totals = summed(ledgers)
    assert totals == oracle(history, with_late=True)
    assert sum(ledger.outstanding() for ledger in ledgers) == totals.lost


@settings(max_examples=100, deadline=None)
@given(histories())
def test_settling_again_changes_nothing(history: History) -> None:
    (ledger,) = play(history, 1)
    for subscriber in history.subscribers:
        for stream, seq in subscriber.late:
            ledger.receiver(subscriber.index).arrive(stream, seq)
    once = ledger.totals()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.totals() == once


def test_each_arrival_is_distinguished() -> None:
    receiver = Ledger(1).receiver(0)
    verdicts = [receiver.arrive(5, seq) for seq in (0, 2, 1, 1, 2, 4, 3, 0)]
    assert verdicts == [FRESH, FRESH, REORDERED, DUPLICATE, DUPLICATE, FRESH, REORDERED, DUPLICATE]


def test_the_first_and_the_last_message_of_a_stream_are_not_forgotten() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(3, audience=9, owner=None, no_echo=False)
    receiver = ledger.receiver(0)
    receiver.joined(9, 0)
    for _ in range(4):
        out.take()
    receiver.arrive(3, 1)
    receiver.arrive(3, 2)
    assert ledger.totals().lost is None, "unknown before the finals are"
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.outstanding() == 2
    assert receiver.arrive(3, 3) == FRESH
    assert receiver.arrive(3, 0) == REORDERED
    assert ledger.outstanding() == 0
    assert ledger.totals() == LedgerTotals(4, 0, 4, 4, 0, 0, 1)


def test_a_socket_lost_owes_what_was_due_before_and_a_leave_does_not() -> None:
    lost = {}
    for planned in (False, True):
        ledger = Ledger(1)
        out = ledger.open_stream(0, 1, None, False)
        receiver = ledger.receiver(0)
        receiver.joined(1, 0)
        for seq in range(5):
            out.take()
            if seq < 3:
                receiver.arrive(0, seq)
        receiver.left_all(due_ns(0, 4), planned)
        ledger.settle(ledger.finals(), count_before, DRAIN_NS)
        lost[planned] = ledger.totals().lost
    assert lost == {False: 1, True: 0}


def test_what_is_missed_is_distinguished_by_why_the_member_was_away() -> None:
    missed = {}
    for planned in (False, True):
        ledger = Ledger(1)
        out = ledger.open_stream(0, 1, None, False)
        out.seq = 6
        receiver = ledger.receiver(0)
        receiver.joined(1, 0)
        receiver.left_all(due_ns(0, 1), planned)
        receiver.joined(1, due_ns(0, 4))
        for seq in (0, 4, 5):
            receiver.arrive(0, seq)
        assert ledger.totals().missed is None, "unknown before the finals are"
        ledger.settle(ledger.finals(), count_before, DRAIN_NS)
        missed[planned] = ledger.totals().missed, ledger.totals().lost
    assert missed == {False: (3, 0), True: (0, 0)}


def test_who_never_comes_back_misses_on_in_the_next_epoch_and_who_never_joined_misses_nothing() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    lost, back = ledger.receiver(0), ledger.receiver(1)
    ledger.receiver(2)
    for receiver in (lost, back):
        receiver.joined(1, -20)
        receiver.left_all(-10, planned=False)
    back.joined(1, -5)
    ledger.new_epoch(2, closed_before_ns=0)
    out.seq = 4
    for seq in range(4):
        back.arrive(0, seq)
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert (ledger.totals().missed, ledger.totals().lost, ledger.totals().expected) == (4, 0, 4)


def test_a_stream_without_a_final_is_expected_up_to_its_highest_number_seen() -> None:
    ledger = Ledger(1)
    receiver = ledger.receiver(0)
    for seq in (0, 1, 4):
        receiver.arrive(8, seq)
    ledger.settle([], never_called, DRAIN_NS)
    assert ledger.totals() == LedgerTotals(0, 0, 5, 3, 2, 0, 0)
    receiver.arrive(8, 3)
    assert ledger.outstanding() == 1


def test_a_new_epoch_forgets_counts_and_keeps_memberships() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    receiver = ledger.receiver(0)
    receiver.joined(1, 0)
    out.failed(out.take())
    receiver.arrive(0, 1)
    for _ in range(3):
        ledger.stranger()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)

    ledger.new_epoch(2)
    assert ledger.epoch == 2
    assert out.take() == 0, "numbers start anew"
    assert receiver.arrive(0, 0) == FRESH
    out.take()
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert ledger.totals() == LedgerTotals(2, 0, 2, 1, 1, 0, 0)


def test_windows_that_ended_before_the_epoch_go() -> None:
    ledger = Ledger(1)
    receiver = ledger.receiver(0)
    for at in range(0, 100, 10):
        receiver.joined(1, at)
        receiver.left(1, at + 5, planned=True)
    ledger.new_epoch(1, closed_before_ns=80)
    assert list(receiver.memberships[1].past) == [(80, 85, True), (90, 95, True)]


def test_the_live_numbers() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(0, 1, None, False)
    out.seq += 10
    out.failed(9)
    receiver = ledger.receiver(0)
    for seq in (2, 3, 6, 5, 5):  # 0 and 1 may have been before it joined
        receiver.arrive(0, seq)
    live = ledger.running()
    assert (live.published, live.delivered, live.duplicated, live.reordered) == (9, 4, 1, 1)
    assert (live.missing, live.missing_opened) == (1, 2)
    receiver.arrive(0, 1)
    assert ledger.running().missing == 1, "it was never among the missing"


def test_what_a_receiver_did_not_get_while_it_was_away_by_plan_is_not_missing_meanwhile() -> None:
    ledger = Ledger(1)
    receiver = ledger.receiver(0)
    receiver.joined(1, 0)
    for seq in (0, 1, 3):
        receiver.arrive(0, seq)
    receiver.left_all(40, planned=True)
    receiver.joined(1, 60)
    receiver.arrive(0, 7)
    assert ledger.running().missing == 1, "2 is, and nobody knows yet of 4 to 6"
    for seq, missing in ((5, 1), (2, 0), (9, 1)):
        receiver.arrive(0, seq)
        assert ledger.running().missing == missing
    receiver.left_all(100, planned=False)
    receiver.joined(1, 120)
    receiver.arrive(0, 12)
    assert ledger.running().missing == 3, "a socket was lost: 10 and 11 may have been in it"


def test_a_reopened_stream_continues_and_another_audience_is_refused() -> None:
    ledger = Ledger(1)
    ledger.open_stream(4, 1, 4, False).take()
    assert ledger.open_stream(4, 1, 4, False).take() == 1
    with pytest.raises(ValueError, match="stream 4"):
        ledger.open_stream(4, 2, 4, False)


def test_gaps_beyond_the_limit_are_lost_and_counted() -> None:
    ledger = Ledger(1, gaps_limit=10)
    out = ledger.open_stream(0, 1, None, False)
    receiver = ledger.receiver(0)
    receiver.joined(1, 0)
    for seq in range(1, 101, 2):
        receiver.arrive(0, seq)
    out.seq = 101
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    totals = ledger.totals()
    assert (totals.unrecorded, totals.delivered, totals.lost, totals.expected) == (40, 50, 51, 101)


def test_malformed_finals_are_refused() -> None:
    for wire in (
        [1, 2, 3],
        [1, "x", None, False, 3, []],
        [1, 2, "o", False, 3, []],
        [1, 2, None, False, 3, 4],
    ):
        with pytest.raises(ValueError, match=r"final|unpack"):
            StreamFinal.from_wire(wire)


@given(st.lists(st.integers(0, 200), unique=True).map(sorted), st.integers(1, 90))
def test_a_schedule_is_asked_where_it_changes_only(points: list[int], step: int) -> None:
    asked = []

    def rising(t: int) -> int:
        asked.append(t)
        return t // step

    assert evaluate(rising, points) == {t: t // step for t in points}
    assert len(asked) == len(set(asked))
    distinct = len({t // step for t in points})
    assert len(asked) <= 2 + (distinct - 1) * len(points).bit_length()


def test_what_may_have_been_published_is_expected_only_where_it_came() -> None:
    ledger = Ledger(1)
    out = ledger.open_stream(7, 1, None, no_echo=False)
    for index in (0, 1):
        ledger.receiver(index).joined(1, 0)
    for _ in range(6):
        out.take()
    out.uncertain(1)
    out.uncertain(4)
    out.failed(3)
    for seq in (0, 1, 2, 5):
        ledger.receiver(0).arrive(7, seq)
    for seq in (0, 2):
        ledger.receiver(1).arrive(7, seq)
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    totals = ledger.totals()
    assert (totals.published, totals.send_failed) == (5, 1)
    assert (totals.expected, totals.delivered, totals.lost) == (7, 6, 1), "number 5 at the second receiver"


def test_what_reaches_a_receiver_outside_its_audience_is_misdelivered_and_nothing_else() -> None:
    asked: list[tuple[int, int]] = []

    def entitled(index: int, stream: int) -> bool:
        asked.append((index, stream))
        return index == stream

    ledger = Ledger(1, entitled=entitled)
    receiver = ledger.receiver(7)
    receiver.joined(1, 0)
    assert [receiver.arrive(8, seq) for seq in (0, 1, 5, 5)] == [MISDELIVERED] * 4
    assert [receiver.arrive(7, seq) for seq in (0, 1)] == [FRESH, FRESH]
    assert asked == [(7, 8), (7, 7)], "once for each stream"
    assert ledger.running().misdelivered == 4
    out = ledger.open_stream(7, 1, None, no_echo=False)
    out.seq = 2
    ledger.settle(ledger.finals(), count_before, DRAIN_NS)
    assert receiver.arrive(8, 6) == MISDELIVERED
    totals = ledger.totals()
    assert (totals.expected, totals.delivered, totals.duplicated, totals.misdelivered) == (2, 2, 0, 5)
    ledger.new_epoch(2)
    assert ledger.totals().misdelivered == 0
