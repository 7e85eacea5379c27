"""All suites, by the name that the command takes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.harness import Row
from benchmarks.suites.arrivals import fan_out, open_loop
from benchmarks.suites.closed_loop import echo, tls
from benchmarks.suites.connections import connections
from benchmarks.suites.days import day
from benchmarks.suites.emulator import emulator
from benchmarks.suites.plan import Plan
from benchmarks.suites.startup import startup
from benchmarks.suites.workers import workers

SUITES: dict[str, Callable[[Plan], list[Row]]] = {
    "echo": echo,
    "tls": tls,
    "fan-out": fan_out,
    "open-loop": open_loop,
    "connections": connections,
    "emulator": emulator,
    "startup": startup,
    "day": day,
    "workers": workers,
}
