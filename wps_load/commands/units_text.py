"""Units, headroom and cost of a planned or measured load as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from wps_load.capacity.prices import Cost, Prices
from wps_load.capacity.sizing import Sized, sizing
from wps_load.capacity.units import PLANNED_SHARE, Guide, Load, Size
from wps_load.commands.row_texts import rate, row
from wps_load.errors import ConfigError, Fault
from wps_load.workload.values import number, parts


def read_growth(text: str) -> tuple[Fraction, ...]:
    """Reads the factors of `--growth`. Raises ConfigError."""
    try:
        factors = tuple(number(part) for part in parts(text))
    except ValueError:
        factors = (Fraction(0),)
    if not all(0 < factor <= 1000 for factor in factors):
        raise ConfigError([Fault("--growth", text, "factors above zero and at most 1000, such as 2,5,10")])
    return factors


def lines(
    scenario: str,
    load: Load,
    guide: Guide,
    growth: Sequence[Fraction],
    prices: Prices | None,
    *,
    units: int | None,
    sku: str | None,
    grow: Callable[[float], Load] | None = None,
) -> Iterator[str]:
    """Units, headroom and cost of `load`, and of `growth` times it.

    `units`, `sku`: what was bought, if known. `grow`: as in `sizing`.
    """
    found = sizing(scenario, load, guide, growth, prices, units=units, sku=sku, grow=grow)
    yield f"Units, at {PLANNED_SHARE:.0%} of Azure's published figures ({guide.compiled})"
    several = list(dict.fromkeys(use_case for use_case, _ in load.parts))
    if several:
        words = ", ".join(use_case.replace("_", " ") for use_case in several)
        yield row("use cases", words if len(several) == 1 else f"{words}: each takes its share of the units")
    else:
        yield row("use case", _use_case(scenario, found.use_case, found.same_use_case))
    if load.outbound_per_s is None:
        yield row("", "the rate is unknown, so only connections are judged")
    if found.bought is not None:
        verdict = "holds it" if found.bought.holds else f"is too small: {_use(found.bought)}"
        yield row("bought", f"{found.bought.units:,} x {found.bought.sku} {verdict}")
        yield row("", _uses(found.bought))
    if prices is not None:
        yield row("prices", f"{prices.region}, {prices.date}, {prices.currency}; a month has 30 days")
    for at, sized in enumerate(found.rows):
        yield from _size(f"{sized.times:g} times" if at else "this load", sized, prices)


def _use_case(scenario: str, use_case: str | None, same: bool) -> str:
    if use_case is None:
        return "connections alone"
    words = use_case.replace("_", " ")
    return words if same else f"{words}, the nearest: none is published for {scenario}"


def _size(name: str, sized: Sized, prices: Prices | None) -> Iterator[str]:
    size = sized.size
    if not size.holds:
        yield row(name, f"more than any tier holds: {_use(size)} of {size.units:,} x {size.sku}")
        yield row("", "divide it among several resources")
        return
    yield row(name, f"{size.units:,} x {size.sku}: {_uses(size)}")
    if size.row is not None:
        like = size.row
        yield row(
            "",
            f"{'between rows' if like.interpolated else 'published'}: {like.connections:,} connections, "
            f"{rate(like.inbound_per_s)} in, {rate(like.outbound_per_s)} out, of 2 KB",
        )
    billed, more = sized.load.billed_per_day, sized.additional_per_day
    if billed:
        yield row("", f"{billed:,} billed messages a day, {f'{more:,} of them' if more else 'none'} additional")
    if prices is not None and sized.cost is not None:
        yield row("", _cost(sized.cost, prices.currency))


def _uses(size: Size) -> str:
    return ", ".join(f"{use.name} {use.share:.0%}" for use in size.uses)


def _use(size: Size) -> str:
    use = size.fullest
    return f"{use.name} at {use.share:.0%} ({use.demand:,.0f} of {use.capacity:,.0f})"


def _cost(found: Cost, currency: str) -> str:
    if found.per_day is not None and found.per_month is not None:
        return f"{found.per_day:,.2f} {currency} a day, {found.per_month:,.2f} {currency} a month"
    if found.units_per_day is None:
        return "cost unknown: the prices file has no unit_day for this tier"
    units = f"{found.units_per_day:,.2f} {currency} a day for the units"
    return f"{units}; for additional messages unknown: no rate, or no price for them in the file"
