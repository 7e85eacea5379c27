"""Our encoding of counts is that of the `hdrh` package, byte for byte before it is compressed."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.hdr_encoding import encoded

HIGHEST, DIGITS = 3_600_000_000_000, 3


def payload(text: bytes) -> bytes:
    return zlib.decompress(base64.b64decode(text)[8:])


@given(st.dictionaries(st.integers(0, 33_000), st.integers(1, 1 << 54), max_size=30))
def test_the_official_library_reads_the_counts_that_were_written(counts: dict[int, int]) -> None:
    used = np.array(sorted(counts), dtype=np.int64)
    text = encoded(
        used, np.array([counts[at] for at in sorted(counts)], dtype=np.int64), digits=DIGITS, highest=HIGHEST
    )
    read = HdrHistogram.decode(text.decode())
    assert {at: int(n) for at, n in enumerate(read.counts) if n} == counts
    assert (read.get_total_count(), read.highest_trackable_value) == (sum(counts.values()), HIGHEST)


@given(st.lists(st.integers(1, 1_000_000_000), max_size=50))
def test_it_is_as_short_as_theirs(values: list[int]) -> None:
    theirs = HdrHistogram(1, HIGHEST, DIGITS)
    for value in values:
        theirs.record_value(value)
    found = {at: int(n) for at, n in enumerate(theirs.counts) if n}
    used, counts = (np.array(list(each), dtype=np.int64) for each in (found.keys(), found.values()))
    ours = payload(encoded(used, counts, digits=DIGITS, highest=HIGHEST))
    assert ours[40:] == payload(theirs.encode())[40:]
