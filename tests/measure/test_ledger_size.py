"""What a big group's ledger costs: memory, and questions to settle."""

from __future__ import annotations

import tracemalloc

from tests.measure.ledger_schedule import DRAIN_NS, count_before
from wps_load.measure.ledger import Ledger, StreamFinal


def big_group(receivers: int, publishers: int, messages: int) -> Ledger:
    ledger = Ledger(1)
    for index in range(receivers):
        ledger.receiver(index).joined(1, index % 20)
    for stream in range(publishers):
        ledger.open_stream(stream, 1, None, False).seq = messages
    for index in range(receivers):
        arrive = ledger.receiver(index).arrive
        for stream in range(publishers):
            for seq in range(messages):
                arrive(stream, seq)
    return ledger


def test_a_hundred_thousand_pairs_fit_in_20_mb() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        # 300 messages: CPython shares the numbers up to 256, and a real run goes beyond
        ledger = big_group(receivers=100, publishers=10, messages=300)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ledger.running().delivered == 300_000
    assert (after - before) / 1000 < 200, "bytes a pair; measured: 130, of which 28 are the number itself"


def test_a_hundred_thousand_pairs_ask_the_schedule_by_instants_and_not_by_pairs() -> None:
    ledger = big_group(receivers=10_000, publishers=10, messages=2)
    asked = 0

    def counted(final: StreamFinal, t_ns: int) -> int:
        nonlocal asked
        asked += 1
        return count_before(final, t_ns)

    ledger.settle(ledger.finals(), counted, DRAIN_NS)
    assert asked <= 10 * 20 * 2, "of each publisher, for 20 instants of joining and what lies a drain before"
    assert ledger.outstanding() == 0
    assert ledger.totals().expected == 200_000
