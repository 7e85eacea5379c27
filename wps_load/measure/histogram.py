"""A histogram of nanoseconds in HdrHistogram's bucket layout, counted with numpy.

Layout (HdrHistogram, 3 significant digits, lowest discernible value 1): 2048 linear buckets of 1 ns, then 1024 for each
doubling, so that no bucket is wider than 1/1024 of its value. `hdrh` does the log format and checks our percentiles;
recording is ours: the library takes one value a call, a vectorised batch costs 0.07 µs a value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from wps_load.clock import NS_PER_S

SIGNIFICANT_DIGITS = 3
MAX_NS = 3600 * NS_PER_S
"""One hour: a larger value is counted as this one, and in `clamped`."""

_HALF_BITS = 10  # 1024 buckets for each doubling
_LINEAR_BITS = _HALF_BITS + 1  # values below 2048 have a bucket each
_BATCH = 1_000_000  # a batch's int64 sum holds: 10^6 * 3.6 * 10^12 < 2^63

Wire = tuple[bytes, bytes, int, int, str, int, int]


def _index(value: int) -> int:
    shift = max(0, value.bit_length() - _LINEAR_BITS)
    return (shift << _HALF_BITS) + (value >> shift)


def _lowest(index: int) -> tuple[int, int]:
    """The lowest value and the width of a bucket."""
    shift = max(0, (index >> _HALF_BITS) - 1)
    return (index - (shift << _HALF_BITS)) << shift, 1 << shift


def _up_to(cumulative: npt.NDArray[np.int64], limit: int) -> int:
    if limit < 0:
        return 0
    index = _index(limit)
    low, width = _lowest(index)
    last = min(index if low + width - 1 <= limit else index - 1, len(cumulative) - 1)
    return int(cumulative[last]) if last >= 0 else 0


def _narrowed(values: npt.NDArray[np.int64]) -> bytes:
    """Numbers from 0 on, little-endian; the first byte says how many bytes each takes."""
    greatest = int(values.max())
    size = next(size for size in (1, 2, 4, 8) if greatest < 1 << (8 * size))
    return bytes((size,)) + values.astype(f"<u{size}").tobytes()


def _widened(content: bytes) -> npt.NDArray[np.int64]:
    """The inverse of `_narrowed`. Raises ValueError or TypeError on anything else."""
    return np.frombuffer(content, f"<u{content[0]}", offset=1).astype(np.int64)


class Histogram:
    """Counts of ns values. `count`, `min`, `max` and `sum` are exact, of the values as clamped.

    `min` and `max` are None while it is empty. `clamped`: values above an hour, counted as an hour.
    `negative`: values below 0 (two hosts' clocks), counted as 0.
    """

    __slots__ = ("_counts", "clamped", "count", "max", "min", "negative", "sum")

    def __init__(self) -> None:
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.count = 0
        self.min: int | None = None
        self.max: int | None = None
        self.sum = 0
        self.clamped = 0
        self.negative = 0

    # -- recording -------------------------------------------------------------------------------------------

    def record(self, value_ns: int, n: int = 1) -> None:
        """Counts `value_ns` `n` times; n <= 0 is nothing."""
        if n <= 0:
            return
        if value_ns < 0:
            value_ns, self.negative = 0, self.negative + n
        elif value_ns > MAX_NS:
            value_ns, self.clamped = MAX_NS, self.clamped + n
        index = _index(value_ns)
        self._grow(index + 1)
        self._counts[index] += n
        self._account(n, value_ns, value_ns, value_ns * n)

    def record_many(self, values_ns: Sequence[int]) -> None:
        """Counts each value once: about 0.1 µs a value."""
        for start in range(0, len(values_ns), _BATCH):
            batch = values_ns[start : start + _BATCH]
            try:
                self._record_batch(np.array(batch, np.int64))
            except OverflowError:  # a garbled due time: its difference need not fit 64 bits
                self._record_batch(np.array([max(-1, min(value, MAX_NS + 1)) for value in batch], np.int64))

    def _record_batch(self, values: npt.NDArray[np.int64]) -> None:
        low, high = int(values.min()), int(values.max())
        if low < 0:
            self.negative += int(np.count_nonzero(values < 0))
        if high > MAX_NS:
            self.clamped += int(np.count_nonzero(values > MAX_NS))
        if low < 0 or high > MAX_NS:
            values = np.clip(values, 0, MAX_NS)
            low, high = int(values.min()), int(values.max())
        # frexp's exponent is the bit length; exact, as every value is below 2^53
        shift = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - _LINEAR_BITS, 0)
        self._grow(_index(high) + 1)
        np.add.at(self._counts, (shift << _HALF_BITS) + (values >> shift), 1)
        self._account(len(values), low, high, int(values.sum()))

    def merge(self, other: Histogram) -> None:
        """Adds `other`, without loss: afterwards as if its values had been recorded here."""
        if other.min is None or other.max is None:
            return
        first, length = _index(other.min), _index(other.max) + 1
        self._grow(length)
        self._counts[first:length] += other._counts[first:length]
        self.clamped += other.clamped
        self.negative += other.negative
        self._account(other.count, other.min, other.max, other.sum)

    def copy(self) -> Histogram:
        twin = Histogram()
        twin.merge(self)
        return twin

    def _grow(self, length: int) -> None:
        have = len(self._counts)
        if length > have:
            doubling = 1 << _HALF_BITS
            grown = np.zeros(-(-length // doubling) * doubling, np.int64)
            grown[:have] = self._counts
            self._counts = grown

    def _account(self, n: int, low: int, high: int, total: int) -> None:
        self.count += n
        self.sum += total
        self.min = low if self.min is None or low < self.min else self.min
        self.max = high if self.max is None or high > self.max else self.max

    # -- reading ---------------------------------------------------------------------------------------------

    def percentile(self, p: float) -> int | None:
        """The value in ns below or at which `p` percent of the values lie (0 < p <= 100); None when empty.

        HdrHistogram's definition: the highest value equivalent to the one of rank round(p/100 * count), at
        least 1. One thing is added: as the greatest value is known exactly, no percentile is above it.
        """
        return self.percentiles((p,))[0]

    def percentiles(self, ps: Sequence[float]) -> list[int | None]:
        """As `percentile`, several in one pass."""
        if self.max is None:
            return [None] * len(ps)
        ranks = [max(1, int(min(p, 100.0) * self.count / 100 + 0.5)) for p in ps]
        indices = np.searchsorted(np.cumsum(self._counts), ranks)
        found: list[int | None] = []
        for index in indices.tolist():
            low, width = _lowest(index)
            found.append(min(low + width - 1, self.max))
        return found

    @property
    def mean(self) -> float | None:
        """In ns, from the exact sum; None when empty."""
        return self.sum / self.count if self.count else None

    @property
    def stddev(self) -> float | None:
        """In ns, of the population; None when empty.

        From the buckets' middles around the exact mean: int64 can't hold an exact sum of squares.
        """
        if not self.count:
            return None
        middles, counts = self.buckets()
        squares = np.square(middles.astype(np.float64) - self.sum / self.count)
        return math.sqrt(float(np.dot(squares, counts)) / self.count)

    def count_above(self, limit_ns: int) -> int:
        """How many values are certainly above `limit_ns`: those of the buckets above the limit's own."""
        return int(self._counts[_index(min(max(limit_ns, 0), MAX_NS)) + 1 :].sum())

    def counts_to(self, limits_ns: Sequence[int]) -> list[int]:
        """How many values are certainly at or below each limit: those of the buckets that end there.

        So the share at or below a limit reaches p % exactly where the p-th percentile is at or below the limit.
        """
        if self.max is None:
            return [0] * len(limits_ns)
        cumulative = np.cumsum(self._counts)
        return [self.count if limit >= self.max else _up_to(cumulative, limit) for limit in limits_ns]

    def nonzero(self) -> Iterator[tuple[int, int]]:
        """(value in ns, count) of each bucket in use, ascending; the value is its middle, inside min..max."""
        middles, counts = self.buckets()
        return zip(middles.tolist(), counts.tolist(), strict=True)

    def buckets(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The values in ns and the counts of the buckets in use, as `nonzero`, for arithmetic on all of them."""
        used = np.nonzero(self._counts != 0)[0]  # ten times as fast as of integers
        shift = np.maximum((used >> _HALF_BITS) - 1, 0)
        middles = ((used - (shift << _HALF_BITS)) << shift) + ((1 << shift) >> 1)
        if self.min is not None and self.max is not None:
            middles = np.clip(middles, self.min, self.max)
        return middles, self._counts[used]

    # -- HdrHistogram's library and wire ---------------------------------------------------------------------

    def to_hdr(self) -> HdrHistogram:
        """The same counts as the library's histogram (1 ns .. 1 h, 3 digits)."""
        hdr = HdrHistogram(1, MAX_NS, SIGNIFICANT_DIGITS)
        if self.min is not None and self.max is not None:
            np.frombuffer(hdr.counts, np.uint64)[: len(self._counts)] = self._counts
            hdr.total_count, hdr.min_value, hdr.max_value = self.count, self.min, self.max
        return hdr

    def encode(self) -> bytes:
        """HdrHistogram V2, compressed, base64: what its log format and other tools read. Counts only."""
        blob: bytes = self.to_hdr().encode()
        return blob

    @classmethod
    def decode(cls, blob: bytes | str) -> Histogram:
        """Reads `encode`'s form. Counts are exact; min, max and sum are those of the buckets.

        Raises ValueError when `blob` is not one, or has another layout.
        """
        try:
            hdr = HdrHistogram.decode(blob)
        except Exception as error:  # the codec raises six unrelated types, ctypes' and zlib's among them
            raise ValueError("not an HdrHistogram V2 encoding") from error
        if (hdr.unit_magnitude, hdr.significant_figures) != (0, SIGNIFICANT_DIGITS):
            raise ValueError("an HdrHistogram of another layout: not 1 ns with 3 significant digits")
        return cls._from_counts(np.frombuffer(hdr.counts, np.uint64).astype(np.int64))

    @classmethod
    def _from_counts(cls, counts: npt.NDArray[np.int64]) -> Histogram:
        histogram = cls()
        used = np.nonzero(counts)[0]
        if len(used):
            histogram._grow(int(used[-1]) + 1)
            histogram._counts[: used[-1] + 1] = counts[: used[-1] + 1]
            middles, weights = histogram.buckets()
            low, width = _lowest(int(used[-1]))
            total = sum(value * n for value, n in zip(middles.tolist(), weights.tolist(), strict=True))
            high = min(low + width - 1, MAX_NS)
            histogram._account(int(weights.sum()), _lowest(int(used[0]))[0], high, total)
        return histogram

    def to_wire(self) -> Wire:
        """Everything, for msgpack. The sum travels as text: msgpack's integers end at 2^64.

        The gaps between the buckets in use, from the least value's on, and their counts, each in as few bytes as the
        greatest of them takes; no counts where all are 1, as in most seconds of most workers. A worker does this for
        each metric once a second, between its messages: HdrHistogram's own encoding takes fifteen times as long.
        """
        if self.min is None or self.max is None:
            return b"", b"", 0, 0, "0", self.clamped, self.negative
        first = _index(self.min)
        counts = self._counts[first : _index(self.max) + 1]
        used = np.flatnonzero(counts != 0)
        weights = counts[used]
        once = len(used) == self.count
        return (
            _narrowed(np.diff(used, prepend=0)),
            b"" if once else _narrowed(weights),
            self.min,
            self.max,
            str(self.sum),
            self.clamped,
            self.negative,
        )

    @classmethod
    def from_wire(cls, wire: Sequence[object]) -> Histogram:
        """The inverse of `to_wire`. Raises ValueError or TypeError on anything else."""
        buckets, counts, low, high, total, clamped, negative = wire
        if not isinstance(buckets, bytes) or not isinstance(counts, bytes) or not isinstance(total, str):
            raise TypeError("not a histogram's wire form")
        least, most = int(str(low)), int(str(high))
        if not 0 <= least <= most <= MAX_NS:
            raise ValueError("not a histogram's bounds")
        histogram = cls()
        if buckets:
            used = _index(least) + np.cumsum(_widened(buckets), dtype=np.int64)
            weights = _widened(counts) if counts else np.ones(len(used), np.int64)
            if not len(used) or len(used) != len(weights) or int(used[-1]) != _index(most):
                raise ValueError("not a histogram's buckets")
            histogram._grow(int(used[-1]) + 1)
            histogram._counts[used] = weights
            histogram._account(int(weights.sum()), least, most, int(total))
        histogram.clamped, histogram.negative = int(str(clamped)), int(str(negative))
        return histogram

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._facts() == other._facts() and bool(
            np.array_equal(np.trim_zeros(self._counts, "b"), np.trim_zeros(other._counts, "b"))
        )

    __hash__ = None  # type: ignore[assignment]  # mutable

    def _facts(self) -> tuple[int, int | None, int | None, int, int, int]:
        return (self.count, self.min, self.max, self.sum, self.clamped, self.negative)

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, min={self.min}, p50={self.percentile(50)}, max={self.max})"
