"""Units and cost of a load, of N times it, and of what was bought: rows for whoever shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wps_load.capacity.measured import measured_load
from wps_load.capacity.prices import Cost, Prices, cost
from wps_load.capacity.units import (
    PLANNED_SHARE,
    USE_CASES,
    Guide,
    Load,
    Size,
    additional_messages,
    filled,
    smallest,
)
from wps_load.settings.options import OPTIONS
from wps_load.workload.scenarios import SCENARIOS


@dataclass(frozen=True, slots=True)
class Sized:
    """`times` the load, and the smallest size that holds it. None: unknown."""

    times: float
    load: Load
    size: Size
    additional_per_day: int | None
    cost: Cost | None

    @property
    def headroom(self) -> float:
        """By how much the load may grow until its size is 80 % full: 0.25, a quarter. Negative: it is too small."""
        return PLANNED_SHARE / self.size.fullest.share - 1


@dataclass(frozen=True, slots=True)
class Sizing:
    """`rows`: the load itself, then each growth. `use_case`: the guide's; None where connections alone decide.
    `same_use_case`: whether it is the scenario's own, not the nearest. `bought`: None without `--wps-units` and
    `--wps-tier`."""

    rows: tuple[Sized, ...]
    use_case: str | None
    same_use_case: bool
    bought: Size | None


def sizing(
    scenario: str,
    load: Load,
    guide: Guide,
    growth: Sequence[Fraction] = (),
    prices: Prices | None = None,
    *,
    units: int | None = None,
    sku: str | None = None,
) -> Sizing:
    """`units`, `sku`: what was bought, if known; one of them alone stands for one unit, or the usual tier."""
    use_case, same = USE_CASES.get(scenario, (None, False))
    fixed = use_case is not None and guide.fixed_inbound(use_case)
    loads = [(1.0, load), *((float(n), load.times(float(n), fixed_inbound=fixed)) for n in growth)]
    rows = tuple(_sized(times, each, guide, use_case, prices) for times, each in loads)
    bought = None
    if units is not None or sku is not None:
        count = units or 1
        bought = filled(guide, load, use_case, sku or ("Standard_S1" if count <= 100 else "Premium_P2"), count)
    return Sizing(rows, use_case, same, bought)


def _sized(times: float, load: Load, guide: Guide, use_case: str | None, prices: Prices | None) -> Sized:
    size, billed = smallest(guide, load, use_case), load.billed_per_day
    additional = None if billed is None else additional_messages(guide, size, billed)
    return Sized(times, load, size, additional, None if prices is None else cost(guide, prices, size, billed))


def measured_sizing(
    summary: Mapping[str, Any], guide: Guide, growth: Sequence[Fraction], prices: Prices | None
) -> Sizing | None:
    """Of a finished run; None where its load is unknown: tasks of a locustfile's own, a search in which nothing held.

    Raises ValueError for settings that no run of this version has.
    """
    run = summary["run"]
    if run["scenario"] not in SCENARIOS or not summary["connections"]["peak"]:
        return None
    capacity = summary["capacity"]
    if capacity is not None and capacity["value"] is None:
        return None
    bought = {name: _setting(run["settings"], name) for name in ("units", "tier")}
    load = measured_load(summary)
    return sizing(run["scenario"], load, guide, growth, prices, units=bought["units"], sku=bought["tier"])


def _setting(settings: Mapping[str, Any], name: str) -> Any:
    option = next(option for option in OPTIONS if option.flag == f"--wps-{name}")
    text = settings.get(option.key)
    return option.read(str(text)) if text else None
