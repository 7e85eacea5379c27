"""How many units a load needs, by Azure's published figures (capacity.json, with sources and date).

The performance guide measures with messages of 2 KB and calls the highest rate at which 99 % of them take less than
a second the maximum; it advises to plan for at most 80 % of it. Its rows are references, not limits that the
service enforces. Between two rows we interpolate linearly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TypedDict

BILLED_MESSAGE_BYTES = 2048
"""Azure bills outbound traffic, to clients and to event handlers, in messages of 2 KB; inbound is free."""
GUIDE_MESSAGE_BYTES = 2048
SMALL_MESSAGE_BYTES = 1024
"""Smaller messages cost the service as much as ones of this size (performance guide)."""
PLANNED_SHARE = 0.8
DAY_S = 86_400
MONTH_DAYS = 30

_CHOICE = ("Free_F1", "Standard_S1", "Premium_P2")
"""Tiers in order of size. Premium_P1 holds as much as Standard_S1."""


@dataclass(frozen=True, slots=True)
class TierRow:
    sku: str
    units_allowed: tuple[int, ...]
    connections_per_unit: int
    included_messages_per_unit_day: int
    bills_more: bool
    """Whether messages beyond the included ones are billed; otherwise the service stops until the next day."""


@dataclass(frozen=True, slots=True)
class UnitsRow:
    """One published row: the capacity of `units`, in messages of 2 KB a second. `interpolated`: between two rows."""

    units: int
    connections: int
    inbound_per_s: float
    outbound_per_s: float
    interpolated: bool = False


@dataclass(frozen=True, slots=True)
class Guide:
    """Azure's figures as of `compiled` (year-month). `use_cases`: rows by use case, ascending in units."""

    compiled: str
    source: str
    tiers: Mapping[str, TierRow]
    use_cases: Mapping[str, tuple[UnitsRow, ...]]
    connect_rates: tuple[tuple[int, float], ...]
    """(minimum units, new connections a second), ascending; 0 units: the free tier.

    Seen at the sibling service, Azure SignalR, and not confirmed for Web PubSub.
    """

    def connect_rate(self, sku: str, units: int) -> float:
        """New connections a second that `units` accept before they answer 429, as far as is known."""
        if not self.tiers[sku].bills_more:
            units = 0
        return next(per_s for least, per_s in reversed(self.connect_rates) if units >= least)

    def row(self, use_case: str, units: int) -> UnitsRow:
        """The row for `units`, interpolated if none is published. Raises KeyError for an unknown use case."""
        rows = self.use_cases[use_case]
        below = max((row for row in rows if row.units <= units), key=lambda row: row.units, default=rows[0])
        above = min((row for row in rows if row.units >= units), key=lambda row: row.units, default=rows[-1])
        if below.units == units:
            return below
        share = (units - below.units) / (above.units - below.units)
        between = [
            low + (high - low) * share
            for low, high in (
                (below.connections, above.connections),
                (below.inbound_per_s, above.inbound_per_s),
                (below.outbound_per_s, above.outbound_per_s),
            )
        ]
        return UnitsRow(units, round(between[0]), between[1], between[2], interpolated=True)

    def fixed_inbound(self, use_case: str) -> bool:
        """Whether the use case's inbound rate is the same at any size: then only fan-out grows with the units."""
        rows = self.use_cases[use_case]
        return rows[0].inbound_per_s == rows[-1].inbound_per_s


@dataclass(frozen=True, slots=True)
class Load:
    """The load on the service; None: unknown (a closed loop has no rate of its own).

    `message_bytes`: the mean size of a message's data. `billed_bytes_per_s`: all traffic out of the service. `parts`:
    for a mix, what its publishers of each of the guide's use cases send, and the resulting traffic out.
    """

    connections: int
    inbound_per_s: float | None
    outbound_per_s: float | None
    message_bytes: float
    billed_bytes_per_s: float | None
    parts: tuple[tuple[str, Load], ...] = ()

    @property
    def billed_per_day(self) -> int | None:
        """The billed messages of a whole day at this load."""
        if self.billed_bytes_per_s is None:
            return None
        return billed_messages(self.billed_bytes_per_s * DAY_S)

    def times(self, factor: float, *, fixed_inbound: bool, fixed: frozenset[str] = frozenset()) -> Load:
        """The load of `factor` times the connections.

        Outbound traffic grows in proportion, and so does inbound unless only fan-out grows (`Guide.fixed_inbound`).
        `fixed`: the use cases of which that is true, for the parts of a mix.
        """

        def grown(value: float | None, by: float) -> float | None:
            return None if value is None else value * by

        return replace(
            self,
            connections=math.ceil(self.connections * factor),
            inbound_per_s=grown(self.inbound_per_s, 1 if fixed_inbound else factor),
            outbound_per_s=grown(self.outbound_per_s, factor),
            billed_bytes_per_s=grown(self.billed_bytes_per_s, factor),
            parts=tuple((name, part.times(factor, fixed_inbound=name in fixed)) for name, part in self.parts),
        )


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one quantity is used. `share` 1.0: all of it."""

    name: str
    demand: float
    capacity: float

    @property
    def share(self) -> float:
        return self.demand / self.capacity


@dataclass(frozen=True, slots=True)
class Size:
    """`units` of `sku`, and how full they are. `row`: the published one; None if there is no use case."""

    sku: str
    units: int
    uses: tuple[Use, ...]
    row: UnitsRow | None

    @property
    def fullest(self) -> Use:
        return max(self.uses, key=lambda use: use.share)

    @property
    def holds(self) -> bool:
        return self.fullest.share <= PLANNED_SHARE


def billed_messages(outbound_bytes: float) -> int:
    """The messages of 2 KB as which outbound traffic is billed: by the sum, not message by message."""
    return math.ceil(outbound_bytes / BILLED_MESSAGE_BYTES)


def in_guide_messages(per_s: float, message_bytes: float) -> float:
    """The rate of messages as a rate of the guide's 2 KB ones; messages below 1 KB count as 1 KB."""
    return per_s * max(message_bytes, SMALL_MESSAGE_BYTES) / GUIDE_MESSAGE_BYTES


