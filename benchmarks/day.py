"""A made-up day of a master: what its run keeps, what each second takes, and what one waits for at its end.

`python -m benchmarks.day [SECONDS]` prints a JSON object. The conductor, the collector, the reporter and their files
are the real ones; eight workers' reports come as they come from the bus, as bytes. Times are the process's CPU time.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import msgpack
import numpy as np

from benchmarks.harness import rss_bytes
from benchmarks.reports import Reports, SteadyCrowd
from wps_load.clock import NS_PER_S, now_ns
from wps_load.report.model import Outside
from wps_load.settings.load import load
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.message_wire import message_to_coordinator, to_wire
from wps_load.swarm.messages import Claim, Hello, Status, ToCoordinator
from wps_load.swarm.reporter import Reporter
from wps_load.swarm.run_plan import RunPlan

DAY_S = 86_400
WORKERS = 8
USERS = 1_000
YIELD_EVERY = 20
"""Seconds of the day after which snapshots of the run get their turn, as they do between messages."""


def _packed(message: ToCoordinator) -> bytes:
    packed: bytes = msgpack.packb(to_wire(message))
    return packed


def _received(conductor: Conductor, worker: str, packed: bytes, at_ns: int) -> None:
    conductor.received(worker, conductor.plan.number, message_to_coordinator(msgpack.unpackb(packed)), at_ns)


def _seconds(conductor: Conductor, workers: list[str], made_up: Reports, length_s: int) -> Iterator[float]:
    """Plays the day: what each of its seconds takes, in seconds."""
    began_ns = conductor.plan.started_ns
    for second in range(1, length_s + 1):
        at_ns = began_ns + second * NS_PER_S
        from_ns = conductor.measure_start_ns or at_ns
        reports = [_packed(made_up.report(second, from_ns, at_ns)) for _ in workers]
        before = time.process_time()
        for worker, packed in zip(workers, reports, strict=True):
            _received(conductor, worker, packed, at_ns)
        conductor.tick(at_ns, workers)
        yield time.process_time() - before
        if not second % YIELD_EVERY:
            gevent.sleep(0)


def play(length_s: int, folder: Path) -> dict[str, float]:
    """Bytes and seconds, by what they are of."""
    settings = {"wps_report_dir": str(folder), "wps_scenario": "small-group"}
    config = load(settings, users=USERS, spawn_rate=None, run_time_s=None, environ={}, sources={})
    reporter = Reporter(config, Console(io.StringIO()))

    def on_second(collector: Collector) -> None:
        reporter.second(collector)

    plan = RunPlan("day", 7, config, USERS, now_ns() - length_s * NS_PER_S)
    conductor = Conductor(plan, SteadyCrowd(USERS), on_second=on_second, own_host="here")
    reporter.begin(conductor, lambda: USERS)
    workers = [f"worker-{number}" for number in range(WORKERS)]
    for worker in workers:
        for hello in (Hello("here"), Claim(USERS // WORKERS), Status(USERS // WORKERS, USERS // WORKERS, 0, 0)):
            _received(conductor, worker, _packed(hello), plan.started_ns)
    conductor.spawning_complete()
    conductor.tick(plan.started_ns, workers)
    made_up = Reports(USERS // WORKERS)
    start_bytes = most_bytes = rss_bytes(os.getpid())
    taken = []
    for second, took in enumerate(_seconds(conductor, workers, made_up, length_s)):
        taken.append(took)
        if not second % 100:
            most_bytes = max(most_bytes, rss_bytes(os.getpid()))
    before = time.process_time()
    conductor.drain(plan.started_ns + length_s * NS_PER_S)
    reporter.finish(conductor, Outside())
    ended_s = time.process_time() - before
    assert reporter.folder is not None
    sizes = {f"{file.name} bytes": float(file.stat().st_size) for file in reporter.folder.iterdir()}
    last = taken[-min(len(taken), 600) :]
    return {
        "memory above its start bytes": float(max(most_bytes, rss_bytes(os.getpid())) - start_bytes),
        "a second, median s": float(np.median(taken)),
        "a second of the last ten minutes, median s": float(np.median(last)),
        "a second, p99 s": float(np.percentile(taken, 99)),
        "report s": ended_s,
        **sizes,
    }


def main() -> None:
    length_s = int(sys.argv[1]) if len(sys.argv) > 1 else DAY_S
    with tempfile.TemporaryDirectory(prefix="wps-day-") as folder:
        print(json.dumps(play(length_s, Path(folder)), indent=1))


if __name__ == "__main__":
    main()
