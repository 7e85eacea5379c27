"""The rows of a run's timeline in few bytes each: the names of the columns once for all rows that have the same.

The values are JSON, as they will be in `summary.json`: 300 bytes of a row with 60 columns instead of 2,200, and nothing
for the garbage collector to look at.
"""

from __future__ import annotations

import orjson

from wps_load.measure.retention import Retention
from wps_load.report.interval import Interval
from wps_load.report.portion import PORTIONS

_Names = tuple[str, ...]
_Kept = tuple[_Names, str, str]
"""The columns' names, their values, and the portions: "" where there are none."""
MOST_KINDS = 256
"""The most sets of column names that are shared: each missing metric, and each kind of failure, makes another."""


class KeptRows:
    """As `Retention`, of intervals, which belong to it once they are appended; a row is made a dict when it is read.

    Only the end of a run reads what of them was each population's.
    """

    def __init__(self) -> None:
        self._kinds: dict[_Names, _Names] = {}
        self._kept: Retention[Interval, _Kept] = Retention(self._view)

    def append(self, interval: Interval) -> None:
        self._kept.append(interval)

    @property
    def count(self) -> int:
        """Intervals that were appended."""
        return self._kept.count

    @property
    def last(self) -> dict[str, object] | None:
        """The newest interval's row."""
        return None if self._kept.last is None else _dict(self._kept.last)

    def rows(self, *, portions: bool = False) -> list[dict[str, object]]:
        """Everything that is kept, the oldest first: together the rows cover every appended interval once."""
        return [_dict(kept, portions=portions) for kept in self._kept.rows()]

    def since(self, number: int) -> list[dict[str, object]] | None:
        """The rows from `number` on; None if some of them are merged by now."""
        found = self._kept.since(number)
        return None if found is None else [_dict(kept) for kept in found]

    def _view(self, interval: Interval) -> _Kept:
        row = interval.row()
        portions = row.pop(PORTIONS, None)
        if len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        names = tuple(row)
        names = self._kinds.setdefault(names, names)
        return names, _text(list(row.values())), "" if portions is None else _text(portions)


def _text(values: object) -> str:
    return orjson.dumps(values).decode()  # a copy: orjson's own bytes keep the 8 KB of its buffer


def _dict(kept: _Kept, *, portions: bool = False) -> dict[str, object]:
    names, values, parts = kept
    row = dict(zip(names, orjson.loads(values), strict=True))
    if parts and portions:
        row[PORTIONS] = orjson.loads(parts)
    return row
