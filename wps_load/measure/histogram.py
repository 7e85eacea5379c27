"""A histogram of nanoseconds in HdrHistogram's bucket layout, counted with numpy.

Layout (HdrHistogram, 3 significant digits, lowest discernible value 1): 2048 linear buckets of 1 ns, then 1024 for each
doubling, so that no bucket is wider than 1/1024 of its value. Tests use `hdrh` to read the log format and check our
percentiles. We record with numpy, because the library takes one value per call and a vectorised batch costs 0.07 µs per
value.

Only the buckets in use are kept, and what is added waits until it is worth a sort: a second takes some hundred bytes, a
day's total some 20 KB. An array of all buckets would take 100 KB, and more with each slow value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from wps_load.clock import NS_PER_S
from wps_load.measure.hdr_encoding import encoded

SIGNIFICANT_DIGITS = 3
MAX_NS = 3600 * NS_PER_S
"""One hour: a larger value is counted as this one, and in `clamped`."""

_HALF_BITS = 10  # 1024 buckets for each doubling
_LINEAR_BITS = _HALF_BITS + 1  # values below 2048 have a bucket each
_BATCH = 1_000_000  # a batch's int64 sum holds: 10^6 * 3.6 * 10^12 < 2^63

Counts = npt.NDArray[np.int64]
InUse = tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.unsignedinteger]]
"""Indices of buckets, ascending unless they wait, and the count of each."""
_NONE_IN_USE: InUse = (np.zeros(0, np.uint16), np.zeros(0, np.uint8))
_WAITING = 16
"""This many small additions are sorted in one pass."""
_MANY = 2048
"""From this many buckets on, a pass over all between the lowest and the highest is faster than a sort."""
Wire = tuple[bytes, bytes, int, int, str, int, int]


def _index(value: int) -> int:
    shift = max(0, value.bit_length() - _LINEAR_BITS)
    return (shift << _HALF_BITS) + (value >> shift)


def _lowest(index: int) -> tuple[int, int]:
    """The lowest value and the width of a bucket."""
    shift = max(0, (index >> _HALF_BITS) - 1)
    return (index - (shift << _HALF_BITS)) << shift, 1 << shift


def _last_up_to(limit: int) -> int:
    """The last bucket that has no value above the limit."""
    if limit < 0:
        return -1
    index = _index(min(limit, MAX_NS))
    low, width = _lowest(index)
    return index if low + width - 1 <= limit else index - 1


def _summed(used: npt.NDArray[np.unsignedinteger], counts: npt.NDArray[np.unsignedinteger]) -> InUse:
    """Each bucket once, from buckets in any order."""
    if len(used) > _MANY:
        lowest = int(used.min())
        dense = np.bincount(used - lowest, counts)  # float64: exact below 2^53
        found = np.flatnonzero(dense != 0)
        return (found + lowest).astype(np.uint16), _narrow(dense[found].astype(np.uint64))
    order = np.argsort(used, kind="stable")  # a radix sort, as these are 16 bits
    used = used[order]
    first = np.flatnonzero(np.concatenate(([True], used[1:] != used[:-1])))
    return used[first], _narrow(np.add.reduceat(counts[order], first, dtype=np.uint64))


def _narrow(counts: npt.NDArray[np.uint64]) -> npt.NDArray[np.unsignedinteger]:
    return counts.astype(np.min_scalar_type(int(counts.max())))


def _narrowed(values: npt.NDArray[np.int64]) -> bytes:
    """Numbers from 0 on, little-endian; the first byte says how many bytes each number has."""
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

    __slots__ = ("_kept", "_waiting", "clamped", "count", "max", "min", "negative", "sum")

    def __init__(self) -> None:
        self._kept: InUse = _NONE_IN_USE
        """Its arrays are never changed because they may be shared."""
        self._waiting: list[InUse] = []
        """Additions that are not in `_kept` yet."""
        self.count = 0
        self.min: int | None = None
        self.max: int | None = None
        self.sum = 0
        self.clamped = 0
        self.negative = 0

    # -- recording -------------------------------------------------------------------------------------------

    def record(self, value_ns: int, n: int = 1) -> None:
        """Counts `value_ns` `n` times; with n <= 0 it does nothing."""
        if n <= 0:
            return
        if value_ns < 0:
            value_ns, self.negative = 0, self.negative + n
        elif value_ns > MAX_NS:
            value_ns, self.clamped = MAX_NS, self.clamped + n
        self._wait(np.array([_index(value_ns)], np.uint16), np.array([n], np.uint64))
        self._account(n, value_ns, value_ns, value_ns * n)

    def record_many(self, values_ns: Sequence[int]) -> None:
        """Counts each value once, in about 0.1 µs per value."""
        for start in range(0, len(values_ns), _BATCH):
            batch = values_ns[start : start + _BATCH]
            try:
                self._record_batch(np.array(batch, np.int64))
            except OverflowError:  # a damaged due time: its difference need not fit 64 bits
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
        self._wait(((shift << _HALF_BITS) + (values >> shift)).astype(np.uint16), np.ones(len(values), np.uint8))
        self._account(len(values), low, high, int(values.sum()))

    def merge(self, other: Histogram) -> None:
        """Adds `other`, without loss: afterwards it is as if its values had been recorded here."""
        if other.min is None or other.max is None:
            return
        used, counts = other._together()
        if self.min is None:
            self._kept = used, counts
        else:
            self._wait(used, counts)
        self.clamped += other.clamped
        self.negative += other.negative
        self._account(other.count, other.min, other.max, other.sum)

    def copy(self) -> Histogram:
        twin = Histogram()
        twin.merge(self)
        return twin

    def compact(self) -> None:
        """Merges all pending additions of a histogram that is kept."""
        self._together()

    def _wait(self, used: npt.NDArray[np.unsignedinteger], counts: npt.NDArray[np.unsignedinteger]) -> None:
        """Adds buckets, in any order: they are sorted later."""
        self._waiting.append((used, counts))
        if len(self._waiting) >= _WAITING:
            self._together()

    def _together(self) -> InUse:
        """The buckets in use, which may be shared but not changed."""
        if self._waiting:
            parts, self._waiting = [self._kept, *self._waiting], []
            used = np.concatenate([used for used, _ in parts])
            self._kept = _summed(used, np.concatenate([counts for _, counts in parts]))
        return self._kept

    def _in_use(self) -> tuple[Counts, Counts]:
        """The buckets in use, ascending, and their counts, for arithmetic."""
        used, weights = self._together()
        return used.astype(np.int64), weights.astype(np.int64)

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
        used, weights = self._in_use()
        found: list[int | None] = []
        for index in used[np.searchsorted(np.cumsum(weights), ranks)].tolist():
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

        It is computed from the buckets' middles around the exact mean, because int64 cannot hold an exact sum of
        squares.
        """
        if not self.count:
            return None
        middles, counts = self.buckets()
        squares = np.square(middles.astype(np.float64) - self.sum / self.count)
        # not np.dot: beyond 10,000 buckets OpenBLAS uses threads, which would disturb the event loop
        return math.sqrt(float((squares * counts).sum()) / self.count)

    def count_above(self, limit_ns: int) -> int:
        """How many values are certainly above `limit_ns`: those in buckets above the limit's own."""
        used, weights = self._in_use()
        return int(weights[np.searchsorted(used, _index(min(max(limit_ns, 0), MAX_NS)), "right") :].sum())

    def counts_to(self, limits_ns: Sequence[int]) -> list[int]:
        """How many values are certainly at or below each limit: those in buckets that end there.

        So the share at or below a limit reaches p % exactly if the p-th percentile is at or below the limit.
        """
        if self.max is None:
            return [0] * len(limits_ns)
        used, weights = self._in_use()
        cumulative = np.concatenate(([0], np.cumsum(weights)))
        at = np.searchsorted(used, [_last_up_to(limit) for limit in limits_ns], "right")
        return [
            self.count if limit >= self.max else below
            for limit, below in zip(limits_ns, cumulative[at].tolist(), strict=True)
        ]

    def nonzero(self) -> Iterator[tuple[int, int]]:
        """(value in ns, count) of each bucket in use, ascending; the value is its middle, inside min..max."""
        middles, counts = self.buckets()
        return zip(middles.tolist(), counts.tolist(), strict=True)

    def buckets(self) -> tuple[Counts, Counts]:
        """The values in ns and the counts of the buckets in use, as in `nonzero`, for arithmetic on all of them."""
        used, weights = self._in_use()
        shift = np.maximum((used >> _HALF_BITS) - 1, 0)
        middles = ((used - (shift << _HALF_BITS)) << shift) + ((1 << shift) >> 1)
        if self.min is not None and self.max is not None:
            middles = np.clip(middles, self.min, self.max)
        return middles, weights

    # -- HdrHistogram's library and wire ---------------------------------------------------------------------

    def encode(self) -> bytes:
        """HdrHistogram V2, compressed, base64, which its log format and other tools read. Counts only."""
        return encoded(*self._in_use(), digits=SIGNIFICANT_DIGITS, highest=MAX_NS)

    @classmethod
    def decode(cls, blob: bytes | str) -> Histogram:
        """Reads `encode`'s form. Counts are exact; min, max and sum are those of the buckets.

        Raises ValueError if `blob` has another form or layout.
        """
        try:
            hdr = HdrHistogram.decode(blob)
        except Exception as error:  # the codec raises six unrelated types, ctypes' and zlib's among them
            raise ValueError("not an HdrHistogram V2 encoding") from error
        if (hdr.unit_magnitude, hdr.significant_figures) != (0, SIGNIFICANT_DIGITS):
            raise ValueError("an HdrHistogram of another layout: not 1 ns with 3 significant digits")
        return cls._from_counts(np.frombuffer(hdr.counts, np.uint64))

    @classmethod
    def _from_counts(cls, counts: npt.NDArray[np.uint64]) -> Histogram:
        histogram = cls()
        used = np.flatnonzero(counts)
        if len(used):
            histogram._kept = _summed(used.astype(np.uint16), counts[used])
            middles, weights = histogram.buckets()
            low, width = _lowest(int(used[-1]))
            total = sum(value * n for value, n in zip(middles.tolist(), weights.tolist(), strict=True))
            high = min(low + width - 1, MAX_NS)
            histogram._account(int(weights.sum()), _lowest(int(used[0]))[0], high, total)
        return histogram

    def to_wire(self) -> Wire:
        """Everything, for msgpack. The sum travels as text, because msgpack's integers end at 2^64.

        It has the gaps between the buckets in use, from the lowest value's on, and their counts, each in as few bytes
        as the greatest needs; no counts if all are 1, as in most seconds of most workers. A worker does this for each
        metric once a second, between its messages: HdrHistogram's own encoding takes fifteen times as long.
        """
        if self.min is None or self.max is None:
            return b"", b"", 0, 0, "0", self.clamped, self.negative
        used, weights = self._in_use()
        once = len(used) == self.count
        return (
            _narrowed(np.diff(used, prepend=used[0])),
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
            histogram._kept = used.astype(np.uint16), weights.astype(np.uint64)
            histogram._account(int(weights.sum()), least, most, int(total))
        histogram.clamped, histogram.negative = int(str(clamped)), int(str(negative))
        return histogram

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self._facts() == other._facts() and bool(
            all(np.array_equal(*pair) for pair in zip(self._in_use(), other._in_use(), strict=True))
        )

    __hash__ = None  # type: ignore[assignment]  # mutable

    def _facts(self) -> tuple[int, int | None, int | None, int, int, int]:
        return (self.count, self.min, self.max, self.sum, self.clamped, self.negative)

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, min={self.min}, p50={self.percentile(50)}, max={self.max})"
