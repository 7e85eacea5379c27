"""The HTML elements that report.html is built of. Every text passes through `escape`; titles and notes are
ours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wps_load.report.tables import Cell, Table


def section(title: str, note: str, body: str) -> str:
    said = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{title}</h2>{said}{body}</section>"


def chart(name: str, label: str, size: str = "") -> str:
    """The place that report.js draws the chart `name` in."""
    return f'<div class="chart {size}" id="chart-{name}" role="img" aria-label="Chart: {escape(label)}"></div>'


def details(label: str, found: Table) -> str:
    """A table that scripts fold away."""
    return f"<details open><summary>{label}</summary>{table(found)}</details>"


def table(found: Table) -> str:
    """A table that scrolls sideways, also by keyboard, where it does not fit."""
    head = "".join(f'<th scope="col"{_numeric(i, found)}>{escape(text)}</th>' for i, text in enumerate(found.header))
    body = "".join(f"<tr>{_cells(row, found)}</tr>" for row in found.rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Table: {escape(found.header[0])}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def pairs(found: Table) -> str:
    """A table of names and values as a list that fills the width; further columns follow the value, named."""
    items = []
    for row in found.rows:
        more = "".join(
            f" <small>{escape(cell.text)} {escape(name)}</small>"
            for cell, name in zip(row[2:], found.header[2:], strict=True)
            if cell.text
        )
        items.append(f"<div><dt>{escape(row[0].text)}</dt><dd>{escape(row[1].text)}{more}</dd></div>")
    return f'<dl class="pairs">{"".join(items)}</dl>'


def _cells(row: Sequence[Cell], found: Table) -> str:
    cells = [f'<th scope="row"{_numeric(0, found)}>{escape(row[0].text)}</th>']
    for i, cell in enumerate(row[1:], 1):
        text = escape(cell.text)
        if cell.tone:
            text = f'<span class="is-{cell.tone}">{text}</span>'
        elif cell.faint:
            text = f'<i class="faint">{text}</i>'
        cells.append(f"<td{_numeric(i, found)}>{text}</td>")
    return "".join(cells)


def _numeric(column: int, found: Table) -> str:
    return ' class="num"' if found.is_numeric(column) else ""
