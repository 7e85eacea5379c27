"""A plan as text. An unknown figure is called unknown, never shown as 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from wps_load import machine
from wps_load.capacity.forecast import Forecast
from wps_load.capacity.machines import CPU_SHARE
from wps_load.capacity.mix_forecast import PopulationForecast
from wps_load.capacity.prices import Prices
from wps_load.capacity.sizing import bought
from wps_load.capacity.units import DAY_S, Guide, Load, billed_messages
from wps_load.clock import NS_PER_S
from wps_load.commands import machines_text, units_text
from wps_load.commands.row_texts import byte_size, duration, rate, row
from wps_load.commands.sample import Costs
from wps_load.plurals import counted
from wps_load.settings.run_config import RunConfig


def lines(
    config: RunConfig,
    future: Forecast,
    guide: Guide,
    costs: Costs | None,
    growth: Sequence[Fraction],
    prices: Prices | None,
    populations: Sequence[PopulationForecast] = (),
    grow: Callable[[float], Load] | None = None,
) -> Iterator[str]:
    """The whole plan.

    `costs` None: the scenario publishes nothing. `populations`: those of a mix; `grow`: its load with this many times
    the users.
    """
    what = config.population.scenario if config.mix is None else f"{config.mix}, {len(populations)} populations"
    yield f"{what} over {config.protocols}, against {config.target.describe()}"
    yield ""
    yield from _load(config, future, populations)
    yield from _machine(config, future, costs)
    yield ""
    yield from _connects(config, future, guide)
    yield from units_text.lines(
        scenario_of(config), future.peak, guide, growth, prices, units=config.units, sku=config.tier, grow=grow
    )


def scenario_of(config: RunConfig) -> str:
    """The scenario whose row of the performance guide judges the load; empty for a mix, which has several."""
    return config.population.scenario if config.mix is None else ""


def publishes(config: RunConfig) -> bool:
    """Whether anybody publishes."""
    return any(each.scenario_row.publishes for each in config.populations)


# -- the load ------------------------------------------------------------------------------------------------


def _load(config: RunConfig, future: Forecast, populations: Sequence[PopulationForecast]) -> Iterator[str]:
    peak = future.peak
    opened = (
        "" if future.connecting_s is None
        else f", opened in {duration(future.connecting_s)}, {config.spawn_rate:g} a second"
    )  # fmt: skip
    yield row("connections", f"{peak.connections:,}{opened}")
    if len(future.steps) > 1:
        steps = "; ".join(f"{step.name} for {duration(step.duration_s)}" for step in future.steps)
        yield row("steps", f"{steps}. Rates below: the highest step")
    elif config.capacity is not None:
        yield row("search", "rates below: the upper end of the range")
    yield from _populations(populations, future)
    if not publishes(config):
        yield row("messages", f"{config.mix or config.population.scenario} publishes nothing")
    else:
        yield from _messages(config, future)
    drain = f", of which {config.drain_ns / NS_PER_S:g} s of drain at most" if future.total_s else ""
    yield row("time", f"{duration(future.total_s)}{drain if publishes(config) else ''}")


_COLUMNS = (
    "", "connections", "connects/s", "publishers", "in", "out", "billed a day", "this run: in", "out", "billed",
)  # fmt: skip


def _populations(populations: Sequence[PopulationForecast], future: Forecast) -> Iterator[str]:
    """A table: each population, and the total at the busiest time."""
    if not populations:
        return
    rows = [_COLUMNS, *(_population(each) for each in populations), _population(_together(populations, future))]
    widths = [max(len(cells[at]) for cells in rows) for at in range(len(_COLUMNS))]
    yield ""
    for cells in rows:
        name, *figures = (
            f"{cell:<{width}}" if not at else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield "  " + "  ".join([name, *figures]).rstrip()
    yield ""


def _together(populations: Sequence[PopulationForecast], future: Forecast) -> PopulationForecast:
    peak, connects_per_s = future.peak, sum(each.connects_per_s for each in populations)
    return PopulationForecast(
        "all", peak.connections, future.publishers, connects_per_s,
        peak.inbound_per_s, peak.outbound_per_s, peak.billed_bytes_per_s,
        future.published, future.delivered, future.billed_bytes,
    )  # fmt: skip


def _population(each: PopulationForecast) -> tuple[str, ...]:
    day = None if each.billed_bytes_per_s is None else billed_messages(each.billed_bytes_per_s * DAY_S)
    billed = None if each.billed_bytes is None else billed_messages(each.billed_bytes)
    return (
        each.name,
        f"{each.connections:,}",
        rounded(each.connects_per_s),
        f"{each.publishers:,}",
        *("?" if per_s is None else rate(per_s) for per_s in (each.inbound_per_s, each.outbound_per_s)),
        *("?" if count is None else f"{count:,.0f}" for count in (day, each.published, each.delivered, billed)),
    )


def rounded(value: float) -> str:
    """A number with three digits, and with words for large ones."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _messages(config: RunConfig, future: Forecast) -> Iterator[str]:
    peak, sizes = future.peak, future.sizes
    if config.mix is None:
        who = "REST sender" if config.population.scenario_row.needs_key else "user"
        yield row("publishers", counted(future.publishers, who))
    yield row(
        "message", f"{byte_size(sizes.data)} of data; {byte_size(sizes.inbound)} in and {byte_size(sizes.outbound)} out"
    )
    if peak.inbound_per_s is None or peak.outbound_per_s is None:
        yield row("messages", "unknown: in a closed loop the service sets the rate")
        return
    yield row("messages", f"{rate(peak.inbound_per_s)} in, {rate(peak.outbound_per_s)} out")
    out_per_s = peak.outbound_per_s * sizes.outbound + peak.inbound_per_s * sizes.ack
    yield row("traffic", f"{byte_size(peak.inbound_per_s * sizes.inbound)}/s in, {byte_size(out_per_s)}/s out")
    if future.billed_bytes is not None:
        yield row("this run", f"{billed_messages(future.billed_bytes):,} messages of 2 KB billed")
    if peak.billed_per_day is not None:
        yield row("a day", f"{peak.billed_per_day:,} billed at this load")
    if future.published is None or future.delivered is None:
        ended = config.capacity is None
        yield row("in all", "unknown: no end is set (--run-time)" if ended else "unknown: as the search goes")
        return
    assert future.bytes_in is not None
    assert future.bytes_out is not None
    yield row(
        "in all",
        f"{future.published:,.0f} messages in ({byte_size(future.bytes_in)}), {future.delivered:,.0f} out "
        f"({byte_size(future.bytes_out)})",
    )


