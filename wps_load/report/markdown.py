"""summary.md: the essentials of a run, short enough for a GitHub step summary (at most 1 MiB)."""

from __future__ import annotations

import re

from wps_load.capacity.units import load_guide
from wps_load.report import phases, step_texts, tables, words
from wps_load.report.azure_tables import azure_sentence, azure_table, closes_table
from wps_load.report.document import Summary
from wps_load.report.extras import NONE, Extras
from wps_load.report.population_tables import matrix_table, populations, populations_table
from wps_load.report.tables import Cell, Table
from wps_load.report.tiles import figures
from wps_load.report.unit_tables import found_sizing, guide_table, price_note, sizes_table, units_notes, units_sentence

_MARK = {"pass": "✅", "fail": "❌", "invalid": "⚠️"}
_LEVEL = {"error": "⚠️ **{name}**", "warning": "**{name}**"}
_FAILURES_SHOWN = 20


def render(summary: Summary, extras: Extras = NONE) -> str:
    """GitHub-flavoured Markdown."""
    word = tables.verdict_word(summary)
    parts = [
        f"## {_MARK[summary['verdict']]} {word}: {escape(summary['run']['scenario'])} over "
        f"{escape(summary['run']['protocol'])}",
        escape(tables.verdict_sentence(summary)),
        *map(escape, tables.exit_sentences(summary)),
        first_figures(summary),
        escape(words.what_ran(summary)),
        escape(words.reset_sentence(summary)),
        escape(phases.users_sentence(summary)),
        escape(tables.previous_sentence(summary)),
        doubts(summary),
        *stepped(summary),
        *units(summary, extras),
    ]
    if phases.user_phases(summary):
        parts += ["### Users", rendered(phases.users_table(summary))]
    if populations(summary):
        parts += ["### Populations", rendered(populations_table(summary))]
        heard = matrix_table(summary)
        parts += ["### Who heard whom", rendered(heard)] if heard is not None else []
    if summary["slo"]:
        parts += ["### SLOs", rendered(tables.slo_table(summary))]
    if summary["metrics"]:
        parts += ["### Latency", rendered(tables.metrics_table(summary))]
    parts += ["### Messages", rendered(tables.messages_table(summary))]
    parts += ["### Connections", rendered(tables.connections_table(summary))]
    if summary["failures"]:
        parts += ["### Failures", failures(summary)]
    parts += azure(extras)
    return "\n\n".join(part for part in parts if part) + "\n"


def first_figures(summary: Summary) -> str:
    """The main figures of a run, in one line: those with SLOs first, with margins."""
    return ", ".join(f"**{escape(name)}** {escape(' '.join(words)).strip()}" for name, *words in figures(summary))


def stepped(summary: Summary) -> list[str]:
    """The steps of a search or of stages."""
    if not step_texts.steps(summary):
        return []
    if tables.is_search(summary):
        return ["### Capacity", rendered(step_texts.steps_table(summary))]
    return ["### Steps", escape(step_texts.knee_sentence(summary)), rendered(step_texts.steps_table(summary))]


def units(summary: Summary, extras: Extras) -> list[str]:
    found = found_sizing(summary, extras)
    if found is None:
        return []
    notes = units_notes(summary, found, load_guide())
    notes += [price_note(extras.prices)] if extras.prices is not None else []
    beside = guide_table(found)
    parts = ["### Units and cost", escape(units_sentence(summary, found)), escape(" ".join(notes))]
    parts.append(rendered(sizes_table(found, extras.prices)))
    return [*parts, rendered(beside)] if beside is not None else parts


def azure(extras: Extras) -> list[str]:
    if extras.azure is None:
        return []
    closes = closes_table(extras.azure)
    parts = ["### Azure Monitor", escape(azure_sentence(extras.azure)), rendered(azure_table(extras.azure))]
    return [*parts, rendered(closes)] if closes is not None else parts


def doubts(summary: Summary) -> str:
    lines = [
        f"- {_LEVEL[d['level']].format(name=escape(d['name'].replace('_', ' ')))}: "
        f"{escape(d['message'])} {escape(d['advice'])}"
        for d in summary["doubts"]
    ]
    return "\n".join(["### Doubts", "", *lines]) if lines else ""


def failures(summary: Summary) -> str:
    found = tables.failures_table(summary)
    shown = Table(found.header, found.rows[:_FAILURES_SHOWN], found.numeric_from)
    more = len(found.rows) - len(shown.rows)
    return rendered(shown) + (f"\n\nand {more} more labels" if more > 0 else "")


def rendered(table: Table) -> str:
    """A pipe table; numbers are right-aligned; figures from too few samples are in italics."""
    rule = ["---:" if table.is_numeric(i) else "---" for i in range(len(table.header))]
    lines = [table.header, rule, *(tuple(map(_cell, row)) for row in table.rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    return f"*{text}*" if cell.faint and text != tables.DASH else text


_MARKUP = re.compile(r"[\\`*\[\]|~]")


def escape(text: str) -> str:
    """Text as plain text: no HTML, link or picture, nor a table's end.

    Names, labels and settings may contain anything.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return " ".join(_MARKUP.sub(r"\\\g<0>", text).split())
