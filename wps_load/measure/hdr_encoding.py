"""HdrHistogram's encoding (V2, compressed, base64) of a histogram's counts, with numpy.

The `hdrh` package does the same, but leaves two arrays of all buckets and a type to the garbage collector, which seldom
runs during a test: 0.3 MB for each histogram of each second.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_PAYLOAD_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_PAYLOAD: Final = struct.Struct(">IIIIQQd")
"""Cookie, length of what follows, normalizing offset, significant digits, lowest and highest value, ratio."""
_HEADER: Final = struct.Struct(">II")


def encoded(used: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], *, digits: int, highest: int) -> bytes:
    """`used`: the indices of the buckets in use, ascending; `counts`: of each, below 2^55."""
    numbers = _varints(_zigzag(_runs(used, counts)))
    payload = _PAYLOAD.pack(_PAYLOAD_COOKIE, len(numbers), 0, digits, 1, highest, 1.0)
    compressed = zlib.compress(payload + numbers)
    return base64.b64encode(_HEADER.pack(_COMPRESSED_COOKIE, len(compressed)) + compressed)


def _runs(used: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each bucket's count; a run of empty buckets is its length as a negative number."""
    empty = np.diff(used, prepend=-1) - 1
    found = np.empty(2 * len(used), np.int64)
    found[0::2] = -empty
    found[1::2] = counts
    there = np.ones(len(found), np.bool_)
    there[0::2] = empty > 0
    return found[there]


def _zigzag(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    return ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)


def _varints(numbers: npt.NDArray[np.uint64]) -> bytes:
    """LEB128: seven bits a byte, the lowest first; the eighth bit says that more follow."""
    pieces: list[npt.NDArray[Any]] = []
    rest = numbers
    where = np.arange(len(numbers))
    places = []
    while len(rest):
        more = rest > 0x7F
        pieces.append((rest & np.uint64(0x7F)).astype(np.uint8) | (more.astype(np.uint8) << 7))
        places.append(where)
        rest, where = rest[more] >> np.uint64(7), where[more]
    if not pieces:
        return b""
    order = np.argsort(np.concatenate(places), kind="stable")  # the bytes of each number, in their order
    return np.concatenate(pieces)[order].tobytes()
