"""What a worker reports of a second, made up: ten metrics of 100 values each."""

from __future__ import annotations

import random

import numpy as np

from wps_load.clock import NS_PER_S
from wps_load.measure.histogram import Histogram
from wps_load.measure.presence import Presence
from wps_load.measure.snapshot import Snapshot
from wps_load.report.interval import COUNTS
from wps_load.swarm.epoch_report import EpochReport
from wps_load.swarm.messages import Report, Vitals
from wps_load.swarm.run_plan import Expected

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
"""Reports that differ in their times; they come in random order."""


class SteadyCrowd:
    """Locust is asked for so many users from the start, and has them."""

    def __init__(self, users: int) -> None:
        self._users = users

    def spawn_rate(self) -> float:
        return float(self._users)

    def expected(self) -> Expected:
        return Expected(self._users, self._users, self._users)

    def requested(self) -> int:
        return self._users


class Reports:
    """Of workers that have `users` each, from a seed."""

    def __init__(self, users: int) -> None:
        rng = np.random.default_rng(1)
        self._users = users
        self._snapshots = [_times(rng) for _ in range(KINDS)]
        self._choose = random.Random(1)

    def report(self, second: int, measured_from_ns: int, until_ns: int) -> Report:
        """One of them reports the second that ends at `until_ns`."""
        counts = dict.fromkeys((*COUNTS, "missing_opened"), 0)
        deltas = counts | dict.fromkeys(("offered", "published", "delivered"), RATE)
        totals = {name: each * second for name, each in deltas.items()}
        there_s = self._users * (until_ns - measured_from_ns) / NS_PER_S
        presence = Presence(measured_from_ns, until_ns, there_s, None, there_s, None)
        part = EpochReport(0, 1, self._choose.choice(self._snapshots))
        vitals = Vitals(self._choose.uniform(20, 40), 80 << 20, 3_000_000)
        return Report(second, False, self._users, 1, deltas, totals, vitals, presence, (part,))


def _times(rng: np.random.Generator) -> Snapshot:
    histograms = {}
    for name, median_ms in LATENCIES_MS.items():
        histograms[name] = Histogram()
        histograms[name].record_many((median_ms * 1e6 * rng.lognormal(0.0, 0.4, RATE)).astype(np.int64).tolist())
    return Snapshot(histograms, counters={"bytes_sent": RATE * 200, "bytes_received": RATE * 250})
