"""How many machines a load takes, and the limits that it exceeds on its way out: rows of `wps-load plan`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from wps_load.capacity.machines import CPU_SHARE, machines_needed, usual_walls, walls
from wps_load.capacity.units import Load
from wps_load.commands.row_texts import row
from wps_load.commands.sample import Costs
from wps_load.machine import Machine


def busy_us_per_s(load: Load, costs: Costs | None) -> float | None:
    """The CPU of one core for all messages; None: the rate is unknown."""
    if costs is None:
        return 0.0
    if load.inbound_per_s is None or load.outbound_per_s is None:
        return None
    return load.inbound_per_s * (costs.publish_us or 0.0) + load.outbound_per_s * costs.receive_us


def workers_needed(busy_us: float) -> int:
    """The workers that are needed at `CPU_SHARE` of a core each."""
    return max(1, math.ceil(busy_us / 1e6 / CPU_SHARE))


def lines(users: int, busy_us: float | None, machine: Machine) -> Iterator[str]:
    """`machine`: the kind of machine to be used, with as many workers as cores.

    `busy_us`: the CPU of a core that all messages take each second; None: unknown, so it is left out.
    """
    each_us = (busy_us or 0.0) / max(1, users)
    first = walls(machine, cpu_us_per_s=each_us)[0]
    needed = machines_needed(users, machine, cpu_us_per_s=each_us)
    holds = f"{first.connections:,} connections, limited by {first.name}"
    if needed == 1:
        yield row("machines", f"1: one like this holds {holds}")
    else:
        count = "none" if needed is None else f"{needed:,}"
        yield row("machines", f"{count} like this one, which holds {holds} ({first.found})")
        yield row("", f"to hold more: {first.more}")
    yield from _beyond(users)


def _beyond(users: int) -> Iterator[str]:
    """The limits that any such load meets, whatever the machine."""
    passed = [wall for wall in usual_walls() if users > wall.connections]
    for number, wall in enumerate(passed):
        times = math.ceil(users / wall.connections)
        text = f"{wall.connections:,} connections: {wall.found}; it takes {times:,} of them"
        yield row("" if number else "limits", text + (f", or {wall.more}" if wall.more else ""))
    if not passed:
        first = usual_walls()[0]
        yield row("limits", f"none; the first is at {first.connections:,} connections: {first.found}")
