"""The finals of many streams as columns: few bytes a stream on the wire, selected by audience in one pass. Pure.

A row is `[final, segments, clock]`: what became of a stream (`StreamFinal`), its schedule (`Schedule.describe`), and
the number of the clock that the schedule is in. Most schedules differ from each other in one number only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_COLUMNS = (
    ("stream", "<i8"),
    ("audience", "<i8"),
    ("owner", "<i8"),
    ("no_echo", "u1"),
    ("count", "<i8"),
    ("shape", "<u4"),
    ("own", "<i8"),
    ("clock", "<u4"),
)
"""Numbers of tasks have 62 bits. `owner`: -1 if there is none. `shape`: the schedule without its `own` number."""
_OWN = {"constant": 1, "poisson": 3}
"""Kind of schedule -> the position in its description of the number that each stream has to itself."""

Table = Mapping[str, npt.NDArray[Any]]
Odd = tuple[list[int], list[Any] | None]
"""Failed numbers as bounds, and the whole schedule if it has no shape."""


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """`odd`: row -> what does not fit the columns."""

    table: Table
    shapes: list[list[Any]]
    odd: dict[int, Odd]

    def __eq__(self, other: object) -> bool:
        return self.rows() == other.rows() if isinstance(other, Streams) else NotImplemented

    def __len__(self) -> int:
        return len(self.table["stream"])

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> Streams:
        """Made from `[final, segments]`; the clock is number 0."""
        shapes: dict[tuple[Any, ...], int] = {}
        odd: dict[int, Odd] = {}
        columns = []
        for at, (final, segments) in enumerate(rows):
            stream, audience, owner, no_echo, count, failed = final
            shape, own = _shape(segments)
            if failed or shape is None:
                odd[at] = list(failed), None if shape is not None else [[first, list(text)] for first, text in segments]
            number = 0 if shape is None else shapes.setdefault(shape, len(shapes))
            columns.append((stream, audience, -1 if owner is None else owner, no_echo, count, number, own, 0))
        values = list(zip(*columns, strict=True)) or [()] * len(_COLUMNS)
        table = {name: np.array(each, kind) for (name, kind), each in zip(_COLUMNS, values, strict=True)}
        return cls(table, [list(shape) for shape in shapes], odd)

    def rows(self) -> list[list[Any]]:
        """`[final, segments, clock]` of each stream."""
        found = []
        for at, values in enumerate(zip(*(self.table[name].tolist() for name, _ in _COLUMNS), strict=True)):
            stream, audience, owner, no_echo, count, shape, own, clock = values
            failed, segments = self.odd.get(at, ((), None))
            final = [stream, audience, None if owner < 0 else owner, bool(no_echo), count, list(failed)]
            found.append([final, _segments(self.shapes[shape], own) if segments is None else segments, clock])
        return found

    def to_wire(self) -> list[Any]:
        columns = b"".join(np.ascontiguousarray(self.table[name]).tobytes() for name, _ in _COLUMNS)
        odd = [[at, failed, segments] for at, (failed, segments) in self.odd.items()]
        return [len(self), zlib.compress(columns, 1), self.shapes, odd]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> Streams:
        """The inverse of `to_wire`. Raises ValueError or TypeError on anything else."""
        count, packed, shapes, odd = wire
        try:
            content = zlib.decompress(packed)
        except zlib.error as error:
            raise ValueError("not the finals of streams") from error
        table, at = {}, 0
        for name, kind in _COLUMNS:
            table[name] = np.frombuffer(content, kind, count, at)
            at += count * np.dtype(kind).itemsize
        return cls(table, list(shapes), {row: (failed, segments) for row, failed, segments in odd})


def _shape(segments: Sequence[Any]) -> tuple[tuple[Any, ...] | None, int]:
    """The schedule without its own number, and that number; None if it is not a single one of a usual kind."""
    if not segments:
        return (), 0
    (first, description), *more = segments
    at = _OWN.get(description[0])
    if first or more or at is None:
        return None, 0
    return (*description[:at], None, *description[at + 1 :]), description[at]


def _segments(shape: Sequence[Any], own: int) -> list[Any]:
    return [[0, [own if part is None else part for part in shape]]] if shape else []


NO_STREAMS = Streams.of(())


class FinalsOfAll:
    """The finals of all agents, and who hears what. `agents`: each one's streams, in the order of the clocks."""

    def __init__(self, agents: Sequence[Streams]) -> None:
        shapes: list[list[Any]] = []
        columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name, _ in _COLUMNS}
        odd: dict[int, Odd] = {}
        begin = 0
        for clock, streams in enumerate(agents):
            for name, kind in _COLUMNS:
                column = streams.table[name]
                if name == "shape":
                    column = column + np.uint32(len(shapes))
                elif name == "clock":
                    column = np.full(len(streams), clock, kind)
                columns[name].append(column)
            odd |= {begin + at: each for at, each in streams.odd.items()}
            shapes += streams.shapes
            begin += len(streams)
        self._table = {name: np.concatenate([np.zeros(0, kind), *columns[name]]) for name, kind in _COLUMNS}
        self._shapes, self._odd = shapes, odd
        self._order = np.argsort(self._table["audience"], kind="stable")
        self._audiences = self._table["audience"][self._order]
        self._odd_rows = np.array(sorted(odd), np.int64)

    def known(self) -> list[int]:
        """The numbers of the streams, as flat ranges."""
        numbers = np.unique(self._table["stream"].astype(np.int64))
        if not len(numbers):
            return []
        breaks = np.flatnonzero(np.diff(numbers) > 1)
        lows, highs = numbers[np.r_[0, breaks + 1]], numbers[np.r_[breaks, len(numbers) - 1]] + 1
        return [int(bound) for bound in np.column_stack((lows, highs)).ravel()]

    def heard(self, audiences: Sequence[int] | None) -> Streams:
        """The finals of these audiences, given as flat ranges; all of them if the audiences are unknown."""
        if audiences is None:
            picked = np.arange(len(self._order))
        else:
            bounds = np.searchsorted(self._audiences, np.array(audiences, np.int64)).tolist()
            parts = [self._order[lo:hi] for lo, hi in zip(bounds[::2], bounds[1::2], strict=True)]
            picked = np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))
        table = {name: column[picked] for name, column in self._table.items()}
        used, table["shape"] = np.unique(table["shape"], return_inverse=True)
        table["shape"] = table["shape"].astype("<u4")
        at = np.searchsorted(picked, self._odd_rows)
        inside = (at < len(picked)) & (picked[np.minimum(at, len(picked) - 1)] == self._odd_rows) if len(picked) else []
        rows = zip(at[inside].tolist(), self._odd_rows[inside].tolist(), strict=True) if len(picked) else ()
        # a stream without a shape has number 0, which may not exist
        shapes = [self._shapes[each] if each < len(self._shapes) else [] for each in used.tolist()]
        return Streams(table, shapes, {row: self._odd[number] for row, number in rows})
