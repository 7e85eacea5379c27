"""The populations of a run in report.html: all beside each other, and each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from markupsafe import Markup

from wps_load.plurals import counted
from wps_load.report import charts, tables
from wps_load.report.document import PopulationRow, Summary
from wps_load.report.elements import MOST_ROWS, NOTHING, details, figures, fitting, note, of, section, shortened, table
from wps_load.report.evidence import headline
from wps_load.report.page import Page
from wps_load.report.part import histograms_of, part_of
from wps_load.report.population_tables import is_outside_accounts, matrix_table, populations, populations_table
from wps_load.report.tiles import figures as first_figures
from wps_load.report.topology import population_words


def overview(page: Page) -> Markup:
    """Each population of a mix, or of a locustfile's classes, and who heard how much of whom."""
    summary = page.summary
    if not populations(summary):
        return NOTHING
    said = "A delivery belongs to the receiver’s population, a publication to the publisher’s; the sums are the run’s."
    outside = [each["name"] for each in populations(summary) if is_outside_accounts(summary, each)]
    if outside:
        said += f" Not in the sums: {', '.join(outside)}, where nothing was measured."
    heard = matrix_table(summary)
    more = [] if heard is None else [Markup("<h3>Who heard whom</h3>"), shortened(table, heard)]
    rows, points = populations(summary), _points(summary)
    drawn = page.chart(charts.populations_over_time(summary, rows, points))
    drawn += page.chart(charts.by_population(rows, page.histograms or {}))
    return of("any", section("Populations", said, shortened(table, populations_table(summary)), drawn, *more))


@dataclass(slots=True)
class PageRoom:
    """How many characters of the page are used: one with very many populations must stay below 500 KB."""

    taken: int = 0
    left_out: list[str] = field(default_factory=list)
    """The populations that have no section."""

    @property
    def is_full(self) -> bool:
        return self.taken > _ROOM

    @property
    def is_short(self) -> bool:
        return self.taken > _ROOM_IN_FULL


def each_population(page: Page, room: PageRoom) -> Iterator[Callable[[Page], Markup]]:
    """Yields each population's section: SLOs, latencies, messages, connections and failures."""
    yield from (partial(_population, row, room) for row in populations(page.summary))
    yield partial(_left_out, room)


def _left_out(room: PageRoom, page: Page) -> Markup:
    """The target of links to populations without a section."""
    if not room.left_out:
        return NOTHING
    many = counted(len(room.left_out), "population")
    said = f"{many} without a section, so that the page stays small: summary.json has the figures of all."
    anchors = Markup("").join(Markup('<span id="population-{}"></span>').format(name) for name in room.left_out)
    return of("any", section("More populations", said, anchors))


def _population(row: PopulationRow, room: PageRoom, page: Page) -> Markup:
    """Complete while there is room, then only its figures and SLOs, in the end nothing: the table above has it."""
    name = row["name"]
    if room.is_full:
        room.left_out.append(name)
        return NOTHING
    own = Page(part_of(page.summary, row), histograms_of(page.histograms or {}, name), page.extras, prefix=f"{name}-")
    body = _first(own) if room.is_short else _body(own, _points(page.summary))
    return of(name, section(name, f"{population_words(row)}.", *body), f"population-{name}")


def _points(summary: Summary) -> int:
    """The points of a line: fewer with many populations, so that the page stays small."""
    return max(_FEWEST_POINTS, min(charts.MAX_POINTS, _ALL_POINTS // max(1, len(populations(summary)))))


_ALL_POINTS, _FEWEST_POINTS = 1200, 60
_ROOM_IN_FULL, _ROOM = 375_000, 400_000


def _body(page: Page, points: int) -> Iterator[Markup]:
    summary = page.summary
    yield from _first(page)
    for metric in charts.shown_metrics(summary):
        yield page.chart(charts.latency(summary, metric, points))
    yield page.chart(charts.messages(summary, points))
    name = headline(summary)
    yield page.chart(charts.distribution(page.histograms or {}, name, charts.limits_of(summary, name)))
    if summary["metrics"]:
        yield table(tables.metrics_table(summary))
    if any(summary["messages"].get(name) for name in ("offered", "published", "expected", "delivered")):
        yield details("Messages", tables.messages_table(summary))
    yield details("Connections", tables.connections_table(summary))
    if summary["failures"]:
        yield note("Failures")
        yield table(tables.failures_table(summary))


def _first(page: Page) -> Iterator[Markup]:
    yield figures(first_figures(page.summary))
    if page.summary["slo"]:
        yield fitting(tables.slo_table(page.summary))


def filters(summary: Summary) -> list[str]:
    """The populations to which the page can be narrowed."""
    found = [row["name"] for row in populations(summary)]
    return found[:MOST_ROWS] if len(found) > 1 else []
