"""The input of the sections of report.html: the summary document, and the histograms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from markupsafe import Markup

from wps_load.measure.histogram import Histogram
from wps_load.report.document import Summary
from wps_load.report.drawing import Bars, Chart, drawn
from wps_load.report.elements import NOTHING
from wps_load.report.extras import NONE, Extras


@dataclass(frozen=True, slots=True)
class Page:
    """`histograms` None: they are unknown, and nothing is drawn of them.

    `prefix`: of its charts' names, if there are several of a kind.
    """

    summary: Summary
    histograms: Mapping[str, Histogram] | None = None
    extras: Extras = NONE
    prefix: str = ""

    def chart(self, chart: Chart | Bars | None) -> Markup:
        """The chart as HTML; empty if there is none."""
        return NOTHING if chart is None else drawn(replace(chart, name=f"{self.prefix}{chart.name}"))
