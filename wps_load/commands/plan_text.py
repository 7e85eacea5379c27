"""A plan as text. Unknown is said in words, never shown as 0."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from wps_load.capacity.forecast import Forecast
from wps_load.capacity.prices import Cost, Prices, cost
from wps_load.capacity.units import (
    PLANNED_SHARE,
    USE_CASES,
    Guide,
    Load,
    Size,
    additional_messages,
    billed_messages,
    filled,
    smallest,
)
from wps_load.clock import NS_PER_S
from wps_load.commands import checks, machine
from wps_load.commands.checks import Check, Level
from wps_load.commands.sample import Costs
from wps_load.config import RunConfig

WORKER_SHARE = 0.5
"""Of a core that a worker should use: the rest is for the event loop, connects, and latencies that stay true."""
_LABEL = 14


def lines(
    config: RunConfig,
    future: Forecast,
    guide: Guide,
    costs: Costs | None,
    growth: Sequence[Fraction],
    prices: Prices | None,
) -> Iterator[str]:
    """The whole plan. `costs` None: the scenario publishes nothing."""
    yield f"{config.scenario} over {config.protocol}, against {config.target.describe()}"
    yield ""
    yield from _load(config, future)
    yield from _machine(config, future, costs)
    yield ""
    yield from _units(config, future.peak, guide, growth, prices)


# -- the load ------------------------------------------------------------------------------------------------


def _load(config: RunConfig, future: Forecast) -> Iterator[str]:
    peak = future.peak
    opened = (
        "" if future.connecting_s is None
        else f", opened in {_duration(future.connecting_s)}, {config.spawn_rate:g} a second"
    )  # fmt: skip
    yield _row("connections", f"{peak.connections:,}{opened}")
    if len(future.steps) > 1:
        steps = "; ".join(f"{step.name} for {_duration(step.duration_s)}" for step in future.steps)
        yield _row("steps", f"{steps}. Rates below: the highest step")
    elif config.capacity is not None:
        yield _row("search", "rates below: the upper end of the range")
    if not config.scenario_row.publishes:
        yield _row("messages", f"{config.scenario} publishes nothing")
    else:
        yield from _messages(config, future)
    drain = f", of which {config.drain_ns / NS_PER_S:g} s of drain at most" if future.total_s else ""
    yield _row("time", f"{_duration(future.total_s)}{drain if config.scenario_row.publishes else ''}")


def _messages(config: RunConfig, future: Forecast) -> Iterator[str]:
    peak, sizes = future.peak, future.sizes
    who = "REST sender" if config.scenario_row.needs_key else "user"
    yield _row("publishers", f"{future.publishers:,} {who}{'s' if future.publishers != 1 else ''}")
    yield _row("message", f"{_bytes(sizes.data)} of data; {_bytes(sizes.inbound)} in and {_bytes(sizes.outbound)} out")
    if peak.inbound_per_s is None or peak.outbound_per_s is None:
        yield _row("messages", "unknown: in a closed loop the service sets the rate")
        return
    yield _row("messages", f"{_rate(peak.inbound_per_s)} in, {_rate(peak.outbound_per_s)} out")
    out_per_s = peak.outbound_per_s * sizes.outbound + peak.inbound_per_s * sizes.ack
    yield _row("traffic", f"{_bytes(peak.inbound_per_s * sizes.inbound)}/s in, {_bytes(out_per_s)}/s out")
    if peak.billed_per_day is not None:
        yield _row("billed", f"{peak.billed_per_day:,} messages of 2 KB a day at this load")
    if future.published is None or future.delivered is None:
        ended = config.capacity is None
        yield _row("in all", "unknown: no end is set (--run-time)" if ended else "unknown: as the search goes")
        return
    assert future.bytes_in is not None
    assert future.bytes_out is not None
    assert future.billed_bytes is not None
    yield _row(
        "in all",
        f"{future.published:,.0f} messages in ({_bytes(future.bytes_in)}), {future.delivered:,.0f} out "
        f"({_bytes(future.bytes_out)}), {billed_messages(future.billed_bytes):,} billed",
    )


# -- this machine --------------------------------------------------------------------------------------------


def workers_needed(load: Load, costs: Costs) -> int | None:
    """Workers at `WORKER_SHARE` of a core each; None: the rate is unknown."""
    if load.inbound_per_s is None or load.outbound_per_s is None:
        return None
    busy = (load.inbound_per_s * (costs.publish_us or 0.0) + load.outbound_per_s * costs.receive_us) / 1e6
    return max(1, math.ceil(busy / WORKER_SHARE))


def _machine(config: RunConfig, future: Forecast, costs: Costs | None) -> Iterator[str]:
    workers: int | None = 1
    if costs is not None:
        workers = workers_needed(future.peak, costs)
        needed = "unknown" if workers is None else f"{workers:,}, at {WORKER_SHARE:.0%} of a core each"
        measured = f"{costs.receive_us:.1f} µs to receive a message"
        measured += "" if costs.publish_us is None else f", {costs.publish_us:.1f} µs to publish one"
        yield _row("workers", f"{needed} (measured here: {measured})")
        cpus = machine.cpu_count()
        if workers is not None and workers > cpus:
            yield _row("", f"this machine has {cpus}: add machines (locust --master, --worker)")
    users = future.peak.connections
    for check in (
        checks.open_files(machine.hard_open_files(), users, workers or 1),
        checks.local_ports(machine.port_range(), users, 1),
    ):
        yield _row(check.name, _judged(check))


def _judged(check: Check) -> str:
    return check.found if check.level in (Level.PASS, Level.SKIP) else f"{check.found}: {check.advice}"


# -- units ---------------------------------------------------------------------------------------------------


def _units(
    config: RunConfig, peak: Load, guide: Guide, growth: Sequence[Fraction], prices: Prices | None
) -> Iterator[str]:
    use_case, same = USE_CASES.get(config.scenario, (None, False))
    yield f"Units, at {PLANNED_SHARE:.0%} of Azure's published figures ({guide.compiled})"
    yield _row("use case", _use_case(config.scenario, use_case, same))
    if peak.outbound_per_s is None:
        yield _row("", "the rate is unknown, so only connections are judged")
    if config.units is not None or config.tier is not None:
        yield from _bought(config, peak, guide, use_case)
    if prices is not None:
        yield _row("prices", f"{prices.region}, {prices.date}, {prices.currency}; a month has 30 days")
    fixed = use_case is not None and guide.fixed_inbound(use_case)
    yield from _size("this load", peak, guide, use_case, prices)
    for factor in growth:
        load = peak.times(float(factor), fixed_inbound=fixed)
        yield from _size(f"{float(factor):g} times", load, guide, use_case, prices)


def _use_case(scenario: str, use_case: str | None, same: bool) -> str:
    if use_case is None:
        return "connections alone"
    words = use_case.replace("_", " ")
    return words if same else f"{words}, the nearest: none is published for {scenario}"


def _bought(config: RunConfig, peak: Load, guide: Guide, use_case: str | None) -> Iterator[str]:
    units = config.units or 1
    sku = config.tier or ("Standard_S1" if units <= 100 else "Premium_P2")
    size = filled(guide, peak, use_case, sku, units)
    verdict = "holds it" if size.holds else f"is too small: {_use(size)}"
    yield _row("bought", f"{units:,} x {sku} {verdict}")
    yield _row("", _uses(size))


def _size(name: str, load: Load, guide: Guide, use_case: str | None, prices: Prices | None) -> Iterator[str]:
    size = smallest(guide, load, use_case)
    if not size.holds:
        yield _row(name, f"more than any tier holds: {_use(size)} of {size.units:,} x {size.sku}")
        yield _row("", "share it among several resources")
        return
    yield _row(name, f"{size.units:,} x {size.sku}: {_uses(size)}")
    if size.row is not None:
        row = size.row
        yield _row(
            "",
            f"{'between rows' if row.interpolated else 'published'}: {row.connections:,} connections, "
            f"{_rate(row.inbound_per_s)} in, {_rate(row.outbound_per_s)} out, of 2 KB",
        )
    billed = load.billed_per_day
    if billed:
        more = additional_messages(guide, size, billed)
        yield _row("", f"{billed:,} billed messages a day, {f'{more:,} of them' if more else 'none'} additional")
    if prices is not None:
        yield _row("", _cost(cost(guide, prices, size, billed), prices.currency))


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


# -- words ---------------------------------------------------------------------------------------------------


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}} {text}"


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}/s" if per_s >= 100 or per_s == int(per_s) else f"{per_s:,.2f}/s"


def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e4)):
        if value >= size:
            return f"{value / (1000 if unit == 'kB' else size):,.1f} {unit}"
    return f"{value:,.0f} bytes"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown: no end is set (--run-time)"
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.3g} s"
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60} min" + (f" {rest % 60} s" if rest % 60 else "")
    return f"{hours} h {text}" if hours else text
