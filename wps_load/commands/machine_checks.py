"""`wps-load doctor --machine`: how many connections this machine holds, and which limit comes first."""

from __future__ import annotations

from collections.abc import Iterator

from wps_load import machine
from wps_load.capacity.forecast import forecast
from wps_load.capacity.machines import CONNECT_CPU_MS, CPU_SHARE, Wall, walls
from wps_load.capacity.units import Load
from wps_load.client import checks
from wps_load.client.checks import Check, Level
from wps_load.clock import DeadlineTimer
from wps_load.commands import mix_plan
from wps_load.commands.machines_text import busy_us_per_s
from wps_load.commands.sample import Costs, Sample
from wps_load.machine import Machine, this_machine
from wps_load.plurals import counted
from wps_load.settings.run_config import RunConfig

MEASURE_S = 1.0
"""How long this machine is measured: batches of 0.5 ms, whose median is stable to a few percent."""
_TELLS = (
    ("files_left", "files", "of all processes together"),
    ("ports", "local ports", "its range of local ports"),
    ("tracked", "conntrack", "how many connections it tracks: perhaps none"),
    ("memory_bytes", "memory", "how much memory is left"),
)
"""Limits that a system may not show: the field, the limit's name, and its words."""


def checks_of(config: RunConfig, processes: int) -> Iterator[Check]:
    """Yields each check as soon as it is known."""
    found = this_machine(processes, len(config.bind or ()))
    yield checks.processors(machine.cpu_count(), processes, machine.load_average(), emulator=False)
    yield checks.precise_timer(DeadlineTimer.available())
    if config.mix is None:
        sample = Sample(config.population)
        costs = sample.costs(MEASURE_S) if config.population.scenario_row.publishes else None
        peak = forecast(config, sample.sizes()).peak
    else:
        samples = mix_plan.samples(config)
        costs = mix_plan.costs(config, samples, MEASURE_S)
        peak = mix_plan.planned(config, samples).whole.peak
    yield from rates(found, costs)
    yield from room(found, config.peak_users, cpu_us_per_s(config, peak, costs))


def cpu_us_per_s(config: RunConfig, peak: Load, costs: Costs | None) -> float:
    """The CPU of a core that the messages of one connection take; 0 if unknown."""
    if costs is None or config.users is None:
        return 0.0
    return (busy_us_per_s(peak, costs) or 0.0) / max(1, peak.connections)


def rates(found: Machine, costs: Costs | None) -> Iterator[Check]:
    """What the cores do in a second; the messages' part has just been measured."""
    cores = found.cores or 1.0
    used = cores * CPU_SHARE
    share = f"{counted(f'{cores:g}', 'core')} at {CPU_SHARE:.0%}"
    if costs is not None:
        yield Check(
            "messages", Level.PASS,
            f"{used * 1e6 / costs.receive_us:,.0f} received a second on {share} ({costs.receive_us:.1f} µs each, "
            "measured now)",
        )  # fmt: skip
    yield Check(
        "connects", Level.PASS,
        f"{used * 1e3 / CONNECT_CPU_MS:,.0f} a second over TLS on {share} ({CONNECT_CPU_MS:g} ms each, "
        "docs/performance.md)",
    )  # fmt: skip


def room(found: Machine, users: int | None, cpu_us: float) -> Iterator[Check]:
    """A check for each limit, the lowest first, and one that names the lowest; unknown limits are skipped."""
    ordered = walls(found, cpu_us_per_s=cpu_us)
    for wall in ordered:
        yield _wall(wall, users)
    names = {wall.name for wall in ordered}
    for field, name, what in _TELLS:
        if getattr(found, field) is None and name not in names:
            yield Check(name, Level.SKIP, f"this system does not report {what}")
    first = ordered[0]
    fits = users is None or users <= first.connections
    found_first = f"{first.name}, at {first.connections:,} connections to one service"
    yield Check("first limit", Level.PASS if fits else _level(first), found_first)


def _wall(wall: Wall, users: int | None) -> Check:
    found = f"{wall.connections:,} connections ({wall.found})"
    if users is None or users <= wall.connections:
        return Check(wall.name, Level.PASS, found)
    return Check(wall.name, _level(wall), f"{found}, but {users:,} are requested", wall.more)


def _level(wall: Wall) -> Level:
    """An estimate, or a rule of a network that may not be this one, is no reason to fail."""
    return Level.FAIL if wall.firm else Level.WARN
