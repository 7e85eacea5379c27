"""Additions to a finished run's report that the run itself does not know: `wps-load report`'s own options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from wps_load.capacity.prices import Prices
from wps_load.report.azure import AzureMetrics


@dataclass(frozen=True, slots=True)
class Extras:
    """`growth`: also units for N times the load. `prices`: the user's. `azure`: Azure Monitor's view of the run.

    `folder`: the run's, for the commands that name it.
    """

    growth: Sequence[Fraction] = ()
    prices: Prices | None = None
    azure: AzureMetrics | None = None
    folder: str | None = None


NONE = Extras()
