from __future__ import annotations

import base64
import gc
import math
import tracemalloc
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.histogram import MAX_NS, Histogram
from wps_load.measure.snapshot import rank_of

# Latencies of every size, from the linear buckets to the clamp
values_ns = st.one_of(
    st.integers(0, 5000), st.integers(0, MAX_NS), st.integers(0, 41).map(lambda bits: (1 << bits) - 1)
)
many = st.lists(values_ns, max_size=60)
some = st.lists(values_ns, min_size=1, max_size=60)
PERCENTILES = (0.1, 1, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record_many(values)
    return histogram


def kept(values: list[int]) -> Histogram:
    histogram = of(values)
    histogram.compact()
    return histogram


@given(many, many)
def test_merging_is_recording_both(first: list[int], second: list[int]) -> None:
    for mine in (of, kept):
        for other in (of, kept):
            merged = mine(first)
            merged.merge(other(second))
            assert merged == of(first + second)


@given(many, many, st.lists(values_ns, max_size=5))
def test_a_compact_one_is_the_same(values: list[int], more: list[int], limits: list[int]) -> None:
    compact, histogram = kept(values), of(values)
    assert compact.percentiles(PERCENTILES) == histogram.percentiles(PERCENTILES)
    assert compact.counts_to(limits) == histogram.counts_to(limits)
    assert compact.to_wire() == histogram.to_wire()
    twin = compact.copy()
    twin.record_many(more)
    assert (twin, compact) == (of(values + more), histogram)


@given(st.lists(st.lists(values_ns, max_size=8), max_size=40), st.integers(1, 20))
def test_any_number_of_merges_is_recording_all_whoever_reads_in_between(parts: list[list[int]], read_each: int) -> None:
    total, twin = Histogram(), Histogram()
    for number, values in enumerate(parts):
        total.merge(kept(values))
        if not number % read_each:
            assert total == of([value for part in parts[: number + 1] for value in part])
            twin = total.copy()
    whole = of([value for part in parts for value in part])
    assert total.to_wire() == whole.to_wire()
    total.record_many([7, 7])
    whole.record_many([7, 7])
    assert total == whole
    twin.merge(whole)
    assert total == whole, "a copy shares what is not changed"


def test_many_values_in_one_go_are_counted_as_a_few_at_a_time() -> None:
    values = [number * number * 7 for number in range(6000)]
    few = Histogram()
    for start in range(0, len(values), 50):
        few.record_many(values[start : start + 50])
        few.compact()
    many = of(values)
    assert many == few
    assert sum(count for _, count in many.nonzero()) == len(values)


def test_a_total_takes_some_bytes_for_each_bucket() -> None:
    seconds = [kept([12_000_000 + 40_000 * number, MAX_NS]) for number in range(300)]
    total = Histogram()
    tracemalloc.start()
    try:
        for second in seconds:
            total.merge(second)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most_bytes < 30_000, "measured: 17,000; an array of all buckets takes 270,000"


def test_a_compact_one_takes_some_bytes_for_each_bucket() -> None:
    histogram = kept([12_000_000 + 40_000 * number for number in range(100)])
    assert sum(array.nbytes for array in histogram._kept) == 300


@given(many)
def test_a_batch_is_its_values_one_by_one(values: list[int]) -> None:
    single = Histogram()
    for value in values:
        single.record(value)
    assert single == of(values)


@given(values_ns, st.integers(0, 50))
def test_recording_n_times_at_once(value: int, n: int) -> None:
    at_once = Histogram()
    at_once.record(value, n)
    assert at_once == of([value] * n)


@given(some)
def test_count_extremes_sum_and_mean_are_exact(values: list[int]) -> None:
    histogram = of(values)
    assert (histogram.count, histogram.min, histogram.max, histogram.sum) == (
        len(values),
        min(values),
        max(values),
        sum(values),
    )
    assert histogram.mean == sum(values) / len(values)


@given(some)
def test_percentiles_are_the_librarys_but_never_above_the_maximum(values: list[int]) -> None:
    library = HdrHistogram(1, MAX_NS, 3)
    for value in values:
        assert library.record_value(value)
    assert of(values).percentiles(PERCENTILES) == [
        min(library.get_value_at_percentile(p), max(values)) for p in PERCENTILES
    ]


@given(some, st.sampled_from(PERCENTILES))
def test_percentiles_are_within_a_thousandth_of_the_value_of_that_rank(values: list[int], p: float) -> None:
    rank = max(1, int(p * len(values) / 100 + 0.5))
    truth = sorted(values)[rank - 1]
    found = of(values).percentile(p)
    assert found is not None
    assert truth <= found <= truth + truth / 1000


def test_percentiles_agree_with_numpy() -> None:
    values = np.random.default_rng(1).lognormal(17, 0.7, 20_000).astype(np.int64).tolist()
    histogram = of(values)
    for p in (50.0, 90.0, 99.0, 99.9):
        assert histogram.percentile(p) == pytest.approx(np.percentile(values, p, method="nearest"), rel=1.5e-3)
    assert histogram.stddev == pytest.approx(np.std(values), rel=1e-3)


@given(some)
def test_buckets_in_use(values: list[int]) -> None:
    buckets = list(of(values).nonzero())
    assert sum(n for _, n in buckets) == len(values)
    assert [value for value, _ in buckets] == sorted({value for value, _ in buckets})
    in_order = [value for value, n in buckets for _ in range(n)]
    for found, truth in zip(in_order, sorted(values), strict=True):
        assert abs(found - truth) <= truth / 1000


@given(some, values_ns)
def test_what_is_above_a_limit(values: list[int], limit: int) -> None:
    above = of(values).count_above(limit)
    assert above <= sum(value > limit for value in values)
    assert above >= sum(value > limit * 1.001 + 1 for value in values)


@given(many, st.lists(values_ns, max_size=5), st.sampled_from([50.0, 95.0, 99.0, 100.0]))
def test_what_is_at_or_below_limits_says_what_the_percentiles_say(
    values: list[int], limits: list[int], percent: float
) -> None:
    histogram = of(values)
    for limit, below in zip(limits, histogram.counts_to(limits), strict=True):
        assert sum(value <= limit * 0.999 - 1 for value in values) <= below <= sum(value <= limit for value in values)
        found = histogram.percentile(percent)
        if found is not None:
            assert (found <= limit) == (below >= rank_of(percent, len(values)))


def librarys(histogram: Histogram) -> bytes:
    hdr = HdrHistogram(1, MAX_NS, 3)
    for value, count in histogram.nonzero():
        hdr.record_value(value, count)
    blob: bytes = hdr.encode()
    return blob


def payload(blob: bytes) -> bytes:
    """Of an encoding; how well it is compressed does not matter."""
    return zlib.decompress(base64.b64decode(blob)[8:])


def test_an_encoding_leaves_nothing_to_the_garbage_collector() -> None:
    histogram = of([1, 2, 3_000_000, 3_000_000])
    gc.collect()
    gc.disable()
    try:
        histogram.encode()
        assert gc.collect() == 0
    finally:
        gc.enable()


@given(many)
def test_the_librarys_encoding_keeps_the_counts(values: list[int]) -> None:
    histogram = of(values)
    assert payload(histogram.encode()) == payload(librarys(histogram))
    again = Histogram.decode(histogram.encode())
    assert again.encode() == histogram.encode()
    assert again.count == histogram.count
    assert HdrHistogram.decode(histogram.encode()).get_total_count() == len(values)
    if values:
        assert again.mean == pytest.approx(histogram.mean, rel=1e-3)


@given(st.lists(st.integers(-5, 2 * MAX_NS), max_size=30))
def test_the_wire_form_keeps_everything(values: list[int]) -> None:
    assert Histogram.from_wire(of(values).to_wire()) == of(values)


@given(st.lists(st.integers(1, 60 * 10**9), min_size=1, max_size=30), st.integers(1, 2**40))
def test_the_wire_form_keeps_large_counts(values: list[int], times: int) -> None:
    histogram = of(values)
    histogram.record(values[0], times)
    assert Histogram.from_wire(histogram.to_wire()) == histogram
    assert payload(histogram.encode()) == payload(librarys(histogram))


def test_a_second_of_a_hundred_messages_takes_few_bytes_on_the_wire() -> None:
    gaps, counts, *_ = of([12_000_000 + 40_000 * number for number in range(100)]).to_wire()
    assert len(gaps) + len(counts) <= 102


@pytest.mark.parametrize(
    "changed",
    [
        {0: b"\x01"},
        {0: b"\x03abc"},
        {0: b"\x02abc"},
        {0: b"\x01\x00\x01"},
        {1: b"\x01\x01\x01"},
        {2: 7, 3: 5},
        {3: 2 * MAX_NS},
        {0: "text"},
        {4: None},
    ],
)
def test_what_is_not_a_histogram_on_the_wire_is_refused(changed: dict[int, object]) -> None:
    wire: list[object] = list(of([5, 9, 12]).to_wire())
    assert Histogram.from_wire(wire) == of([5, 9, 12])
    for place, content in changed.items():
        wire[place] = content
    with pytest.raises((TypeError, ValueError)):
        Histogram.from_wire(wire)


def test_values_out_of_range_are_clamped_and_counted() -> None:
    histogram = of([-3, 5, MAX_NS, MAX_NS + 1, 1 << 80])
    histogram.record(-1, 2)
    histogram.record(MAX_NS * 2)
    assert (histogram.negative, histogram.clamped, histogram.count) == (3, 3, 8)
    assert (histogram.min, histogram.max) == (0, MAX_NS)
    assert of([-3, 1 << 80]).clamped == 1


def test_empty_is_unknown() -> None:
    empty = Histogram()
    assert (empty.min, empty.max, empty.mean, empty.stddev, empty.percentile(99)) == (None,) * 5
    assert list(empty.nonzero()) == []
    assert Histogram.from_wire(empty.to_wire()) == empty


def test_one_value_has_no_spread() -> None:
    assert math.isclose(of([1_000_000] * 3).stddev or 0.0, 0.0, abs_tol=500)


def test_a_copy_is_its_own() -> None:
    original = of([1, 2])
    twin = original.copy()
    twin.record(3)
    assert original == of([1, 2])


@pytest.mark.parametrize("blob", [b"", b"HISTFAAAA", b"!!", HdrHistogram(1, 1000, 2).encode()])
def test_a_foreign_encoding_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="HdrHistogram"):
        Histogram.decode(blob)
