"""The types of the data that `/wps` sends to the live page, where `assets/live.js` reads them."""

from __future__ import annotations

from typing import Literal, TypedDict

from wps_load.report.charts import Limit
from wps_load.report.document import DoubtRow, Verdict
from wps_load.report.tiles import Tile


class LiveColumn(TypedDict):
    text: str
    numeric: bool


class LiveCell(TypedDict):
    text: str
    tone: str


class LiveTable(TypedDict):
    """A table of the report."""

    columns: list[LiveColumn]
    rows: list[list[LiveCell]]


class LivePhase(TypedDict):
    name: str
    started_s: float


class LiveSlo(TypedDict):
    """An SLO and its state so far. `words`: its verdict, as the page shows it."""

    expression: str
    verdict: str
    words: str
    value: str


class LiveFigures(TypedDict):
    """The figures so far; `lost` is what is missing until the drain decides. `whole`: the latency's percentiles."""

    open: int | None
    peak: int
    target: int
    failed: int
    dropped: int
    published: int
    delivered: int
    lost: int | None
    whole: dict[str, float | None]


class LiveData(TypedDict, total=False):
    """Everything but `state` is missing before the first run.

    `key`: identifies these rows; a page that has it gets only the rows from number `since` on. `first`, `next`: the
    numbers of the first row here and of the next one to request. `rows`: the charts' columns. `tiles`: a finished run's
    own figures.
    """

    state: Literal["none", "running", "finished"]
    key: str
    what: str
    target: str
    verdict: Verdict | None
    verdict_word: str | None
    sentence: str | None
    report: str | None
    phase: str
    elapsed_s: float
    total_s: float | None
    phases: list[LivePhase]
    metric: str
    limits: list[Limit]
    figures: LiveFigures
    tiles: list[Tile] | None
    so_far: str | None
    slos: list[LiveSlo]
    populations: LiveTable | None
    doubts: list[DoubtRow]
    generator: list[list[str]]
    first: int
    next: int
    rows: dict[str, list[float | None]]
