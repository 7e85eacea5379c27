"""report.html: one file that opens offline, with charts for the eye and every figure as a table without
scripts.

The page is assets/report.html filled in; report.css and report.js are inlined beside plotly's own JavaScript,
which ships in its wheel. All text is escaped; the data for the charts is JSON in which no tag can end the
script.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import orjson
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from wps_load.measure.histogram import Histogram
from wps_load.report import tables
from wps_load.report.charts import chart_data
from wps_load.report.extras import NONE, Extras
from wps_load.report.sections import doubts, figures, sections

_MARK = {"pass": "✓", "fail": "✗", "invalid": "!"}


def render(summary: Mapping[str, Any], histograms: Mapping[str, Histogram] | None, extras: Extras = NONE) -> bytes:
    """The whole page in UTF-8; without the histograms, tables only: small, and quick to make."""
    run = summary["run"]
    word = tables.VERDICT_WORDS[summary["verdict"]]
    started = datetime.fromisoformat(run["started_at"]).astimezone(UTC)
    return _filled(
        "report.html",
        title=escape(f"{word}: {run['scenario']} over {run['protocol']} · wps-load"),
        css=_asset("report.css"),
        verdict=summary["verdict"],
        verdict_word=word,
        mark=_MARK[summary["verdict"]],
        started=f"{started:%Y-%m-%d %H:%M:%S} UTC",
        sentence=escape(tables.verdict_sentence(summary)),
        what=escape(tables.what_ran(summary)),
        doubts=doubts(summary),
        figures=figures(summary),
        sections="\n".join(sections(summary, extras)),
        version=escape(str(run["versions"].get("wps-load", ""))),
        scripts=_no_charts() if histograms is None else _charts(summary, histograms, extras),
    ).encode()


def _charts(summary: Mapping[str, Any], histograms: Mapping[str, Histogram], extras: Extras) -> str:
    data = script_json(chart_data(summary, histograms, extras))
    return _filled("scripts.html", data=data, plotly=_plotly(), script=_asset("report.js"))


def _no_charts() -> str:
    return "<style>.chart { display: none }</style>"


def _filled(asset: str, **values: str) -> str:
    return Template(_asset(asset)).substitute(values)


@cache
def _asset(name: str) -> str:
    return files("wps_load.report").joinpath("assets", name).read_text("utf-8")


@cache
def _plotly() -> str:
    source: str = get_plotlyjs()
    # Nothing in plotly's file ends a script today; if a release brings it, the page must not break.
    return source.replace("</script", "<\\/script")


def script_json(data: object) -> str:
    """JSON that may stand in a script element: no `<` at all, so neither `</script` nor `<!--`."""
    return orjson.dumps(data).decode().replace("<", r"\u003c")
