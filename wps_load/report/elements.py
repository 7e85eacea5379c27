"""The HTML elements of report.html, as functions: text is escaped, `Markup` is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from markupsafe import Markup

from wps_load.report.document import DoubtRow
from wps_load.report.tables import Table
from wps_load.report.templates import call

NOTHING = Markup("")
MOST_ROWS = 100
"""As many rows as a person would read; a page must stay below 500 KB."""


class _Columns:
    """A table as its template reads it: the header's texts with the attribute that their cells share."""

    def __init__(self, found: Table) -> None:
        self.header, self.rows = found.header, found.rows
        self.columns = [
            (text, Markup(' class="num"') if found.is_numeric(i) else NOTHING) for i, text in enumerate(found.header)
        ]


def section(title: str, note: str, *body: Markup) -> Markup:
    return call("elements.html", "section", title, note, NOTHING.join(body))


def details(label: str, found: Table) -> Markup:
    """A table that scripts fold away."""
    return call("elements.html", "details", label, table(found))


def table(found: Table) -> Markup:
    """A table that scrolls sideways, also by keyboard, where it does not fit."""
    return call("elements.html", "table", _Columns(found))


def fitting(found: Table) -> Markup:
    """A table whose cells wrap on a phone, so that all columns are visible."""
    return call("elements.html", "table", _Columns(found), " fit")


def shortened(made: Callable[[Table], Markup], found: Table) -> Markup:
    """A table with a row for each population, SLO or pair of populations, of which there may be any number.

    Failed rows are never left out in favour of others.
    """
    left = len(found.rows) - MOST_ROWS
    if left <= 0:
        return made(found)
    rows = sorted(found.rows, key=lambda row: all(cell.tone != "fail" for cell in row))
    return made(replace(found, rows=tuple(rows[:MOST_ROWS]))) + note(f"{left:,} more: see summary.json.")


def pairs(found: Table) -> Markup:
    """A table of names and values as a list that fills the width; further columns follow the value, named."""
    return call("elements.html", "pairs", found)


def columns(*bodies: Markup) -> Markup:
    """Columns side by side, if there is room."""
    return Markup('<div class="columns">{}</div>').format(NOTHING.join(bodies))


def of(population: str, body: Markup, id_: str = "") -> Markup:
    """Marks what belongs to a population, or to the whole run: a script can show just one. `any`: each of them."""
    return call("elements.html", "of", population, id_, body) if body else NOTHING


def note(text: str, kind: str = "note") -> Markup:
    return call("elements.html", "paragraph", text, kind)


def doubts(found: Sequence[DoubtRow]) -> Markup:
    return call("elements.html", "doubts", found)


def filters(names: Sequence[str]) -> Markup:
    """Buttons that narrow the page to one population; without scripts there are none, and everything is shown."""
    return call("elements.html", "filters", names)


def figures(items: Sequence[tuple[str, str, str]]) -> Markup:
    """Tiles of a name, a value and its unit."""
    return call("elements.html", "figures", items)
