"""The measurements, one function a suite: each gives rows of the table. See docs/performance.md."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import contenders
from benchmarks.contenders import Load, Start
from benchmarks.harness import (
    REPOSITORY,
    SERVER_CORE,
    BenchError,
    Row,
    Server,
    certificate,
    clean_environment,
    compiler,
    cpu_ns,
    echo_server,
    end,
    group_server,
    observe,
    rss_bytes,
    spawn,
)
from wps_load.auth import ConnectionString, mint_client_token
from wps_load.clock import NS_PER_S, now_ns, unix_time_s

CONNECTIONS = 100
SETTLE_S = 1.5


@dataclass(frozen=True)
class Plan:
    """`window_s`: how long each is measured, `rounds` times; `folder`: for logs and reports of the runs."""

    rounds: int
    window_s: float
    folder: Path
    say: Callable[[str], None]


# -- echo, closed loop ---------------------------------------------------------------------------------------


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
    with group_server(plan.folder, certificate(plan.folder)) as server:
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


# -- fan-out -------------------------------------------------------------------------------------------------


def fan_out(plan: Plan) -> list[Row]:
    """One group of 100, 10 of them publish, each message when the last one is back: 100 receipts a message."""
    rows = {
        name: Row("fan-out", f"{name}: received", "deliveries/s", goal=150_000, better="more")
        for name in ("json", "protobuf")
    }
    costs = {name: Row("fan-out", f"{name}: CPU", "µs/delivery") for name in rows}
    run = ["-u", "100", "-r", "100", "-t", f"{round(6 + SETTLE_S + plan.window_s)}s", "--wps-rate", "max"]
    run += ["--wps-scenario", "big-group", "--wps-groups", "1", "--wps-publishers", "10"]
    for _ in range(plan.rounds):
        for name, row in rows.items():
            with group_server(plan.folder) as server:
                process = contenders.locust(server, [*run, "--wps-protocol", name], plan.folder)
                try:
                    server.await_connections(100, process)
                    window = observe(server, process, SETTLE_S + 1, plan.window_s)
                    content = contenders.summary(process, plan.folder)
                finally:
                    end(process)
            if content["messages"]["delivered"] != content["messages"]["expected"]:
                raise BenchError(f"fan-out: {content['messages']}")
            row.samples.append(window.per_s)
            row.note = f"no loss; {window.busy:.0%} of its core"
            costs[name].samples.append(window.cpu_us_each)
            plan.say(f"fan-out {name}: {window.per_s:,.0f}/s, {window.cpu_us_each:.2f} µs each")
    pairs = zip(costs["json"].samples, costs["protobuf"].samples, strict=True)
    ratio = Row("fan-out", "protobuf against json", "times the CPU", [pb / js for js, pb in pairs], 1.0)
    return [*rows.values(), *costs.values(), ratio]


# -- open loop -----------------------------------------------------------------------------------------------


def open_loop(plan: Plan) -> list[Row]:
    """20,000 messages/s due on 2,000 connections of one worker, echoed."""
    lag = Row("open loop", "send lag p99", "ms", goal=5.0)
    missed = Row("open loop", "offered rate missed by", "%", goal=0.5)
    rtt = Row("open loop", "rtt p99", "ms")
    cpu = Row("open loop", "CPU of the worker", "%")
    run = ["-u", "2000", "-r", "1000", "-t", f"{round(9 + plan.window_s)}s", "--wps-rate", "10", "--wps-warmup", "2s"]
    for _ in range(plan.rounds):
        with echo_server(plan.folder) as server:
            content = contenders.summary(contenders.locust(server, run, plan.folder), plan.folder)
        rates = content["rates"]
        lag.samples.append(content["generator"]["send_lag_ms_p99"])
        missed.samples.append(abs(1 - rates["published_per_s"] / 20_000) * 100)
        rtt.samples.append(content["metrics"]["rtt"]["p99"])
        cpu.samples.append(content["generator"]["cpu_percent_max"])
        plan.say(f"open loop: {rates}, lag p99 {lag.samples[-1]:.2f} ms")
    return [lag, missed, rtt, cpu]


# -- connections ---------------------------------------------------------------------------------------------


def connections(plan: Plan) -> list[Row]:
    """10,000 idle connections in one worker, each with a minted token: memory, and how fast they open."""
    memory = Row("connections", "memory of a connection", "KB", goal=20.0)
    rate = Row("connections", "opened", "connections/s", goal=1500, better="more")
    cost = Row("connections", "CPU", "µs/connection")
    with echo_server(plan.folder) as server:
        before = _idle(plan, server, 100).rss
        for _ in range(plan.rounds):
            found = _idle(plan, server, 10_000)
            memory.samples.append((found.rss - before) / 9_900 / 1024)
            rate.samples.append(found.per_s)
            cost.samples.append(found.cpu_us_each)
            plan.say(f"connections: {found.per_s:,.0f}/s, {memory.samples[-1]:.1f} KB each")
    tls_rate = Row("connections", "opened over TLS", "connections/s", goal=800, better="more")
    tls_cost = Row("connections", "CPU over TLS", "µs/connection")
    with group_server(plan.folder, certificate(plan.folder)) as server:
        for _ in range(plan.rounds):
            found = _idle(plan, server, 2_000)
            tls_rate.samples.append(found.per_s)
            tls_cost.samples.append(found.cpu_us_each)
            plan.say(f"connections over TLS: {found.per_s:,.0f}/s")
    return [memory, rate, cost, tls_rate, tls_cost]


@dataclass(frozen=True)
class Opened:
    per_s: float
    cpu_us_each: float
    rss: int


def _idle(plan: Plan, server: Server, users: int) -> Opened:
    """Opens them as fast as it goes, and looks at the middle nine tenths."""
    arguments = ["-u", str(users), "-r", "10000", "-t", "30s", "--wps-scenario", "idle"]
    arguments += ["--wps-connect-timeout", "30s"]
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


# -- emulator ------------------------------------------------------------------------------------------------


def emulator(plan: Plan) -> list[Row]:
    """Deliveries of the emulator on one core, loaded by the client that costs least."""
    shapes = {"echo on 100 connections": (100, 1), "10 groups of 100": (1000, 100)}
    rows = []
    for name, (count, group_size) in shapes.items():
        rate = Row("emulator", name, "deliveries/s", goal=60_000, better="more")
        for _ in range(plan.rounds):
            with _Emulator(plan.folder) as running:
                client = contenders.floor_at(running.port, running.path, count, group_size, plan.folder)
                try:
                    window = running.observe(count, plan.window_s, client)
                finally:
                    end(client)
            rate.samples.append(window)
            plan.say(f"emulator: {name}: {window:,.0f}/s")
        rows.append(rate)
    return [*rows, *_emulator_idle(plan)]


def _emulator_idle(plan: Plan) -> Iterator[Row]:
    held = Row("emulator", "idle connections held", "connections", goal=10_000, better="more")
    memory = Row("emulator", "memory of an idle connection", "KB")
    with _Emulator(plan.folder) as running:
        before = rss_bytes(running.process.pid)
        arguments = ["-u", "10000", "-r", "1000", "-t", "40s", "--wps-scenario", "idle"]
        process = contenders.locust(running.server, arguments, plan.folder)
        try:
            running.await_connections(10_000, process)
            time.sleep(1)
            held.samples.append(running.stats()["connections"])
            memory.samples.append((rss_bytes(running.process.pid) - before) / 10_000 / 1024)
        finally:
            end(process)
    yield held
    yield memory


class _Emulator:
    """The emulator on the server's core, and what it says of itself."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "emulator.log"
        self.process = spawn(
            [sys.executable, "-m", "wps_load.emulator", "--port", "0"], SERVER_CORE, log=self._log
        )
        self._target = ConnectionString.parse(self._connection_string())
        self.port = int(self._target.endpoint.rpartition(":")[2])

    def _connection_string(self) -> str:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (text := self._log.read_text()).endswith("\n"):
                return text.removeprefix("Connection string: ").strip()
            time.sleep(0.01)
        raise BenchError("the emulator did not start")

    @property
    def server(self) -> Server:
        import mmap

        return Server(self.port, self.process, mmap.mmap(-1, 16))

    @property
    def path(self) -> str:
        roles = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
        token = mint_client_token(self._target, "bench", "bench", roles, now_s=unix_time_s())
        return f"/client/hubs/bench?access_token={token}"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._target.endpoint}/emulator/stats", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def await_connections(self, count: int, client: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while self.stats()["connections"] < count:
            if client.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the emulator has {self.stats()['connections']} of {count} connections")
            time.sleep(0.2)

    def observe(self, connections: int, window_s: float, client: subprocess.Popen[bytes]) -> float:
        self.await_connections(connections, client)
        time.sleep(SETTLE_S)
        began, deliveries = now_ns(), self.stats()["deliveries"]
        time.sleep(window_s)
        took, passed = now_ns() - began, self.stats()["deliveries"] - deliveries
        return float(passed * NS_PER_S / took)

    def __enter__(self) -> _Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)


