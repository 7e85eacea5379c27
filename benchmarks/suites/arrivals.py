"""Many messages: received in groups, and sent by an open loop."""

from __future__ import annotations

from benchmarks import contenders
from benchmarks.harness import BenchError, Row, echo_server, end, group_server, quietest
from benchmarks.suites.plan import SETTLE_S, Plan, capacity

PUBLISHERS = 10


def fan_out(plan: Plan) -> list[Row]:
    """One group of 100, 10 of them publish, each message when the last one is back. Ten messages come in a piece."""
    protocols = ("json", "protobuf")
    rates = {name: Row("fan-out", f"{name}: received", "deliveries/s", better="more") for name in protocols}
    costs = {name: Row("fan-out", f"{name}: CPU", "µs/delivery") for name in protocols}
    able = {name: capacity("fan-out", f"{name}: deliveries", 150_000) for name in protocols}
    run = ["-u", "100", "-r", "100", "-t", "300s", "--wps-rate", "max"]
    run += ["--wps-scenario", "big-group", "--wps-groups", "1", "--wps-publishers", str(PUBLISHERS)]
    for _ in range(plan.rounds):
        for name in protocols:
            with group_server(plan.folder, patience=str(PUBLISHERS)) as server:
                process = contenders.locust(server, [*run, "--wps-protocol", name], plan.folder)
                try:
                    server.await_connections(100, process)
                    window = quietest(server, process, SETTLE_S + 1, plan.window_s)
                    content = contenders.finished(process, plan.folder)
                finally:
                    end(process)
            if content["messages"]["delivered"] != content["messages"]["expected"]:
                raise BenchError(f"fan-out: {content['messages']}")
            rates[name].samples.append(window.per_s)
            rates[name].note = f"no loss; {window.busy:.0%} of its core"
            costs[name].samples.append(window.cpu_us_each)
            able[name].samples.append(1e6 / window.cpu_us_each)
            plan.say(f"fan-out {name}: {window.per_s:,.0f}/s, {window.cpu_us_each:.2f} µs each")
    pairs = zip(costs["json"].samples, costs["protobuf"].samples, strict=True)
    ratio = Row("fan-out", "protobuf against json", "times the CPU", [pb / js for js, pb in pairs], 1.0)
    return [*able.values(), *costs.values(), *rates.values(), ratio]


def open_loop(plan: Plan) -> list[Row]:
    """Messages due on connections of one worker, ten a second on each, echoed."""
    return [row for connections in (2_000, 3_000) for row in _open_loop(plan, connections)]


def _open_loop(plan: Plan, connections: int) -> list[Row]:
    due = connections * 10
    suite = f"open loop, {due:,}/s"
    lag = Row(suite, "send lag p99", "ms", goal=5.0)
    missed = Row(suite, "offered rate missed by", "%", goal=0.5)
    rtt = Row(suite, "rtt p99", "ms")
    cpu = Row(suite, "CPU of the worker", "%")
    run = ["-u", str(connections), "-r", "1000", "-t", f"{round(9 + plan.window_s)}s"]
    run += ["--wps-rate", "10", "--wps-warmup", "2s"]
    for _ in range(plan.rounds):
        with echo_server(plan.folder) as server:
            content = contenders.summary(contenders.locust(server, run, plan.folder), plan.folder)
        rates = content["rates"]
        lag.samples.append(content["generator"]["send_lag_ms_p99"])
        missed.samples.append(abs(1 - rates["published_per_s"] / due) * 100)
        rtt.samples.append(content["metrics"]["rtt"]["p99"])
        cpu.samples.append(content["generator"]["cpu_percent_max"])
        plan.say(f"{suite}: {rates}, lag p99 {lag.samples[-1]:.2f} ms")
    return [lag, missed, rtt, cpu]
