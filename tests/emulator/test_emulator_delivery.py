from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulator.fakes import FakeLink
from wps_load.clock import NS_PER_MS, NS_PER_S
from wps_load.emulator.delivery import REORDER_WAIT_NS, FaultyDelivery, Stats
from wps_load.workload.faults import Dice, parse_faults

MS = NS_PER_MS


class Way:
    """A delivery with faults, and a clock that jumps to what is due."""

    def __init__(self, faults: str) -> None:
        self.stats = Stats()
        spec = parse_faults(faults)
        self.delivery = FaultyDelivery(Dice(spec), self.stats)
        self.now_ns = NS_PER_S
        self.log: list[tuple[int, bytes]] = []
        self.link = self.new_link()

    def new_link(self) -> FakeLink:
        way = self

        class Logged(FakeLink):
            def write(self, frame: bytes) -> None:
                way.log.append((way.now_ns, frame))

        return Logged()

    def submit(self, frame: bytes, link: FakeLink | None = None, stream: str = "s") -> None:
        self.delivery.submit(link or self.link, frame, stream, self.now_ns)

    def finish(self) -> None:
        while (due_ns := self.delivery.next_ns) is not None:
            self.now_ns = max(self.now_ns, due_ns)
            self.delivery.run(self.now_ns)

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frame in self.log]

    @property
    def times(self) -> list[int]:
        return [at for at, _ in self.log]


def test_a_delay_is_exact() -> None:
    way = Way("delay=20ms")
    way.submit(b"a")
    assert way.log == []
    assert way.delivery.next_ns == NS_PER_S + 20 * MS
    way.delivery.run(NS_PER_S + 20 * MS - 1)
    assert way.log == []
    way.finish()
    assert way.log == [(NS_PER_S + 20 * MS, b"a")]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 99))
def test_jitter_never_reorders_a_connection(gaps_ms: list[int], seed: int) -> None:
    way = Way(f"delay=5ms,jitter=5ms,seed={seed}")
    for number, gap_ms in enumerate(gaps_ms):
        way.now_ns += gap_ms * MS
        way.delivery.run(way.now_ns)
        way.submit(bytes([number]))
    way.finish()
    assert way.frames == [bytes([number]) for number in range(len(gaps_ms))]


def test_jitter_varies_around_the_delay() -> None:
    way = Way("delay=20ms,jitter=5ms")
    delays = []
    for _ in range(500):
        before = way.now_ns
        way.submit(b"x")
        way.finish()
        delays.append((way.times[-1] - before) / MS)
    assert 15 <= min(delays) < 16
    assert 24 < max(delays) <= 25
    assert sum(delays) / len(delays) == pytest.approx(20, abs=0.5)


def test_a_swap_is_with_the_next_of_the_same_stream_to_the_same_receiver() -> None:
    way = Way("reorder=1/1")
    other = way.new_link()
    way.submit(b"1")
    way.submit(b"x", stream="other")
    way.submit(b"y", link=other)
    way.submit(b"2")
    assert way.frames == [b"2", b"1"]
    assert way.stats.reordered == 1
    way.finish()
    assert way.frames == [b"2", b"1", b"x", b"y"]
    assert way.now_ns == NS_PER_S + REORDER_WAIT_NS
    assert (way.stats.reordered, way.stats.deliveries) == (1, 4)


def test_a_held_delivery_leaves_after_200_ms_and_is_not_counted() -> None:
    way = Way("reorder=1/1")
    way.submit(b"1")
    way.finish()
    assert way.log == [(NS_PER_S + REORDER_WAIT_NS, b"1")]
    assert (way.stats.reordered, way.stats.deliveries) == (0, 1)
    way.submit(b"2")
    assert way.frames == [b"1"]


def test_duplicates_come_right_after() -> None:
    way = Way("duplicate=1/1,delay=1ms")
    way.submit(b"1")
    way.submit(b"2")
    way.finish()
    assert way.frames == [b"1", b"1", b"2", b"2"]
    assert (way.stats.duplicated, way.stats.deliveries) == (2, 4)


def test_a_stall_holds_everything_and_keeps_the_order() -> None:
    way = Way("stall=2s@10s")
    way.delivery.first_message(way.now_ns)
    for second in (9, 10, 11, 12):
        way.now_ns = (1 + second) * NS_PER_S
        way.delivery.first_message(way.now_ns)
        way.submit(bytes([second]))
    way.delivery.run(way.now_ns)
    way.submit(b"!")
    assert way.frames == [b"\x09", b"\x0a", b"\x0b", b"\x0c", b"!"]
    assert way.times == [10 * NS_PER_S] + [13 * NS_PER_S] * 4


def test_what_is_due_during_a_stall_waits_for_its_end() -> None:
    way = Way("stall=2s@1s,delay=500ms")
    way.delivery.first_message(way.now_ns)
    way.now_ns += 700 * MS
    way.submit(b"1")
    way.finish()
    assert way.times == [4 * NS_PER_S]


def test_the_service_rate_paces_all_deliveries_in_one_line() -> None:
    way = Way("service-rate=1000")
    other = way.new_link()
    for number in range(5):
        way.submit(bytes([number]), link=other if number % 2 else None)
    way.finish()
    assert [(at - NS_PER_S) / MS for at in way.times] == pytest.approx([0, 1, 2, 3, 4], abs=1e-3)
    way.now_ns += NS_PER_S
    way.submit(b"later")  # an idle service saves nothing up, and keeps nobody waiting
    assert way.times[-1] == way.now_ns


def test_a_delivery_to_a_socket_that_has_gone_is_neither_delivered_nor_dropped() -> None:
    way = Way("delay=1ms,duplicate=1/1")
    way.submit(b"1")
    way.link.open = False
    way.finish()
    assert (way.stats.deliveries, way.stats.duplicated, way.stats.dropped) == (0, 0, 0)
    assert way.stats.undeliverable == 2


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_the_counts_are_what_arrived(seed: int, count: int) -> None:
    """A receiver's own ledger agrees with the statistics, exactly."""
    way = Way(f"drop=1/5,duplicate=1/5,reorder=1/5,delay=2ms,jitter=2ms,seed={seed}")
    for number in range(count):
        way.now_ns += MS
        way.delivery.run(way.now_ns)
        way.submit(number.to_bytes(2, "big"))
    way.finish()
    arrived = [int.from_bytes(frame, "big") for frame in way.frames]
    highest, reordered, seen = -1, 0, Counter[int]()
    for number in arrived:
        reordered += number < highest and not seen[number]
        highest = max(highest, number)
        seen[number] += 1
    assert len(arrived) == way.stats.deliveries
    assert count - len(seen) == way.stats.dropped
    assert sum(seen.values()) - len(seen) == way.stats.duplicated
    assert reordered == way.stats.reordered
