"""The numbers of users' streams: 30 bits hold the publisher's index and its *incarnation*.

An index is used again when its user has left, as often as the incarnation has bits for. Low indices are used again most
often, so they have the most bits; a leading 0, 10 or 11 shows the layout of a number. Pure.
"""

from __future__ import annotations

from typing import Final, NamedTuple

INDEX_BITS: Final = 22
"""The bits of the highest index."""


class _Layout(NamedTuple):
    """Numbers from `base` on, with `index_bits` for the index and `incarnation_bits` above them."""

    base: int
    index_bits: int
    incarnation_bits: int


_LAYOUTS: Final = (_Layout(0, 14, 15), _Layout(0b10 << 28, 18, 10), _Layout(0b11 << 28, INDEX_BITS, 6))


def user_stream(index: int, incarnation: int) -> int:
    """The stream of a user. No two pairs share one, as long as `incarnation` is below `incarnations(index)`."""
    layout = _layout_of(index)
    return layout.base | incarnation << layout.index_bits | index


def index_of_stream(stream: int) -> int:
    """The index of the user who publishes on this stream."""
    layout = next(each for each in reversed(_LAYOUTS) if stream >= each.base)
    return stream & (1 << layout.index_bits) - 1


def incarnations(index: int) -> int:
    """How often an index may be used in a run."""
    return 1 << _layout_of(index).incarnation_bits


def _layout_of(index: int) -> _Layout:
    return next(each for each in _LAYOUTS if index < 1 << each.index_bits)