# -- starting and reporting ----------------------------------------------------------------------------------


def startup(plan: Plan) -> list[Row]:
    """What one waits for: the import, the help, and the report of an hour."""
    commands = {
        "import wps_load": [sys.executable, "-c", "import wps_load; wps_load.WebPubSubUser"],
        "wps-load --help": [str(contenders.BIN / "wps-load"), "--help"],
    }
    commands["import wps_load"][-1] = "import wps_load"
    rows = []
    for name, argv in commands.items():
        row = Row("start and report", name, "s", goal=0.2)
        for _ in range(plan.rounds * 3):
            began = now_ns()
            done = subprocess.run(argv, cwd=REPOSITORY, env=clean_environment(), capture_output=True)
            if done.returncode == 0:
                row.samples.append((now_ns() - began) / NS_PER_S)
        if row.samples:
            rows.append(row)
            plan.say(f"{name}: {row.median:.3f} s")
    rows.append(_hour(plan))
    return rows


def _hour(plan: Plan) -> Row:
    from benchmarks.hour import render_seconds

    row = Row("start and report", "report of an hour's run", "s", goal=5.0)
    row.samples.extend(render_seconds(plan.folder) for _ in range(plan.rounds))
    plan.say(f"report of an hour: {row.median:.2f} s")
    return row


SUITES: dict[str, Callable[[Plan], list[Row]]] = {
    "echo": echo,
    "tls": tls,
    "fan-out": fan_out,
    "open-loop": open_loop,
    "connections": connections,
    "emulator": emulator,
    "startup": startup,
}
