"""The emulator on one core."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import contenders
from benchmarks.harness import PATIENCE, SERVER_CORE, BenchError, Row, Server, Window, cpu_ns, end, rss_bytes, spawn
from benchmarks.suites.plan import SETTLE_S, Plan
from wps_load.auth import ConnectionString, mint_client_token
from wps_load.clock import now_ns, unix_time_s


def emulator(plan: Plan) -> list[Row]:
    """Deliveries of the emulator on one core, loaded by the client that costs least."""
    shapes = {"echo on 100 connections": (100, 1), "10 groups of 100": (1000, 100)}
    rows = []
    for name, (count, group_size) in shapes.items():
        rate = Row("emulator", name, "deliveries/s", goal=60_000, better="more")
        cost = Row("emulator", f"{name}: CPU", "µs/delivery")
        for _ in range(plan.rounds):
            with _Emulator(plan.folder) as running:
                client = contenders.floor_at(
                    running.port, running.path, count, group_size, plan.folder, patience=PATIENCE
                )
                try:
                    window = running.observe(count, plan.window_s, client)
                finally:
                    end(client)
            rate.samples.append(window.per_s)
            rate.note = f"{window.busy:.0%} of its core"
            cost.samples.append(window.cpu_us_each)
            plan.say(f"emulator: {name}: {window.per_s:,.0f}/s, {window.cpu_us_each:.2f} µs each")
        rows += [rate, cost]
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
        self.process = spawn([sys.executable, "-m", "wps_load.emulator", "--port", "0"], SERVER_CORE, log=self._log)
        self._target = ConnectionString.parse(self._connection_string())
        self.port = int(self._target.endpoint.rpartition(":")[2])

    def _connection_string(self) -> str:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for line in self._log.read_text().splitlines(keepends=True):  # what it says on stderr stands there as well
                if line.startswith("Connection string: ") and line.endswith("\n"):
                    return line.removeprefix("Connection string: ").strip()
            time.sleep(0.01)
        raise BenchError("the emulator did not start")

    @property
    def server(self) -> Server:
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

    def observe(self, connections: int, window_s: float, client: subprocess.Popen[bytes]) -> Window:
        self.await_connections(connections, client)
        time.sleep(SETTLE_S)
        began, deliveries, spent = now_ns(), self.stats()["deliveries"], cpu_ns(self.process.pid)
        time.sleep(window_s)
        passed = self.stats()["deliveries"] - deliveries
        return Window(passed, cpu_ns(self.process.pid) - spent, now_ns() - began)

    def __enter__(self) -> _Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)
