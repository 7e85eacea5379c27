"""What a run will do, from its settings alone: connections, messages, bytes, time. Nothing connects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wps_load.capacity.units import Load
from wps_load.clock import NS_PER_S
from wps_load.settings.run_config import RunConfig
from wps_load.workload.layout import Layout, layout, publisher_count
from wps_load.workload.population import group_count
from wps_load.workload.scenarios import Topology


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """Mean bytes of one message: `data` alone, and its frames on the wire with headers, without TLS and TCP.

    `ack`: the ack of a publication; 0 where none is asked for.
    """

    data: float
    inbound: float
    outbound: float
    ack: float = 0.0


@dataclass(frozen=True, slots=True)
class ForecastStep:
    """One level of load. `name`: what of the settings makes it; `duration_s` None: no end is set."""

    name: str
    connections: int
    inbound_per_s: float | None
    outbound_per_s: float | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run's future. Rates per second and sums; None: unknown. `peak`: the load of the highest step.

    `publishing_s`: how long messages are published, all steps together. `total_s`: from start to the report.
    """

    peak: Load
    steps: tuple[ForecastStep, ...]
    publishers: int
    sizes: FrameSizes
    connecting_s: float | None
    publishing_s: float | None
    total_s: float | None
    published: float | None
    delivered: float | None
    bytes_in: float | None
    bytes_out: float | None
    billed_bytes: float | None


def forecast(config: RunConfig, sizes: FrameSizes) -> Forecast:
    """The forecast of `config`, whose users are known. A capacity search is taken at its upper end."""
    steps = tuple(_steps(config))
    users = config.peak_users or 1
    top = max(steps, key=lambda step: (step.outbound_per_s or 0.0, step.connections))
    billed_per_message = _billed_bytes(config, sizes)
    published, delivered = _sum(steps, "inbound_per_s"), _sum(steps, "outbound_per_s")
    searched = config.capacity is not None  # how long it takes, and at which rates, shows in the search only
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
        connecting_s=_connecting_s(config),
        publishing_s=None if searched else _total(step.duration_s for step in steps),
        total_s=_total_s(config, steps),
        published=published,
        delivered=delivered,
        bytes_in=None if published is None else published * sizes.inbound,
        bytes_out=None if delivered is None else delivered * sizes.outbound + acks,
        billed_bytes=None if published is None or delivered is None
        else delivered * sizes.outbound + published * billed_per_message,
    )  # fmt: skip


def fan_out(config: RunConfig, users: int) -> float:
    """How many deliveries one published message makes, in the mean over the publishers.

    Publishers are spread evenly, so that a group has of them in proportion to its size.
    """
    if len(config.populations) > 1 and config.mix is not None:
        return _of_mix(config, users)
    topology = config.population.scenario_row.topology
    if topology is Topology.SILENT:
        return 0.0
    if topology is Topology.REST_ALL:
        return float(users)
    if topology is not Topology.GROUPS:
        return 1.0
    sizes = list(_group_sizes(layout(config.population, users)))
    members = sum(size * count for size, count in sizes)
    heard = sum(size * size * count for size, count in sizes) / max(1, members)
    return max(0.0, heard - 1) if config.population.no_echo else heard


def _of_mix(config: RunConfig, users: int) -> float:
    """As `fan_out`, over all populations by their planned rates; closed loops count alike."""
    counts = config.mixture(users).counts
    rates = [1.0 if rate is None else float(rate) for rate in config.planned_rates(users)]
    out = 0.0
    for number, each in enumerate(config.populations):
        if not rates[number]:
            continue
        if each.scenario_row.topology is Topology.REST_ALL:
            out += rates[number] * sum(
                count for count, other in zip(counts, config.populations, strict=True) if other.hub == each.hub
            )
            continue
        heard = fan_out(replace(config, populations=(each,), mix=None), counts[number])
        groups = group_count(each, counts[number])
        for count, other in zip(counts, config.populations, strict=True):
            if other.listens_to == each.name and groups:
                heard += count * min(groups, other.groups or groups) / groups
        out += rates[number] * heard
    return out / sum(rates) if sum(rates) else 0.0


def _group_sizes(plan: Layout) -> Iterator[tuple[int, int]]:
    """(members, how many such groups)."""
    if plan.size is None:
        smaller, larger = divmod(plan.users, plan.occupied)
        yield smaller + 1, larger
        yield smaller, plan.occupied - larger
    else:
        taken = plan.seats if plan.seats is not None and plan.seats > plan.users else plan.members
        full, rest = divmod(taken, plan.size)
        yield plan.size, full
        yield rest, 1 if rest else 0


def _steps(config: RunConfig) -> Iterator[ForecastStep]:
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
            rate = float(value) if plan.variable == "rate" else None
            yield _step(config, f"{plan.variable} {value:,}", users, rate, duration_s)
        return
    users = config.users or 1
    duration_s = None
    if config.run_time_s is not None:
        duration_s = max(0.0, config.run_time_s - (_connecting_s(config) or 0.0))
    yield _step(config, f"users {users:,}", users, None, duration_s)


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
    """Billed bytes out for each published message beside its deliveries: acks, and calls of the event handler."""
    calls_handler = config.population.scenario_row.calls_handler(config.population.protocol)
    return sizes.ack + (sizes.data if calls_handler else 0.0)


def _billed_per_s(step: ForecastStep, sizes: FrameSizes, per_message: float) -> float | None:
    if step.inbound_per_s is None or step.outbound_per_s is None:
        return None
    return step.outbound_per_s * sizes.outbound + step.inbound_per_s * per_message


def _sum(steps: tuple[ForecastStep, ...], rate: str) -> float | None:
    """Messages of all steps at that rate."""
    rates = [getattr(step, rate) for step in steps]
    if all(each == 0 for each in rates):
        return 0.0
    return _total(
        None if each is None or step.duration_s is None else each * step.duration_s
        for each, step in zip(rates, steps, strict=True)
    )


def _total(parts: Iterator[float | None]) -> float | None:
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _connecting_s(config: RunConfig) -> float | None:
    users = config.peak_users or 1
    return users / config.spawn_rate if config.spawn_rate else None


def _total_s(config: RunConfig, steps: tuple[ForecastStep, ...]) -> float | None:
    drain_s = config.drain_ns / NS_PER_S if config.population.scenario_row.publishes else 0.0
    if config.run_time_s is not None:
        return config.run_time_s + drain_s
    if config.capacity is not None:
        return None
    stages_s = _total(step.duration_s for step in steps)
    return None if stages_s is None else stages_s + drain_s
