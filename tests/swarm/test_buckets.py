from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wps_load.clock import NS_PER_MS
from wps_load.measure.histogram import MAX_NS, Histogram
from wps_load.swarm.buckets import bucket_response_time, bucketed

EDGES_NS = [NS_PER_MS * ms for ms in (10, 100, 1_000, 10_000)]
times = (
    st.integers(0, MAX_NS) | st.integers(0, 20 * NS_PER_MS) | st.sampled_from(EDGES_NS) | st.sampled_from([9_999_999])
)


@given(st.lists(times, min_size=1, max_size=50))
def test_all_at_once_they_fall_into_the_same_buckets_as_one_by_one(values_ns: list[int]) -> None:
    histogram = Histogram()
    histogram.record_many(values_ns)
    expected: Counter[float] = Counter()
    for middle_ns, count in histogram.nonzero():
        expected[bucket_response_time(middle_ns / NS_PER_MS)] += count
    found = bucketed(histogram)
    assert found == dict(expected)
    assert sum(found.values()) == len(values_ns)


def test_rows_share_the_objects_of_their_buckets() -> None:
    histogram = Histogram()
    histogram.record_many([1_234_567, 40_000_000])
    assert list(map(id, bucketed(histogram))) == list(map(id, bucketed(histogram)))
