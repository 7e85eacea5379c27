"""report.html: one file that opens offline, with charts as SVG and every figure as a table.

The page is the template assets/report.html; the CSS and the script that makes the charts interactive are inlined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from markupsafe import Markup

from wps_load.measure.histogram import Histogram
from wps_load.plurals import counted
from wps_load.report import phases, population_sections, tables, words
from wps_load.report.document import Summary
from wps_load.report.elements import doubts, figures, filters, of
from wps_load.report.extras import NONE, Extras
from wps_load.report.page import Page
from wps_load.report.sections import sections
from wps_load.report.templates import asset, environment
from wps_load.report.tiles import figures as first_figures

_MARK = {"pass": "✓", "fail": "✗", "invalid": "!"}


def render(summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras = NONE) -> bytes:
    """The whole page in UTF-8; without the histograms, it has no chart of their percentiles."""
    return b"".join(pieces(summary, histograms, extras))


def pieces(summary: Summary, histograms: Mapping[str, Histogram] | None, extras: Extras = NONE) -> Iterator[bytes]:
    """The page section by section, for callers that must do something else in between."""
    run = summary["run"]
    started = datetime.fromisoformat(run["started_at"]).astimezone(UTC)
    template = environment().get_template("report.html")
    parts = template.stream(
        run=run,
        css=Markup(page_css()),
        verdict=summary["verdict"],
        verdict_word=tables.verdict_word(summary),
        mark=_MARK[summary["verdict"]],
        started=f"{started:%Y-%m-%d %H:%M:%S} UTC",
        sentence=" ".join([tables.verdict_sentence(summary), *tables.exit_sentences(summary)]),
        title=_title(summary, started),
        what=" ".join(filter(None, _what(summary))),
        previous=summary.get("previous"),
        doubts=doubts(summary["doubts"]),
        filters=filters(population_sections.filters(summary)),
        figures=of("run", figures(first_figures(summary))),
        sections=sections(Page(summary, histograms, extras)),
        version=str(run["versions"].get("wps-load", "")),
        script=Markup(asset("chart.js") + (asset("filter.js") if summary.get("populations") else "")),
    )
    yield from (part.encode() for part in parts)


def _what(summary: Summary) -> Iterator[str]:
    yield words.what_ran(summary)
    yield words.reset_sentence(summary)
    yield phases.users_sentence(summary)


def _title(summary: Summary, started: datetime) -> str:
    """The title of a browser's tab: the verdict, what ran with which load, and when."""
    load = counted(tables.number(summary["connections"]["target"]), "connection")
    if rate := summary["rates"]["offered_per_s"]:
        load += f", {tables.number(rate)}/s"
    what = f"{words.scenario_words(summary)} over {summary['run']['protocol']}"
    return f"{tables.verdict_word(summary)}: {what}, {load}, {started:%Y-%m-%d %H:%M:%S} UTC"


def page_css() -> str:
    """The style of every page; style and script are part of wps-load, and contain no end tag."""
    return asset("report.css") + asset("chart.css")
