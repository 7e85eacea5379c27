"""report.html: one file that opens offline, with charts for the eye and every figure as a table without
scripts.

The page is assets/report.html filled in; report.css and report.js are inlined beside plotly's own JavaScript,
which ships in its wheel. All text is escaped; the data for the charts is JSON in which no tag can end the
script.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from wps_load.measure.histogram import Histogram
from wps_load.report import tables
from wps_load.report.charts import chart_data
from wps_load.report.sections import doubts, figures, sections

_MARK = {"pass": "✓", "fail": "✗", "invalid": "!"}
_CLOSE_DETAILS = 'for (const d of document.querySelectorAll("details")) d.open = false;'
"""Without scripts the tables stay open; with them the charts come first."""


def render(summary: Mapping[str, Any], histograms: Mapping[str, Histogram]) -> bytes:
    """The whole page in UTF-8."""
    run = summary["run"]
    word = tables.VERDICT_WORDS[summary["verdict"]]
    data = chart_data(summary, histograms)
    page = Template(_asset("report.html")).substitute(
        title=escape(f"{word}: {run['scenario']} over {run['protocol']} · wps-load"),
        css=_asset("report.css"),
        verdict=summary["verdict"],
        verdict_word=word,
        mark=_MARK[summary["verdict"]],
        started=escape(run["started_at"]),
        sentence=escape(tables.verdict_sentence(summary)),
        what=escape(tables.what_ran(summary)),
        doubts=doubts(summary),
        figures=figures(summary),
        sections="\n".join(sections(summary, data)),
        version=escape(str(run["versions"].get("wps-load", ""))),
        data=script_json(data),
        close_details=_CLOSE_DETAILS,
        plotly=_plotly(),
        script=_asset("report.js"),
    )
    return page.encode()


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
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )
