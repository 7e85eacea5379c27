"""A master with hundreds of workers, which are simulated: they say what real ones say, over Locust's own sockets.

`python -m benchmarks.many_workers WORKERS` plays the master and prints a JSON object; it starts the workers, all in one
process, on the other core. Each has 500 users that publish, and reports ten metrics of 100 values a second.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent
import zmq.green as zmq
from locust import __version__  # patches the process for gevent
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.stats import RequestStats

from benchmarks.harness import GENERATOR_CORE, REPOSITORY, SERVER_CORE, raise_open_files
from benchmarks.reports import Reports, SteadyCrowd
from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.ledger import LedgerTotals
from wps_load.settings.load import load
from wps_load.swarm.bus import MasterBus
from wps_load.swarm.conductor import Conductor, Phase
from wps_load.swarm.coordinator import Coordinator
from wps_load.swarm.guard import Trouble
from wps_load.swarm.locust_stats import LocustTable, WorkersTable, make_precise
from wps_load.swarm.message_wire import to_wire
from wps_load.swarm.messages import Accounts, Claim, ClockReply, Finals, Hello, Status, ToCoordinator
from wps_load.swarm.run_plan import RunPlan
from wps_load.swarm.stream_finals import Streams

USERS = 500
"""Of each worker."""
SETTLE_S, WINDOW_S = 5.0, 10.0
LIMIT_S = 120.0
NUMBER = 7
"""Of the run."""
_TO_COORDINATOR, _TO_AGENT = "wps_to_coordinator", "wps_to_agent"
_HEARTBEAT_S, _STATS_S = 1.0, 3.0


# -- the workers, in a process of their own ----------------------------------------------------------------------------


@dataclass
class _Counted:
    """Bytes that all workers together have sent and received."""

    sent: int = 0
    received: int = 0
    drained: int = 0
    """Of both, those of the drain."""


@dataclass
class _Worker:
    """One of them. `socket`: to the master, as Locust's worker has it."""

    number: int
    socket: Any
    reports: Reports
    counted: _Counted
    began_ns: int = field(default_factory=now_ns)
    draining: bool = False

    @property
    def name(self) -> str:
        return f"worker-{self.number}"

    def send(self, kind: str, data: Any) -> None:
        packed = Message(kind, data, self.name).serialize()
        self.counted.sent += len(packed)
        self.counted.drained += len(packed) * self.draining
        self.socket.send(packed)

    def tell(self, message: ToCoordinator) -> None:
        self.send(_TO_COORDINATOR, {"run": NUMBER, "message": to_wire(message)})

    def hears(self) -> None:
        """For ever: answers what a master asks."""
        while True:
            packed = self.socket.recv()
            self.counted.received += len(packed)
            message = Message.unserialize(packed)
            if message.type == _TO_AGENT:
                self.counted.drained += len(packed) * self.draining
                self._answer(*message.data)

    def _answer(self, kind: str, *fields: Any) -> None:
        if kind == "ping":
            self.tell(ClockReply(fields[0], now_ns()))
        elif kind == "end":
            self.draining = True
            first = self.number * USERS
            rows = [
                [[n, n, n, False, 100, []], [[0, ["constant", n, NS_PER_S, 1]]]] for n in range(first, first + USERS)
            ]
            self.tell(Finals(Streams.of(rows), [[0, 0, 0]], [first, first + USERS]))
        elif kind == "expect":
            self.tell(Accounts(LedgerTotals(*[0] * 7), 0))

    def beats(self) -> None:
        """For ever: Locust's heartbeat and statistics, which have nothing of ours, and our report."""
        stats = RequestStats()
        second = 0
        while True:
            gevent.sleep(max(0.0, (self.began_ns + (second + 1) * NS_PER_S - now_ns()) / NS_PER_S))
            second += 1
            self.send("heartbeat", {"state": "running", "current_cpu_usage": 30.0, "current_memory_usage": 1 << 27})
            if not second % int(_STATS_S):
                self._stats(stats)
            if not self.draining:
                at_ns = now_ns()
                self.tell(self.reports.report(second, self.began_ns, at_ns))

    def _stats(self, stats: RequestStats) -> None:
        self.send("stats", {
            "stats": stats.serialize_stats(),
            "stats_total": stats.total.get_stripped_report(),
            "errors": {},
            "user_classes_count": {"WebPubSubUser": USERS},
            "user_count": USERS,
        })  # fmt: skip


def _play_workers(port: int, count: int) -> None:
    """Until standard input ends; prints what was counted so far for each of its lines."""
    raise_open_files()
    context, counted, reports = zmq.Context(), _Counted(), Reports(USERS)
    for number in range(count):
        link = context.socket(zmq.DEALER)
        link.setsockopt(zmq.IDENTITY, f"worker-{number}".encode())
        link.connect(f"tcp://127.0.0.1:{port}")
        worker = _Worker(number, link, reports, counted)
        worker.send("client_ready", __version__)
        for message in (Hello("one host"), Claim(USERS), Status(USERS, USERS, 0, 0)):
            worker.tell(message)
        gevent.spawn(worker.hears)
        gevent.spawn_later(number / count, worker.beats)
    while gevent.get_hub().threadpool.apply(sys.stdin.readline):
        print(json.dumps(asdict(counted)), flush=True)


# -- the master --------------------------------------------------------------------------------------------------------


def measure(count: int) -> dict[str, float]:
    """Figures by name; CPU in percent of a core, rates in bytes a second of both directions."""
    raise_open_files()
    os.sched_setaffinity(0, {GENERATOR_CORE})
    runner = Environment(user_classes=[]).create_master_runner("127.0.0.1", _free_port())
    config = load({"wps_report_dir": ""}, users=count * USERS, spawn_rate=None, run_time_s=None, environ={}, sources={})
    crowd = SteadyCrowd(count * USERS)
    plan = RunPlan("many", NUMBER, config, count * USERS, now_ns())
    conductor = Conductor(plan, crowd, own_host="one host", on_second=lambda _: table.show())
    coordinator = Coordinator(conductor, MasterBus(runner, _fail), crowd)
    make_precise(runner.stats)
    table = WorkersTable(LocustTable(runner.environment, frozenset({"rtt", "connect"})))
    conductor.collector.on_counted = table.take
    coordinator.start()
    conductor.spawning_complete()
    argv = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", __spec__.name, "--workers"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*argv, str(runner.master_bind_port), str(count)], cwd=REPOSITORY, **pipes) as workers:
        try:
            return _figures(coordinator, workers, count)
        finally:
            workers.terminate()


def _figures(coordinator: Coordinator, workers: subprocess.Popen[str], count: int) -> dict[str, float]:
    conductor = coordinator.conductor
    with gevent.Timeout(LIMIT_S, TimeoutError("the workers did not all come")):
        while conductor.phase is not Phase.MEASURE or len(conductor.roster.agents) < count:
            gevent.sleep(0.1)
    gevent.sleep(SETTLE_S)
    before, cpu_s, began_s = _asked(workers), time.process_time(), time.monotonic()
    gevent.sleep(WINDOW_S)
    after, cpu_s, took_s = _asked(workers), time.process_time() - cpu_s, time.monotonic() - began_s
    moved = after["sent"] + after["received"] - before["sent"] - before["received"]
    began_s = time.monotonic()
    coordinator.drain()
    drained_s = time.monotonic() - began_s
    assert not conductor.roster.lost, "a worker was lost"
    return {
        "master's CPU": 100 * cpu_s / took_s,
        "bytes a second": moved / took_s,
        "drain s": drained_s,
        "drain bytes": float(_asked(workers)["drained"]),
    }


def _asked(workers: subprocess.Popen[str]) -> dict[str, int]:
    assert workers.stdin is not None
    assert workers.stdout is not None
    workers.stdin.write("\n")
    workers.stdin.flush()
    counted: dict[str, int] = json.loads(workers.stdout.readline())
    return counted


def _fail(trouble: Trouble) -> None:
    raise SystemExit(f"the master failed: {trouble}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1] == "--workers":
        _play_workers(*map(int, sys.argv[2:4]))
    else:
        print(json.dumps(measure(int(sys.argv[1])), indent=1))
