"""What a run will do, from its settings alone: connections, messages, bytes, time. Nothing connects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wps_load.capacity.units import Load
from wps_load.clock import NS_PER_S
from wps_load.settings.run_config import RunConfig
from wps_load.workload import flows
from wps_load.workload.layout import publisher_count


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """Mean bytes of one message: `data` alone, and its frames on the wire with headers, without TLS and TCP.

    `ack`: the ack of a publication; 0 if none is requested.
    """

    data: float
    inbound: float
    outbound: float
    ack: float = 0.0


@dataclass(frozen=True, slots=True)
class ForecastStep:
    """One level of load. `name`: the setting that makes it; `duration_s` None: no end is set."""

    name: str
    connections: int
    inbound_per_s: float | None
    outbound_per_s: float | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run's forecast. Rates are per second; None: unknown. `peak`: the load of the highest step.

    `total_s`: from start to the report.
    """

    peak: Load
    steps: tuple[ForecastStep, ...]
    publishers: int
    sizes: FrameSizes
    connecting_s: float | None
    total_s: float | None
    published: float | None
    delivered: float | None
    bytes_in: float | None
    bytes_out: float | None
    billed_bytes: float | None


def forecast(config: RunConfig, sizes: FrameSizes) -> Forecast:
    """The forecast of `config`, whose number of users is known. A capacity search is forecast at its upper end."""
    steps = tuple(_step(config, *level) for level in levels(config))
    users = config.peak_users or 1
    top = max(steps, key=lambda step: (step.outbound_per_s or 0.0, step.connections))
    billed_per_message = _billed_bytes(config, sizes)
    published, delivered = _sum(steps, "inbound_per_s"), _sum(steps, "outbound_per_s")
    searched = config.capacity is not None  # its duration and its rates are known only after the search
    if searched:
        published = delivered = None
    acks = published * sizes.ack if published is not None else 0.0
    return Forecast(
        peak=Load(
            connections=max(step.connections for step in steps),
            inbound_per_s=top.inbound_per_s,
            outbound_per_s=top.outbound_per_s,
            message_bytes=sizes.data,
            billed_bytes_per_s=_billed_per_s(top, sizes, billed_per_message),
        ),
        steps=steps,
        publishers=publisher_count(config.population, users),
        sizes=sizes,
        connecting_s=connecting_s(config),
        total_s=total_s(config, steps),
        published=published,
        delivered=delivered,
        bytes_in=None if published is None else published * sizes.inbound,
        bytes_out=None if delivered is None else delivered * sizes.outbound + acks,
        billed_bytes=None if published is None or delivered is None
        else delivered * sizes.outbound + published * billed_per_message,
    )  # fmt: skip


def fan_out(config: RunConfig, users: int) -> float:
    """How many deliveries one published message causes, as a mean over the publishers.

    In a mix the mean is weighted by the planned rates, and closed loops count alike.
    """
    if config.mix is None:
        return flows.fan_out(config.population, users)
    rates = [1.0 if rate is None else float(rate) for rate in config.planned_rates(users)]
    heard = flows.flows(config.populations, config.mixture(users).counts)
    out = sum(rates[sender] * each for (sender, _), each in heard.items())
    return out / sum(rates) if sum(rates) else 0.0


def levels(config: RunConfig) -> Iterator[tuple[str, int, float | None, float | None]]:
    """The levels of load: name, users, rate and duration of each.

    The rate is the total one if steps change that. Seconds None: no end is set.
    """
    for plan in (config.stages, config.capacity):
        if plan is None:
            continue
        values = (
            [(step.value, step.duration_ns / NS_PER_S) for step in plan.steps]
            if plan is config.stages and config.stages is not None
            else [(plan.peak, None)]
        )
        for value, duration_s in values:
            users = value if plan.variable == "users" else config.users or 1
            yield f"{plan.variable} {value:,}", users, float(value) if plan.variable == "rate" else None, duration_s
        return
    users, duration_s = config.users or 1, None
    if config.run_time_s is not None:
        duration_s = max(0.0, config.run_time_s - (connecting_s(config) or 0.0))
    yield f"users {users:,}", users, None, duration_s


def _step(config: RunConfig, name: str, users: int, total_rate: float | None, duration_s: float | None) -> ForecastStep:
    row = config.population.scenario_row
    publishers = publisher_count(config.population, users) if row.publishes else 0
    inbound: float | None = total_rate
    if not row.publishes:
        inbound = 0.0
    elif inbound is None:
        each = config.population.publisher_rate(publisher_count(config.population, config.peak_users or users))
        inbound = None if each is None else float(each) * publishers
    outbound = None if inbound is None else inbound * fan_out(config, users)
    return ForecastStep(name, users, inbound, outbound, duration_s)


def _billed_bytes(config: RunConfig, sizes: FrameSizes) -> float:
    """Billed bytes out for each published message besides its deliveries: acks, and calls of the event handler."""
    calls_handler = config.population.scenario_row.calls_handler(config.population.protocol)
    return sizes.ack + (sizes.data if calls_handler else 0.0)


def _billed_per_s(step: ForecastStep, sizes: FrameSizes, per_message: float) -> float | None:
    if step.inbound_per_s is None or step.outbound_per_s is None:
        return None
    return step.outbound_per_s * sizes.outbound + step.inbound_per_s * per_message


def _sum(steps: tuple[ForecastStep, ...], rate: str) -> float | None:
    """The messages of all steps at that rate."""
    rates = [getattr(step, rate) for step in steps]
    if all(each == 0 for each in rates):
        return 0.0
    return step_sum(
        None if each is None or step.duration_s is None else each * step.duration_s
        for each, step in zip(rates, steps, strict=True)
    )


def step_sum(parts: Iterator[float | None]) -> float | None:
    """The sum of the parts; None if one is unknown."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def connecting_s(config: RunConfig) -> float | None:
    """The duration of the ramp."""
    users = config.peak_users or 1
    return users / config.spawn_rate if config.spawn_rate else None


def total_s(config: RunConfig, steps: tuple[ForecastStep, ...]) -> float | None:
    """Seconds from start to the report, with the longest possible drain."""
    drain_s = config.drain_ns / NS_PER_S if any(each.scenario_row.publishes for each in config.populations) else 0.0
    if config.run_time_s is not None:
        return config.run_time_s + drain_s
    if config.capacity is not None:
        return None
    stages_s = step_sum(step.duration_s for step in steps)
    return None if stages_s is None else stages_s + drain_s