def filled(guide: Guide, load: Load, use_case: str | None, sku: str, units: int) -> Size:
    """How full `units` of `sku` are under `load`.

    Unknown rates are left out; for the free tier, whose throughput is not published, the day's messages decide.
    """
    tier = guide.tiers[sku]
    row = None if use_case is None or not tier.bills_more else guide.row(use_case, units)
    return Size(sku, units, tuple(_uses(guide, load, use_case, tier, units, row)), row)


def _uses(
    guide: Guide, load: Load, use_case: str | None, tier: TierRow, units: int, row: UnitsRow | None
) -> Iterator[Use]:
    yield Use("connections", load.connections, tier.connections_per_unit * units)
    if row is not None and use_case is not None:
        yield from _rates(guide, load, use_case, row)
    elif load.parts and tier.bills_more:
        yield from _shared(guide, load, units)
    if not tier.bills_more and load.billed_per_day is not None:
        included = tier.included_messages_per_unit_day * units
        yield Use("billed messages/day", load.billed_per_day, included)


def _rates(guide: Guide, load: Load, use_case: str, row: UnitsRow) -> Iterator[Use]:
    if load.outbound_per_s is not None:
        demand = in_guide_messages(load.outbound_per_s, load.message_bytes)
        yield Use("outbound messages/s of 2 KB", demand, row.outbound_per_s)
    if load.inbound_per_s is not None and not guide.fixed_inbound(use_case):
        demand = in_guide_messages(load.inbound_per_s, load.message_bytes)
        yield Use("inbound messages/s of 2 KB", demand, row.inbound_per_s)


def _shared(guide: Guide, load: Load, units: int) -> Iterator[Use]:
    """Each of several use cases takes its share of the units, and the shares add up."""
    demands: dict[str, float] = {}
    shares: dict[str, float] = {}
    for use_case, part in load.parts:
        for use in _rates(guide, part, use_case, guide.row(use_case, units)):
            demands[use.name] = demands.get(use.name, 0.0) + use.demand
            shares[use.name] = shares.get(use.name, 0.0) + use.share
    for name, demand in demands.items():
        if shares[name]:
            yield Use(name, demand, demand / shares[name])


def smallest(guide: Guide, load: Load, use_case: str | None) -> Size:
    """The smallest size that holds `load` at 80 %.

    If none does, it is the largest: `holds` is False, and `fullest` names its first limit.
    """
    size: Size | None = None
    for sku in _CHOICE:
        if load.billed_per_day is None and not guide.tiers[sku].bills_more:
            continue  # it stops when the day's messages are used up, and their number is unknown
        for units in guide.tiers[sku].units_allowed:
            size = filled(guide, load, use_case, sku, units)
            if size.holds:
                return size
    assert size is not None, "there is a tier"
    return size


def additional_messages(guide: Guide, size: Size, billed_per_day: int) -> int:
    """A day's billed messages beyond the included ones."""
    included = guide.tiers[size.sku].included_messages_per_unit_day * size.units
    return max(0, billed_per_day - included)


@cache
def load_guide() -> Guide:
    """The figures that this package ships."""
    document = json.loads(files("wps_load.capacity").joinpath("capacity.json").read_text("utf-8"))
    performance = document["performance"]["newest"]
    return Guide(
        compiled=document["compiled"],
        source=document["sources"][performance["source"]],
        tiers=MappingProxyType({sku: _tier(sku, row) for sku, row in document["tiers"].items()}),
        use_cases=MappingProxyType(
            {name: tuple(_row(row) for row in case["rows"]) for name, case in performance.items() if name != "source"}
        ),
        connect_rates=tuple(
            (row.get("units", row.get("units_from", 0)), float(row["rate"]))
            for row in document["connect_rate_per_s"]["rows"]
        ),
    )


class _TierFields(TypedDict):
    """The fields of a tier in capacity.json."""

    units_allowed: list[int]
    connections_per_unit: int
    included_messages_per_unit_per_day: int
    additional_messages: bool


class _UnitsFields(TypedDict):
    """The fields of a row of the performance guide in capacity.json."""

    units: int
    connections: int
    inbound_msg_s: int
    outbound_msg_s: int


def _tier(sku: str, row: _TierFields) -> TierRow:
    return TierRow(
        sku,
        tuple(row["units_allowed"]),
        row["connections_per_unit"],
        row["included_messages_per_unit_per_day"],
        row["additional_messages"],
    )


def _row(row: _UnitsFields) -> UnitsRow:
    return UnitsRow(row["units"], row["connections"], row["inbound_msg_s"], row["outbound_msg_s"])
