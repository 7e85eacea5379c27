"""Connections that only are there."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks import contenders
from benchmarks.harness import Row, Server, certificate, cpu_ns, echo_server, end, group_server, rss_bytes
from benchmarks.suites.plan import Plan, capacity
from wps_load.clock import NS_PER_S, now_ns


def connections(plan: Plan) -> list[Row]:
    """10,000 idle connections in one worker, each with a minted token: memory, and what it costs to open one.

    They are opened at a pace that can be kept: all at once, nothing is ready until nearly everything is.
    """
    memory = Row("connections", "memory of a connection", "KB", goal=20.0)
    cost = Row("connections", "CPU", "µs/connection")
    able = capacity("connections", "opened", 1500)
    mixed = Row("connections", "memory of a connection in a mix of four populations", "KB", goal=20.0)
    mix = plan.folder / "four.toml"
    mix.write_text("".join(_POPULATION.format(at) for at in range(4)))
    with echo_server(plan.folder) as server:
        before = _idle(plan, server, 100, 100).rss
        for _ in range(plan.rounds):
            found = _idle(plan, server, 10_000, 1000)
            memory.samples.append((found.rss - before) / 9_900 / 1024)
            cost.samples.append(found.cpu_us_each)
            able.samples.append(1e6 / found.cpu_us_each)
            four = _idle(plan, server, 10_000, 1000, "--wps-mix", str(mix))
            mixed.samples.append((four.rss - before) / 9_900 / 1024)
            plan.say(f"connections: {found.cpu_us_each:.0f} µs, {memory.samples[-1]:.1f} KB each; {found.per_s:.0f}/s")
    tls_cost = Row("connections", "CPU over TLS", "µs/connection")
    tls_able = capacity("connections", "opened over TLS", 800)
    with group_server(plan.folder, certificate(plan.folder)) as server:
        for _ in range(plan.rounds):
            found = _idle(plan, server, 2_000, 300)
            tls_cost.samples.append(found.cpu_us_each)
            tls_able.samples.append(1e6 / found.cpu_us_each)
            plan.say(f"connections over TLS: {found.cpu_us_each:.0f} µs; {found.per_s:.0f}/s")
    return [memory, mixed, able, cost, tls_able, tls_cost]


_POPULATION = """
[[population]]
name = "part-{}"
users = "25%"
"""


@dataclass(frozen=True)
class Opened:
    per_s: float
    cpu_us_each: float
    rss: int


def _idle(plan: Plan, server: Server, users: int, pace: int, *more: str) -> Opened:
    """Opens `pace` a second, and looks at the middle nine tenths."""
    arguments = ["-u", str(users), "-r", str(pace), "-t", "60s", "--wps-scenario", "idle"]
    arguments += ["--wps-connect-timeout", "30s", *more]
    process = contenders.locust(server, arguments, plan.folder)
    try:
        server.await_connections(users // 20, process)
        began, first, spent = now_ns(), server.connections, cpu_ns(process.pid)
        server.await_connections(users - users // 20, process)
        took, opened, used = now_ns() - began, server.connections - first, cpu_ns(process.pid) - spent
        server.await_connections(users, process)
        time.sleep(2)
        rss = rss_bytes(process.pid)
    finally:
        end(process)
    server.await_nobody()
    return Opened(opened * NS_PER_S / took, used / 1000 / opened, rss)
