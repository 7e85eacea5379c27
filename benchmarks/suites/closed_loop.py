"""Echo with one message in flight on each connection: ours beside the others."""

from __future__ import annotations

from benchmarks import contenders
from benchmarks.contenders import Load, Start
from benchmarks.harness import PINNED, Row, Server, certificate, compiler, echo_server, end, group_server, observe
from benchmarks.suites.plan import CONNECTIONS, SETTLE_S, Plan


def echo(plan: Plan) -> list[Row]:
    """Round trips of 128 bytes on 100 connections, one in flight on each, all contenders in turn."""
    starts: dict[str, Start] = {"wps-load": contenders.ours, "stock Locust user": contenders.stock}
    if contenders.k6_program() is not None:
        starts["k6"] = contenders.k6
    if compiler() is not None:
        starts["C floor"] = contenders.floor
    with echo_server(plan.folder) as server:
        rows = _compare(plan, "echo", starts, server)
    ratios = [_ratio(rows, "stock Locust user", 5.0), _ratio(rows, "k6", 4.0)]
    if (of_floor := _cost_ratio(rows, "C floor", 4.0)) is not None:
        ratios.append(of_floor)
    return [*rows.values(), *(row for row in ratios if row is not None)]


def tls(plan: Plan) -> list[Row]:
    """As `echo`, over TLS 1.3."""
    starts: dict[str, Start] = {"wps-load": contenders.ours, "stock Locust user": contenders.stock}
    with group_server(plan.folder, certificate(plan.folder), spins=PINNED) as server:
        rows = _compare(plan, "echo over TLS", starts, server)
    ratio = _ratio(rows, "stock Locust user", 4.0)
    return [*rows.values(), *([] if ratio is None else [ratio])]


def _compare(plan: Plan, suite: str, starts: dict[str, Start], server: Server) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    load = Load(CONNECTIONS, round(6 + SETTLE_S + plan.window_s))
    for _ in range(plan.rounds):
        for name, start in starts.items():
            process = start(server, load, plan.folder)
            try:
                server.await_connections(load.connections, process)
                window = observe(server, process, SETTLE_S + 1, plan.window_s)
                if start is contenders.ours:
                    contenders.summary(process, plan.folder)
            finally:
                end(process)
            server.await_nobody()
            rows.setdefault(name, Row(suite, f"{name}: CPU", "µs/round trip")).samples.append(window.cpu_us_each)
            rate = rows.setdefault(f"{name} rate", Row(suite, f"{name}: rate", "round trips/s", better="more"))
            rate.samples.append(window.per_s)
            rate.note = f"{window.busy:.0%} of its core"
            plan.say(f"{suite}: {name}: {window.cpu_us_each:.2f} µs, {window.per_s:,.0f}/s")
    return rows


def _ratio(rows: dict[str, Row], peer: str, goal: float) -> Row | None:
    """How many times as many round trips a second of CPU does as the peer, round by round."""
    if peer not in rows:
        return None
    pairs = zip(rows[peer].samples, rows["wps-load"].samples, strict=True)
    samples = [theirs / own for theirs, own in pairs]
    return Row(rows[peer].suite, f"wps-load against {peer}", "times as many", samples, goal, "more")


def _cost_ratio(rows: dict[str, Row], peer: str, goal: float) -> Row | None:
    if peer not in rows:
        return None
    pairs = zip(rows[peer].samples, rows["wps-load"].samples, strict=True)
    samples = [own / theirs for theirs, own in pairs]
    return Row(rows[peer].suite, f"wps-load's CPU against {peer}", "times the CPU", samples, goal)