def _connects(config: RunConfig, future: Forecast, guide: Guide) -> Iterator[str]:
    """New connections a second, beside what the service may accept."""
    wanted = connects_per_s(config, future)
    found = bought(scenario_of(config), future.peak, guide, units=config.units, sku=config.tier)
    sku, units = ("Standard_S1", 1) if found is None else (found.sku, found.units)
    most = guide.connect_rate(sku, units)
    seen = f"{units:,} x {sku} may take {most:,.0f} (seen at Azure SignalR, unconfirmed here)"
    over = "; above it the service answers 429: lower -r" if wanted > most else ""
    yield row("connects", f"{wanted:,.4g} a second; {seen}{over}")
    yield ""


def connects_per_s(config: RunConfig, future: Forecast) -> float:
    """The most new connections a second: those of the ramp, or of users that come and go."""
    users = config.peak_users or 1
    churning = sum(
        count * NS_PER_S / each.lifetime_ns
        for each, count in zip(config.populations, config.mixture(users).counts, strict=True)
        if each.lifetime_ns
    )
    return max(min(config.spawn_rate, future.peak.connections), churning)


# -- this machine --------------------------------------------------------------------------------------------


def _machine(config: RunConfig, future: Forecast, costs: Costs | None) -> Iterator[str]:
    busy_us, cpus = machines_text.busy_us_per_s(future.peak, costs), machine.cpu_count()
    if costs is not None:
        workers = None if busy_us is None else machines_text.workers_needed(busy_us)
        needed = "unknown" if workers is None else f"{workers:,}, at {CPU_SHARE:.0%} of a core each"
        measured = f"{costs.receive_us:.1f} µs to receive a message"
        measured += "" if costs.publish_us is None else f", {costs.publish_us:.1f} µs to publish one"
        yield row("workers", f"{needed} (measured here: {measured})")
        if workers is not None and workers > cpus:
            yield row("", f"this machine has {cpus}: add machines (locust --master, --worker)")
    kind = machine.this_machine(cpus, len(config.bind or ()))
    yield from machines_text.lines(future.peak.connections, busy_us, kind)
