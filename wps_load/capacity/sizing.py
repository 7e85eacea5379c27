"""Units and cost of a load, of N times that load, and of what was bought, as rows for display."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from wps_load.capacity.prices import Cost, Prices, cost
from wps_load.capacity.units import (
    PLANNED_SHARE,
    Guide,
    Load,
    Size,
    additional_messages,
    filled,
    smallest,
)
from wps_load.workload.scenarios import ROWS


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
        """How much the load may grow until its size is 80 % full: 0.25 is a quarter.

        Negative: the size is too small.
        """
        return PLANNED_SHARE / self.size.fullest.share - 1


@dataclass(frozen=True, slots=True)
class Sizing:
    """`rows`: the load itself, then each growth.

    `use_case`: the guide's; None if connections alone decide. `same_use_case`: it is the scenario's own, not the
    nearest. `bought`: None without `--wps-units` and `--wps-tier`.
    """

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
    grow: Callable[[float], Load] | None = None,
) -> Sizing:
    """`units`, `sku`: what was bought, if known; one of them alone means one unit, or the usual tier.

    `grow` returns the load with this many times the connections, if that is known better than by `Load.times`.
    """
    row = ROWS.get(scenario)
    use_case, same = (None, False) if row is None else (row.use_case, row.guide is not None)
    fixed = use_case is not None and guide.fixed_inbound(use_case)
    of_parts = frozenset(name for name, _ in load.parts if guide.fixed_inbound(name))
    grown = grow or (lambda times: load.times(times, fixed_inbound=fixed, fixed=of_parts))
    loads = [(1.0, load), *((float(n), grown(float(n))) for n in growth)]
    rows = tuple(_sized(times, each, guide, use_case, prices) for times, each in loads)
    return Sizing(rows, use_case, same, bought(scenario, load, guide, units=units, sku=sku))


def bought(scenario: str, load: Load, guide: Guide, *, units: int | None, sku: str | None) -> Size | None:
    """How full the bought size is under `load`; None: nothing was stated."""
    if units is None and sku is None:
        return None
    use_case = ROWS[scenario].use_case if scenario in ROWS else None
    count = units or 1
    return filled(guide, load, use_case, sku or ("Standard_S1" if count <= 100 else "Premium_P2"), count)


def _sized(times: float, load: Load, guide: Guide, use_case: str | None, prices: Prices | None) -> Sized:
    size, billed = smallest(guide, load, use_case), load.billed_per_day
    additional = None if billed is None else additional_messages(guide, size, billed)
    return Sized(times, load, size, additional, None if prices is None else cost(guide, prices, size, billed))
