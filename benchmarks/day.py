"""A made-up day of a master: what its run keeps, what each second takes, and what one waits for at its end.

`python -m benchmarks.day [SECONDS]` prints a JSON object. The conductor, the collector, the reporter and their files
are the real ones; eight workers' reports come as they come from the bus, as bytes. Times are the process's CPU time.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import gevent  # type: ignore[import-untyped]
import msgpack
import numpy as np

from wps_load.clock import NS_PER_S, now_ns
from wps_load.measure.histogram import Histogram
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.interval import COUNTS
from wps_load.report.model import Outside
from wps_load.settings.load import load
from wps_load.swarm.collector import Collector
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.console import Console
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Claim, Hello, Report, Status, ToCoordinator, Vitals, from_wire, to_wire
from wps_load.swarm.plan import Expected, RunPlan
from wps_load.swarm.reporter import Reporter

DAY_S = 86_400
WORKERS = 8
USERS = 1_000
RATE = 100
"""Messages a second of each worker."""
LATENCIES_MS = {
    "rtt": 12.0,
    "rtt_service": 11.0,
    "delivery": 14.0,
    "delivery_service": 13.0,
    "publish_ack": 6.0,
    "connect": 9.0,
    "connect_tcp": 1.0,
    "connect_upgrade": 3.0,
    "loop_lag": 0.2,
    "send_lag": 0.1,
}
"""Ten metrics, and the median of each."""
KINDS = 50
"""Reports of a worker that differ in their times; they come in random order."""
YIELD_EVERY = 20
"""Seconds of the day after which snapshots of the run get their turn, as they do between messages."""


class _Crowd:
    """Locust is asked for USERS from the start, and has them."""

    def spawn_rate(self) -> float:
        return float(USERS)

    def expected(self) -> Expected:
        return Expected(USERS, USERS, USERS)

    def requested(self) -> int:
        return USERS


def _times(rng: np.random.Generator) -> Snapshot:
    histograms = {}
    for name, median_ms in LATENCIES_MS.items():
        histograms[name] = Histogram()
        histograms[name].record_many((median_ms * 1e6 * rng.lognormal(0.0, 0.4, RATE)).astype(np.int64).tolist())
    return Snapshot(histograms, counters={"bytes_sent": RATE * 200, "bytes_received": RATE * 250})


class _Workers:
    """What eight of them report, second by second."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._snapshots = [_times(rng) for _ in range(KINDS)]
        self._choose = random.Random(1)
        self.names = [f"worker-{number}" for number in range(WORKERS)]

    def report(self, second: int, measured_from_ns: int, until_ns: int) -> bytes:
        counts = dict.fromkeys((*COUNTS, "missing_opened"), 0)
        deltas = counts | dict.fromkeys(("offered", "published", "delivered"), RATE)
        totals = {name: each * second for name, each in deltas.items()}
        users = USERS // WORKERS
        there_s = users * (until_ns - measured_from_ns) / NS_PER_S
        presence = Presence(measured_from_ns, until_ns, there_s, None, there_s, None)
        part = EpochReport(0, 1, self._choose.choice(self._snapshots))
        vitals = Vitals(self._choose.uniform(20, 40), 80 << 20, 3_000_000)
        return _packed(Report(second, False, users, 1, deltas, totals, vitals, presence, (part,)))


def _packed(message: ToCoordinator) -> bytes:
    packed: bytes = msgpack.packb(to_wire(message))
    return packed


def _received(conductor: Conductor, worker: str, packed: bytes, at_ns: int) -> None:
    conductor.received(worker, conductor.plan.number, from_wire(msgpack.unpackb(packed)), at_ns)


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _seconds(conductor: Conductor, workers: _Workers, length_s: int) -> Iterator[float]:
    """Plays the day: what each of its seconds takes, in seconds."""
    began_ns = conductor.plan.started_ns
    for second in range(1, length_s + 1):
        at_ns = began_ns + second * NS_PER_S
        reports = [workers.report(second, conductor.measure_start_ns or at_ns, at_ns) for _ in workers.names]
        before = time.process_time()
        for worker, packed in zip(workers.names, reports, strict=True):
            _received(conductor, worker, packed, at_ns)
        conductor.tick(at_ns, workers.names)
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
    conductor = Conductor(plan, _Crowd(), on_second=on_second, own_host="here")
    reporter.begin(conductor, lambda: USERS)
    workers = _Workers()
    for worker in workers.names:
        for hello in (Hello("here"), Claim(USERS // WORKERS), Status(USERS // WORKERS, USERS // WORKERS, 0, 0)):
            _received(conductor, worker, _packed(hello), plan.started_ns)
    conductor.spawning_complete()
    conductor.tick(plan.started_ns, workers.names)
    start_bytes = most_bytes = _rss_bytes()
    taken = []
    for second, took in enumerate(_seconds(conductor, workers, length_s)):
        taken.append(took)
        if not second % 100:
            most_bytes = max(most_bytes, _rss_bytes())
    before = time.process_time()
    conductor.drain(plan.started_ns + length_s * NS_PER_S)
    reporter.finish(conductor, Outside())
    ended_s = time.process_time() - before
    assert reporter.folder is not None
    sizes = {f"{file.name} bytes": float(file.stat().st_size) for file in reporter.folder.iterdir()}
    last = taken[-min(len(taken), 600) :]
    return {
        "memory above its start bytes": float(max(most_bytes, _rss_bytes()) - start_bytes),
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
